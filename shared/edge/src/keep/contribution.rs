//! What a kept event says: read from its body, or, where that was erased, from what was left of it.

use serde::{Deserialize, Serialize};
use webhook::event::Event;
use webhook::personal::without_personal;
use webhook::providers::Provider;
use webhook::row::read;
use webhook::view::View;

use crate::keep::compression;
use crate::keep::item::{KeptBody, StoredRow};
use crate::keep::store::{Store, StoreError};
use crate::receive::receiver::chain;

/// An event and what it says of its order. Of an erased one the event has no data, and the view nothing personal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The event; without its data where the body was erased.
    pub event: Event,
    /// What it says of its order.
    pub view: View,
}

impl Said {
    /// What a row whose body was loaded says.
    pub fn of(provider: &Provider, stored: &StoredRow) -> Result<Self, StoreError> {
        match &stored.body {
            KeptBody::Erased(erased) => Said::left(stored, &erased.residue),
            KeptBody::Inline(_) | KeptBody::Chunks { .. } | KeptBody::Of(_) | KeptBody::Gone => {
                let event = read(provider, &stored.row);
                Ok(Said { view: View::of(&event), event })
            }
        }
    }

    /// Fetches a row's body and reads it; within, why there is nothing to read. An error as [`Store::fetch`] has it.
    pub(crate) async fn load(
        store: &Store,
        provider: Option<&Provider>,
        stored: &mut StoredRow,
    ) -> Result<Result<Self, String>, StoreError> {
        let Some(provider) = provider else { return Ok(Err("no provider has this name".to_owned())) };
        let fetched = store.fetch(stored).await?;
        Ok(fetched.and_then(|()| Said::of(provider, stored).map_err(|error| chain(&error))))
    }

    /// What a row said of which only the name can be read any more.
    pub(crate) fn unreadable(stored: &StoredRow, reason: &str, view: View) -> Self {
        Said { event: Event::of_unreadable_row(&stored.row.key, stored.row.received_ms, reason), view }
    }

    /// What stays of it when the body is erased: compressed.
    pub fn residue(self) -> Result<Vec<u8>, StoreError> {
        let id = self.event.id.clone();
        let left = Said { event: Event { data: None, ..self.event }, view: without_personal(self.view) };
        let json = serde_json::to_vec(&left).map_err(|error| StoreError::Row { id, source: error.into() })?;
        compression::compress(&json).map_err(StoreError::Compression)
    }

    fn left(stored: &StoredRow, residue: &[u8]) -> Result<Self, StoreError> {
        let bad =
            |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Row { id: stored.row.key.id(), source };
        let json = compression::decompress(residue).map_err(|error| bad(error.into()))?;
        serde_json::from_slice(&json).map_err(|error| bad(error.into()))
    }
}

/// Whether a row's body is not there although it was not erased: nothing can be read in it.
pub fn is_bodiless(stored: &StoredRow) -> bool {
    match stored.body {
        KeptBody::Gone => true,
        KeptBody::Of(_) => stored.row.body.is_empty(),
        KeptBody::Inline(_) | KeptBody::Chunks { .. } | KeptBody::Erased(_) => false,
    }
}
