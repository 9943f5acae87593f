//! The contribution of a kept event to its order: read from its body or, once that was erased, from what remains of it.

use serde::{Deserialize, Serialize};
use webhook::event::Event;
use webhook::personal::without_personal;
use webhook::providers::Provider;
use webhook::view::View;

use crate::keep::compression;
use crate::keep::error::StoreError;
use crate::keep::item::{INLINE_BYTES_MAX, KeptBody, StoredRow};
use crate::keep::store::Store;

/// An event and its part of the order's view. Of an erased one the event has no data, and the view nothing personal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    /// The event; without its data if the body was erased.
    pub event: Event,
    /// The view of this event alone.
    pub view: View,
}

impl Contribution {
    /// Reads a row whose body was loaded.
    pub fn of(provider: &Provider, stored: &StoredRow) -> Result<Self, StoreError> {
        match &stored.body {
            KeptBody::Erased(erased) => Contribution::from_remainder(stored, &erased.remainder),
            KeptBody::Inline(_) | KeptBody::Chunks { .. } | KeptBody::Of(_) | KeptBody::Gone => {
                let event = provider.read(&stored.row);
                Ok(Contribution { view: View::of(&event), event })
            }
        }
    }

    /// Returns the part of the order's view: of a disowned event, that there is one.
    pub fn view_of(self, stored: &StoredRow) -> View {
        if stored.is_disowned() { View::of_disowned() } else { self.view }
    }

    /// Fetches a row's body and reads it.
    pub(crate) async fn load(
        store: &Store,
        provider: Option<&Provider>,
        stored: &mut StoredRow,
    ) -> Result<Self, StoreError> {
        let provider = provider.ok_or(StoreError::Unreadable("no provider has this name"))?;
        store.require_body(stored).await?;
        Contribution::of(provider, stored)
    }

    /// The contribution of a row that cannot be read any more: its name, and what the order's view has of it.
    pub(crate) fn unreadable(stored: &StoredRow, reason: &str, view: View) -> Self {
        Contribution { event: Event::of_unreadable_row(&stored.row.key, stored.row.received_ms, reason), view }
    }

    /// Returns what remains when the body is erased, compressed.
    pub fn remainder(self) -> Result<Vec<u8>, StoreError> {
        let id = self.event.id.clone();
        let event = Event { data: None, reference: None, ..self.event };
        let mut view = without_personal(self.view);
        let compressed = |view: &View| {
            let rest = Contribution { event: event.clone(), view: view.clone() };
            let json = serde_json::to_vec(&rest).map_err(|error| StoreError::row(id.clone(), error))?;
            compression::compress(&json).map_err(StoreError::Compression)
        };
        // An event of thousands of refunds leaves more than its row can hold.
        view.shorten(|view| compressed(view).is_ok_and(|rest| rest.len() <= INLINE_BYTES_MAX));
        compressed(&view)
    }

    fn from_remainder(stored: &StoredRow, remainder: &[u8]) -> Result<Self, StoreError> {
        let id = || stored.row.key.id();
        let json = compression::decompress(remainder).map_err(|error| StoreError::compressed(id(), error))?;
        serde_json::from_slice(&json).map_err(|error| StoreError::row(id(), error))
    }
}
