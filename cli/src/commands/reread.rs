//! `hookmill reread`: kept events through the mapping of this build, and what that would change.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use edge::keep::time_index::WalkOrder;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::Value;
use webhook::event::Event;
use webhook::providers::PROVIDERS;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, counted, counted_with, table};
use crate::terminal::time::RangeArgs;
use crate::work::reading::EventBatches;
use crate::work::selection::EventFilter;
use crate::work::selection::{SourceArgs, chosen};
use stack::deployed_reader::{self, DeployedReading};
use stack::difference::{FieldChange, changes, kind, shown};
use stack::history::KeptEvent;

pub mod plan;
pub mod publish;

use plan::PlanFile;

/// Questions to the deployed reader that are open at once.
const QUESTIONS: usize = 8;

/// Arguments of `reread`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct RereadArgs {
    /// The command about a plan.
    #[command(subcommand)]
    pub command: Option<Reread>,
    /// The events to compare.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Commands about plans.
#[derive(Debug, Subcommand)]
pub enum Reread {
    /// Send corrections for the events of a plan and rebuild their orders: a dry run without --yes
    Publish(publish::PublishArgs),
}

/// Selection of the events to compare, and output of the comparison.
#[derive(Debug, Clone, Args)]
pub struct ReadArgs {
    /// Write what differs into a new file, for hookmill reread publish
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Examples to show per field
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub examples: usize,
    /// Also the values of names, addresses and whatever else may be personal
    #[arg(long)]
    pub show_values: bool,
    /// Of which sources.
    #[command(flatten)]
    pub sources: SourceArgs,
    /// When they were received.
    #[command(flatten)]
    pub range: RangeArgs,
    /// Which of them, by either reading.
    #[command(flatten)]
    pub filter: EventFilter,
}

/// The change of a field of one type's events.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeLine {
    /// The type that this build reads.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The field's path, `[]` for places in lists.
    pub field: String,
    /// In how many events.
    pub events: usize,
    /// Some of them.
    pub examples: Vec<Example>,
}

/// An event in which a field changes.
#[derive(Debug, Clone, Serialize)]
pub struct Example {
    /// The event.
    pub id: String,
    /// The older reading.
    pub old: String,
    /// The newer reading.
    pub new: String,
}

/// The outcome of all events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RereadTotals {
    /// Events that were read by both.
    pub events: usize,
    /// Of them, those of which something differs.
    pub changed: usize,
    /// Events of another type.
    pub type_changes: usize,
    /// Events that stand elsewhere among their order's.
    pub sequence_changes: usize,
    /// Events that could not be read or had no type, and now can and have.
    pub became_readable: usize,
    /// Events that cannot be read any more, or have no type any more.
    pub became_unreadable: usize,
    /// Events that were erased.
    pub erased: usize,
    /// Events whose bodies are not there.
    pub bodiless: usize,
    /// Events that were disowned.
    #[serde(skip_serializing_if = "is_zero")]
    pub disowned: usize,
    /// Events of which the other side has no reading.
    pub unknown: usize,
    /// The mapping's versions, by provider: the other side's and this build's.
    pub mappings: BTreeMap<String, Vec<(u32, u32)>>,
}

impl RereadArgs {
    /// Returns whether Ctrl-C is how this command ends.
    pub fn ends_by_interrupt(&self) -> bool {
        matches!(self.command, Some(Reread::Publish(_)))
    }
}

/// Reads events again, or publishes a plan.
pub async fn run(context: &Context, args: RereadArgs) -> Result<Exit, Error> {
    match args.command {
        Some(Reread::Publish(args)) => publish::run(context, args).await,
        None => compare(context, &args.read).await,
    }
}

/// Reads all selected events, the oldest first.
async fn readings<'a>(context: &'a Context, args: &ReadArgs) -> Result<EventBatches<'a>, Error> {
    let range = args.range.range(context.clock.now_ms())?;
    let sources = chosen(context, &args.sources).await?;
    EventBatches::of(context, &sources, range, WalkOrder::OldestFirst, usize::MAX).await
}

