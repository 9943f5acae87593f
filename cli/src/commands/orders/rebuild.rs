//! `hookmill orders rebuild`: views made anew from their events.

use std::cell::Cell;
use std::collections::HashSet;
use std::path::PathBuf;

use clap::Args;
use edge::Rebuilder;
use edge::keep::error::StoreError;
use edge::orders::rebuild::Rebuild;
use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde_json::Value;
use webhook::personal::is_kept;
use webhook::view::{Register, View};

use crate::commands::ids;
use crate::commands::selection::{SourceArgs, chosen};
use crate::context::Context;
use crate::stack::aws::store_failed;
use crate::stack::index::{Order, Walk};
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, counted};
use crate::terminal::time::RangeArgs;
use crate::work::journal::{Journal, Work};

/// Views that are made at once: each is a query of its order's events.
const AT_ONCE: usize = 8;

/// Entries of the time index that one call asks for.
const STRIDE: usize = 500;

/// The command, as run files name it.
const COMMAND: &str = "orders rebuild";

/// Arguments of `orders rebuild`.
#[derive(Debug, Clone, Args)]
pub struct RebuildArgs {
    /// Orders, by their ids or by those of their events; else those that the options choose
    #[arg(conflicts_with_all = ["all", "source", "provider", "from", "to", "since", "resume"])]
    pub ids: Vec<String>,
    /// Every order of the sources in the stack's secrets
    #[arg(long, conflicts_with_all = ["source", "provider", "from", "to", "since", "resume"])]
    pub all: bool,
    /// Write; without it, only tell what would change
    #[arg(long)]
    pub yes: bool,
    /// Also every field that changes; values of buyers' fields only with --show-values
    #[arg(long)]
    pub diff: bool,
    /// Also the values of names, addresses and whatever else may be personal
    #[arg(long, requires = "diff")]
    pub show_values: bool,
    /// Record what is done in this file, not in hookmill-orders-rebuild-TIME.jsonl
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub run_file: Option<PathBuf>,
    /// Go on with the work that this file records
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "provider", "from", "to", "since"])]
    pub resume: Option<PathBuf>,
    /// Of which sources.
    #[command(flatten)]
    pub sources: SourceArgs,
    /// Orders that have an event in this range; all of their events are read.
    #[command(flatten)]
    pub range: RangeArgs,
}

/// What became of one view.
#[derive(Debug, Clone, Serialize)]
pub struct RebuildLine {
    /// The order.
    pub order: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Its events that were read.
    pub events: usize,
    /// How many of them are erased.
    pub erased: usize,
    /// Fields of the view that change.
    pub fields: usize,
    /// Those fields, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<FieldLine>,
    /// Events that cannot be read, and why; what the view has of them stays.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<UnreadableLine>,
    /// Why it was not rebuilt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A field of a view that changes.
#[derive(Debug, Clone, Serialize)]
pub struct FieldLine {
    /// Its path.
    pub field: String,
    /// What stands there.
    pub old: Value,
    /// What its events tell.
    pub new: Value,
    /// The value is the same, but it stands elsewhere: another event or mapping tells it.
    pub same: bool,
}

/// An event that cannot be read.
#[derive(Debug, Clone, Serialize)]
pub struct UnreadableLine {
    /// Its id.
    pub event: String,
    /// Why.
    pub reason: String,
}

/// What can become of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is what its events tell.
    Same,
    /// It would be another one: a dry run.
    WouldChange,
    /// It is another one now.
    Rebuilt,
    /// It could not be rebuilt.
    Failed,
}

/// How many views came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
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

/// What is told of each view.
#[derive(Debug, Clone, Copy, Default)]
pub struct Telling {
    /// Its fields.
    pub diff: bool,
    /// Values that may be personal.
    pub show_values: bool,
}

/// Rebuilds views.
pub async fn run(context: &Context, args: RebuildArgs) -> Result<Exit, Error> {
    let work = match &args.resume {
        Some(path) => Work::read(context, COMMAND, path).await?.0,
        None => Work::new(context, COMMAND, planned(context, &args).await?, None).await?,
    };
    if work.due().is_empty() {
        context.output.note("No order is left to be rebuilt.");
        return Ok(Exit::Ok);
    }
    let mut journal = match (args.yes, &args.resume) {
        (false, _) => Journal::dry(work),
        (true, Some(path)) => Journal::resume(context, path)?,
        (true, None) => Journal::begin(context, work, args.run_file.as_ref())?,
    };
    let telling = Telling { diff: args.diff, show_values: args.show_values };
    let counts = rebuild_all(context, &mut journal, args.yes, telling, &Cell::new(false)).await?;
    context.output.tell(&counts, totals)?;
    if counts.would_change > 0 {
        context.output.note(&format!("Nothing was written. {} would be: add --yes", counts.would_change));
    }
    Ok(counts.exit())
}

