//! Errors: a kind, one sentence, and the next step.

use std::fmt;
use std::process::ExitCode;

/// The end of some work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, nothing to see to; or whoever reads the results has gone.
    Ok,
    /// Something was refused or is not as it should be.
    Problems,
    /// The request or a file that it names cannot be used.
    Usage,
    /// No stack, no credentials, no permission.
    Deployment,
    /// There is nothing of that name.
    NotFound,
    /// AWS or a receiver fails, throttles or cannot be reached.
    Service,
    /// Whoever asked interrupted the work.
    Interrupted,
}

impl Exit {
    /// Returns the number that a process ends with.
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Problems => 1,
            Exit::Usage => 2,
            Exit::Deployment => 3,
            Exit::NotFound => 4,
            Exit::Service => 5,
            Exit::Interrupted => 130,
        }
    }

    /// Returns this end, or another if this one is good.
    #[must_use]
    pub fn or(self, other: Exit) -> Exit {
        if self == Exit::Ok { other } else { self }
    }

    /// Returns the end of work of which this much is not as it should be.
    pub fn of_problems(count: usize) -> Exit {
        if count > 0 { Exit::Problems } else { Exit::Ok }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// A failure in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The kind of failure.
    pub kind: Exit,
    /// The failure in one sentence without a full stop; empty where nobody is left to read it.
    pub message: String,
    /// The next step.
    pub next: Option<String>,
}

impl Error {
    /// An error of a kind.
    pub fn new(kind: Exit, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), next: None }
    }

    /// Something was refused or is not as it should be.
    pub fn problems(message: impl Into<String>) -> Self {
        Error::new(Exit::Problems, message)
    }

    /// The command line or a file cannot be used.
    pub fn usage(message: impl Into<String>) -> Self {
        Error::new(Exit::Usage, message)
    }

    /// No stack, credentials or permission.
    pub fn deployment(message: impl Into<String>) -> Self {
        Error::new(Exit::Deployment, message)
    }

    /// Nothing of that name.
    pub fn not_found(message: impl Into<String>) -> Self {
        Error::new(Exit::NotFound, message)
    }

    /// A service fails; trying again may help.
    pub fn service(message: impl Into<String>) -> Self {
        Error::new(Exit::Service, message)
    }

    /// Ctrl-C.
    pub fn interrupted() -> Self {
        Error::new(Exit::Interrupted, "interrupted")
    }

    /// Whoever read the results has gone (`hookmill … | head`).
    pub fn closed() -> Self {
        Error::new(Exit::Ok, "")
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Adds one more thing to do about it, behind what is there.
    #[must_use]
    pub fn and_next(self, more: &str) -> Self {
        let next = self.next.as_ref().map_or(more.to_owned(), |next| format!("{next} {more}"));
        self.next(next)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
