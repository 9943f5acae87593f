//! `hookmill disown`: events that somebody else made with a key that had leaked count no longer.

use std::collections::HashSet;

use clap::Args;
use edge::keep::error::StoreError;
use edge::keep::time_index::WalkOrder;
use edge::orders::disowning::{Disowned, Disowner, Disowning};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use webhook::claim::EventKey;
use webhook::secret::Secret;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, counted};
use crate::terminal::time::RangeArgs;
use crate::work::ids;
use crate::work::journal::{EventChoice, HowArgs, Journal};
use crate::work::rebuilding::remind;
use stack::aws::store_failed;
use stack::history::fingerprints;
use stack::known::check_known;
use stack::reader::walk;
use stack::sources::{SourceName, of_provider};

/// Orders that are worked on at once.
const AT_ONCE: usize = 4;

/// Events whose keys are looked up at once.
const STRIDE: usize = 100;

/// Characters of a fingerprint.
const FINGERPRINT_LENGTH: usize = 12;

/// Consequences that the tool cannot see to.
const BEYOND: &str = "Whatever your own consumers made of these events is theirs to undo; --json names the events. \
                      What was genuine among them comes back with hookmill disown --undo, or from the provider's API \
                      with hookmill reconcile.";

/// Arguments of `disown`.
#[derive(Debug, Clone, Args)]
#[command(mut_arg("resume", |arg| arg.conflicts_with_all(["orders", "source", "key", "RangeArgs"])))]
pub struct DisownArgs {
    /// Only the events of these orders, by their ids or by those of their events
    pub orders: Vec<String>,
    /// The source that let the events in
    #[arg(long, value_name = "PROVIDER/SOURCE", required_unless_present = "resume")]
    pub source: Option<SourceName>,
    /// The fingerprint of the key or URL token that let them in
    #[arg(long, value_name = "FINGERPRINT", required_unless_present = "resume")]
    pub key: Option<String>,
    /// Own them again
    #[arg(long)]
    pub undo: bool,
    /// When they were received.
    #[command(flatten)]
    pub range: RangeArgs,
    /// The mode.
    #[command(flatten)]
    pub how: HowArgs,
}

/// The outcome of one order.
#[derive(Debug, Clone, Serialize)]
pub struct DisownLine {
    /// The order or other subject.
    pub order: String,
    /// Its outcome.
    pub outcome: DisownOutcome,
    /// The events that are disowned, or owned again.
    pub events: Vec<String>,
    /// Events of the same choice for which it was done before.
    pub done_before: usize,
    /// Events that stay: of another key or another time.
    pub others: usize,
    /// Events that cannot be read, so that their key is not known: they stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// The reason for which nothing was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The possible outcomes of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DisownOutcome {
    /// Nothing was left to do.
    Nothing,
    /// Its events would be disowned: a dry run.
    WouldDisown,
    /// Its events are disowned, and its view is made without them.
    Disowned,
    /// Its events would be owned again: a dry run.
    WouldOwn,
    /// Its events are owned again, and its view is made with them.
    Owned,
    /// It could not be done.
    Failed,
}

/// Orders and events by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DisownCounts {
    /// Orders and other subjects with such events.
    pub orders: usize,
    /// Events that are disowned, or owned again.
    pub events: usize,
    /// Orders with which it could not be done.
    pub failed: usize,
    /// Events that cannot be read.
    pub unreadable: usize,
}

