//! `hookmill replay`: kept events onto queues again, under their own ids.

use std::cell::Cell;
use std::collections::BTreeSet;

use clap::Args;
use edge::keep::time_index::WalkOrder;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::interrupt::until_stopped;
use crate::terminal::output::counted_with;
use crate::terminal::time::RangeArgs;
use crate::work::ids;
use crate::work::journal::{HowArgs, Run};
use crate::work::reading::{EventBatches, note_damage};
use crate::work::replay_run::{Planned, Replay, ReplayHead};
use crate::work::replaying::{ReplaySender, check_queues, counts, list_counts, of_kind, run_id};
use crate::work::selection::{EventFilter, SendTo, SourceArgs, chosen};
use stack::destination::Destination;
use stack::history::{KeptEvent, of_order};

/// Arguments of `replay`.
#[derive(Debug, Clone, Args)]
#[command(mut_arg("resume", |arg| arg.conflicts_with_all(["SourceArgs", "RangeArgs", "EventFilter"])))]
pub struct ReplayArgs {
    /// One event, by its id; else all that the options select
    #[arg(conflicts_with_all = ["SourceArgs", "RangeArgs", "EventFilter", "resume"])]
    pub id: Option<String>,
    /// All events of this order, or those of them that the options select; may be repeated
    #[arg(long = "order", value_name = "ID", conflicts_with_all = ["id", "SourceArgs", "resume"])]
    pub orders: Vec<String>,
    /// The queues, and the rate.
    #[command(flatten)]
    pub onto: SendTo,
    /// The way in which it is carried out.
    #[command(flatten)]
    pub how: HowArgs,
    /// Of which sources.
    #[command(flatten)]
    pub sources: SourceArgs,
    /// When they were received.
    #[command(flatten)]
    pub range: RangeArgs,
    /// Which of them.
    #[command(flatten)]
    pub filter: EventFilter,
}

/// The selected events, and those of them that cannot be sent.
#[derive(Debug, Default)]
struct ReplayPlan {
    planned: Vec<Planned>,
    damaged: bool,
    bodiless: usize,
    disowned: usize,
    untaken: usize,
}

/// Replays events. The first Ctrl-C lets what is on its way arrive and be recorded; a second one ends at once.
pub async fn run(context: &Context, args: ReplayArgs) -> Result<Exit, Error> {
    until_stopped(&context.output, async |stop| replay(context, &args, stop).await).await
}

/// Replays until `stop` is set.
pub async fn replay(context: &Context, args: &ReplayArgs, stop: &Cell<bool>) -> Result<Exit, Error> {
    let (mut run, damaged) = match &args.how.resume {
        Some(path) => (Replay::resume(path)?, false),
        None => planned(context, args, stop).await?,
    };
    let planned = Exit::of_problems(usize::from(damaged));
    check_queues(context, &run).await?;
    let counts = counts(&run);
    if !args.how.yes {
        list_counts(context, &counts)?;
        let total: usize = counts.iter().map(|line| line.events).sum();
        context.output.note(&match total {
            0 => "Nothing is to be sent.".to_owned(),
            _ => format!("Nothing was sent. {total} would be: add --yes"),
        });
        return Ok(planned);
    }
    if counts.is_empty() {
        context.output.note("Nothing is to be sent.");
        return Ok(planned);
    }
    run = of_kind(run, false)?;
    run.record(context, &args.how, &format!("replay-{}", run.head.id.clone()), "replay")?;
    Ok(ReplaySender::new(context, run, args.onto.rate).send(stop).await?.or(planned))
}

