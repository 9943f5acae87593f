//! Erasing what events say of people: bodies go, and of their views what is personal.
//!
//! What stays is the claim, so that a redelivery is still a repeat, and a residue, so that a rebuild does not rewind.
//! In this order, so that a process that dies leaves nothing that the next run does not finish: the row's body gives way
//! to its residue in one write; then the body's chunks go; then the view is rebuilt.

use aws_sdk_dynamodb::Client;
use webhook::claim::EventKey;
use webhook::providers::Provider;

use crate::aws::clock::Clock;
use crate::aws::config::ViewConfig;
use crate::keep::contribution::Said;
use crate::keep::item::{Item, KeptBody, StoredRow, bytes, instant, text};
use crate::keep::store::{CHUNK_SK, Store, StoreError, chunk_partition, service, written};
use crate::orders::consumer::Orders;
use crate::orders::rebuild::Rebuild;
use crate::receive::receiver::chain;

/// A partition is looked at anew this often while events keep coming to it.
const ROUNDS_MAX: u32 = 4;

/// Erases the bodies of a partition's events.
#[derive(Debug)]
pub struct Eraser {
    client: Client,
    table: String,
    store: Store,
    orders: Orders,
    clock: Clock,
}

/// What is to be erased of a partition, or was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erasure {
    /// Events whose bodies go.
    pub events: Vec<EventKey>,
    /// How many were erased before.
    pub erased_before: usize,
    /// How many stay because the body is also that of a later event, which is not meant.
    pub shared: usize,
    /// Events that are not meant: too young.
    pub younger: usize,
    /// Events that cannot be read, and why: their bodies go all the same, and what the view has of them is left.
    pub unreadable: Vec<(EventKey, String)>,
    /// Whether the view changed; none in a dry run.
    pub view_changed: Option<bool>,
}

impl Eraser {
    /// An eraser over given clients and a given clock.
    pub fn new(config: ViewConfig, client: Client, clock: Clock) -> Self {
        let store = Store::new(client.clone(), config.events_table.clone());
        let table = config.events_table.clone();
        Eraser { orders: Orders::new(config, client.clone(), clock.clone()), store, table, client, clock }
    }

    /// What would go of a partition: the events that were received before a time, or all.
    pub async fn survey(&self, pk: &str, before_ms: Option<i64>) -> Result<Erasure, StoreError> {
        Ok(self.meant(pk, before_ms).await?.1)
    }

    /// Erases what is meant of a partition and rebuilds its view. Again, it finishes what an earlier run began.
    pub async fn erase(&self, pk: &str, before_ms: Option<i64>) -> Result<Erasure, StoreError> {
        let mut erasure = Erasure::default();
        for _ in 0..ROUNDS_MAX {
            let (rows, found) = self.meant(pk, before_ms).await?;
            let done = found.events.is_empty() && found.unreadable.is_empty();
            let (mut events, mut unreadable) = (erasure.events, erasure.unreadable);
            events.extend(found.events.iter().cloned());
            unreadable.extend(found.unreadable.iter().cloned());
            let erased_before = found.erased_before.saturating_sub(events.len() + unreadable.len());
            erasure = Erasure { events, unreadable, erased_before, ..found };
            for row in &rows {
                self.erase_row(row).await?;
            }
            if done {
                break;
            }
        }
        let rebuild: Rebuild = self.orders.rebuild(pk).await?;
        erasure.view_changed = Some(rebuild.is_change());
        Ok(erasure)
    }

