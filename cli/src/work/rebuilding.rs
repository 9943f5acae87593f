//! Views rebuilt from their events, one order after the other.

use std::cell::Cell;
use std::collections::HashSet;

use edge::Rebuilder;
use edge::aws::queue::{QueueMessage, deduplication_of, send_all};
use edge::keep::error::StoreError;
use edge::keep::time_index::WalkOrder;
use edge::orders::rebuild::Rebuild;
use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde_json::Value;
use webhook::event::Event;
use webhook::personal::is_kept;
use webhook::view::{Register, View};

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, counted};
use crate::terminal::time::RangeArgs;
use crate::work::journal::Journal;
use crate::work::selection::{SourceArgs, chosen};
use stack::aws::{of_failure, store_failed};
use stack::destination::Destination;
use stack::reader::walk;
use stack::sources::SourceName;

/// Views that are made at once: each is a query of its order's events.
const AT_ONCE: usize = 8;

/// Entries of the time index that one call asks for.
const PAGE: i32 = 500;

/// The outcome of one view.
#[derive(Debug, Clone, Serialize)]
pub struct RebuildLine {
    /// The order.
    pub order: String,
    /// Its outcome.
    pub outcome: RebuildOutcome,
    /// Its events that were read.
    pub events: usize,
    /// The number of those that are erased.
    pub erased: usize,
    /// Fields of the view that change.
    pub fields: usize,
    /// Those fields, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<FieldLine>,
    /// Events that cannot be read, and why; what the view has of them stays.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<UnreadableLine>,
    /// Number of values that are in their events alone, since the view would be too large.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<usize>,
    /// The reason for which it was not rebuilt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A field of a view that changes.
#[derive(Debug, Clone, Serialize)]
pub struct FieldLine {
    /// Its path.
    pub field: String,
    /// The value in the view.
    pub old: Value,
    /// The value that its events make.
    pub new: Value,
    /// The value is the same, but it stands elsewhere: another event or mapping tells it.
    pub same: bool,
}

/// An event that cannot be read.
#[derive(Debug, Clone, Serialize)]
pub struct UnreadableLine {
    /// Its id.
    pub event: String,
    /// The reason.
    pub reason: String,
}

/// The possible outcomes of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RebuildOutcome {
    /// It is what its events tell.
    Same,
    /// It would be another one: a dry run.
    WouldChange,
    /// It is another one now.
    Rebuilt,
    /// It could not be rebuilt.
    Failed,
}

/// Views by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RebuildCounts {
    /// Orders that were looked at.
    pub orders: usize,
    /// Views that are what their events tell.
    pub same: usize,
    /// Views that would change.
    pub would_change: usize,
    /// Views that were rebuilt.
    pub rebuilt: usize,
    /// Views that could not be rebuilt.
    pub failed: usize,
    /// Events that cannot be read.
    pub unreadable: usize,
}

/// The details that are printed of each view.
#[derive(Debug, Clone, Copy, Default)]
pub struct Telling {
    /// Its fields.
    pub diff: bool,
    /// Values that may be personal.
    pub show_values: bool,
}

/// Rebuilds what a journal plans, or only looks; tells every view that is not as its events tell.
pub async fn rebuild_all(
    context: &Context,
    rebuilder: &Rebuilder,
    journal: &mut Journal,
    write: bool,
    telling: Telling,
    stop: &Cell<bool>,
) -> Result<RebuildCounts, Error> {
    let due = journal.due();
    let mut progress = context.output.progress("orders", due.len());
    // What is begun comes to its end and is told.
    let due = stream::iter(due).take_while(|_| std::future::ready(!stop.get()));
    let results = due.map(|pk| one(context, rebuilder, pk, write)).buffer_unordered(AT_ONCE);
    let mut counts = RebuildCounts::default();
    journal
        .follow(results, |pk, made| {
            progress.step();
            let line = line(pk, made, write, telling);
            counts.add(&line);
            if line.outcome != RebuildOutcome::Same || !line.unreadable.is_empty() || line.left_out.is_some() {
                context.output.print(&line, text)?;
            }
            Ok(line.outcome != RebuildOutcome::Failed)
        })
        .await?;
    if stop.get() { Err(Error::interrupted()) } else { Ok(counts) }
}

