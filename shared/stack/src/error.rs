//! Why something could not be done: a kind, one sentence, and the next step.

use std::fmt;

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
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
    /// Whoever read the results has gone: not a mistake, but nothing more to do.
    Closed,
}

/// A failure in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The kind of failure.
    pub kind: ErrorKind,
    /// What happened, in one sentence without a full stop; empty where nobody is left to read it.
    pub message: String,
    /// What to do about it.
    pub next: Option<String>,
}

impl Error {
    /// An error of a kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), next: None }
    }

    /// Something was refused or is not as it should be.
    pub fn problems(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Problems, message)
    }

    /// The command line or a file cannot be used.
    pub fn usage(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Usage, message)
    }

    /// No stack, credentials or permission.
    pub fn deployment(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Deployment, message)
    }

    /// Nothing of that name.
    pub fn not_found(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::NotFound, message)
    }

    /// A service fails; trying again may help.
    pub fn service(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Service, message)
    }

    /// Ctrl-C.
    pub fn interrupted() -> Self {
        Error::new(ErrorKind::Interrupted, "interrupted")
    }

    /// Whoever read the results has gone (`hookmill … | head`).
    pub fn closed() -> Self {
        Error::new(ErrorKind::Closed, "")
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
