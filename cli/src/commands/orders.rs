//! `hookmill orders`: where orders stand.

use clap::Subcommand;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};

pub mod list;
pub mod rebuild;
pub mod show;

/// Commands about orders.
#[derive(Debug, Subcommand)]
pub enum OrdersCommand {
    /// List orders with their current state
    List(list::OrderListArgs),
    /// Show one order: its state, its money and every event of it, with late and superseded ones marked
    Show(show::OrderShowArgs),
    /// Make order views again from their events: a dry run without --yes
    Rebuild(rebuild::RebuildArgs),
}

pub async fn run(context: &Context, command: OrdersCommand) -> Result<Exit, Error> {
    match command {
        OrdersCommand::List(args) => list::run(context, args).await,
        OrdersCommand::Show(args) => show::run(context, args).await,
        OrdersCommand::Rebuild(args) => rebuild::run(context, args).await,
    }
}
