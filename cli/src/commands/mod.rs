//! The commands, one file a group. Each has its arguments as a struct and `pub async fn run`.

use clap::Subcommand;

use crate::context::Context;
use crate::error::{Error, Exit};

pub mod completions;
pub mod events;
pub mod orders;
pub mod send;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign deliveries and send them to their sources, and tell what was kept
    Send(send::SendArgs),
    /// Look at kept events
    #[command(subcommand)]
    Events(events::Events),
    /// Look at orders as they stand
    #[command(subcommand)]
    Orders(orders::Orders),
    /// Print completions for a shell
    Completions(completions::CompletionsArgs),
}

impl Command {
    /// Whether Ctrl-C is how this command ends, so that it sees to it itself.
    pub fn ends_by_interrupt(&self) -> bool {
        match self {
            Command::Events(events) => events.ends_by_interrupt(),
            Command::Send(_) | Command::Orders(_) | Command::Completions(_) => false,
        }
    }
}

/// Carries a command out.
pub async fn run(context: &Context, command: Command) -> Result<Exit, Error> {
    match command {
        Command::Send(args) => send::run(context, args).await,
        Command::Events(args) => events::run(context, args).await,
        Command::Orders(args) => orders::run(context, args).await,
        Command::Completions(args) => completions::run(&args, &context.output),
    }
}
