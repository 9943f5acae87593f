//! `hookmill events`: what arrived.

use clap::Subcommand;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};

pub mod list;
pub mod show;
pub mod tail;
pub mod unkept;

/// Commands about events.
#[derive(Debug, Subcommand)]
pub enum Events {
    /// List events by time of receipt, the latest first
    List(list::EventListArgs),
    /// Show one event: the delivery, the canonical event, and the events before and after it
    Show(show::EventShowArgs),
    /// Follow events as they arrive, until Ctrl-C
    Tail(tail::TailArgs),
}

impl Events {
    /// Returns whether Ctrl-C is how this command ends.
    pub fn ends_by_interrupt(&self) -> bool {
        match self {
            Events::Tail(_) => true,
            Events::List(_) | Events::Show(_) => false,
        }
    }
}

pub async fn run(context: &Context, command: Events) -> Result<Exit, Error> {
    match command {
        Events::List(args) => list::run(context, args).await,
        Events::Show(args) => show::run(context, args).await,
        Events::Tail(args) => tail::run(context, args).await,
    }
}
