//! State that outlives a run of the watch or of the sweeper: small rows in one partition of the events table, which the
//! relay ignores.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::keep::compression::{compress, decompress};
use crate::keep::error::StoreError;
use crate::keep::item::{Item, KIND_WATCH, bytes, instant, text};
use crate::keep::time_index::ms_of;

const PARTITION: &str = "watch";

/// The attribute of a row of progress.
const UNTIL: &str = "until";

/// The rows.
#[derive(Debug, Clone)]
pub struct Memory {
    client: Client,
    table: String,
}

impl Memory {
    /// The rows in the table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Memory { client, table }
    }

    /// Returns the state under a name. State that this build cannot read counts as none: it is learnt again.
    pub async fn recall<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let state = self.get(name, "state").await?;
        let json = state.and_then(|state| decompress(state.as_b().ok()?.as_ref()).ok());
        Ok(json.and_then(|json| serde_json::from_slice(&json).ok()))
    }

    /// Replaces the state under a name.
    pub async fn keep<T: Serialize>(&self, name: &str, state: &T) -> Result<(), StoreError> {
        let json = serde_json::to_vec(state).map_err(|error| StoreError::row(name, error))?;
        self.put(name, "state", bytes(compress(&json).map_err(StoreError::Compression)?)).await
    }

    /// Returns the time until which the work of a name is done, in milliseconds since 1970; `None` where it cannot be read.
    pub(crate) async fn until(&self, name: &str) -> Result<Option<i64>, StoreError> {
        let until = self.get(name, UNTIL).await?;
        Ok(until.and_then(|until| ms_of(until.as_s().ok()?)))
    }

    /// Replaces the time until which the work of a name is done.
    pub(crate) async fn keep_until(&self, name: &str, until_ms: i64) -> Result<(), StoreError> {
        self.put(name, UNTIL, text(&instant(until_ms))).await
    }

    /// Returns one attribute of the row under a name.
    async fn get(&self, name: &str, attribute: &str) -> Result<Option<AttributeValue>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let sent = request.key("pk", text(PARTITION)).key("sk", text(name)).send().await;
        let item = sent.map_err(|error| StoreError::service("read the watch's state", &error))?.item;
        Ok(item.and_then(|mut item| item.remove(attribute)))
    }

    /// Replaces the row under a name by one with this attribute.
    async fn put(&self, name: &str, attribute: &str, value: AttributeValue) -> Result<(), StoreError> {
        let item = Item::from([
            ("pk".to_owned(), text(PARTITION)),
            ("sk".to_owned(), text(name)),
            ("kind".to_owned(), text(KIND_WATCH)),
            (attribute.to_owned(), value),
        ]);
        let sent = self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await;
        sent.map(|_| ()).map_err(|error| StoreError::service("write the watch's state", &error))
    }
}