/// The orders that have an event in a range, each once, in the order of those events.
pub async fn orders_in(context: &Context, sources: &SourceArgs, range: &RangeArgs) -> Result<Vec<String>, Error> {
    orders_of(context, &chosen(context, sources).await?, range).await
}

/// The same of the sources that are given.
pub async fn orders_of(context: &Context, sources: &[SourceName], range: &RangeArgs) -> Result<Vec<String>, Error> {
    let range = range.range(context.clock.now_ms())?;
    let mut walk = walk(context, sources, range, WalkOrder::OldestFirst, PAGE).await?;
    let mut progress = context.output.progress("events looked at", 0);
    let (mut seen, mut orders) = (HashSet::new(), Vec::new());
    while let Some(entry) = walk.next().await? {
        progress.step();
        if seen.insert(entry.key.pk.clone()) {
            orders.push(entry.key.pk);
        }
    }
    Ok(orders)
}

/// Has the orders function look at an order again, whose facts a rebuild changed: it announces them.
pub async fn remind(context: &Context, pk: &str, reminder: Option<Event>) -> Result<(), Error> {
    let Some(event) = reminder else { return Ok(()) };
    let url = Destination::Orders.url(context.deployment().await?)?;
    let deduplication = deduplication_of(&format!("rebuild/{}/{}", context.clock.now_ms(), event.id));
    let message = QueueMessage { deduplication, ..QueueMessage::of(&event, pk) };
    let unsent = send_all(&context.sqs(), url, vec![message], &context.clock, i64::MAX).await;
    match unsent.first() {
        None => Ok(()),
        Some(first) => Err(of_failure("send to the orders queue", &first.failure)),
    }
}

type Made = Result<Rebuild, StoreError>;

/// An outage ends the whole work; what is wrong with one order is told of that order.
async fn one(context: &Context, rebuilder: &Rebuilder, pk: String, write: bool) -> Result<(String, Made), Error> {
    let made = if write { rebuilder.rebuild(&pk).await } else { rebuilder.survey(&pk).await };
    if let (true, Ok(made)) = (write, &made) {
        remind(context, &pk, made.reminder()).await?;
    }
    match made {
        Err(error @ (StoreError::Service { .. } | StoreError::Compression(_))) => Err(error.into()),
        made => Ok((pk, made)),
    }
}

fn line(pk: &str, made: Made, write: bool, telling: Telling) -> RebuildLine {
    let mut line = RebuildLine {
        order: pk.to_owned(),
        outcome: RebuildOutcome::Same,
        events: 0,
        erased: 0,
        fields: 0,
        diff: Vec::new(),
        unreadable: Vec::new(),
        left_out: None,
        reason: None,
    };
    let made = match made {
        Ok(made) => made,
        Err(error) => {
            let reason = store_failed(&error).message;
            return RebuildLine { outcome: RebuildOutcome::Failed, reason: Some(reason), ..line };
        }
    };
    line.outcome = match (made.is_change(), write) {
        (false, _) => RebuildOutcome::Same,
        (true, false) => RebuildOutcome::WouldChange,
        (true, true) => RebuildOutcome::Rebuilt,
    };
    (line.events, line.erased) = (made.events.len(), made.erased);
    line.left_out = Some(made.left_out).filter(|left_out| *left_out > 0);
    let unreadable = made.unreadable.iter();
    line.unreadable =
        unreadable.map(|(key, reason)| UnreadableLine { event: key.id(), reason: reason.clone() }).collect();
    if made.is_change() {
        let changed = changed(made.existing.as_ref().unwrap_or(&View::default()), &made.joined, telling.show_values);
        line.fields = changed.len();
        line.diff = if telling.diff { changed } else { Vec::new() };
    }
    line
}

