//! The relay log: one row a batch, which the sweeper compares with the events that were received.
//!
//! A row is written when every event in it has reached every queue that takes it, or a dead letter queue instead, and
//! never before: an event that is logged wrongly would be lost, one that is not logged is only sent again.
//! Its key is the time at which its events were received, as their rows have it, so that neither the relay's clock nor
//! the order of shards decides what is compared. Events of several slots take a row each.
//! Rows are sets of names: written twice, by a batch that was retried or split in another way, they mean the same.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use sha2::{Digest, Sha256};

use crate::keep::error::StoreError;
use crate::keep::item::{Item, KIND_RELAYED, bytes, text};
use crate::keep::time_index::IndexEntry;

/// The length of a slot, in milliseconds.
pub const SLOT_MS: i64 = 10 * 60 * 1_000;

/// Life of a row: of events received before it, nobody knows whether they were relayed.
pub const LIFE_MS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// Bytes of an event's name: enough that no two events ever share one.
pub(crate) const NAME_BYTES: usize = 16;

/// Length of a slot's name: an instant's text up to the tens of its minutes.
const SLOT_CHARACTERS: usize = "2026-01-31T08:0".len();

/// The name of an event in the relay log.
pub type Name = [u8; NAME_BYTES];

/// The relay log, in the events table.
#[derive(Debug, Clone)]
pub struct RelayLog {
    client: Client,
    table: String,
}

/// An event that was relayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayLogEntry {
    /// Time of receipt, as its row has it.
    pub received_at: String,
    /// Its id.
    pub id: String,
}

impl RelayLog {
    /// The relay log in the table of this name.
    pub fn new(client: Client, table: String) -> Self {
        RelayLog { client, table }
    }

    /// Logs that these events were relayed.
    pub async fn note(&self, events: &[RelayLogEntry], now_ms: i64) -> Result<(), StoreError> {
        let puts = slots(events).into_iter().map(|(slot, names)| self.put(slot, names, now_ms));
        futures_util::future::try_join_all(puts).await.map(|_| ())
    }

    /// Returns those of some events, received within one slot, that are not in the log, in their order. The log is
    /// read page by page, so only the events themselves are held.
    pub async fn missing(&self, entries: Vec<IndexEntry>) -> Result<Vec<IndexEntry>, StoreError> {
        let Some(slot) = entries.first().map(|entry| slot_of(&entry.received_at).to_owned()) else {
            return Ok(Vec::new());
        };
        let mut missing: HashMap<Name, IndexEntry> =
            entries.into_iter().map(|entry| (name_of(&entry.key.id()), entry)).collect();
        let query = self.client.query().table_name(&self.table).consistent_read(true);
        let query = query.key_condition_expression("pk = :pk");
        let query = query.expression_attribute_values(":pk", text(&partition(&slot)));
        let mut pages = query.into_paginator().items().send();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| StoreError::service("read what was relayed", &error))?;
            let joined = item.get("names").and_then(|value| value.as_b().ok()).map(AsRef::as_ref).unwrap_or_default();
            joined.chunks_exact(NAME_BYTES).for_each(|name| drop(missing.remove(name)));
            if missing.is_empty() {
                break;
            }
        }
        let mut missing: Vec<IndexEntry> = missing.into_values().collect();
        missing.sort_unstable();
        Ok(missing)
    }

    async fn put(&self, slot: &str, names: Vec<Name>, now_ms: i64) -> Result<(), StoreError> {
        let joined = names.concat();
        let digest = Sha256::digest(&joined);
        let item = Item::from([
            ("pk".to_owned(), text(&partition(slot))),
            ("sk".to_owned(), text(&hex::encode(digest.get(..NAME_BYTES).unwrap_or_default()))),
            ("kind".to_owned(), text(KIND_RELAYED)),
            ("names".to_owned(), bytes(joined)),
            ("expires".to_owned(), AttributeValue::N(((now_ms + LIFE_MS) / 1_000).to_string())),
        ]);
        let sent = self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await;
        sent.map(|_| ()).map_err(|error| StoreError::service("note what was relayed", &error))
    }
}

/// Returns the name of an event in the relay log.
pub fn name_of(id: &str) -> Name {
    let digest: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    let mut name = Name::default();
    name.iter_mut().zip(digest).for_each(|(byte, of_digest)| *byte = of_digest);
    name
}

/// Returns the slot of a time of receipt. A malformed time has one too, of its own.
pub fn slot_of(received_at: &str) -> &str {
    received_at.get(..SLOT_CHARACTERS).unwrap_or(received_at)
}

/// Returns the events' names by slot, sorted. A malformed time has no slot, and no sweep looks for it.
fn slots(events: &[RelayLogEntry]) -> BTreeMap<&str, Vec<Name>> {
    let mut slots: BTreeMap<&str, Vec<Name>> = BTreeMap::new();
    for event in events {
        if let Some(slot) = event.received_at.get(..SLOT_CHARACTERS) {
            slots.entry(slot).or_default().push(name_of(&event.id));
        }
    }
    for names in slots.values_mut() {
        names.sort_unstable();
        names.dedup();
    }
    slots
}

fn partition(slot: &str) -> String {
    format!("relayed/{slot}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keep::item::instant;

    #[test]
    fn a_batch_has_a_note_for_each_slot() {
        let noted = |ms: i64, id: &str| RelayLogEntry { received_at: instant(ms), id: id.to_owned() };
        let events = [noted(SLOT_MS, "b"), noted(2 * SLOT_MS - 1, "a"), noted(2 * SLOT_MS, "c"), noted(SLOT_MS, "b")];
        let slots = slots(&events);
        assert_eq!(slots.keys().copied().collect::<Vec<_>>(), ["1970-01-01T00:1", "1970-01-01T00:2"]);
        assert_eq!(slots.values().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        assert!(super::slots(&[RelayLogEntry { received_at: "never".to_owned(), id: "d".to_owned() }]).is_empty());
        assert_ne!(name_of("a"), name_of("b"));
    }
}
