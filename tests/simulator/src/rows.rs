//! The rows of the events table as the functions read them, and the messages that are made of them.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge::keep::compression::decompress;
use edge::keep::item::StoredRow;
use edge::relay::stream::StreamBatch;
use serde_json::json;
use webhook::event::Event;

use crate::assumptions::{MESSAGE_BYTES_MAX, TABLE_EVENTS};
use crate::table::{JsonItem, TableChange, Tables, string};

/// SHA-256 of a body.
pub type Hash = [u8; 32];

/// Returns an event as a queue takes it: without its data when it is too long.
pub fn sendable(event: &Event) -> String {
    let whole = event.to_json().unwrap();
    if whole.len() <= MESSAGE_BYTES_MAX { whole } else { event.without_data().to_json().unwrap() }
}

/// Reads a row as the functions do.
pub fn stored(item: &JsonItem) -> Option<StoredRow> {
    let record = json!({"Records": [{"eventName": "INSERT", "dynamodb": {"NewImage": item}}]});
    let mut batch: StreamBatch = serde_json::from_value(record).unwrap();
    StoredRow::from_item(&batch.records.remove(0).inserted_event()?).ok()
}

/// Returns the hash of a row's body.
pub fn hash(item: &JsonItem) -> Option<Hash> {
    STANDARD.decode(item.get("hash")?["B"].as_str()?).ok()?.try_into().ok()
}

/// Returns the event rows in the order in which they were written.
pub fn events(insertions: &[TableChange]) -> impl Iterator<Item = &JsonItem> {
    insertions.iter().map(|change| &change.item).filter(|item| string(item, "kind") == "event")
}

/// Finds bodies: in the row, in chunks, or in another row.
pub struct Bodies<'a>(HashMap<(&'a str, &'a str), &'a JsonItem>);

impl<'a> Bodies<'a> {
    /// Those of everything that was ever written to the events table.
    pub fn of(insertions: &'a [TableChange]) -> Self {
        let items = insertions.iter().map(|change| &change.item);
        Bodies(items.map(|item| ((string(item, "pk"), string(item, "sk")), item)).collect())
    }

    /// Returns a row's body as it was received.
    pub fn body(&self, item: &JsonItem) -> Option<Vec<u8>> {
        if let Some(sk) = item.get("body_of") {
            let holder = self.0.get(&(string(item, "pk"), sk["S"].as_str()?))?;
            return if holder.contains_key("body_of") { None } else { self.body(holder) };
        }
        let Some(count) = item.get("chunks") else { return decompress(&inline(item)?).ok() };
        let (count, name) = (count["N"].as_str()?.parse::<u32>().ok()?, string(item, "chunks_of"));
        let chunk = |number| inline(self.0.get(&(format!("chunk/{name}/{number}").as_str(), "~"))?);
        decompress(&(0..count).map(chunk).collect::<Option<Vec<_>>>()?.concat()).ok()
    }
}

/// Returns the event rows that are in the table now.
pub fn event_items(tables: &Tables) -> impl Iterator<Item = &JsonItem> {
    tables.items(TABLE_EVENTS).filter(|item| string(item, "kind") == "event")
}

/// Returns a row's body as it is in the table now.
pub fn held_by(tables: &Tables, item: &JsonItem) -> Option<Vec<u8>> {
    let at = |pk: &str, sk: &str| tables.item(TABLE_EVENTS, pk, sk);
    if item.contains_key("body_of") {
        let holder = at(string(item, "pk"), string(item, "body_of"))?;
        return if holder.contains_key("body_of") { None } else { held_by(tables, holder) };
    }
    let Some(count) = item.get("chunks") else { return decompress(&inline(item)?).ok() };
    let (count, name) = (count["N"].as_str()?.parse::<u32>().ok()?, string(item, "chunks_of"));
    let chunk = |number| inline(at(&format!("chunk/{name}/{number}"), "~")?);
    decompress(&(0..count).map(chunk).collect::<Option<Vec<_>>>()?.concat()).ok()
}

/// Returns the compressed bytes in an item.
pub fn inline(item: &JsonItem) -> Option<Vec<u8>> {
    STANDARD.decode(item.get("body")?["B"].as_str()?).ok()
}

/// Returns the id in a canonical event, whose characters need no escape.
pub fn id_of(body: &str) -> &str {
    let start = body.find("\"id\":\"").map_or(0, |at| at + 6);
    body[start..].split('"').next().unwrap_or_default()
}
