//! From the orders queue to the order view: a join, written under the condition that nobody wrote in between.

use std::collections::{BTreeMap, HashSet};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use webhook::claim::EventKey;
use webhook::event::Event;
use webhook::providers::{PROVIDERS, Provider};
use webhook::view::{Refunded, Summary, View};

use crate::aws::client::{PATIENT, sdk_config};
use crate::aws::clock::Clock;
use crate::aws::config::ViewConfig;
use crate::aws::log::Line;
use crate::keep::compression;
use crate::keep::contribution::Contribution;
use crate::keep::error::{StoreError, condition_held};
use crate::keep::item::{Item, bytes, text};
use crate::keep::store::Store;

/// A view is joined anew this often when another writer comes first.
pub(super) const ATTEMPTS_MAX: u32 = 8;

/// The reference consumer: keeps one current view of every order.
#[derive(Debug)]
pub struct Orders {
    pub(super) client: Client,
    pub(super) table: String,
    pub(super) store: Store,
    clock: Clock,
    mapping: &'static [&'static Provider],
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

/// The messages that have to come again.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartialFailures {
    /// One for each.
    pub batch_item_failures: Vec<Failure>,
}

/// A message that has to come again.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The message's id.
    pub item_identifier: String,
}

impl QueueBatch {
    /// The messages' bodies in their order.
    pub fn bodies(&self) -> impl Iterator<Item = &str> {
        self.records.iter().map(|record| record.body.as_str())
    }
}

impl Orders {
    /// A consumer as the environment describes it.
    pub async fn from_config(config: ViewConfig) -> Self {
        let client = Client::new(&sdk_config(PATIENT).await);
        Orders::new(config, client, Clock::system())
    }

    /// A consumer over a given client and a given clock.
    pub fn new(config: ViewConfig, client: Client, clock: Clock) -> Self {
        let store = Store::new(client.clone(), config.events_table);
        Orders { client, table: config.orders_table, store, clock, mapping: &PROVIDERS }
    }

