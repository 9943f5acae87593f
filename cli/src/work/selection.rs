//! Options by which several commands select sources, events and queues.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use edge::aws::config::takes;
use stack::dead_letters::DeadLetters;
use stack::deployment::Deployment;
use stack::destination::Destination;
use stack::history::KeptEvent;
use stack::sources::{ProviderName, SourceName};
use webhook::event::{Event, EventType};

use crate::context::Context;
use crate::terminal::error::Error;

/// The selected sources.
#[derive(Debug, Clone, Default, Args)]
pub struct SourceArgs {
    /// Only this source
    #[arg(long, value_name = "PROVIDER/SOURCE", conflicts_with = "provider")]
    pub source: Option<SourceName>,
    /// Only this provider
    #[arg(long, value_name = "PROVIDER")]
    pub provider: Option<ProviderName>,
}

/// The queues that messages go to, and their rate.
#[derive(Debug, Clone, Args)]
pub struct SendTo {
    /// Send to this queue; may be repeated
    #[arg(long = "queue", value_name = "QUEUE", value_parser = destination(), default_values = ["work"], conflicts_with = "resume")]
    pub queues: Vec<Destination>,
    /// Greatest number of messages a second
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rate: u32,
}

impl SendTo {
    /// Returns the selected queues' URLs.
    pub fn urls(&self, deployment: &Deployment) -> Result<BTreeMap<Destination, String>, Error> {
        self.queues.iter().map(|queue| Ok((*queue, queue.url(deployment)?.to_owned()))).collect()
    }
}

/// Which events are meant, by what is read in them.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which events")]
pub struct EventFilter {
    /// Only this type, such as order.created, or a family: 'order.*'; may be repeated
    #[arg(long = "type", value_name = "TYPE", value_parser = type_filter)]
    pub types: Vec<String>,
    /// Only events with another body under a known name (or another given flag)
    #[arg(long)]
    pub conflict: bool,
    /// Only events that no table knows or whose body cannot be read (or another given flag)
    #[arg(long)]
    pub unrecognised: bool,
    /// Only newer bodies of a known event (or another given flag)
    #[arg(long)]
    pub revision: bool,
    /// Only events that may be repeats (or another given flag)
    #[arg(long)]
    pub repeated: bool,
}

/// Reads a type or a family of types. The vocabulary is closed, so a word that no event can have is a mistake.
pub fn type_filter(text: &str) -> Result<String, String> {
    let fits = |name: &&&str| takes(&[text], name);
    if EventType::NAMES.iter().any(|name| fits(&name)) {
        return Ok(text.to_owned());
    }
    let likeness = |name: &&&str| strsim::jaro_winkler(text.trim_end_matches(['*', '.']), name);
    let nearest = EventType::NAMES.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let families: BTreeSet<&str> = EventType::NAMES.iter().filter_map(|name| Some(name.split_once('.')?.0)).collect();
    let families: Vec<String> = families.into_iter().map(|family| format!("'{family}.*'")).collect();
    Err(format!(
        "no event has this type; the nearest is {}; families are {}",
        nearest.unwrap_or(&""),
        families.join(", ")
    ))
}

impl EventFilter {
    /// Returns whether an event is meant.
    pub fn takes(&self, kept: &KeptEvent) -> bool {
        self.takes_event(&kept.event)
    }

    /// Returns whether an event of this reading is meant.
    pub fn takes_event(&self, event: &Event) -> bool {
        let of_type = takes(&self.types, event.event_type.name());
        let flags = [
            (self.conflict, event.conflict),
            (self.unrecognised, event.unrecognised || event.changedshape || event.unreadable.is_some()),
            (self.revision, event.revision),
            (self.repeated, event.possiblyrepeated),
        ];
        let flagged = flags.iter().all(|(asked, _)| !asked) || flags.iter().any(|(asked, holds)| *asked && *holds);
        of_type && flagged
    }

    /// Returns whether every event is meant.
    pub fn is_open(&self) -> bool {
        self.types.is_empty() && !(self.conflict || self.unrecognised || self.revision || self.repeated)
    }
}

/// Returns the selected sources: the one named, or all that the secrets have.
pub async fn chosen(context: &Context, args: &SourceArgs) -> Result<Vec<SourceName>, Error> {
    stack::known::chosen(context, args.source.as_ref(), args.provider).await
}

/// Reads a count of one or more.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "a number from 1 on is needed".to_owned())
}

/// Reads a queue's name.
pub fn destination() -> impl TypedValueParser<Value = Destination> {
    one_of(&Destination::ALL, |queue| match queue {
        Destination::Work => (queue.name(), "WorkQueue, which your own consumers read"),
        Destination::Orders => {
            (queue.name(), "OrdersQueue, which feeds the order views; takes only what is about orders")
        }
        Destination::Extra => (queue.name(), "Your own further queue"),
        Destination::Facts => (queue.name(), "FactsQueue, which your own consumers read"),
    })
}

/// Reads a dead letter queue's name.
pub fn dead_letters() -> impl TypedValueParser<Value = DeadLetters> {
    one_of(&DeadLetters::ALL, |queue| match queue {
        DeadLetters::Relay => (queue.name(), "What did not reach a queue"),
        DeadLetters::Orders => (queue.name(), "What did not get into a view"),
        DeadLetters::Work => (queue.name(), "What your own consumers failed at"),
        DeadLetters::Facts => (queue.name(), "The facts that your own consumers failed at"),
    })
}

/// Reads one of some values by its name, and shows each name with its help.
fn one_of<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    words: fn(T) -> (&'static str, &'static str),
) -> impl TypedValueParser<Value = T> {
    let shown = all.iter().map(move |one| PossibleValue::new(words(*one).0).help(words(*one).1));
    PossibleValuesParser::new(shown).try_map(move |text| {
        all.iter().copied().find(|one| words(*one).0 == text).ok_or_else(|| format!("{text} is not one of them"))
    })
}
