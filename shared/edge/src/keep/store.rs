//! The events table: one conditional put for a delivery, and the decision if its name is taken.

use std::borrow::Cow;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};
use sha2::{Digest, Sha256};
use webhook::claim::{self, Claim, Decision, EventKey, OtherBody, Variant};
use webhook::providers::Provider;
use webhook::row::{Mark, NewRow, Row};
use webhook::signature::Verified;

use crate::aws::client::CallFailure;
use crate::keep::compression::{compress_body, decompress};
use crate::keep::error::StoreError;
use crate::keep::item::{
    self, INLINE_BYTES_MAX, Item, KIND_CHUNK, KeptBody, StoredRow, bytes, chunk_bucket_of, instant, text,
};
use crate::keep::time_index::ms_of;

/// Most generations of one weak name that are looked for: one a minute for three years.
const GENERATIONS_MAX: u32 = 1 << 21;

/// The events table.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    table: String,
}

/// The result of keeping a delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct KeepOutcome {
    /// The event's name.
    pub key: EventKey,
    /// Kept now, and how, or known already.
    pub kept: Kept,
    /// Write units of the successful put, indexes included. Failed conditions report none.
    pub write_units: f64,
}

/// The outcome of keeping a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// As an event of its own.
    New,
    /// As a further row under a known identity.
    Marked(Mark),
    /// It was known: nothing was written.
    Repeat,
}

enum Put {
    Done(f64),
    Taken(Box<StoredRow>),
}