async fn compare(context: &Context, args: &ReadArgs) -> Result<Exit, Error> {
    // A selection that fails leaves no file behind.
    let mut readings = readings(context, args).await?;
    let mut out = args.out.as_deref().map(PlanFile::create).transpose()?;
    let mut tally = Tally::new(args);
    while let Some(events) = readings.next().await? {
        let sound = events.into_iter().filter(|kept| kept.damage.is_none());
        let (readable, gone): (Vec<_>, Vec<_>) = sound.partition(|kept| kept.withheld().is_none());
        let (disowned, gone): (Vec<_>, Vec<_>) = gone.into_iter().partition(KeptEvent::is_disowned);
        let erased = gone.iter().filter(|kept| kept.is_erased()).count();
        tally.totals.disowned += disowned.len();
        tally.totals.erased += erased;
        tally.totals.bodiless += gone.len() - erased;
        let olds = stream::iter(&readable).map(|kept| deployed_reading(context, kept)).buffered(QUESTIONS);
        let olds: Vec<Option<Value>> = olds.try_collect().await?;
        for (kept, old) in readable.iter().zip(olds) {
            let new = serde_json::to_value(&kept.event).unwrap_or_default();
            let Some(old) = old else {
                tally.totals.unknown += usize::from(args.filter.takes(kept));
                continue;
            };
            let event: Option<Event> = serde_json::from_value(old.clone()).ok();
            let selected = args.filter.takes(kept) || event.is_some_and(|event| args.filter.takes_event(&event));
            let changed = if selected { tally.add(kept, &old, &new) } else { false };
            if let Some(out) = out.as_mut().filter(|_| changed) {
                out.add(&kept.event, &old)?;
            }
        }
    }
    let exit = readings.exit();
    drop(readings);
    let (lines, totals) = tally.finish();
    context.output.print_all(&lines, text)?;
    context.output.print(&totals, totals_text)?;
    if let (Some(out), Some(path)) = (out, &args.out) {
        out.finish(context, totals.changed).await?;
        context.output.note(&format!(
            "{} planned in {}; next: hookmill reread publish {}",
            counted_with(totals.changed, "event", ("is", "are")),
            path.display(),
            path.display()
        ));
    }
    for warning in totals.warnings() {
        context.output.note(&warning);
    }
    Ok(if totals.unknown > 0 { Exit::Problems } else { exit })
}

/// Returns the deployed build's reading of an event; `None` if it has none.
async fn deployed_reading(context: &Context, kept: &KeptEvent) -> Result<Option<Value>, Error> {
    Ok(match deployed_reader::read(context, &kept.key.id()).await? {
        DeployedReading::Event(event) => Some(event),
        DeployedReading::Unknown | DeployedReading::Erased => None,
    })
}

struct Tally<'a> {
    args: &'a ReadArgs,
    totals: RereadTotals,
    fields: BTreeMap<(String, String), (usize, Vec<Example>)>,
}

impl<'a> Tally<'a> {
    fn new(args: &'a ReadArgs) -> Self {
        Tally { args, totals: RereadTotals::default(), fields: BTreeMap::new() }
    }

    /// Counts one event. Returns whether anything differs.
    fn add(&mut self, kept: &KeptEvent, old: &Value, new: &Value) -> bool {
        let changes = changes(old, new);
        let totals = &mut self.totals;
        totals.events += 1;
        let mapping = (plan::mapping(old), kept.event.mappingversion);
        let provider = kept.key.parts().map_or("", |(provider, ..)| provider);
        let mappings = totals.mappings.entry(provider.to_owned()).or_default();
        if !mappings.contains(&mapping) {
            mappings.push(mapping);
        }
        if changes.is_empty() {
            return false;
        }
        totals.changed += 1;
        totals.type_changes += usize::from(changes.iter().any(|change| change.field == "type"));
        totals.sequence_changes += usize::from(changes.iter().any(|change| change.field == "sequence"));
        match (is_understood(old), is_understood(new)) {
            (false, true) => totals.became_readable += 1,
            (true, false) => totals.became_unreadable += 1,
            (true, true) | (false, false) => {}
        }
        for change in changes {
            self.field(kept, new, change);
        }
        true
    }

