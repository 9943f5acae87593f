//! Erases what events say of people: bodies go, and of their views what is personal.
//!
//! What stays is the claim, so that a redelivery is still a repeat, and a remainder, so that a rebuild does not take the
//! order's view back to an earlier state. In this order, so that the next run finishes what a process that dies leaves:
//! one write for each row replaces its body by its remainder; then the bodies' chunks go, but for those that a row
//! which stays has too; then the view is rebuilt.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use webhook::claim::EventKey;
use webhook::event::Event;
use webhook::providers::Provider;

use crate::aws::clock::Clock;
use crate::aws::config::ViewConfig;
use crate::keep::contribution::Contribution;
use crate::keep::error::{StoreError, condition_held};
use crate::keep::item::{Item, KIND_FORGOTTEN, KeptBody, StoredRow, bytes, instant, text};
use crate::keep::store::{CHUNK_SK, FORGOTTEN_SK, Store, chunk_partition, forgotten_partition};
use crate::orders::rebuild::Rebuilder;
use crate::orders::views::Views;

/// Refused deliveries wait for three days, and DynamoDB deletes what is over within a few more.
const FORGOTTEN_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// Rounds over a partition while events keep coming to it.
const ROUNDS_MAX: u32 = 4;

/// Erases the bodies of a partition's events.
#[derive(Debug)]
pub struct Eraser {
    client: Client,
    table: String,
    store: Store,
    views: Views,
    rebuilder: Rebuilder,
    clock: Clock,
}

/// An erasure of a partition, done or planned.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Erasure {
    /// Events whose bodies go.
    pub events: Vec<EventKey>,
    /// Events that were erased before.
    pub erased_before: usize,
    /// Events that stay because a later event, which is not selected, has the same body.
    pub shared: usize,
    /// Events that are not selected: too young.
    pub younger: usize,
    /// Events that cannot be read, and why: their bodies go anyway, and the view keeps what it has of them.
    pub unreadable: Vec<(EventKey, String)>,
    /// Whether the view changed; `None` in a dry run.
    pub view_changed: Option<bool>,
    /// The event by which the orders function is to look at the order again: [`crate::orders::rebuild::Rebuild::reminder`].
    pub reminder: Option<Event>,
}

/// A row to be erased.
struct Selected {
    stored: StoredRow,
    rest: Rest,
    /// Its chunks stay, because a row that is not selected has them too.
    keeps_chunks: bool,
}

/// The part of a row that stays.
enum Rest {
    /// It was erased before.
    Erased,
    Remainder(Vec<u8>),
    /// Nothing can be read in its body: the reason.
    Unreadable(String),
}

impl Eraser {
    /// An eraser with these clients and this clock.
    pub fn new(config: ViewConfig, client: Client, clock: Clock) -> Self {
        let store = Store::new(client.clone(), config.events_table.clone());
        let views = Views::new(client.clone(), config.orders_table.clone());
        let table = config.events_table.clone();
        Eraser { rebuilder: Rebuilder::new(config, client.clone()), views, store, table, client, clock }
    }

    /// Returns what would be erased of a partition: the events that were received before a time, or all.
    pub async fn survey(&self, pk: &str, before_ms: Option<i64>) -> Result<Erasure, StoreError> {
        Ok(self.select(pk, before_ms).await?.1)
    }

    /// Erases the selected events of a partition and rebuilds its view. It finishes what an earlier run began.
    pub async fn erase(&self, pk: &str, before_ms: Option<i64>) -> Result<Erasure, StoreError> {
        let mut erasure = Erasure::default();
        for round in 0..ROUNDS_MAX {
            let (rows, found) = self.select(pk, before_ms).await?;
            let done = found.events.is_empty() && found.unreadable.is_empty();
            if round == 0 && before_ms.is_none() && !done {
                self.note_forgotten(pk).await?;
            }
            let (mut events, mut unreadable) = (erasure.events, erasure.unreadable);
            events.extend(found.events.iter().cloned());
            unreadable.extend(found.unreadable.iter().cloned());
            let erased_before = found.erased_before.saturating_sub(events.len() + unreadable.len());
            erasure = Erasure { events, unreadable, erased_before, ..found };
            for selected in &rows {
                self.erase_row(selected).await?;
            }
            // Of rows that share chunks, none is left to be read by now.
            for selected in rows.iter().filter(|selected| !selected.keeps_chunks) {
                self.delete_chunks(&selected.stored).await?;
            }
            if done {
                break;
            }
        }
        let rebuild = self.rebuilder.rebuild(pk).await?;
        erasure.view_changed = Some(rebuild.is_change());
        erasure.reminder = rebuild.reminder();
        Ok(erasure)
    }