impl Store {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Store { client, table }
    }

    /// Keeps a verified delivery once and for ever.
    pub async fn keep(
        &self,
        provider: &Provider,
        verified: &Verified<'_>,
        received_ms: i64,
    ) -> Result<KeepOutcome, StoreError> {
        self.insert(provider.row_of(verified, received_ms)).await
    }

    /// Keeps a delivery that was refused when it came, at `received_ms`: as what it would have been, but for the time
    /// index, where it is as of now. The sweeper and whoever follows the events has passed the time at which it came.
    pub async fn admit(
        &self,
        provider: &Provider,
        verified: &Verified<'_>,
        received_ms: i64,
        now_ms: i64,
    ) -> Result<KeepOutcome, StoreError> {
        self.insert_row(provider.row_of(verified, received_ms), Some(now_ms)).await
    }

    /// Keeps a row once and for ever, unless the very same is kept already.
    pub async fn insert(&self, new: NewRow) -> Result<KeepOutcome, StoreError> {
        self.insert_row(new, None).await
    }

    async fn insert_row(&self, new: NewRow, admitted_ms: Option<i64>) -> Result<KeepOutcome, StoreError> {
        let provider = new.row.key.parts().map_or("", |(provider, ..)| provider);
        let compressed = compress_body(provider, &new.row.body).map_err(StoreError::Compression)?;
        let row = StoredRow {
            row: Row { body: Vec::new(), ..new.row },
            // A longer one goes into chunks when the row's own name is known: see `put`.
            body: KeptBody::Inline(compressed),
            content: new.claim.content,
            claim_version: claim::VERSION,
            fingerprint: new.fingerprint,
            redacted: new.redacted,
            alias: new.claim.alias.clone(),
            admitted_ms,
            disowned_at: None,
        };
        self.insert_claimed(&new.claim, row).await
    }

    /// Reads an event's row, its body included.
    pub async fn load(&self, key: &EventKey) -> Result<Option<StoredRow>, StoreError> {
        let Some(mut stored) = self.row(key).await? else { return Ok(None) };
        self.load_body(&mut stored).await?;
        Ok(Some(stored))
    }

    /// Reads an event's row without its body.
    pub(crate) async fn row(&self, key: &EventKey) -> Result<Option<StoredRow>, StoreError> {
        self.get_item(&key.pk, &key.sk).await?.as_ref().map(read_item).transpose()
    }

    /// Reads an event's item.
    pub async fn item(&self, key: &EventKey) -> Result<Option<Item>, StoreError> {
        self.get_item(&key.pk, &key.sk).await
    }

    /// Returns the time, in milliseconds since 1970, at which all of a partition was erased, if that was in the last days.
    /// An erasure by age does not count.
    pub async fn forgotten_ms(&self, pk: &str) -> Result<Option<i64>, StoreError> {
        let item = self.get_item(&forgotten_partition(pk), FORGOTTEN_SK).await?;
        Ok(item.and_then(|item| ms_of(item.get(item::ERASED_AT)?.as_s().ok()?)))
    }

    /// Returns every event row of a partition, without its body; a row of another form by its key.
    pub async fn partition(&self, pk: &str) -> Result<Vec<Result<StoredRow, (EventKey, StoreError)>>, StoreError> {
        let query = self.client.query().table_name(&self.table).consistent_read(true);
        let query = query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", text(pk));
        let mut rows = Vec::new();
        let mut pages = query.into_paginator().items().send();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| StoreError::service("query an order", &error))?;
            if let Some(key) = item::key_of(&item).filter(|_| item::is_event(&item)) {
                rows.push(read_item(&item).map_err(|error| (key, error)));
            }
        }
        Ok(rows)
    }

    /// Fetches and decompresses a row's body.
    pub async fn load_body(&self, stored: &mut StoredRow) -> Result<(), StoreError> {
        let id = stored.row.key.id();
        let compressed = match &stored.body {
            KeptBody::Inline(compressed) => compressed.clone(),
            KeptBody::Chunks { name, count } => self.chunks(name, *count).await?,
            KeptBody::Of(sk) => {
                let first = EventKey { pk: stored.row.key.pk.clone(), sk: sk.clone() };
                let found = self.row(&first).await?.ok_or_else(|| StoreError::row(&id, "its first row is missing"))?;
                match found.body {
                    KeptBody::Inline(compressed) => compressed,
                    KeptBody::Chunks { name, count } => self.chunks(&name, count).await?,
                    KeptBody::Gone | KeptBody::Erased(_) => return Ok(()),
                    KeptBody::Of(_) => return Err(StoreError::row(id, "its first row has no body of its own")),
                }
            }
            KeptBody::Gone | KeptBody::Erased(_) => return Ok(()),
        };
        stored.row.body = decompress(&compressed).map_err(|error| StoreError::compressed(id, error))?;
        Ok(())
    }

    /// Fetches and decompresses a row's body, of which there has to be one.
    pub(crate) async fn require_body(&self, stored: &mut StoredRow) -> Result<(), StoreError> {
        self.load_body(stored).await?;
        if stored.is_bodiless() { Err(StoreError::Unreadable("its body is no longer kept")) } else { Ok(()) }
    }

    async fn insert_claimed(&self, claim: &Claim, row: StoredRow) -> Result<KeepOutcome, StoreError> {
        match self.put(&row).await? {
            Put::Done(write_units) => Ok(outcome(row, Kept::New, write_units)),
            Put::Taken(existing) => match claim.decide(&existing.existing(), row.row.received_ms) {
                Decision::KeepAs(variant @ Variant::Body(_)) => {
                    self.insert_variant(claim, row, variant, *existing).await
                }
                // A disowned event is nobody's: the same one again may well be the provider's.
                _ if existing.is_disowned() => self.insert_generation(claim, row, *existing).await,
                Decision::Repeat => Ok(outcome(row, Kept::Repeat, 0.0)),
                Decision::KeepAs(variant) => self.insert_variant(claim, row, variant, *existing).await,
                Decision::LaterGeneration => self.insert_generation(claim, row, *existing).await,
            },
        }
    }

    /// Keeps a delivery as a further row beside an existing one, unless it is there already.
    async fn insert_variant(
        &self,
        claim: &Claim,
        mut row: StoredRow,
        variant: Variant,
        existing: StoredRow,
    ) -> Result<KeepOutcome, StoreError> {
        let mark = match (&variant, claim.other_body) {
            (Variant::SignedAt(_), _) => Mark::PossiblyRepeated,
            (Variant::Body(_) | Variant::Generation(_), OtherBody::Conflict) => Mark::Conflict,
            (Variant::Body(_) | Variant::Generation(_), OtherBody::Revision) => Mark::Revision,
        };
        // A body that is no longer kept cannot be referred to.
        let is_there = !matches!(existing.body, KeptBody::Gone | KeptBody::Erased(_));
        if mark == Mark::PossiblyRepeated && is_there {
            row.body = match &existing.body {
                // What refers to a body has none that could be referred to.
                KeptBody::Of(first) => KeptBody::Of(first.clone()),
                _ => KeptBody::Of(existing.row.key.sk.clone()),
            };
        }
        row.row.key = existing.row.key.variant(&variant);
        // It contradicts nothing that counts.
        row.row.mark = (!existing.is_disowned()).then_some(mark);
        let kept = row.row.mark.map_or(Kept::New, Kept::Marked);
        match self.put(&row).await? {
            Put::Done(write_units) => Ok(outcome(row, kept, write_units)),
            Put::Taken(taken) if taken.is_disowned() => {
                row.row.key = taken.row.key.clone();
                Box::pin(self.insert_generation(claim, row, *taken)).await
            }
            Put::Taken(_) => Ok(outcome(row, Kept::Repeat, 0.0)),
        }
    }

    /// Keeps an equal body that came beyond the horizon, or after its event was disowned, unless a later generation is
    /// within it.
    /// Generations have no gaps, so the latest is found by doubling and halving: a few reads, however many there are.
    async fn insert_generation(
        &self,
        claim: &Claim,
        row: StoredRow,
        first: StoredRow,
    ) -> Result<KeepOutcome, StoreError> {
        let name = |number: u32| row.row.key.variant(&Variant::Generation(number));
        let (mut latest, mut known, mut free) = (first, 1, 2);
        while let Some(found) = self.row(&name(free)).await? {
            (latest, known, free) = (found, free, free.saturating_mul(2));
            if free > GENERATIONS_MAX {
                return Err(StoreError::Contended);
            }
        }
        while free - known > 1 {
            let middle = known + (free - known) / 2;
            match self.row(&name(middle)).await? {
                Some(found) => (latest, known) = (found, middle),
                None => free = middle,
            }
        }
        if !latest.is_disowned() {
            match claim.decide(&latest.existing(), row.row.received_ms) {
                Decision::Repeat => return Ok(outcome(row, Kept::Repeat, 0.0)),
                Decision::KeepAs(variant @ Variant::SignedAt(_)) => {
                    return self.insert_variant(claim, row, variant, latest).await;
                }
                Decision::KeepAs(_) | Decision::LaterGeneration => {}
            }
        }
        let mut next = row.clone();
        next.row.key = name(free);
        match self.put(&next).await? {
            Put::Done(write_units) => Ok(outcome(next, Kept::New, write_units)),
            // Another delivery of the same event took the name a moment ago.
            Put::Taken(winner) if claim.decide(&winner.existing(), row.row.received_ms) == Decision::Repeat => {
                Ok(outcome(next, Kept::Repeat, 0.0))
            }
            Put::Taken(_) => Err(StoreError::Contended),
        }
    }

    /// Puts a row under its name, unless that is taken. A body that is too long for an item goes into chunks first,
    /// which are this row's alone: what is erased of another row takes nothing from it.
    async fn put(&self, row: &StoredRow) -> Result<Put, StoreError> {
        let mut row = Cow::Borrowed(row);
        if let KeptBody::Inline(compressed) = &row.body
            && compressed.len() > INLINE_BYTES_MAX
        {
            // A repeat writes nothing.
            if let Some(existing) = self.row(&row.row.key).await? {
                return Ok(Put::Taken(Box::new(existing)));
            }
            let body = self.put_chunks(&row.row, compressed).await?;
            row = Cow::Owned(StoredRow { body, ..row.into_owned() });
        }
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(row.to_item()))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match sent {
            Ok(output) => {
                let consumed = output.consumed_capacity().and_then(|capacity| capacity.capacity_units());
                Ok(Put::Done(consumed.unwrap_or_default()))
            }
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                let old = match error.err() {
                    PutItemError::ConditionalCheckFailedException(taken) => taken.item(),
                    _ => None,
                };
                let existing = match old {
                    Some(old) => read_item(old)?,
                    // An endpoint that does not hand the old item over is asked for it.
                    None => self.row(&row.row.key).await?.ok_or(StoreError::Contended)?,
                };
                Ok(Put::Taken(Box::new(existing)))
            }
            Err(error) => Err(StoreError::service("put", &error)),
        }
    }

    async fn get_item(&self, pk: &str, sk: &str) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let sent = request.key("pk", text(pk)).key("sk", text(sk)).send().await;
        sent.map(|output| output.item).map_err(|error| match error.code() {
            // No key has this form: the row that refers to it is damaged, and no later attempt is different.
            Some("ValidationException") => StoreError::row(format!("{pk}/{sk}"), CallFailure::of(&error).to_string()),
            _ => StoreError::service("get", &error),
        })
    }

    /// Writes a compressed body into chunks for the row that is put next: writing them twice is writing them once.
    async fn put_chunks(&self, row: &Row, compressed: &[u8]) -> Result<KeptBody, StoreError> {
        let name = chunk_name(&row.key, compressed);
        let chunks: Vec<&[u8]> = compressed.chunks(INLINE_BYTES_MAX).collect();
        let count = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        let puts = (0..count).zip(chunks).map(|(number, chunk)| self.put_chunk(row, &name, number, chunk));
        futures_util::future::try_join_all(puts).await?;
        Ok(KeptBody::Chunks { name, count })
    }

    async fn put_chunk(&self, owner: &Row, name: &str, number: u32, chunk: &[u8]) -> Result<(), StoreError> {
        let item = Item::from([
            ("pk".to_owned(), text(&chunk_partition(name, number))),
            ("sk".to_owned(), text(CHUNK_SK)),
            ("kind".to_owned(), text(KIND_CHUNK)),
            // For who looks for chunks that never got their row.
            ("received_at".to_owned(), text(&instant(owner.received_ms))),
            ("bucket".to_owned(), text(&chunk_bucket_of(&owner.key))),
            ("body".to_owned(), bytes(chunk.to_vec())),
        ]);
        let sent = self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await;
        sent.map(|_| ()).map_err(|error| StoreError::service("put a chunk", &error))
    }

    pub(crate) async fn chunks(&self, name: &str, count: u32) -> Result<Vec<u8>, StoreError> {
        let mut compressed = Vec::new();
        for number in 0..count {
            let pk = chunk_partition(name, number);
            let item = self.get_item(&pk, CHUNK_SK).await?;
            let chunk = item.as_ref().and_then(|item| item.get("body")?.as_b().ok());
            let missing = || StoreError::row(&pk, "the chunk is missing");
            compressed.extend(chunk.ok_or_else(missing)?.as_ref());
        }
        Ok(compressed)
    }
}