/// The registers in which two views differ, be it only in where they stand.
fn changed(old: &View, new: &View, show_values: bool) -> Vec<FieldLine> {
    let (old, new): (std::collections::BTreeMap<_, _>, std::collections::BTreeMap<_, _>) =
        (old.registers().collect(), new.registers().collect());
    let paths: std::collections::BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let value = |path: &str, register: Option<&&Register>| match register {
        None => Value::String("–".to_owned()),
        Some(register) if show_values || is_kept(path) || register.value.is_null() => register.value.clone(),
        Some(_) => Value::String("(a value)".to_owned()),
    };
    let line = |path: &str| FieldLine {
        field: path.to_owned(),
        old: value(path, old.get(path)),
        new: value(path, new.get(path)),
        same: old.get(path).map(|register| &register.value) == new.get(path).map(|register| &register.value),
    };
    paths.into_iter().filter(|path| old.get(path) != new.get(path)).map(line).collect()
}

impl RebuildCounts {
    fn add(&mut self, line: &RebuildLine) {
        self.orders += 1;
        self.unreadable += line.unreadable.len();
        match line.outcome {
            RebuildOutcome::Same => self.same += 1,
            RebuildOutcome::WouldChange => self.would_change += 1,
            RebuildOutcome::Rebuilt => self.rebuilt += 1,
            RebuildOutcome::Failed => self.failed += 1,
        }
    }

    /// The exit of the command.
    pub fn exit(&self) -> Exit {
        Exit::of_problems(self.failed + self.unreadable)
    }
}

/// The counts in words.
pub fn totals(counts: &RebuildCounts, paint: Paint) -> String {
    let mut parts = vec![counted(counts.orders, "order"), format!("{} as their events tell", counts.same)];
    let mut part = |count: usize, text: String| {
        if count > 0 {
            parts.push(text);
        }
    };
    part(counts.would_change, paint.odd(&format!("{} would change", counts.would_change)));
    part(counts.rebuilt, paint.good(&format!("{} rebuilt", counts.rebuilt)));
    part(counts.failed, paint.bad(&format!("{} failed", counts.failed)));
    part(counts.unreadable, paint.bad(&format!("{} cannot be read", counted(counts.unreadable, "event"))));
    parts.join(", ")
}

fn text(line: &RebuildLine, paint: Paint) -> String {
    let outcome = match line.outcome {
        RebuildOutcome::Same => "same        ".to_owned(),
        RebuildOutcome::WouldChange => paint.odd("would change"),
        RebuildOutcome::Rebuilt => paint.good("rebuilt     "),
        RebuildOutcome::Failed => paint.bad("failed      "),
    };
    let reason = line.reason.as_ref().map(|reason| format!("  {reason}")).unwrap_or_default();
    let mut lines = vec![format!(
        "{outcome}  {}  {} of {}{reason}",
        line.order,
        counted(line.fields, "field"),
        counted(line.events, "event")
    )];
    for field in &line.diff {
        let change = match field.same {
            true => format!("{} (the same, told by another reading)", field.new),
            false => format!("{} → {}", field.old, field.new),
        };
        lines.push(format!("  {}  {change}", paint.dim(&field.field)));
    }
    for unreadable in &line.unreadable {
        lines.push(format!("  {}  {}: {}", paint.bad("unreadable"), unreadable.event, unreadable.reason));
    }
    if let Some(left_out) = line.left_out {
        let values = if left_out == 1 { "1 value is".to_owned() } else { format!("{left_out} values are") };
        lines.push(format!("  {}  {values} in the events alone: the view would be over 400 KB", paint.odd("left out")));
    }
    lines.join("\n")
}
