//! Records of the table's stream: every record of ours becomes a message, whatever is in it.

use edge::keep::compression::decompress;
use edge::keep::item::{self, KIND_EVENT, KeptBody, StoredRow};
use edge::relay::stream::StreamBatch;
use webhook::claim::EventKey;
use webhook::event::Event;
use webhook::providers::Provider;

use crate::reading::{RECEIVED_MS, check_message};

/// The JSON of an invocation.
pub fn stream_record(data: &[u8]) {
    let Ok(batch) = serde_json::from_slice::<StreamBatch>(data) else { return };
    for record in batch.records.into_iter().take(8) {
        let Some(item) = record.inserted_event() else { continue };
        assert_eq!(item.get("kind").and_then(|kind| kind.as_s().ok()).map(String::as_str), Some(KIND_EVENT));
        let Some(key) = item::key_of(&item) else { continue };
        let event = match StoredRow::from_item(&item) {
            Ok(stored) => event(stored),
            Err(error) => unreadable(&key, &error.to_string()),
        };
        assert_eq!(event.id, key.id());
        check_message(&event);
        check_message(&event.without_data());
    }
}

/// The event of a row whose body is at hand.
fn event(mut stored: StoredRow) -> Event {
    assert_eq!(StoredRow::from_item(&stored.to_item()).as_ref(), Ok(&stored), "an item is read as another row");
    if let KeptBody::Inline(compressed) = &stored.body {
        match decompress(compressed) {
            Ok(body) => stored.row.body = body,
            Err(error) => return unreadable(&stored.row.key, &error.to_string()),
        }
    }
    let provider = Provider::of(&stored.row.key);
    provider.map_or_else(|| unreadable(&stored.row.key, "unknown"), |provider| provider.read(&stored.row))
}

fn unreadable(key: &EventKey, reason: &str) -> Event {
    Event::of_unreadable_row(key, RECEIVED_MS, reason)
}
