//! `hookmill completions`: what a shell needs to complete command lines.

use clap::{Args, ValueEnum};
use clap_complete::Shell;

use crate::terminal::error::{Error, Exit};
use crate::terminal::output::Output;

#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: ShellName,
}

/// The shells that completions are made for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ShellName {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// Prints the completions; needs no stack.
pub fn run(args: &CompletionsArgs, mut command: clap::Command, output: &Output) -> Result<Exit, Error> {
    let shell = match args.shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "hookmill", &mut script);
    output.bytes(&script)?;
    Ok(Exit::Ok)
}