    fn field(&mut self, kept: &KeptEvent, new: &Value, change: FieldChange) {
        let event_type = kept.event.event_type.name().to_owned();
        let (events, examples) = self.fields.entry((event_type, change.field.clone())).or_default();
        *events += 1;
        if examples.len() < self.args.examples {
            let show = |value: Option<&Value>| shown(kind(new), &change.field, value, self.args.show_values);
            examples.push(Example {
                id: kept.key.id(),
                old: show(change.old.as_ref()),
                new: show(change.new.as_ref()),
            });
        }
    }

    fn finish(self) -> (Vec<ChangeLine>, RereadTotals) {
        let line = |((event_type, field), (events, examples))| ChangeLine { event_type, field, events, examples };
        (self.fields.into_iter().map(line).collect(), self.totals)
    }
}

fn is_understood(event: &Value) -> bool {
    event.get("unreadable").is_none() && event.get("unrecognised").is_none()
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl RereadTotals {
    /// Returns what prevents publishing, or makes it needless.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (provider, mappings) in &self.mappings {
            if self.changed > 0 && mappings.iter().any(|(old, new)| old >= new) {
                warnings.push(format!(
                    "The mapping version of {provider} is {} on both sides: raise it before corrections are published.",
                    PROVIDERS.iter().find(|known| known.name == provider).map_or(0, |known| known.mapping_version)
                ));
            }
        }
        if self.unknown > 0 {
            warnings.push(format!("{} events have no other reading to compare with.", self.unknown));
        }
        warnings
    }
}

fn totals_text(totals: &RereadTotals, paint: Paint) -> String {
    let version = |(old, new): &(u32, u32)| if old == new { old.to_string() } else { format!("{old} → {new}") };
    let versions: Vec<String> = totals
        .mappings
        .iter()
        .map(|(provider, all)| format!("{provider} {}", all.iter().map(version).collect::<Vec<_>>().join(", ")))
        .collect();
    let mut lines = vec![match totals.changed {
        0 if totals.events == 1 => paint.good("The one event reads the same"),
        0 => paint.good(&format!("All {} events read the same", totals.events)),
        changed => format!("{changed} of {} read otherwise", counted(totals.events, "event")),
    }];
    if let Some(first) = lines.first_mut().filter(|_| !versions.is_empty()) {
        first.push_str(&format!("; mapping versions: {}", versions.join("; ")));
    }
    for (count, what) in [
        (totals.type_changes, "have another type"),
        (totals.sequence_changes, "stand elsewhere among their order's events"),
        (totals.became_readable, "became readable"),
        (totals.became_unreadable, "became unreadable"),
        (totals.erased, "were erased, so nothing can be read in them"),
        (totals.bodiless, "have no body any more"),
        (totals.disowned, "were disowned"),
    ] {
        if count > 0 {
            lines.push(format!("{count} {what}"));
        }
    }
    lines.join("\n")
}

fn text(lines: &[ChangeLine], paint: Paint) -> String {
    let mut rows = Vec::new();
    for line in lines {
        let mut examples = line.examples.iter().map(|example| format!("{} → {}", example.old, example.new));
        let first = examples.next().unwrap_or_default();
        rows.push(vec![line.event_type.clone(), line.field.clone(), line.events.to_string(), first]);
        rows.extend(examples.map(|example| vec![String::new(), String::new(), String::new(), example]));
    }
    table(&["type", "field", "events", "old → new"], &rows, paint)
}
