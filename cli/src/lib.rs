//! hookmill's tool for operators: what a terminal asks of a deployed stack.
//!
//! Three rooms: [`commands`], one file a group; [`work`], what the tool sends and long work that can be resumed;
//! [`terminal`], what is read and printed, and how a command ends.
//! Commands import work and the crate [`stack`], what a deployed stack can be asked: nothing below imports a command.

#![expect(missing_docs, reason = "the library of one binary: comments are for what a name does not say")]

pub mod args;
pub mod context;
pub mod commands;
pub mod work;
pub mod terminal;

pub use args::Cli;
pub use context::Context;
pub use stack;
pub use terminal::error::{Error, Exit};
pub use terminal::hint::StackOptions;
pub use terminal::output::Output;

/// Runs one command line.
pub async fn run(cli: Cli, output: Output) -> Result<Exit, Error> {
    if let commands::Command::Completions(args) = &cli.command {
        return commands::completions::run(args, args::command(), &output);
    }
    if let commands::Command::Trigger(args) = &cli.command
        && args.lists()
    {
        return commands::trigger::list(args, &output);
    }
    let ends_by_interrupt = cli.command.ends_by_interrupt();
    let work = async {
        let context = Context::connect(&cli.global, output).await?;
        commands::run(&context, cli.command).await
    };
    if ends_by_interrupt {
        return work.await;
    }
    tokio::select! {
        outcome = work => outcome,
        _ = tokio::signal::ctrl_c() => Err(Error::interrupted()),
    }
}
