//! The commands, one file a group. Each has its arguments as a struct and `pub async fn run`.

use clap::Subcommand;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};

pub mod accounts;
pub mod completions;
pub mod disown;
pub mod dlq;
pub mod doctor;
pub mod events;
pub mod forget;
pub mod forward;
pub mod orders;
pub mod quarantine;
pub mod reconcile;
pub mod replay;
pub mod reread;
pub mod send;
pub mod sources;
pub mod subscriptions;
pub mod trigger;

/// The command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign deliveries, send them to their sources, and report what was kept
    Send(crate::work::delivering::SendArgs),
    /// Send a built-in sample, perhaps with another order and amount; lists the samples without a case
    Trigger(trigger::TriggerArgs),
    /// Look at kept events
    #[command(subcommand)]
    Events(events::Events),
    /// Look at orders and their current state
    #[command(subcommand)]
    Orders(orders::OrdersCommand),
    /// Send kept events to queues again: a dry run without --yes
    Replay(replay::ReplayArgs),
    /// Compare this build's readings of kept events with the deployed build's, and publish corrections
    Reread(reread::RereadArgs),
    /// Erase an order, a person or what is old: a dry run without --yes
    Forget(forget::ForgetArgs),
    /// Disown events that somebody else made with a leaked key: a dry run without --yes
    Disown(disown::DisownArgs),
    /// Look at dead letters and send them back
    #[command(subcommand)]
    Dlq(dlq::Dlq),
    /// Look at refused deliveries, and keep those that pass now
    #[command(subcommand)]
    Quarantine(quarantine::QuarantineCommand),
    /// Look at and change sources, their keys and URL tokens
    #[command(subcommand)]
    Sources(sources::SourcesCommand),
    /// Look at and change the credentials for the providers' own APIs
    #[command(subcommand)]
    Accounts(accounts::AccountsCommand),
    /// Forward events to this machine or a URL as they arrive, and nothing twice
    Forward(forward::ForwardArgs),
    /// Check the deployment and report problems
    Doctor(doctor::DoctorArgs),
    /// Look at a provider's webhooks and set them up
    #[command(subcommand)]
    Subscriptions(subscriptions::Subscriptions),
    /// Compare a provider's orders with what is kept, and fetch what is missing: a dry run without --yes
    Reconcile(reconcile::ReconcileArgs),
    /// Print completions for a shell
    Completions(completions::CompletionsArgs),
}

impl Command {
    /// Returns whether Ctrl-C is how this command ends, so that it sees to it itself.
    pub fn ends_by_interrupt(&self) -> bool {
        match self {
            Command::Events(events) => events.ends_by_interrupt(),
            Command::Reread(args) => args.ends_by_interrupt(),
            Command::Replay(_) | Command::Reconcile(_) | Command::Forward(_) => true,
            Command::Send(_) | Command::Trigger(_) | Command::Orders(_) | Command::Forget(_) | Command::Dlq(_) => false,
            Command::Disown(_) => false,
            Command::Quarantine(_) | Command::Sources(_) | Command::Accounts(_) => false,
            Command::Subscriptions(_) | Command::Doctor(_) | Command::Completions(_) => false,
        }
    }
}

/// Carries a command out.
pub async fn run(context: &Context, command: Command) -> Result<Exit, Error> {
    match command {
        Command::Send(args) => send::run(context, args).await,
        Command::Trigger(args) => trigger::run(context, args).await,
        Command::Events(args) => events::run(context, args).await,
        Command::Orders(args) => orders::run(context, args).await,
        Command::Replay(args) => replay::run(context, args).await,
        Command::Reread(args) => reread::run(context, args).await,
        Command::Forget(args) => forget::run(context, args).await,
        Command::Disown(args) => disown::run(context, args).await,
        Command::Dlq(args) => dlq::run(context, args).await,
        Command::Quarantine(args) => quarantine::run(context, args).await,
        Command::Sources(args) => sources::run(context, args).await,
        Command::Accounts(args) => accounts::run(context, args).await,
        Command::Forward(args) => forward::run(context, args).await,
        Command::Doctor(args) => doctor::run(context, args).await,
        Command::Subscriptions(args) => subscriptions::run(context, args).await,
        Command::Reconcile(args) => reconcile::run(context, args).await,
        // Needs no stack, so the caller has carried it out.
        Command::Completions(_) => Ok(Exit::Ok),
    }
}