/// A new replay of what the arguments choose.
async fn planned(context: &Context, args: &ReplayArgs, stop: &Cell<bool>) -> Result<(Replay, bool), Error> {
    let deployment = context.deployment().await?;
    let queues = args.onto.urls(deployment)?;
    let to: Vec<Destination> = queues.keys().copied().collect();
    let plan = match &args.id {
        Some(id) => one(context, id, &to).await?,
        None if args.orders.is_empty() => many(context, args, &to, stop).await?,
        None => of_orders(context, args, &to).await?,
    };
    let events = |count| counted_with(count, "event", ("is", "are"));
    if plan.bodiless > 0 {
        context.output.note(&format!("{} left out: no body is kept any more.", events(plan.bodiless)));
    }
    if plan.disowned > 0 {
        context.output.note(&format!("{} are left out: they were disowned.", plan.disowned));
    }
    if plan.untaken > 0 {
        context.output.note(&format!("{} left out: the orders queue does not take such a type.", events(plan.untaken)));
    }
    let id = run_id(context);
    let head = ReplayHead { id, queues, events: plan.planned.len(), corrections: false };
    Ok((Run::new(head, plan.planned), plan.damaged))
}

async fn one(context: &Context, id: &str, to: &[Destination]) -> Result<ReplayPlan, Error> {
    let kept = &ids::event(context, id).await?;
    let mut plan = ReplayPlan::default();
    plan.add(kept, to);
    if plan.planned.is_empty() {
        let why = match (&kept.damage, kept.withheld()) {
            (Some(damage), _) => format!("its row cannot be read: {}", damage.reason),
            (None, Some(reason)) => reason.to_owned(),
            (None, None) => format!("the orders queue does not take events of type {}", kept.event.event_type.name()),
        };
        return Err(Error::problems(format!("{id} cannot be replayed: {why}")));
    }
    Ok(plan)
}

/// Everything in a range, the earliest first: as the relay sent it.
async fn many(
    context: &Context,
    args: &ReplayArgs,
    to: &[Destination],
    stop: &Cell<bool>,
) -> Result<ReplayPlan, Error> {
    let range = &args.range;
    let bounded = range.from.is_some() || range.to.is_some() || range.since.is_some();
    if args.sources.source.is_none() && args.sources.provider.is_none() && args.filter.is_open() && !bounded {
        return Err(Error::usage("it is not said what to replay").next(
            "Name an event's id, or choose: --order, --source, --type, --since 2h; --from 1970-01-01 is everything.",
        ));
    }
    let range = range.range(context.clock.now_ms())?;
    let sources = chosen(context, &args.sources).await?;
    let mut batches = EventBatches::of(context, &sources, range, WalkOrder::OldestFirst, usize::MAX).await?;
    let mut plan = ReplayPlan::default();
    while let Some(events) = batches.next().await? {
        if stop.get() {
            return Err(Error::interrupted());
        }
        let selected = |kept: &&KeptEvent| kept.damage.is_none() && args.filter.takes(kept);
        events.iter().filter(selected).for_each(|kept| plan.add(kept, to));
    }
    plan.damaged = batches.exit() != Exit::Ok;
    Ok(plan)
}

/// The events of orders, each order's in the order of receipt.
async fn of_orders(context: &Context, args: &ReplayArgs, to: &[Destination]) -> Result<ReplayPlan, Error> {
    let range = args.range.range(context.clock.now_ms())?;
    let mut orders = BTreeSet::new();
    for id in &args.orders {
        orders.insert(ids::order(context, id).await?);
    }
    let mut plan = ReplayPlan::default();
    for order in orders {
        let events = of_order(context, &order).await?;
        let in_range = |kept: &&KeptEvent| (range.from_ms..range.to_ms).contains(&kept.received().as_millisecond());
        let selected = |kept: &&KeptEvent| kept.damage.is_some() || args.filter.takes(kept);
        for kept in events.iter().filter(in_range).filter(selected) {
            note_damage(context, kept);
            plan.add(kept, to);
        }
    }
    Ok(plan)
}

impl ReplayPlan {
    fn add(&mut self, kept: &KeptEvent, to: &[Destination]) {
        let event_type = kept.event.event_type.name();
        let queues: Vec<Destination> = to.iter().copied().filter(|queue| queue.takes(event_type)).collect();
        if kept.damage.is_some() {
            self.damaged = true;
        } else if kept.is_disowned() {
            self.disowned += 1;
        } else if kept.is_bodiless() {
            self.bodiless += 1;
        } else if queues.is_empty() {
            self.untaken += 1;
        } else {
            self.planned.push(Planned { id: kept.key.id(), event_type: event_type.to_owned(), queues, reading: None });
        }
    }
}