    /// The same consumer with other readings than this build's.
    #[must_use]
    pub fn with_mapping(self, mapping: &'static [&'static Provider]) -> Self {
        Orders { mapping, ..self }
    }

    /// Joins a batch's events into their views, each view read and written once.
    pub async fn apply(&self, batch: QueueBatch) -> PartialFailures {
        let mut joined: BTreeMap<String, (View, Vec<usize>)> = BTreeMap::new();
        let mut failed: HashSet<usize> = HashSet::new();
        for (index, record) in batch.records.iter().enumerate() {
            match self.event(&record.body).await {
                Ok((pk, view)) => {
                    let (whole, indexes) = joined.entry(pk).or_default();
                    whole.merge(view);
                    indexes.push(index);
                }
                Err(reason) => {
                    self.failed(&record.message_id, &reason);
                    failed.insert(index);
                }
            }
        }
        for (pk, (view, indexes)) in joined {
            if let Err(error) = self.join(&pk, view).await {
                self.failed(&pk, &error.chain());
                failed.extend(indexes);
            }
        }
        PartialFailures { batch_item_failures: failures(&batch.records, &failed) }
    }

    /// The current view of a subject.
    pub async fn view(&self, pk: &str) -> Result<Option<View>, StoreError> {
        Ok(self.get(pk).await?.map(|(view, _)| view))
    }

    async fn event(&self, body: &str) -> Result<(String, View), String> {
        let (key, event) = told(body)?;
        if event.dataref.is_none() {
            return Ok((key.pk, View::of(&event)));
        }
        // A correction has an id of its own and no row: what it corrects has the body.
        let key = match &event.correctionof {
            Some(id) => EventKey::from_id(id).ok_or("it corrects no event")?,
            None => key,
        };
        let stored = self.store.load(&key).await.map_err(|error| error.chain())?.ok_or("its row is missing")?;
        let provider = self.provider(&key).ok_or("no provider has this name")?;
        let contribution = Contribution::of(provider, &stored).map_err(|error| error.chain())?;
        Ok((key.pk, contribution.view))
    }

    pub(super) fn provider(&self, key: &EventKey) -> Option<&'static Provider> {
        let (name, ..) = key.parts()?;
        self.mapping.iter().copied().find(|provider| provider.name == name)
    }

    async fn join(&self, pk: &str, news: View) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            let (mut view, etag) =
                self.get(pk).await?.map_or((View::default(), None), |(view, etag)| (view, Some(etag)));
            if !view.merge(news.clone()) || self.put(pk, &view, etag).await? {
                return Ok(());
            }
        }
        Err(StoreError::Contended)
    }

    pub(super) async fn get(&self, pk: &str) -> Result<Option<(View, String)>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true).key("pk", text(pk));
        let output = request.send().await.map_err(|error| StoreError::service("get an order view", &error))?;
        let Some(item) = output.item else { return Ok(None) };
        let missing = |reason: &'static str| move || StoreError::row(pk, reason);
        let compressed = item.get("view").and_then(|value| value.as_b().ok()).ok_or_else(missing("it has no view"))?;
        let json = compression::decompress(compressed.as_ref()).map_err(|error| StoreError::compressed(pk, error))?;
        let view = serde_json::from_slice(&json).map_err(|error| StoreError::row(pk, error))?;
        let etag = item.get("etag").and_then(|value| value.as_s().ok()).ok_or_else(missing("it has no etag"))?;
        Ok(Some((view, etag.clone())))
    }

    /// Writes a view if the standing one is still the one that was read. Returns whether it was.
    pub(super) async fn put(&self, pk: &str, view: &View, read_etag: Option<String>) -> Result<bool, StoreError> {
        let request = self.client.put_item().table_name(&self.table).set_item(Some(view_item(pk, view)?));
        let request = match read_etag {
            None => request.condition_expression("attribute_not_exists(pk)"),
            Some(etag) => {
                request.condition_expression("etag = :etag").expression_attribute_values(":etag", text(&etag))
            }
        };
        condition_held("put an order view", request.send().await)
    }

    fn failed(&self, what: &str, reason: &str) {
        Line::error("an event did not reach its order view")
            .with("message_or_order", what)
            .with("reason", reason)
            .with("provider", "all")
            .with("outcome", "view_failed")
            .metric("Events", "Count", 1)
            .write(self.clock.now_ms());
    }
}

/// What a message's body tells, and under which name, or why it tells nothing. Public for the fuzz targets.
pub fn told(body: &str) -> Result<(EventKey, Event), String> {
    let event: Event = serde_json::from_str(body).map_err(|error| format!("not a canonical event: {error}"))?;
    let key = EventKey::from_id(&event.id).ok_or("its id names no event")?;
    Ok((key, event))
}

/// A view's row: the view itself, and its axes and sums for people and queries.
fn view_item(pk: &str, view: &View) -> Result<Item, StoreError> {
    let json = serde_json::to_vec(view).map_err(|error| StoreError::row(pk, error))?;
    let mut item = Item::from([
        ("pk".to_owned(), text(pk)),
        ("etag".to_owned(), text(&hex::encode(Sha256::digest(&json)))),
        ("view".to_owned(), bytes(compression::compress_view(&json).map_err(StoreError::Compression)?)),
    ]);
    item.extend(summary_attributes(&view.summary()));
    Ok(item)
}

fn summary_attributes(summary: &Summary) -> impl Iterator<Item = (String, AttributeValue)> {
    fn word(state: Option<&impl Serialize>) -> Option<String> {
        serde_json::to_value(state?).ok()?.as_str().map(str::to_owned)
    }
    let refunded = match summary.refunded {
        Refunded::Nothing => None,
        Refunded::Unknown => Some("unknown".to_owned()),
        Refunded::Amount(amount) => Some(amount.to_string()),
    };
    [
        ("order_state", word(summary.order_state.as_ref())),
        ("payment_state", word(summary.payment_state.as_ref())),
        ("fulfillment_state", word(summary.fulfillment_state.as_ref())),
        ("total", summary.total.map(|total| total.to_string())),
        ("currency", summary.currency.clone()),
        ("refunded", refunded),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), text(&value?))))
}

/// Failed messages, and in their groups everything after them: a FIFO group goes on in its order or not at all.
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