/// Rebuilds what a journal plans, or only looks; tells every view that is not as its events tell.
pub async fn rebuild_all(
    context: &Context,
    journal: &mut Journal,
    write: bool,
    telling: Telling,
    stop: &Cell<bool>,
) -> Result<Counts, Error> {
    let rebuilder = context.rebuilder().await?;
    let due = journal.work.due();
    let mut progress = context.output.progress("orders", due.len());
    // What is begun comes to its end and is told.
    let due = stream::iter(due).take_while(|_| std::future::ready(!stop.get()));
    let results = due.map(|pk| one(&rebuilder, pk, write)).buffer_unordered(AT_ONCE);
    let mut counts = Counts::default();
    journal
        .follow(results, |pk, made| {
            progress.step();
            let line = line(pk, made, write, telling);
            counts.add(&line);
            if line.outcome != Outcome::Same || !line.unreadable.is_empty() {
                context.output.tell(&line, text)?;
            }
            Ok(line.outcome != Outcome::Failed)
        })
        .await?;
    if stop.get() { Err(Error::interrupted()) } else { Ok(counts) }
}

/// The orders that have an event in a range, each once, in the order of those events.
pub async fn orders_in(context: &Context, sources: &SourceArgs, range: &RangeArgs) -> Result<Vec<String>, Error> {
    let range = range.range(context.clock.now_ms())?;
    let sources = chosen(context, sources).await?;
    let table = context.deployment().await?.events_table()?;
    let page = i32::try_from(STRIDE).unwrap_or(1);
    let mut walk = Walk::new(context.dynamodb(), table, &sources, range, Order::OldestFirst, page);
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

type Made = Result<Rebuild, StoreError>;

/// An outage ends the whole work; what is wrong with one order is told of that order.
async fn one(rebuilder: &Rebuilder, pk: String, write: bool) -> Result<(String, Made), Error> {
    let made = if write { rebuilder.rebuild(&pk).await } else { rebuilder.survey(&pk).await };
    match made {
        Err(error @ (StoreError::Service { .. } | StoreError::Compression(_))) => Err(store_failed(&error)),
        made => Ok((pk, made)),
    }
}

fn line(pk: &str, made: Made, write: bool, telling: Telling) -> RebuildLine {
    let mut line = RebuildLine {
        order: pk.to_owned(),
        outcome: Outcome::Same,
        events: 0,
        erased: 0,
        fields: 0,
        diff: Vec::new(),
        unreadable: Vec::new(),
        reason: None,
    };
    let made = match made {
        Ok(made) => made,
        Err(error) => {
            let reason = store_failed(&error).message;
            return RebuildLine { outcome: Outcome::Failed, reason: Some(reason), ..line };
        }
    };
    line.outcome = match (made.is_change(), write) {
        (false, _) => Outcome::Same,
        (true, false) => Outcome::WouldChange,
        (true, true) => Outcome::Rebuilt,
    };
    (line.events, line.erased) = (made.events.len(), made.erased);
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

impl Counts {
    fn add(&mut self, line: &RebuildLine) {
        self.orders += 1;
        self.unreadable += line.unreadable.len();
        match line.outcome {
            Outcome::Same => self.same += 1,
            Outcome::WouldChange => self.would_change += 1,
            Outcome::Rebuilt => self.rebuilt += 1,
            Outcome::Failed => self.failed += 1,
        }
    }

    /// How the command ends.
    pub fn exit(&self) -> Exit {
        if self.failed > 0 || self.unreadable > 0 { Exit::Problems } else { Exit::Ok }
    }
}

/// The counts in words.
pub fn totals(counts: &Counts, paint: Paint) -> String {
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
        Outcome::Same => "same        ".to_owned(),
        Outcome::WouldChange => paint.odd("would change"),
        Outcome::Rebuilt => paint.good("rebuilt     "),
        Outcome::Failed => paint.bad("failed      "),
    };
    let reason = line.reason.as_ref().map(|reason| format!("  {reason}")).unwrap_or_default();
    let mut lines = vec![format!(
        "{outcome}  {}  {} of {}{reason}",
        line.order,
        fields(line.fields),
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
    lines.join("\n")
}

fn fields(count: usize) -> String {
    if count == 1 { "1 field".to_owned() } else { format!("{count} fields") }
}
