//! hookmill's tool for operators: what a terminal asks of a deployed stack.
//!
//! [`args`] is the command line, [`commands`] one file a group; a command finds its stack through [`context`] and
//! [`deployment`], tells what it found through [`output`], and ends through [`error`].
//! What commands share: [`aws`] failed calls in words, [`sources`] who sends, [`time`] spans of time, [`index`] events
//! by time of receipt, [`ids`] what is named on the command line, [`history`] kept events as this build reads them, [`provenance`] and [`timeline`] what they tell of
//! themselves, [`signing`] and [`sending`] deliveries of one's own, [`kept`] and [`quarantine`] what came of deliveries,
//! [`destination`] and [`run_file`] what is sent again, [`journal`] long work that can go on, [`difference`] and
//! [`deployed`] two builds' readings of one event, [`letters`] what could not be sent, [`keys`] and [`secret`] changes of
//! the stack's secrets, [`apis`] the providers' own, [`interrupt`] how long work is ended.

pub mod args;
pub mod error;
pub mod output;
pub mod aws;
pub mod context;
pub mod deployment;
pub mod sources;
pub mod time;
pub mod index;
pub mod ids;
pub mod history;
pub mod provenance;
pub mod timeline;
pub mod signing;
pub mod sending;
pub mod kept;
pub mod quarantine;
pub mod destination;
pub mod run_file;
pub mod journal;
pub mod difference;
pub mod deployed;
pub mod letters;
pub mod keys;
pub mod secret;
pub mod apis;
pub mod interrupt;
pub mod commands;

pub use args::Cli;
pub use context::Context;
pub use error::{Error, Exit};
pub use output::Output;

/// Carries out one command line.
pub async fn run(cli: Cli, output: Output) -> Result<Exit, Error> {
    if let commands::Command::Completions(args) = &cli.command {
        return commands::completions::run(args, &output);
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
