//! Errors, and the exit codes that they give.

pub use stack::{Error, Exit};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_is_documented_once() {
        let codes: Vec<u8> = EXIT_CODES.iter().map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 130]);
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md")).unwrap();
        for (exit, meaning) in EXIT_CODES {
            assert!(page.contains(&format!("| {} | {meaning} |", exit.code())), "{meaning}");
        }
    }
}
