//! An order's view made anew from its events alone, while live events flow.
//!
//! The view's etag is read first, the events after it. An event's row is durable before the event is joined, so whatever
//! was joined before the etag was read is among the events; whatever is joined later breaks the condition of the write.

use std::collections::BTreeSet;

use webhook::claim::EventKey;
use webhook::view::View;

use crate::keep::contribution::Contribution;
use crate::keep::error::{StoreError, condition_held};
use crate::keep::item::{StoredRow, text};
use crate::orders::consumer::{ATTEMPTS_MAX, Orders};

/// A view and what its events make of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rebuild {
    /// The view as it stood; none where the order had none.
    pub standing: Option<View>,
    /// The view that its events tell.
    pub joined: View,
    /// The events that were joined.
    pub events: Vec<EventKey>,
    /// How many of them are erased: what was left of them was joined.
    pub erased: usize,
    /// Events that cannot be read, and why. What the standing view has of them stays in it.
    pub unreadable: Vec<(EventKey, String)>,
    etag: Option<String>,
}

impl Rebuild {
    /// Whether the view would be another one. An order of which no event is kept is left alone.
    pub fn is_change(&self) -> bool {
        let known = !self.events.is_empty() || !self.unreadable.is_empty();
        known && *self.standing.as_ref().unwrap_or(&View::default()) != self.joined
    }
}

impl Orders {
    /// What a rebuild would make of a view; nothing is written.
    pub async fn survey(&self, pk: &str) -> Result<Rebuild, StoreError> {
        let (standing, etag) = self.get(pk).await?.map_or((None, None), |(view, etag)| (Some(view), Some(etag)));
        let mut rebuild =
            Rebuild { standing, joined: View::default(), events: Vec::new(), erased: 0, unreadable: Vec::new(), etag };
        for row in self.store.partition(pk).await? {
            match row {
                Ok(stored) => self.add(&mut rebuild, stored).await?,
                Err((key, error)) => rebuild.unreadable.push((key, error.chain())),
            }
        }
        let lost: BTreeSet<String> = rebuild.unreadable.iter().map(|(key, _)| key.id()).collect();
        let mut told_before = rebuild.standing.clone().unwrap_or_default();
        told_before.retain(|register| lost.contains(&register.event));
        rebuild.joined.merge(told_before);
        Ok(rebuild)
    }

    /// Makes a view anew and writes it, unless it is what stands there.
    pub async fn rebuild(&self, pk: &str) -> Result<Rebuild, StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            let rebuild = self.survey(pk).await?;
            if !rebuild.is_change() || self.replace(pk, &rebuild).await? {
                return Ok(rebuild);
            }
        }
        Err(StoreError::Contended)
    }

    async fn add(&self, rebuild: &mut Rebuild, mut stored: StoredRow) -> Result<(), StoreError> {
        let key = stored.row.key.clone();
        match Contribution::load(&self.store, self.provider(&key), &mut stored).await {
            Ok(contribution) => {
                rebuild.joined.merge(contribution.view);
                rebuild.erased += usize::from(stored.is_erased());
                rebuild.events.push(key);
            }
            Err(error) if error.is_outage() => return Err(error),
            Err(error) => rebuild.unreadable.push((key, error.chain())),
        }
        Ok(())
    }

    /// Writes a rebuilt view if the standing one is still the one that was read. Returns whether it was.
    async fn replace(&self, pk: &str, rebuild: &Rebuild) -> Result<bool, StoreError> {
        match &rebuild.etag {
            // There is no view of nothing.
            Some(etag) if rebuild.joined.is_empty() => self.remove(pk, etag).await,
            etag => self.put(pk, &rebuild.joined, etag.clone()).await,
        }
    }

    async fn remove(&self, pk: &str, etag: &str) -> Result<bool, StoreError> {
        let request = self.client.delete_item().table_name(&self.table).key("pk", text(pk));
        let request = request.condition_expression("etag = :etag").expression_attribute_values(":etag", text(etag));
        condition_held("delete an order view", request.send().await)
    }
}