/// Disowns events, or owns them again.
pub async fn run(context: &Context, args: DisownArgs) -> Result<Exit, Error> {
    let (choice, orders) = match (&args.source, &args.key) {
        (Some(source), Some(key)) => planned(context, &args, source, key).await?,
        _ => Default::default(),
    };
    let command = if args.undo { "disown --undo" } else { "disown" };
    let mut journal = Journal::start(context, command, &args.how, async || Ok(orders), choice).await?;
    let (due, choice) = (journal.due(), journal.head.choice.clone());
    if due.is_empty() {
        context.output.note("There is no such event.");
        return Ok(Exit::Ok);
    }
    let what = Disowning {
        fingerprint: choice.key.unwrap_or_default(),
        from_ms: choice.from_ms.unwrap_or(0),
        to_ms: choice.before_ms.unwrap_or(i64::MAX),
        undo: args.undo,
    };
    let disowner = Disowner::new(context.tables().await?, context.dynamodb(), context.clock.clone());
    let mut progress = context.output.progress("orders", due.len());
    let results =
        stream::iter(due).map(|pk| one(context, &disowner, pk, &what, args.how.yes)).buffer_unordered(AT_ONCE);
    let mut counts = DisownCounts::default();
    journal
        .follow(results, |order, made| {
            progress.step();
            let line = line(order, made, &what, args.how.yes);
            counts.add(&line);
            if line.outcome != DisownOutcome::Nothing || !line.unreadable.is_empty() {
                context.output.print(&line, text)?;
            }
            Ok(line.outcome != DisownOutcome::Failed)
        })
        .await?;
    drop(progress);
    context.output.print(&counts, |counts, _| totals(counts, &what, args.how.yes))?;
    if counts.events > 0 && !what.undo {
        context.output.note(BEYOND);
    }
    if counts.events > 0 && !args.how.yes {
        context.output.note("Nothing was changed: add --yes");
    }
    Ok(Exit::of_problems(counts.failed + counts.unreadable))
}

/// Returns the choice, and the orders that have such events.
async fn planned(
    context: &Context,
    args: &DisownArgs,
    source: &SourceName,
    key: &str,
) -> Result<(EventChoice, Vec<String>), Error> {
    if args.range.from.is_none() && args.range.since.is_none() {
        return Err(Error::usage("it is not said from when on the key was in strange hands")
            .next("Say it with --from or --since; hookmill events list shows when events came."));
    }
    let key = &fingerprint(key)?;
    let range = args.range.range(context.clock.now_ms())?;
    check_known(context, source).await?;
    let mut only = HashSet::new();
    for id in &args.orders {
        only.insert(ids::order(context, id).await?);
    }
    if !args.undo {
        note_use(context, source, key).await;
    }
    let page = i32::try_from(STRIDE).unwrap_or(1);
    let mut walk = walk(context, std::slice::from_ref(source), range, WalkOrder::OldestFirst, page).await?;
    let mut progress = context.output.progress("events looked at", 0);
    let (mut seen, mut orders) = (HashSet::new(), Vec::new());
    loop {
        let keys: Vec<EventKey> = walk.take(STRIDE).await?.into_iter().map(|entry| entry.key).collect();
        if keys.is_empty() {
            break;
        }
        let found = fingerprints(context, &keys).await?;
        for event in keys {
            progress.step();
            let is_selected =
                found.get(&event).is_some_and(|found| found == key) && (only.is_empty() || only.contains(&event.pk));
            if is_selected && seen.insert(event.pk.clone()) {
                orders.push(event.pk);
            }
        }
    }
    let choice = EventChoice { before_ms: Some(range.to_ms), from_ms: Some(range.from_ms), key: Some(key.to_owned()) };
    Ok((choice, orders))
}

/// Notes that a key is still in use: whoever has it goes on.
async fn note_use(context: &Context, name: &SourceName, key: &str) {
    let Ok(sources) = of_provider(context, name.provider).await else { return };
    let Some(source) = sources.get(&name.source) else { return };
    if source.credentials().iter().map(Secret::fingerprint).any(|fingerprint| fingerprint == key) {
        context.output.note(&format!(
            "{key} still lets deliveries in at {name}: first hookmill sources rotate {name}, and finish that."
        ));
    }
}

type Made = Result<Disowned, StoreError>;

