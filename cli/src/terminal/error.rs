//! How a command ends: an exit code, one sentence, and what to type next.

use std::fmt;
use std::process::ExitCode;

/// What the process tells its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, nothing to see to.
    Ok,
    /// Done, and something was refused or is not as it should be.
    Problems,
    /// The command line cannot be carried out.
    Usage,
    /// No stack, no credentials, no permission.
    Deployment,
    /// There is nothing of that name.
    NotFound,
    /// AWS or a receiver fails, throttles or cannot be reached.
    Service,
    /// Ended by Ctrl-C.
    Interrupted,
}

/// Every exit code, for `--help` and docs/operations.md.
pub const EXIT_CODES: &[(Exit, &str)] = &[
    (Exit::Ok, "done; for a list, also when it is empty"),
    (Exit::Problems, "done, but something was refused or is not as it should be"),
    (Exit::Usage, "the command line or a file that it names cannot be used"),
    (Exit::Deployment, "no such stack, no credentials, expired ones, or no permission"),
    (Exit::NotFound, "nothing is kept under this name"),
    (Exit::Service, "AWS or a receiver failed, throttled or could not be reached: try again"),
    (Exit::Interrupted, "interrupted by Ctrl-C"),
];

impl Exit {
    /// The number.
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
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// Why a command ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The exit code.
    pub exit: Exit,
    /// What happened, in one sentence without a full stop; empty where nobody is left to read it.
    pub message: String,
    /// What to do about it.
    pub next: Option<String>,
}

impl Error {
    /// An error of a kind.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Error { exit, message: message.into(), next: None }
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

    /// Whoever read our output has gone (`hookmill … | head`): no mistake, but nothing more to do.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_is_told_once() {
        let codes: Vec<u8> = EXIT_CODES.iter().map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 130]);
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md")).unwrap();
        for (exit, meaning) in EXIT_CODES {
            assert!(page.contains(&format!("| {} | {meaning} |", exit.code())), "{meaning}");
        }
    }
}
