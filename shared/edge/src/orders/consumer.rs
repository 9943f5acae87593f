//! From the orders queue to the order views: joins a batch's events, and reports the messages to be retried.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;

use aws_sdk_dynamodb::Client;
use serde::{Deserialize, Serialize};
use webhook::claim::EventKey;
use webhook::event::Event;
use webhook::providers::Provider;
use webhook::view::View;

use crate::aws::client::{BACKGROUND, sdk_config};
use crate::aws::clock::Clock;
use crate::aws::config::ViewConfig;
use crate::aws::log::LogLine;
use crate::aws::serve::Handler;
use crate::keep::contribution::Contribution;
use crate::keep::store::Store;
use crate::orders::views::Views;

/// The reference consumer: keeps one current view of every order.
#[derive(Debug)]
pub struct Orders {
    views: Views,
    store: Store,
    clock: Clock,
}

/// One invocation's messages.
#[derive(Debug, Default, Deserialize)]
pub struct QueueBatch {
    #[serde(rename = "Records", default)]
    records: Vec<QueueRecord>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueueRecord {
    message_id: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

/// The messages that have to be retried.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartialFailures {
    /// One for each.
    pub batch_item_failures: Vec<Failure>,
}

/// A message that has to be retried.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The message's id.
    pub item_identifier: String,
}

impl QueueBatch {
    /// Returns the messages' bodies in their order.
    pub fn bodies(&self) -> impl Iterator<Item = &str> {
        self.records.iter().map(|record| record.body.as_str())
    }
}

impl Handler for Orders {
    type Payload = QueueBatch;
    type Answer = PartialFailures;
    type Error = Infallible;

    async fn handle(&self, batch: QueueBatch) -> Result<PartialFailures, Infallible> {
        Ok(self.apply(batch).await)
    }
}

impl Orders {
    /// A consumer configured from the environment.
    pub async fn from_config(config: ViewConfig) -> Self {
        let client = Client::new(&sdk_config(BACKGROUND).await);
        Orders::new(config, client, Clock::system())
    }

    /// A consumer with this client and this clock.
    pub fn new(config: ViewConfig, client: Client, clock: Clock) -> Self {
        let store = Store::new(client.clone(), config.events_table);
        Orders { views: Views::new(client, config.orders_table), store, clock }
    }

    /// Joins a batch's events into their views, each view read and written once.
    pub async fn apply(&self, batch: QueueBatch) -> PartialFailures {
        let mut joined: BTreeMap<String, (Vec<View>, Vec<usize>)> = BTreeMap::new();
        let mut failed: HashSet<usize> = HashSet::new();
        for (index, record) in batch.records.iter().enumerate() {
            match self.event(&record.body).await {
                Ok((pk, view)) => {
                    let (views, indexes) = joined.entry(pk).or_default();
                    views.push(view);
                    indexes.push(index);
                }
                Err(reason) => {
                    self.failed(&record.message_id, &reason);
                    failed.insert(index);
                }
            }
        }
        for (pk, (views, indexes)) in joined {
            if let Err(error) = self.views.join(&self.store, &pk, &views).await {
                self.failed(&pk, &error.chain());
                failed.extend(indexes);
            }
        }
        PartialFailures { batch_item_failures: failures(&batch.records, &failed) }
    }

    async fn event(&self, body: &str) -> Result<(String, View), String> {
        let (key, event) = parse_message(body)?;
        if event.dataref.is_none() {
            return Ok((key.pk, View::of(&event)));
        }
        // A correction has an id of its own and no row: the event that it corrects has the body.
        let key = match &event.correctionof {
            Some(id) => EventKey::from_id(id).ok_or("it corrects no event")?,
            None => key,
        };
        let stored = self.store.load(&key).await.map_err(|error| error.chain())?.ok_or("its row is missing")?;
        let provider = Provider::of(&key).ok_or("no provider has this name")?;
        let contribution = Contribution::of(provider, &stored).map_err(|error| error.chain())?;
        Ok((key.pk, contribution.view_of(&stored)))
    }

    fn failed(&self, what: &str, reason: &str) {
        LogLine::error("an event did not reach its order view")
            .with("message_or_order", what)
            .with("reason", reason)
            .with("provider", "all")
            .with("outcome", "view_failed")
            .metric("Events", "Count", 1)
            .write(self.clock.now_ms());
    }
}

/// Returns a message's event and its key, or why it is not an event. Public for the fuzz targets.
pub fn parse_message(body: &str) -> Result<(EventKey, Event), String> {
    let event: Event = serde_json::from_str(body).map_err(|error| format!("not a canonical event: {error}"))?;
    let key = EventKey::from_id(&event.id).ok_or("its id names no event")?;
    Ok((key, event))
}

/// Returns failed messages, and in their groups everything after them: a FIFO group continues in order or not at all.
fn failures(records: &[QueueRecord], failed: &HashSet<usize>) -> Vec<Failure> {
    let mut stopped: HashSet<&str> = HashSet::new();
    let mut failures = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let group = record.attributes.get("MessageGroupId").map_or("", String::as_str);
        if failed.contains(&index) || stopped.contains(group) {
            stopped.insert(group);
            failures.push(Failure { item_identifier: record.message_id.clone() });
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_stops_at_its_first_failure() {
        let record = |id: &str, group: &str| QueueRecord {
            message_id: id.to_owned(),
            body: String::new(),
            attributes: BTreeMap::from([("MessageGroupId".to_owned(), group.to_owned())]),
        };
        let records = [record("1", "a"), record("2", "b"), record("3", "a"), record("4", "b"), record("5", "c")];
        let failed = failures(&records, &HashSet::from([1]));
        let ids: Vec<_> = failed.iter().map(|failure| failure.item_identifier.as_str()).collect();
        assert_eq!(ids, ["2", "4"]);
    }
}