async fn one(
    context: &Context,
    disowner: &Disowner,
    pk: String,
    what: &Disowning,
    write: bool,
) -> Result<(String, Made), Error> {
    let made = if write { disowner.disown(&pk, what).await } else { disowner.survey(&pk, what).await };
    if let Ok(Disowned { reminder, .. }) = &made {
        remind(context, &pk, reminder.clone()).await?;
    }
    match made {
        Err(error @ (StoreError::Service { .. } | StoreError::Compression(_))) => Err(store_failed(&error)),
        made => Ok((pk, made)),
    }
}

fn line(order: &str, made: Made, what: &Disowning, write: bool) -> DisownLine {
    let outcome = match (what.undo, write) {
        (false, false) => DisownOutcome::WouldDisown,
        (false, true) => DisownOutcome::Disowned,
        (true, false) => DisownOutcome::WouldOwn,
        (true, true) => DisownOutcome::Owned,
    };
    let order = order.to_owned();
    let made = match made {
        Ok(made) => made,
        Err(error) => {
            let (outcome, reason) = (DisownOutcome::Failed, Some(store_failed(&error).message));
            let (events, unreadable) = (Vec::new(), Vec::new());
            return DisownLine { order, outcome, events, done_before: 0, others: 0, unreadable, reason };
        }
    };
    let is_done = made.events.is_empty() && made.view_changed != Some(true);
    DisownLine {
        order,
        outcome: if is_done { DisownOutcome::Nothing } else { outcome },
        events: made.events.iter().map(EventKey::id).collect(),
        done_before: made.done_before,
        others: made.others,
        unreadable: made.unreadable.iter().map(|(key, reason)| format!("{}: {reason}", key.id())).collect(),
        reason: None,
    }
}

impl DisownCounts {
    fn add(&mut self, line: &DisownLine) {
        self.unreadable += line.unreadable.len();
        match line.outcome {
            DisownOutcome::Nothing => {}
            DisownOutcome::Failed => self.failed += 1,
            DisownOutcome::WouldDisown | DisownOutcome::Disowned | DisownOutcome::WouldOwn | DisownOutcome::Owned => {
                self.orders += 1;
                self.events += line.events.len();
            }
        }
    }
}

fn totals(counts: &DisownCounts, what: &Disowning, write: bool) -> String {
    let verb = match (what.undo, write) {
        (false, false) => "would be disowned",
        (false, true) => "disowned",
        (true, false) => "would be owned again",
        (true, true) => "owned again",
    };
    let mut text = format!("{} of {} {verb}", counted(counts.events, "event"), counted(counts.orders, "order"));
    for (count, why) in [(counts.failed, "orders failed"), (counts.unreadable, "events cannot be read")] {
        if count > 0 {
            text.push_str(&format!("; {count} {why}"));
        }
    }
    text
}

fn text(line: &DisownLine, paint: Paint) -> String {
    let outcome = match line.outcome {
        DisownOutcome::Nothing => "nothing left ".to_owned(),
        DisownOutcome::WouldDisown => paint.odd("would disown "),
        DisownOutcome::WouldOwn => paint.odd("would own    "),
        DisownOutcome::Disowned => paint.good("disowned     "),
        DisownOutcome::Owned => paint.good("owned again  "),
        DisownOutcome::Failed => paint.bad("failed       "),
    };
    let stay = if line.others > 0 { format!(", {} stay", line.others) } else { String::new() };
    let reason = line.reason.iter().chain(&line.unreadable).map(|reason| format!("  {reason}")).collect::<String>();
    format!("{outcome}  {}  {}{stay}{reason}", line.order, counted(line.events.len(), "event"))
}

/// Parses a fingerprint. A key in its place is not repeated: what a tool says is written into logs.
fn fingerprint(text: &str) -> Result<String, Error> {
    if text.len() == FINGERPRINT_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_lowercase());
    }
    Err(Error::usage(format!("what --key names is not a fingerprint, which is {FINGERPRINT_LENGTH} hex digits"))
        .next("hookmill events show has the fingerprint by which an event came."))
}
