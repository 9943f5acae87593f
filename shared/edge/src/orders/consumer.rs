//! From the orders queue to the order views: joins a batch's events, and reports the messages to be retried.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;

use aws_sdk_dynamodb::Client;
use serde::{Deserialize, Serialize};
use webhook::claim::EventKey;
use webhook::event::Event;
use webhook::facts::announced::{FactChange, Joining, join};
use webhook::facts::message::{CauseTimes, FactMessage};
use webhook::providers::Provider;
use webhook::view::View;

use crate::aws::client::{BACKGROUND, sdk_config};
use crate::aws::clock::Clock;
use crate::aws::config::{FactsConfig, ViewConfig};
use crate::aws::log::LogLine;
use crate::aws::serve::Handler;
use crate::keep::contribution::Contribution;
use crate::keep::error::StoreError;
use crate::keep::store::Store;
use crate::orders::announcer::Announcer;
use crate::orders::views::{ATTEMPTS_MAX, Views, note_shortened, shorten};

/// The reference consumer: keeps one current view of every order, and announces its facts.
#[derive(Debug)]
pub struct Orders {
    views: Views,
    store: Store,
    announcer: Option<Announcer>,
    clock: Clock,
}

/// An event to be joined into its order.
#[derive(Debug)]
struct Incoming {
    /// Its row.
    key: EventKey,
    joining: Joining,
    times: CauseTimes,
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
    pub async fn from_config(config: ViewConfig, facts: Option<FactsConfig>) -> Self {
        let sdk = sdk_config(BACKGROUND).await;
        let orders = Orders::new(config, Client::new(&sdk), Clock::system());
        match facts {
            Some(facts) => orders.with_facts(facts, aws_sdk_sqs::Client::new(&sdk)),
            None => orders,
        }
    }

    /// A consumer with this client and this clock.
    pub fn new(config: ViewConfig, client: Client, clock: Clock) -> Self {
        let store = Store::new(client.clone(), config.events_table);
        Orders { views: Views::new(client, config.orders_table), store, announcer: None, clock }
    }

    /// The same consumer, which sends what it announces to a queue. Without one it is recorded alone.
    #[must_use]
    pub fn with_facts(self, config: FactsConfig, sqs: aws_sdk_sqs::Client) -> Self {
        let announcer = Some(Announcer::new(config, sqs, self.clock.clone()));
        Orders { announcer, ..self }
    }

    /// Joins a batch's events into their views, each view read and written once, and announces what changed.
    pub async fn apply(&self, batch: QueueBatch) -> PartialFailures {
        let started_ms = self.clock.now_ms();
        let mut orders: BTreeMap<String, (Vec<Incoming>, Vec<usize>)> = BTreeMap::new();
        let mut failed: HashSet<usize> = HashSet::new();
        for (index, record) in batch.records.iter().enumerate() {
            match self.event(&record.body).await {
                Ok((pk, event)) => {
                    let (events, indexes) = orders.entry(pk).or_default();
                    events.push(event);
                    indexes.push(index);
                }
                Err(reason) => {
                    self.failed(&record.message_id, &reason);
                    failed.insert(index);
                }
            }
        }
        let mut messages = Vec::new();
        for (pk, (events, indexes)) in &orders {
            match self.join(pk, events, started_ms).await {
                Ok(changes) => messages.extend(changes),
                Err(reason) => {
                    self.failed(pk, &reason);
                    failed.extend(indexes);
                }
            }
        }
        for pk in self.send(&messages, started_ms).await {
            failed.extend(orders.get(&pk).into_iter().flat_map(|(_, indexes)| indexes));
        }
        PartialFailures { batch_item_failures: failures(&batch.records, &failed) }
    }

