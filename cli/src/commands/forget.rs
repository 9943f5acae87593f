//! `hookmill forget`: bodies and whatever is personal go, by order, by person or by age.

use clap::{Args, Subcommand};
use edge::Eraser;
use edge::keep::error::StoreError;
use edge::orders::erasure::Erasure;
use futures_util::{StreamExt, stream};
use serde::Serialize;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, counted};
use crate::terminal::time::{Instant, RangeArgs, Span, instant};
use crate::work::ids;
use crate::work::journal::{EventChoice, HowArgs, Journal};
use crate::work::rebuilding::{orders_of, remind};
use crate::work::selection::{SourceArgs, chosen};
use stack::aws::store_failed;
use stack::quarantine;
use stack::sources::SourceName;

pub mod orphans;
pub mod person;

/// Orders that are erased at once.
const AT_ONCE: usize = 4;

/// What stays, and where else something may be for a while.
const STAYS: &[&str] = &[
    "What stays: that each event was there (its id, times, hash, key's fingerprint and marks, the order's ids), where the \
     orders stood and their money.",
    "What ends by itself: the table's stream (24 hours), refused deliveries (3 days), messages in queues (14 days), the \
     tables' backups (35 days). A message that becomes a dead letter lies there for 14 days more, and each redrive begins \
     them again, but hookmill dlq redrive deletes what was erased instead of sending it. No log has personal data. What \
     your own consumers keep is theirs to erase.",
];

/// Arguments of `forget`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ForgetArgs {
    /// Whom or what.
    #[command(subcommand)]
    pub command: Option<Forget>,
    /// By age.
    #[command(flatten)]
    pub old: OldArgs,
}

/// What is erased.
#[derive(Debug, Subcommand)]
pub enum Forget {
    /// Erase all events of orders, or of other subjects
    Order(OrderArgs),
    /// Find the orders and subjects in which a person occurs, and erase them
    Person(person::PersonArgs),
}

/// Arguments of `forget` by age.
#[derive(Debug, Clone, Args)]
pub struct OldArgs {
    /// Erase what was received longer ago than this: 400d, 52w
    #[arg(long, value_name = "SPAN")]
    pub older_than: Option<Span>,
    /// Of which sources.
    #[command(flatten)]
    pub sources: SourceArgs,
    /// How.
    #[command(flatten)]
    pub how: HowArgs,
}

/// Arguments of `forget order`.
#[derive(Debug, Clone, Args)]
pub struct OrderArgs {
    /// The orders, by their ids or by those of their events
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    pub ids: Vec<String>,
    /// How.
    #[command(flatten)]
    pub how: HowArgs,
}

/// What became of one order, or of one refused delivery.
#[derive(Debug, Clone, Serialize)]
pub struct ForgetLine {
    /// The order or other subject; a refused delivery by its slot.
    pub order: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Events whose bodies go.
    pub events: usize,
    /// Events that were erased before.
    pub erased_before: usize,
    /// Events that stay because a younger one has the same body.
    pub shared: usize,
    /// Events that stay because they are younger.
    pub younger: usize,
    /// Events that cannot be read: their bodies go, and of what they said only what the view has is left.
    pub unreadable: usize,
    /// Why it was not erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What can become of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing was left to erase.
    Nothing,
    /// It would go: a dry run.
    WouldErase,
    /// It is gone.
    Erased,
    /// It could not be erased.
    Failed,
}

/// What came of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Orders and other subjects in which something goes.
    pub orders: usize,
    /// Events whose bodies go.
    pub events: usize,
    /// Refused deliveries that go.
    pub refused: usize,
    /// Orders that could not be erased.
    pub failed: usize,
    /// Large bodies that no event owns and that go.
    #[serde(skip_serializing_if = "is_none")]
    pub orphans: usize,
}

/// Returns whether a count has nothing to report.
fn is_none(count: &usize) -> bool {
    *count == 0
}

