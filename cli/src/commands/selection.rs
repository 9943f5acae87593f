//! Options by which several commands select sources and queues.

use std::collections::BTreeMap;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use stack::dead_letters::DeadLetters;
use stack::deployment::Deployment;
use stack::destination::Destination;
use stack::sources::{ProviderName, SourceName};

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
    #[arg(long = "queue", value_name = "QUEUE", value_parser = destination(), default_values = ["work"])]
    pub queues: Vec<Destination>,
    /// At most so many messages a second
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rate: u32,
}

impl SendTo {
    /// Returns the selected queues' URLs.
    pub fn urls(&self, deployment: &Deployment) -> Result<BTreeMap<Destination, String>, Error> {
        self.queues.iter().map(|queue| Ok((*queue, queue.url(deployment)?.to_owned()))).collect()
    }
}

/// Returns the selected sources: the one named, or all that the secrets have.
pub async fn chosen(context: &Context, args: &SourceArgs) -> Result<Vec<SourceName>, Error> {
    stack::known::chosen(context, args.source.as_ref(), args.provider).await
}

/// Reads a queue's name.
pub fn destination() -> impl TypedValueParser<Value = Destination> {
    one_of(&Destination::ALL, |queue| match queue {
        Destination::Work => (queue.name(), "WorkQueue, which your own consumers read"),
        Destination::Orders => {
            (queue.name(), "OrdersQueue, which feeds the order views; takes only what is about orders")
        }
        Destination::Extra => (queue.name(), "Your own further queue"),
    })
}

/// Reads a dead letter queue's name.
pub fn dead_letters() -> impl TypedValueParser<Value = DeadLetters> {
    one_of(&DeadLetters::ALL, |queue| match queue {
        DeadLetters::Relay => (queue.name(), "What did not reach a queue"),
        DeadLetters::Orders => (queue.name(), "What did not get into a view"),
        DeadLetters::Work => (queue.name(), "What your own consumers failed at"),
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
