//! How a command ends: errors, and the exit codes that they give.

use std::process::ExitCode;

pub use stack::{Error, ErrorKind};

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

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Problems => Exit::Problems,
            ErrorKind::Usage => Exit::Usage,
            ErrorKind::Deployment => Exit::Deployment,
            ErrorKind::NotFound => Exit::NotFound,
            ErrorKind::Service => Exit::Service,
            ErrorKind::Interrupted => Exit::Interrupted,
            ErrorKind::Closed => Exit::Ok,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

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
