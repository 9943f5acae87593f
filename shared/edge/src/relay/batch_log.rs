//! The relay's memory of a batch that comes again: what of it was sent already, and how often it ended the function.
//!
//! A batch comes again whole until it succeeds, and FIFO queues drop repeats for five minutes only. So a batch of which
//! something is left leaves a row under the name of its first event, which it begins with again. Whatever ends the
//! function without an answer (a time-out, too little memory) is counted there too: such a batch is cut smaller each
//! time, down to the one event that does it.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::keep::error::StoreError;
use crate::keep::item::{Item, KIND_RELAYED, bytes, text};
use crate::relay::relay_log::{NAME_BYTES, Name, name_of};

/// Life of a row: longer than the stream's, in which a batch can come again.
const LIFE_MS: i64 = 3 * 24 * 60 * 60 * 1_000;

/// The sort key of every row.
const SK: &str = "~";

/// Ends without an answer after which events are sent ten at a time, one at a time, and not at all.
const ENDS_TO_TENS: u32 = 1;
const ENDS_TO_ONES: u32 = 2;
const ENDS_TO_PARK: u32 = 5;

/// The rows, in the events table.
#[derive(Debug, Clone)]
pub(crate) struct BatchLog {
    client: Client,
    table: String,
}

/// The state of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BatchState {
    /// Names of its events that need not be sent again.
    pub(crate) sent: BTreeSet<Name>,
    /// Attempts that ended without an answer since the last one that sent something.
    pub(crate) ends: u32,
}

impl BatchState {
    /// Returns the number of events that are sent before this state is written again.
    pub(crate) fn stride(&self) -> usize {
        match self.ends {
            0 => usize::MAX,
            ENDS_TO_TENS => 10,
            _ => 1,
        }
    }

    /// Returns whether the next event has ended the function too often to be tried again.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.ends >= ENDS_TO_PARK
    }

    /// Notes that something was sent: whatever ends the function is further behind.
    pub(crate) fn has_progressed(&mut self) {
        self.ends = self.ends.min(ENDS_TO_ONES);
    }
}

impl BatchLog {
    /// The rows in the table of this name.
    pub(crate) fn new(client: Client, table: String) -> Self {
        BatchLog { client, table }
    }

    /// Returns the state of the batch that begins with this event.
    pub(crate) async fn read(&self, first_id: &str) -> Result<BatchState, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let sent = request.key("pk", text(&partition(first_id))).key("sk", text(SK)).send().await;
        let output = sent.map_err(|error| StoreError::service("read what was sent of a batch", &error))?;
        let Some(item) = output.item else { return Ok(BatchState::default()) };
        let names = item.get("names").and_then(|value| value.as_b().ok()).map(AsRef::as_ref).unwrap_or_default();
        let ends = item.get("ends").and_then(|value| value.as_n().ok()).and_then(|number| number.parse().ok());
        let sent = names.chunks_exact(NAME_BYTES).filter_map(|name| Name::try_from(name).ok()).collect();
        Ok(BatchState { sent, ends: ends.unwrap_or_default() })
    }

    /// Replaces the state of the batch that begins with this event.
    pub(crate) async fn write(&self, first_id: &str, state: &BatchState, now_ms: i64) -> Result<(), StoreError> {
        let mut item = Item::from([
            ("pk".to_owned(), text(&partition(first_id))),
            ("sk".to_owned(), text(SK)),
            ("kind".to_owned(), text(KIND_RELAYED)),
            ("ends".to_owned(), AttributeValue::N(state.ends.to_string())),
            ("expires".to_owned(), AttributeValue::N(((now_ms + LIFE_MS) / 1_000).to_string())),
        ]);
        if !state.sent.is_empty() {
            item.insert("names".to_owned(), bytes(state.sent.iter().flatten().copied().collect()));
        }
        let sent = self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await;
        sent.map(|_| ()).map_err(|error| StoreError::service("note what was sent of a batch", &error))
    }
}

fn partition(first_id: &str) -> String {
    format!("relayed/batch/{}", hex::encode(name_of(first_id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_ends_the_function_is_cut_down_to_one_event() {
        let mut state = BatchState::default();
        let mut strides = Vec::new();
        while !state.is_hopeless() {
            strides.push(state.stride());
            state.ends += 1;
        }
        assert_eq!(strides, [usize::MAX, 10, 1, 1, 1]);
        state.has_progressed();
        assert_eq!((state.stride(), state.is_hopeless()), (1, false));
    }
}
