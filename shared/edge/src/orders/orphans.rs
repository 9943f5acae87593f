//! Chunks that no row owns: a large body's chunks are written before its row, and the row may never come. The process
//! died and the provider gave up, or it came again and was compressed otherwise.
//!
//! They say as much of people as an event does, so whoever erases events erases them too.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use webhook::claim::EventKey;

use crate::aws::clock::Clock;
use crate::keep::compression::decompress;
use crate::keep::error::{StoreError, condition_held};
use crate::keep::item::{KeptBody, text};
use crate::keep::store::{CHUNK_SK, Store, chunk_partition, parse_chunk_partition};
use crate::keep::time_index::{SourceId, TimeIndex};

/// Younger chunks may get their row yet: a delivery is over within seconds, and the rest is for clocks.
pub const AGE_MS_MIN: i64 = 60 * 60 * 1_000;

/// Finds and deletes chunks without a row.
#[derive(Debug)]
pub struct Orphans {
    client: Client,
    table: String,
    store: Store,
    index: TimeIndex,
    clock: Clock,
}

/// A body that no row owns, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The row for which it was written.
    pub owner: EventKey,
    /// The chunks' name.
    pub name: String,
    /// The time at which each chunk was written, by its number.
    written: BTreeMap<u32, String>,
}

impl Orphan {
    /// The beginning of every orphan's id, and of no event's.
    pub const PREFIX: &str = "chunk/";

    /// Returns its id.
    pub fn id(&self) -> String {
        format!("{}{}", Orphan::PREFIX, self.name)
    }
}

impl Orphans {
    /// Those in the events table of this name.
    pub fn new(client: Client, table: String, clock: Clock) -> Self {
        Orphans {
            store: Store::new(client.clone(), table.clone()),
            index: TimeIndex::new(client.clone(), table.clone()),
            client,
            table,
            clock,
        }
    }

    /// Returns the orphans that were written for a source before a time, or at any, but for those that are too young.
    pub async fn of_source(&self, source: &SourceId, before_ms: Option<i64>) -> Result<Vec<Orphan>, StoreError> {
        let mut orphans = Vec::new();
        for orphan in self.candidates(source, before_ms).await?.into_values() {
            if !self.is_owned(&orphan).await? {
                orphans.push(orphan);
            }
        }
        Ok(orphans)
    }

    /// Returns the orphan with this id, if it is one.
    pub async fn named(&self, id: &str) -> Result<Option<Orphan>, StoreError> {
        let first_chunk = format!("{id}/0");
        let Some((name, owner, _)) = parse_chunk_partition(&first_chunk) else { return Ok(None) };
        let Some(source) = SourceId::of_partition(&owner.pk) else { return Ok(None) };
        // The others are not asked for their rows: one is looked for.
        let candidate = self.candidates(&source, None).await?.remove(name);
        let Some(orphan) = candidate else { return Ok(None) };
        Ok((!self.is_owned(&orphan).await?).then_some(orphan))
    }

    /// Returns the chunks of a source that are old enough, by their name, whether a row owns them or not.
    async fn candidates(
        &self,
        source: &SourceId,
        before_ms: Option<i64>,
    ) -> Result<BTreeMap<String, Orphan>, StoreError> {
        let old_enough_ms = self.clock.now_ms().saturating_sub(AGE_MS_MIN);
        let to_ms = before_ms.unwrap_or(i64::MAX).min(old_enough_ms);
        let mut found: BTreeMap<String, Orphan> = BTreeMap::new();
        for entry in self.index.chunks(source, to_ms).await? {
            let Some((name, owner, number)) = parse_chunk_partition(&entry.key.pk) else { continue };
            let orphan = Orphan { owner, name: name.to_owned(), written: BTreeMap::new() };
            found.entry(name.to_owned()).or_insert(orphan).written.insert(number, entry.received_at);
        }
        Ok(found)
    }

    async fn is_owned(&self, orphan: &Orphan) -> Result<bool, StoreError> {
        match self.store.row(&orphan.owner).await {
            Ok(Some(row)) => Ok(matches!(row.body, KeptBody::Chunks { name, .. } if name == orphan.name)),
            Ok(None) => Ok(false),
            // Nobody knows what a row owns that cannot be read.
            Err(error) if !error.is_outage() => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Returns an orphan's body; `None` if chunks are missing or it cannot be decompressed.
    pub async fn body(&self, orphan: &Orphan) -> Result<Option<Vec<u8>>, StoreError> {
        let count = u32::try_from(orphan.written.len()).unwrap_or(u32::MAX);
        match self.store.chunks(&orphan.name, count).await {
            Ok(compressed) => Ok(decompress(&compressed).ok()),
            Err(error) if !error.is_outage() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes an orphan, but for chunks that were written again in the meantime: those may get their row now.
    pub async fn delete(&self, orphan: &Orphan) -> Result<(), StoreError> {
        for (number, written) in &orphan.written {
            let request = self.client.delete_item().table_name(&self.table);
            let sent = request
                .key("pk", text(&chunk_partition(&orphan.name, *number)))
                .key("sk", text(CHUNK_SK))
                .condition_expression("received_at = :written")
                .expression_attribute_values(":written", text(written))
                .send()
                .await;
            condition_held("delete a chunk that no row owns", sent)?;
        }
        Ok(())
    }
}