/// Erases.
pub async fn run(context: &Context, args: ForgetArgs) -> Result<Exit, Error> {
    match args.command {
        Some(Forget::Order(args)) => {
            // An order that is not there must not leave a file that records its erasure.
            let mut planned = Vec::new();
            for id in &args.ids {
                planned.push(ids::order(context, id).await?);
            }
            planned.extend(orphans::of_orders(context, &planned).await?);
            carry_out(context, "forget order", &args.how, planned, None).await
        }
        Some(Forget::Person(args)) => person::run(context, args).await,
        None => old(context, &args.old).await,
    }
}

async fn old(context: &Context, args: &OldArgs) -> Result<Exit, Error> {
    let Some(span) = args.older_than else {
        if args.how.resume.is_some() {
            return carry_out(context, "forget", &args.how, Vec::new(), None).await;
        }
        return Err(Error::usage("it is not said what to forget")
            .next("hookmill forget order ID, hookmill forget person --source …, or by age: --older-than 400d"));
    };
    let before_ms = context.clock.now_ms().saturating_sub(span.ms()).max(1);
    let range = RangeArgs { to: Some(Instant(before_ms)), ..RangeArgs::default() };
    context.output.note(&format!("What was received before {} goes.", instant(before_ms)));
    let (sources, unknown) = sources(context, &args.sources).await?;
    let mut planned = orders_of(context, &sources, &range).await?;
    planned.extend(orphans::older(context, sources.iter().map(SourceName::id), before_ms).await?);
    let exit = carry_out(context, "forget", &args.how, planned, Some(before_ms)).await?;
    if unknown.is_empty() {
        return Ok(exit);
    }
    context.output.note(&format!("Nothing was erased of {}: this build knows no such provider.", unknown.join(", ")));
    Ok(Exit::Problems)
}

/// The sources whose events are to be looked at: the one named, or all of which something is kept. The names of those
/// that this build does not know come beside.
async fn sources(context: &Context, args: &SourceArgs) -> Result<(Vec<SourceName>, Vec<String>), Error> {
    if args.source.is_some() {
        return Ok((chosen(context, args).await?, Vec::new()));
    }
    let kept = stack::known::kept(context, args.provider).await?;
    context.output.note(&match kept.sources.as_slice() {
        [] => "Nothing is kept of any source.".to_owned(),
        sources => {
            let names: Vec<String> = sources.iter().map(ToString::to_string).collect();
            format!("Sources of which something is kept, removed ones too: {}", names.join(", "))
        }
    });
    Ok((kept.sources, kept.unknown))
}

/// Erases what is planned, or what a file says is left of an earlier plan.
pub async fn carry_out(
    context: &Context,
    command: &str,
    how: &HowArgs,
    planned: Vec<String>,
    before_ms: Option<i64>,
) -> Result<Exit, Error> {
    let choice = EventChoice { before_ms, ..EventChoice::default() };
    let mut journal = Journal::start(context, command, how, async || Ok(planned), choice).await?;
    let (before_ms, due) = (journal.head.choice.before_ms, journal.due());
    if due.is_empty() {
        context.output.note("Nothing is to be erased.");
        return Ok(Exit::Ok);
    }
    let eraser = context.eraser().await?;
    let mut progress = context.output.progress("orders", due.len());
    let results = stream::iter(due).map(|item| one(context, &eraser, item, before_ms, how.yes));
    let results = results.buffer_unordered(AT_ONCE);
    let mut counts = Counts::default();
    journal
        .follow(results, |item, made| {
            progress.step();
            let line = line(item, made, how.yes);
            counts.add(&line);
            if line.outcome != Outcome::Nothing || line.shared > 0 {
                context.output.print(&line, text)?;
            }
            Ok(line.outcome != Outcome::Failed)
        })
        .await?;
    drop(progress);
    context.output.print(&counts, |counts, _| totals(counts, how.yes))?;
    STAYS.iter().for_each(|line| context.output.note(line));
    if !how.yes && counts.events + counts.refused + counts.orphans > 0 {
        context.output.note("Nothing was erased: add --yes");
    }
    Ok(if counts.failed > 0 { Exit::Problems } else { Exit::Ok })
}

type Made = Result<Erasure, StoreError>;

