//! `hookmill orders rebuild`: makes views again from their events.

use std::cell::Cell;
use std::collections::HashSet;

use clap::Args;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::time::RangeArgs;
use crate::work::ids;
use crate::work::journal::{EventChoice, HowArgs, Journal};
use crate::work::rebuilding::{Telling, orders_in, rebuild_all, totals};
use crate::work::selection::SourceArgs;

/// The command, as run files name it.
const COMMAND: &str = "orders rebuild";

/// Arguments of `orders rebuild`.
#[derive(Debug, Clone, Args)]
#[command(mut_arg("resume", |arg| arg.conflicts_with_all(["SourceArgs", "RangeArgs"])))]
pub struct RebuildArgs {
    /// Orders, by their ids or by those of their events; else those that the options select
    #[arg(conflicts_with_all = ["all", "SourceArgs", "RangeArgs", "resume"])]
    pub ids: Vec<String>,
    /// Every order of the sources in the stack's secrets
    #[arg(long, conflicts_with_all = ["SourceArgs", "RangeArgs", "resume"])]
    pub all: bool,
    /// Also every field that changes; values of buyers' fields only with --show-values
    #[arg(long)]
    pub diff: bool,
    /// Also the values of names, addresses and whatever else may be personal
    #[arg(long, requires = "diff")]
    pub show_values: bool,
    /// Also views of a later mapping: after a deployment was taken back
    #[arg(long)]
    pub over_later_mapping: bool,
    /// The way in which it is carried out.
    #[command(flatten)]
    pub how: HowArgs,
    /// Of which sources.
    #[command(flatten)]
    pub sources: SourceArgs,
    /// Orders that have an event in this range; all of their events are read.
    #[command(flatten)]
    pub range: RangeArgs,
}

/// Rebuilds views.
pub async fn run(context: &Context, args: RebuildArgs) -> Result<Exit, Error> {
    let plan = async || planned(context, &args).await;
    let mut journal = Journal::start(context, COMMAND, &args.how, plan, EventChoice::default()).await?;
    if journal.due().is_empty() {
        context.output.note("No order is left to be rebuilt.");
        return Ok(Exit::Ok);
    }
    let telling = Telling { diff: args.diff, show_values: args.show_values };
    let rebuilder = context.rebuilder().await?.over_later_mappings(args.over_later_mapping);
    let counts = rebuild_all(context, &rebuilder, &mut journal, args.how.yes, telling, &Cell::new(false)).await?;
    context.output.print(&counts, totals)?;
    if counts.would_change > 0 {
        context.output.note(&format!("Nothing was written. {} would be: add --yes", counts.would_change));
    }
    Ok(counts.exit())
}

async fn planned(context: &Context, args: &RebuildArgs) -> Result<Vec<String>, Error> {
    if !args.ids.is_empty() {
        let mut orders = Vec::new();
        for id in &args.ids {
            orders.push(ids::order(context, id).await?);
        }
        let mut seen = HashSet::new();
        orders.retain(|pk| seen.insert(pk.clone()));
        return Ok(orders);
    }
    let bounded = args.range.from.is_some() || args.range.to.is_some() || args.range.since.is_some();
    if !args.all && !bounded && args.sources.source.is_none() && args.sources.provider.is_none() {
        return Err(Error::usage("it is not said which orders to rebuild")
            .next("Name their ids, or choose: --source, --since 2h, --from; --all is every one."));
    }
    orders_in(context, &args.sources, &args.range).await
}
