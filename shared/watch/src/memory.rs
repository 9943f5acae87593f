//! What the watch remembers between its runs: small rows in one partition of the events table, that nothing relays.

use aws_sdk_dynamodb::Client;
use edge::keep::compression::{compress, decompress};
use edge::keep::error::StoreError;
use edge::keep::item::{Item, KIND_WATCH, WATCH_PARTITION, bytes, text};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The rows.
#[derive(Debug, Clone)]
pub struct Memory {
    client: Client,
    table: String,
}

impl Memory {
    /// The rows in this table.
    pub fn new(client: Client, table: String) -> Self {
        Memory { client, table }
    }

    /// What is remembered under a name. What this build cannot read is as forgotten: it is learnt anew.
    pub async fn recall<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let sent = request.key("pk", text(WATCH_PARTITION)).key("sk", text(name)).send().await;
        let item = sent.map_err(|error| StoreError::service("recall what the watch knows", &error))?.item;
        let compressed = item.as_ref().and_then(|item| item.get("state")?.as_b().ok());
        let json = compressed.and_then(|compressed| decompress(compressed.as_ref()).ok());
        Ok(json.and_then(|json| serde_json::from_slice(&json).ok()))
    }

    /// Remembers something under a name, in place of what stood there.
    pub async fn keep<T: Serialize>(&self, name: &str, state: &T) -> Result<(), StoreError> {
        let json = serde_json::to_vec(state).unwrap_or_default();
        let item = Item::from([
            ("pk".to_owned(), text(WATCH_PARTITION)),
            ("sk".to_owned(), text(name)),
            ("kind".to_owned(), text(KIND_WATCH)),
            ("state".to_owned(), bytes(compress(&json).map_err(StoreError::Compression)?)),
        ]);
        let sent = self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await;
        sent.map(|_| ()).map_err(|error| StoreError::service("keep what the watch knows", &error))
    }
}