async fn one(
    context: &Context,
    eraser: &Eraser,
    item: String,
    before_ms: Option<i64>,
    write: bool,
) -> Result<(String, Made), Error> {
    if orphans::is_orphan(&item) {
        if write {
            orphans::delete(context, &item).await?;
        }
        return Ok((item, Ok(Erasure::default())));
    }
    if quarantine::is_slot(&item) {
        if write {
            quarantine::remove(context, &item).await?;
        }
        return Ok((item, Ok(Erasure::default())));
    }
    let made = if write { eraser.erase(&item, before_ms).await } else { eraser.survey(&item, before_ms).await };
    if let Ok(Erasure { reminder, .. }) = &made {
        remind(context, &item, reminder.clone()).await?;
    }
    match made {
        Err(error @ (StoreError::Service { .. } | StoreError::Compression(_))) => Err(store_failed(&error)),
        made => Ok((item, made)),
    }
}

fn line(item: &str, made: Made, write: bool) -> ForgetLine {
    let done = if write { Outcome::Erased } else { Outcome::WouldErase };
    let mut line = ForgetLine {
        order: item.to_owned(),
        outcome: done,
        events: 0,
        erased_before: 0,
        shared: 0,
        younger: 0,
        unreadable: 0,
        reason: None,
    };
    if quarantine::is_slot(item) || orphans::is_orphan(item) {
        return line;
    }
    match made {
        Err(error) => {
            line.outcome = Outcome::Failed;
            line.reason = Some(store_failed(&error).message);
        }
        Ok(made) => {
            line.unreadable = made.unreadable.len();
            line.events = made.events.len() + line.unreadable;
            (line.erased_before, line.shared, line.younger) = (made.erased_before, made.shared, made.younger);
            // A view that an earlier run left as it was is mended too.
            if line.events == 0 && made.view_changed != Some(true) {
                line.outcome = Outcome::Nothing;
            }
        }
    }
    line
}

impl Counts {
    fn add(&mut self, line: &ForgetLine) {
        match line.outcome {
            Outcome::Nothing => {}
            Outcome::Failed => self.failed += 1,
            Outcome::WouldErase | Outcome::Erased if quarantine::is_slot(&line.order) => self.refused += 1,
            Outcome::WouldErase | Outcome::Erased if orphans::is_orphan(&line.order) => self.orphans += 1,
            Outcome::WouldErase | Outcome::Erased => {
                self.orders += 1;
                self.events += line.events;
            }
        }
    }
}

fn totals(counts: &Counts, write: bool) -> String {
    let verb = if write { "erased" } else { "would be erased" };
    let beside = [(counts.refused, "refused delivery"), (counts.orphans, "orphaned body")];
    let refused: String = beside
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!(" and {}", counted(*count, what)))
        .collect();
    let failed =
        if counts.failed > 0 { format!("; {} failed", counted(counts.failed, "order")) } else { String::new() };
    let of = orders_and_subjects(counts.orders);
    format!("{} of {of}{refused} {verb}{failed}", counted(counts.events, "event"))
}

/// Orders and other subjects are counted together.
fn orders_and_subjects(count: usize) -> String {
    if count == 1 { "1 order or subject".to_owned() } else { format!("{count} orders and subjects") }
}

fn text(line: &ForgetLine, paint: Paint) -> String {
    let outcome = match line.outcome {
        Outcome::Nothing => "nothing left".to_owned(),
        Outcome::WouldErase => paint.odd("would erase "),
        Outcome::Erased => paint.good("erased      "),
        Outcome::Failed => paint.bad("failed      "),
    };
    let told = [
        (line.events, if line.events == 1 { "event" } else { "events" }),
        (line.erased_before, "erased before"),
        (line.younger, "younger"),
        (line.shared, "have a body that a younger one needs"),
        (line.unreadable, "cannot be read"),
    ];
    let told: Vec<String> =
        told.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let reason = line.reason.clone().unwrap_or_default();
    format!("{outcome}  {}  {}{reason}", line.order, told.join(", ")).trim_end().to_owned()
}