    /// The selected rows, in the order in which they have to go, and the count of everything in the partition.
    async fn select(&self, pk: &str, before_ms: Option<i64>) -> Result<(Vec<Selected>, Erasure), StoreError> {
        // What an older build reads in a body is what remains of it.
        self.rebuilder.check(pk).await?;
        let (mut rows, mut erasure) = (Vec::new(), Erasure::default());
        for row in self.store.partition(pk).await? {
            rows.push(row.map_err(|(_, error)| error)?);
        }
        let is_selected = |stored: &StoredRow| before_ms.is_none_or(|before_ms| stored.row.received_ms < before_ms);
        let refers = |stored: &StoredRow, sk: &str| matches!(&stored.body, KeptBody::Of(first) if first == sk);
        let borrowed: Vec<String> = rows
            .iter()
            .filter(|first| rows.iter().any(|other| refers(other, &first.row.key.sk) && !is_selected(other)))
            .map(|first| first.row.key.sk.clone())
            .collect();
        // An older build named chunks by an event's first name, so that its later rows of the same body share them.
        let needed: Vec<String> = rows
            .iter()
            .filter(|stored| !is_selected(stored) || borrowed.contains(&stored.row.key.sk))
            .filter_map(|stored| match &stored.body {
                KeptBody::Chunks { name, .. } => Some(name.clone()),
                KeptBody::Inline(_) | KeptBody::Of(_) | KeptBody::Gone | KeptBody::Erased(_) => None,
            })
            .collect();
        let all = rows.len();
        rows.retain(is_selected);
        erasure.younger = all - rows.len();
        let old_enough = rows.len();
        rows.retain(|stored| !borrowed.contains(&stored.row.key.sk));
        erasure.shared = old_enough - rows.len();
        // A body that several events share goes last, or a run that dies between would leave the others without one.
        rows.sort_by_key(|stored| !matches!(stored.body, KeptBody::Of(_)));
        let mut selected = Vec::with_capacity(rows.len());
        for stored in rows {
            let rest = self.rest(&stored).await?;
            match &rest {
                Rest::Erased => erasure.erased_before += 1,
                Rest::Remainder(_) => erasure.events.push(stored.row.key.clone()),
                Rest::Unreadable(reason) => erasure.unreadable.push((stored.row.key.clone(), reason.clone())),
            }
            let keeps_chunks = chunks_of(&stored).is_some_and(|(name, _)| needed.iter().any(|needed| needed == name));
            selected.push(Selected { stored, rest, keeps_chunks });
        }
        Ok((selected, erasure))
    }

    async fn rest(&self, stored: &StoredRow) -> Result<Rest, StoreError> {
        if stored.is_erased() {
            return Ok(Rest::Erased);
        }
        // Of a clone, so that no more than one body is held at once.
        let mut loaded = stored.clone();
        let contribution = Contribution::load(&self.store, Provider::of(&stored.row.key), &mut loaded).await;
        match contribution.and_then(Contribution::remainder) {
            Ok(remainder) => Ok(Rest::Remainder(remainder)),
            Err(error) if error.is_outage() => Err(error),
            Err(error) => Ok(Rest::Unreadable(error.chain())),
        }
    }

    async fn erase_row(&self, Selected { stored, rest, .. }: &Selected) -> Result<(), StoreError> {
        match rest {
            Rest::Erased => Ok(()),
            Rest::Remainder(remainder) => self.put_remainder(stored, remainder.clone()).await,
            // What the view has of an event that cannot be read is all that there is of it.
            Rest::Unreadable(reason) => {
                let mut view = self.views.view(&stored.row.key.pk).await?.unwrap_or_default();
                view.retain(|register| register.event == stored.row.key.id());
                let remainder = Contribution::unreadable(stored, reason, view).remainder()?;
                self.put_remainder(stored, remainder).await
            }
        }
    }

    async fn delete_chunks(&self, stored: &StoredRow) -> Result<(), StoreError> {
        let Some((name, count)) = chunks_of(stored) else { return Ok(()) };
        for number in 0..count {
            let request = self.client.delete_item().table_name(&self.table);
            let request = request.key("pk", text(&chunk_partition(name, number))).key("sk", text(CHUNK_SK));
            request.send().await.map_err(|error| StoreError::service("delete a chunk", &error))?;
        }
        Ok(())
    }

    /// Notes that all of a partition is erased, for as long as a refused delivery of it may still be admitted.
    async fn note_forgotten(&self, pk: &str) -> Result<(), StoreError> {
        let now_ms = self.clock.now_ms();
        let expires = now_ms.saturating_add(FORGOTTEN_MS).div_euclid(1_000);
        let request = self.client.update_item().table_name(&self.table);
        let request = request.key("pk", text(&forgotten_partition(pk))).key("sk", text(FORGOTTEN_SK));
        let request = request.update_expression("SET kind = :kind, erased_at = :at, expires = :expires");
        let values = Item::from([
            (":kind".to_owned(), text(KIND_FORGOTTEN)),
            (":at".to_owned(), text(&instant(now_ms))),
            (":expires".to_owned(), AttributeValue::N(expires.to_string())),
        ]);
        let sent = request.set_expression_attribute_values(Some(values)).send().await;
        sent.map(|_| ()).map_err(|error| StoreError::service("note what is forgotten", &error))
    }

    /// Replaces the body by its remainder, if the row is still the one that was read.
    async fn put_remainder(&self, stored: &StoredRow, remainder: Vec<u8>) -> Result<(), StoreError> {
        let EventKey { pk, sk } = &stored.row.key;
        let values = Item::from([
            (":remainder".to_owned(), bytes(remainder)),
            (":at".to_owned(), text(&instant(self.clock.now_ms()))),
            (":hash".to_owned(), bytes(stored.row.hash.to_vec())),
        ]);
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(pk))
            .key("sk", text(sk))
            .update_expression("SET residue = :remainder, erased_at = :at REMOVE body, body_of, headers")
            .condition_expression("attribute_exists(pk) AND #hash = :hash AND attribute_not_exists(erased_at)")
            .expression_attribute_names("#hash", "hash")
            .set_expression_attribute_values(Some(values))
            .send()
            .await;
        // If it does not hold, another run came first or the row is gone: the next round sees which.
        condition_held("erase a body", sent).map(|_| ())
    }
}

/// Returns the name and the number of a row's chunks, of an erased one's too: what deletes them may have died.
fn chunks_of(stored: &StoredRow) -> Option<(&str, u32)> {
    match &stored.body {
        KeptBody::Chunks { name, count } => Some((name, *count)),
        KeptBody::Erased(erased) => erased.chunks.as_ref().map(|(name, count)| (name.as_str(), *count)),
        KeptBody::Inline(_) | KeptBody::Of(_) | KeptBody::Gone => None,
    }
}
