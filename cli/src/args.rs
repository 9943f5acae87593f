//! The command line.

use std::ffi::{OsStr, OsString};

use clap::error::ErrorKind;
use clap::{Command, CommandFactory, FromArgMatches, Parser};

use crate::commands;
use crate::context::Global;
use crate::terminal::error::{EXIT_CODES, Error};

/// Look up, send and follow the webhooks of a hookmill stack, with your own AWS credentials.
#[derive(Debug, Parser)]
#[command(name = "hookmill", version, after_help = exit_codes())]
pub struct Cli {
    /// Stack selection and output format.
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: commands::Command,
}

impl Cli {
    /// Reads a command line, the program's name first. Without a word it asks for help.
    pub fn from_words(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut words = with_port_joined(words);
        if words.len() < 2 {
            words.push("--help".into());
        }
        Cli::from_arg_matches(&command().try_get_matches_from(words)?)
    }
}

/// Examples by command: a command's path, then its lines, indented.
const EXAMPLES: &str = include_str!("../examples.txt");

/// The greatest width of help, however wide the terminal is.
const HELP_WIDTH_MAX: usize = 100;

/// Returns the command tree with its examples.
pub fn command() -> Command {
    with_examples(Cli::command().max_term_width(HELP_WIDTH_MAX), "")
}

fn with_examples(command: Command, path: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
    let examples = examples(path);
    let command = if examples.is_empty() {
        command
    } else {
        command.after_help(format!("Examples:\n  {}", examples.join("\n  ")))
    };
    names.iter().fold(command, |command, name| {
        let path = format!("{path} {name}");
        command.mut_subcommand(name, |inner| with_examples(inner, path.trim_start()))
    })
}

fn examples(path: &str) -> Vec<&'static str> {
    let lines = EXAMPLES.lines().skip_while(|line| path.is_empty() || *line != path).skip(1);
    lines.take_while(|line| line.starts_with("  ")).map(str::trim_start).collect()
}

/// Makes `--local 4575` into `--local=4575`. To clap a value that may be left out has to follow a `=`, or every
/// command behind a bare `--local` would be its value.
fn with_port_joined(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let is_number = |word: &OsString| {
        let bytes = word.as_encoded_bytes();
        !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit)
    };
    let mut words = words.into_iter().peekable();
    let mut joined: Vec<OsString> = Vec::new();
    while let Some(mut word) = words.next() {
        if word == "--" {
            joined.push(word);
            joined.extend(words);
            break;
        }
        if word == "--local"
            && let Some(port) = words.next_if(is_number)
        {
            word.push("=");
            word.push(port);
        }
        joined.push(word);
    }
    joined
}

/// Returns whether a command line asks for JSON, where it cannot be read otherwise.
pub fn asks_for_json<T: AsRef<OsStr>>(words: &[T]) -> bool {
    words.iter().map(AsRef::as_ref).take_while(|word| *word != "--").any(|word| word == "--json")
}