/// Returns the name of a row's chunks: a hash of the bytes and the row's id. Rows of an older build may share the name,
/// which was a hash of the bytes and their event's first id.
fn chunk_name(key: &EventKey, compressed: &[u8]) -> String {
    format!("{}/{}", hex::encode(Sha256::digest(compressed)), key.id())
}

/// Each chunk has a partition of its own: together they would be more than one partition writes in a second.
pub(crate) fn chunk_partition(name: &str, number: u32) -> String {
    format!("chunk/{name}/{number}")
}

/// Returns the name of a chunk, the row that it is of, and its number.
pub(crate) fn parse_chunk_partition(pk: &str) -> Option<(&str, EventKey, u32)> {
    let (name, number) = pk.strip_prefix("chunk/")?.rsplit_once('/')?;
    let (_, id) = name.split_once('/')?;
    Some((name, EventKey::from_id(id)?, number.parse().ok()?))
}

/// The partition of the note that a partition's events were erased.
pub(crate) fn forgotten_partition(pk: &str) -> String {
    format!("forgotten/{pk}")
}

/// The sort key of such a note.
pub(crate) const FORGOTTEN_SK: &str = "~";

/// The sort key of every chunk.
pub(crate) const CHUNK_SK: &str = "~";

fn outcome(row: StoredRow, kept: Kept, write_units: f64) -> KeepOutcome {
    KeepOutcome { key: row.row.key, kept, write_units }
}

/// Reads an item; its body is empty until loaded.
pub fn read_item(item: &Item) -> Result<StoredRow, StoreError> {
    let id = || item::key_of(item).map(|key| key.id()).unwrap_or_default();
    StoredRow::from_item(item).map_err(|error| StoreError::row(id(), error))
}