    /// The rows that are meant, in the order in which they have to go, and what becomes of them.
    async fn meant(&self, pk: &str, before_ms: Option<i64>) -> Result<(Vec<StoredRow>, Erasure), StoreError> {
        let (mut rows, mut erasure) = (Vec::new(), Erasure::default());
        for row in self.store.partition(pk).await? {
            match row {
                Ok(stored) => rows.push(stored),
                Err((key, error)) => return Err(StoreError::Row { id: key.id(), source: chain(&error).into() }),
            }
        }
        let is_meant = |stored: &StoredRow| before_ms.is_none_or(|before_ms| stored.row.received_ms < before_ms);
        let refers = |stored: &StoredRow, sk: &str| matches!(&stored.body, KeptBody::Of(first) if first == sk);
        let borrowed: Vec<String> = rows
            .iter()
            .filter(|first| rows.iter().any(|other| refers(other, &first.row.key.sk) && !is_meant(other)))
            .map(|first| first.row.key.sk.clone())
            .collect();
        let all = rows.len();
        rows.retain(is_meant);
        erasure.younger = all - rows.len();
        let meant = rows.len();
        rows.retain(|stored| !borrowed.contains(&stored.row.key.sk));
        erasure.shared = meant - rows.len();
        // A body that several events have is read for each of them before it goes.
        rows.sort_by_key(|stored| !matches!(stored.body, KeptBody::Of(_)));
        for stored in &rows {
            match (stored.is_erased(), self.residue(stored).await?) {
                (true, _) => erasure.erased_before += 1,
                (false, Ok(_)) => erasure.events.push(stored.row.key.clone()),
                (false, Err(reason)) => erasure.unreadable.push((stored.row.key.clone(), reason)),
            }
        }
        Ok((rows, erasure))
    }

    /// What is left of a row when its body goes, or why that cannot be told.
    async fn residue(&self, stored: &StoredRow) -> Result<Result<Vec<u8>, String>, StoreError> {
        if let KeptBody::Erased(erased) = &stored.body {
            return Ok(Ok(erased.residue.clone()));
        }
        let mut stored = stored.clone();
        let provider = Provider::of(&stored.row.key);
        let said = Said::load(&self.store, provider, &mut stored).await?;
        Ok(said.and_then(|said| said.residue().map_err(|error| chain(&error))))
    }

    async fn erase_row(&self, stored: &StoredRow) -> Result<(), StoreError> {
        if !stored.is_erased() {
            let residue = match self.residue(stored).await? {
                Ok(residue) => residue,
                // What the view has of an event that cannot be read is all that there is of it.
                Err(reason) => {
                    let mut told = self.orders.view(&stored.row.key.pk).await?.unwrap_or_default();
                    told.retain(|register| register.event == stored.row.key.id());
                    Said::unreadable(stored, &reason, told).residue()?
                }
            };
            self.put_residue(stored, residue).await?;
        }
        let chunks = match &stored.body {
            KeptBody::Chunks { name, count } => Some((name, *count)),
            KeptBody::Erased(erased) => erased.chunks.as_ref().map(|(name, count)| (name, *count)),
            KeptBody::Inline(_) | KeptBody::Of(_) | KeptBody::Gone => None,
        };
        for (name, number) in chunks.into_iter().flat_map(|(name, count)| (0..count).map(move |number| (name, number)))
        {
            let request = self.client.delete_item().table_name(&self.table);
            let request = request.key("pk", text(&chunk_partition(name, number))).key("sk", text(CHUNK_SK));
            request.send().await.map_err(|error| service("delete a chunk", &error))?;
        }
        Ok(())
    }

    /// The body gives way to its residue, if the row still is what was read.
    async fn put_residue(&self, stored: &StoredRow, residue: Vec<u8>) -> Result<(), StoreError> {
        let EventKey { pk, sk } = &stored.row.key;
        let values = Item::from([
            (":residue".to_owned(), bytes(residue)),
            (":at".to_owned(), text(&instant(self.clock.now_ms()))),
            (":hash".to_owned(), bytes(stored.row.hash.to_vec())),
        ]);
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(pk))
            .key("sk", text(sk))
            .update_expression("SET residue = :residue, erased_at = :at REMOVE body, body_of, headers")
            .condition_expression("attribute_exists(pk) AND #hash = :hash AND attribute_not_exists(erased_at)")
            .expression_attribute_names("#hash", "hash")
            .set_expression_attribute_values(Some(values))
            .send()
            .await;
        // Where the condition does not hold, another run came first or the row is gone: the next look tells.
        written("erase a body", sent).map(|_| ())
    }
}