    /// Joins events into their view and its record of announcements by one write. Returns the messages of what changed,
    /// which are to be sent before the events are acknowledged.
    async fn join(&self, pk: &str, events: &[Incoming], started_ms: i64) -> Result<Vec<FactMessage>, String> {
        let mut joining: Vec<Joining> = events.iter().map(|event| event.joining.clone()).collect();
        let messages = |view: &View, changes: &[FactChange]| -> Vec<FactMessage> {
            let cause = |change: &FactChange| {
                let event = events.iter().find(|event| event.joining.id == change.announcement.cause);
                event.map_or_else(CauseTimes::default, |event| event.times)
            };
            changes.iter().map(|change| FactMessage::of(pk, view, change, cause(change))).collect()
        };
        for _ in 0..ATTEMPTS_MAX {
            let kept = self.views.kept(pk).await.map_err(|error| error.chain())?;
            // Few orders have a disowned event: the others cost no look at a row.
            if kept.view.has_disowned() {
                for (joining, event) in joining.iter_mut().zip(events) {
                    joining.is_disowned = self.is_disowned(&event.key).await.map_err(|error| error.chain())?;
                }
            }
            // An earlier attempt at these events may have died between its write and its sending. What it announced goes
            // out before the next change takes its place in the record.
            let unsent = kept.announced.as_ref().map(|announced| announced.caused_by(&joining)).unwrap_or_default();
            if !self.send(&messages(&kept.view, &unsent), started_ms).await.is_empty() {
                return Err("its facts could not be announced".to_owned());
            }
            let joined = join(kept.view, kept.announced, &joining, |view| note_shortened(pk, shorten(view)));
            let is_kept = !joined.is_change
                || self
                    .views
                    .write(pk, &joined.view, Some(&joined.announced), kept.etag)
                    .await
                    .map_err(|error| error.chain())?;
            if is_kept {
                return Ok(messages(&joined.view, &joined.changes));
            }
        }
        Err(StoreError::Contended.chain())
    }

    /// Sends messages of facts. Returns the orders of those that could not be sent.
    async fn send(&self, messages: &[FactMessage], started_ms: i64) -> HashSet<String> {
        let Some(announcer) = &self.announcer else { return HashSet::new() };
        let unsent = announcer.send(messages, started_ms).await;
        let order = |id: &str| messages.iter().find(|message| message.id == id).map(|message| message.order.clone());
        let mut orders = HashSet::new();
        for (order, unsent) in unsent.into_iter().filter_map(|unsent| Some((order(&unsent.name)?, unsent))) {
            LogLine::error("a fact could not be announced; its event comes again")
                .with("id", unsent.name)
                .with("reason", unsent.failure.to_string())
                .with("outcome", "announce_failed")
                .write(self.clock.now_ms());
            orders.insert(order);
        }
        orders
    }

    async fn event(&self, body: &str) -> Result<(String, Incoming), String> {
        let (key, event) = parse_message(body)?;
        let incoming = |key: EventKey, view: View, times: CauseTimes| Incoming {
            key,
            joining: Joining { id: event.id.clone(), is_replay: event.replay, is_disowned: false, view },
            times,
        };
        // A correction has an id of its own and no row: the event that it corrects has the body.
        let key = match &event.correctionof {
            Some(id) => EventKey::from_id(id).ok_or("it corrects no event")?,
            None => key,
        };
        if event.dataref.is_none() {
            return Ok((key.pk.clone(), incoming(key, View::of(&event), CauseTimes::of(&event))));
        }
        let stored = self.store.load(&key).await.map_err(|error| error.chain())?.ok_or("its row is missing")?;
        let provider = Provider::of(&key).ok_or("no provider has this name")?;
        let contribution = Contribution::of(provider, &stored).map_err(|error| error.chain())?;
        let times = CauseTimes::of(&contribution.event);
        Ok((key.pk.clone(), incoming(key, contribution.view_of(&stored), times)))
    }

    async fn is_disowned(&self, key: &EventKey) -> Result<bool, StoreError> {
        match self.store.row(key).await {
            Err(error) if error.is_outage() => Err(error),
            // A row that cannot be read holds nothing up.
            row => Ok(row.ok().flatten().is_some_and(|stored| stored.is_disowned())),
        }
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
