//! The command line.

use clap::{Args, Parser};

use crate::commands::Command;
use crate::error::EXIT_CODES;

/// Look up, send and follow the webhooks of a hookmill stack, with your own AWS credentials.
#[derive(Debug, Parser)]
#[command(name = "hookmill", version, after_help = exit_codes(), disable_help_subcommand = true)]
pub struct Cli {
    /// Which stack, and how to talk.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The options that every command has.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Stack and output")]
pub struct Global {
    /// The CloudFormation stack's name
    #[arg(long, global = true, value_name = "NAME", default_value = "hookmill")]
    pub stack: String,
    /// The AWS region, if not that of your AWS settings
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Option<String>,
    /// The profile in your AWS settings
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Another endpoint for every AWS service
    #[arg(long, global = true, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// The local stack on this machine, on port 4566 or another one
    #[arg(
        long, global = true, value_name = "PORT", num_args = 0..=1, require_equals = true,
        default_missing_value = "4566", conflicts_with_all = ["profile", "endpoint_url"],
    )]
    pub local: Option<u16>,
    /// One JSON document a line instead of text
    #[arg(long, global = true)]
    pub json: bool,
}

impl Global {
    /// The local stack on a port.
    pub fn of_local(port: u16) -> Self {
        Global {
            stack: "hookmill".to_owned(),
            region: None,
            profile: None,
            endpoint_url: None,
            local: Some(port),
            json: false,
        }
    }
}

fn exit_codes() -> String {
    let lines = EXIT_CODES.iter().map(|(exit, meaning)| format!("  {:>3}  {meaning}", exit.code()));
    format!("Exit codes:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

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
    }
}