/// Returns a mistake on the command line as an error like any other.
pub fn mistake(error: &clap::Error) -> Error {
    if matches!(error.kind(), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand) {
        return Error::usage("a command or an argument is missing").next("hookmill --help shows what there is.");
    }
    let text = error.to_string();
    let mut parts = text.split("\n\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let message = parts.next().unwrap_or_default();
    let next: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    Error::usage(message.trim_start_matches("error: ")).next(next.join(" "))
}

fn exit_codes() -> String {
    let lines = EXIT_CODES.iter().map(|(exit, meaning)| format!("  {:>3}  {meaning}", exit.code()));
    format!("Exit codes:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod reference;

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn local_takes_a_port_or_none() {
        let parse = |args: &[&str]| Cli::try_parse_from(args).map(|cli| cli.global.local);
        assert_eq!(parse(&["hookmill", "--local", "completions", "bash"]).unwrap(), Some(4566));
        assert_eq!(parse(&["hookmill", "completions", "bash", "--local=4666"]).unwrap(), Some(4666));
        assert!(parse(&["hookmill", "--local=0x", "completions", "bash"]).is_err());
        let parse = |line: &str| Cli::from_words(line.split(' ').map(OsString::from)).map(|cli| cli.global.local);
        assert_eq!(parse("hookmill --local 4575 doctor").unwrap(), Some(4575));
        assert_eq!(parse("hookmill doctor --local 4575").unwrap(), Some(4575));
        assert_eq!(parse("hookmill --local=4575 doctor").unwrap(), Some(4575));
        assert_eq!(parse("hookmill --local doctor").unwrap(), Some(4566));
        assert_eq!(parse("hookmill events show 4575 --local").unwrap(), Some(4566));
        assert!(parse("hookmill --local 99999 doctor").is_err());
    }

    #[test]
    fn every_command_has_examples_that_can_be_typed() {
        let mut paths = Vec::new();
        let mut rest = vec![(String::new(), Cli::command())];
        while let Some((path, command)) = rest.pop() {
            let inner = command.get_subcommands().cloned();
            rest.extend(inner.map(|inner| (format!("{path} {}", inner.get_name()).trim().to_owned(), inner)));
            if !command.is_subcommand_required_set() {
                paths.push(path);
            }
        }
        for path in &paths {
            let examples = examples(path);
            assert!(!examples.is_empty(), "{path} has no example in examples.txt");
            for example in examples {
                let words = example.split(' ').map(|word| OsString::from(word.trim_matches('\'')));
                assert!(example.starts_with(&format!("hookmill {path}")), "{example}");
                let read = Cli::from_words(words);
                assert!(read.is_ok(), "{example}: {}", read.unwrap_err());
            }
        }
        let headings = EXAMPLES.lines().filter(|line| !line.starts_with([' ', '#']));
        headings.for_each(|path| assert!(paths.contains(&path.to_owned()), "examples.txt: there is no command {path}"));
    }

    #[test]
    fn help_fits_the_terminal_and_breaks_no_word() {
        let mut command = command().term_width(80);
        command.build();
        let mut rest = vec![command];
        while let Some(mut command) = rest.pop() {
            rest.extend(command.get_subcommands().cloned());
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let help = command.render_long_help().to_string();
            for line in help.lines().filter(|line| !examples.contains(line.trim())) {
                assert!(line.chars().count() <= 80 || !line.trim_start().contains(' '), "{line}");
            }
        }
    }

    #[test]
    fn help_is_asked_for_in_four_ways() {
        for line in ["hookmill", "hookmill help", "hookmill --help", "hookmill help events"] {
            let error = Cli::from_words(line.split(' ').map(OsString::from)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DisplayHelp, "{line}");
            assert!(!error.use_stderr(), "{line}");
        }
    }

    #[test]
    fn mistakes_are_errors_like_others() {
        for (line, message) in [
            ("hookmill --json evnts", "unrecognized subcommand 'evnts'"),
            (
                "hookmill events list --limit 0 --json",
                "invalid value '0' for '--limit <N>': a number from 1 on is needed",
            ),
            (
                "hookmill events tail --count 0 --json",
                "invalid value '0' for '--count <N>': a number from 1 on is needed",
            ),
            (
                "hookmill events tail --every 0s --json",
                "invalid value '0s' for '--every <SPAN>': a span must be longer than zero: 1s or more",
            ),
            ("hookmill events --json", "a command or an argument is missing"),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert!(asks_for_json(&words));
            let error = mistake(&Cli::from_words(words).unwrap_err());
            assert_eq!((error.kind, error.message.as_str()), (crate::Exit::Usage, message));
            assert!(error.next.is_some_and(|next| next.contains("help")), "{line}");
        }
        assert!(!asks_for_json(&["hookmill", "send", "--", "--json"]));
    }
}
