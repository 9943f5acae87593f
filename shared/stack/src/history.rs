//! Kept events as this build reads them: by name, or all of one order.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use edge::keep::contribution::Contribution;
use edge::keep::error::StoreError;
use edge::keep::item::{Item, StoredRow, is_event, key_of, text};
use edge::keep::store::{Store, read_item};
use edge::keep::time_index::ms_of;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;
use webhook::claim::EventKey;
use webhook::event::Event;
use webhook::providers::Provider;
use webhook::view::View;

use crate::aws::failed;
use crate::connection::Stack;
use crate::error::Error;
use crate::time::instant;

/// Rows that one call asks for; with bodies inline an answer of 16 MB would hold forty of the largest.
pub(crate) const ROWS_A_CALL: usize = 40;
/// Rows that one call may ask for where their bodies stay behind.
const KEYS_A_CALL: usize = 100;
/// Rows left unanswered are asked for again this often.
const ASKS_MAX: u32 = 8;
/// Bodies in chunks that are fetched at once.
const BODIES_AT_ONCE: usize = 8;

/// A kept event.
#[derive(Debug, Clone)]
pub struct KeptEvent {
    /// Its name.
    pub key: EventKey,
    /// Its row with its body; `None` if it is damaged.
    pub stored: Option<StoredRow>,
    /// The reason for which its row or its body cannot be read.
    pub damage: Option<Damage>,
    /// The reading of this build; what was left of an erased one, which has no data.
    pub event: Event,
    /// Its contribution to its order.
    pub view: View,
}

/// The damage of a row: the others of its source are read anyway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Continues "cannot be read:".
    pub reason: String,
    /// Nothing is wrong with it: a later build wrote it, and can read it.
    pub later_build: bool,
}

impl KeptEvent {
    /// Reads an item of the events table and fetches its body.
    async fn of(store: &Store, item: &Item) -> Result<Self, Error> {
        let key = key_of(item).ok_or_else(|| Error::problems("a row of the events table has no key"))?;
        match read(store, item, &key).await {
            Ok((stored, read)) => {
                let (event, view) = (read.event.clone(), read.view_of(&stored));
                Ok(KeptEvent { key, stored: Some(stored), damage: None, event, view })
            }
            Err(error) => {
                let damage = Damage::of(error)?;
                let received = item.get("received_at").and_then(|value| ms_of(value.as_s().ok()?));
                let event = Event::of_unreadable_row(&key, received.unwrap_or_default(), &damage.reason);
                Ok(KeptEvent { key, stored: None, damage: Some(damage), event, view: View::default() })
            }
        }
    }

    /// Returns whether its body was erased.
    pub fn is_erased(&self) -> bool {
        self.stored.as_ref().is_some_and(StoredRow::is_erased)
    }

    /// Returns whether it was disowned: it is sent nowhere.
    pub fn is_disowned(&self) -> bool {
        self.stored.as_ref().is_some_and(StoredRow::is_disowned)
    }

    /// Returns whether its body is no longer kept: sent, it would go out as one that cannot be read.
    pub fn is_bodiless(&self) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.is_erased() || stored.is_bodiless())
    }

    /// Returns the reason for which it is sent nowhere; `None` if it may be.
    pub fn withheld(&self) -> Option<&'static str> {
        let reasons = [
            (self.is_disowned(), "it was disowned"),
            (self.is_erased(), "it was erased"),
            (self.is_bodiless(), "its body is no longer kept"),
        ];
        reasons.into_iter().find_map(|(holds, reason)| holds.then_some(reason))
    }

    /// Returns the time of receipt.
    pub fn received(&self) -> Timestamp {
        self.event.receivedtime
    }

    /// Returns its time in the time index: that of its receipt, or of its admission from the quarantine.
    pub fn indexed_ms(&self) -> i64 {
        let admitted_ms = self.stored.as_ref().and_then(|stored| stored.admitted_ms);
        admitted_ms.unwrap_or_else(|| self.received().as_millisecond())
    }

    /// Returns its marks in words: `conflict`, `revision`, `possiblyrepeated`, `unrecognised`, `unreadable`,
    /// `unreadfields`, `test`, `erased`, `disowned`, `reconcile`.
    pub fn marks(&self) -> Vec<&'static str> {
        let event = &self.event;
        [
            ("conflict", event.conflict),
            ("revision", event.revision),
            ("possiblyrepeated", event.possiblyrepeated),
            ("unrecognised", event.unrecognised),
            ("unreadable", event.unreadable.is_some()),
            ("unreadfields", event.unreadfields.is_some()),
            ("test", event.test),
            ("erased", self.is_erased()),
            ("disowned", self.is_disowned()),
            ("reconcile", event.origin.is_some()),
        ]
        .into_iter()
        .filter_map(|(mark, holds)| holds.then_some(mark))
        .collect()
    }
}

impl Damage {
    /// Returns the damage of one row; an outage is an error.
    fn of(error: StoreError) -> Result<Self, Error> {
        match error {
            StoreError::Row { source, .. } => Ok(Damage { reason: source.to_string(), later_build: false }),
            StoreError::Unreadable(reason) => Ok(Damage { reason: reason.to_owned(), later_build: false }),
            StoreError::OtherBuild { .. } => Ok(Damage { reason: error.chain(), later_build: true }),
            StoreError::Service { .. }
            | StoreError::LaterMapping { .. }
            | StoreError::Compression(_)
            | StoreError::Contended => Err(error.into()),
        }
    }
}

async fn read(store: &Store, item: &Item, key: &EventKey) -> Result<(StoredRow, Contribution), StoreError> {
    let mut stored = read_item(item)?;
    let provider = Provider::of(key).ok_or(StoreError::Unreadable("this build knows no such provider"))?;
    store.load_body(&mut stored).await?;
    let contribution = Contribution::of(provider, &stored)?;
    Ok((stored, contribution))
}

/// An event on one line.
#[derive(Debug, Clone, Serialize)]
pub struct EventLine {
    /// The event's id.
    pub id: String,
    /// Returns the time of receipt.
    pub received: String,
    /// Our word.
    #[serde(rename = "type")]
    pub event_type: &'static str,
    /// The provider's word.
    pub providerevent: String,
    /// The time at which it happened, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Its place among its order's events.
    pub sequence: String,
    /// Its marks.
    pub marks: Vec<&'static str>,
    /// The reason for which its row cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

impl EventLine {
    /// The line of an event.
    pub fn of(kept: &KeptEvent) -> Self {
        let event = &kept.event;
        EventLine {
            id: event.id.clone(),
            received: instant(kept.received().as_millisecond()),
            event_type: event.event_type.name(),
            providerevent: event.providerevent.clone(),
            time: event.time.map(|time| time.to_string()),
            sequence: event.sequence.clone(),
            marks: kept.marks(),
            damage: kept.damage.as_ref().map(|damage| damage.reason.clone()),
        }
    }
}

/// The events of these names, in their order; those that are no longer there are left out.
pub async fn fetch(stack: &Stack, keys: &[EventKey]) -> Result<Vec<KeptEvent>, Error> {
    let store = stack.store().await?;
    let mut found: HashMap<EventKey, Item> = HashMap::new();
    for some in keys.chunks(ROWS_A_CALL) {
        fetch_items(stack, some, None, &mut found).await?;
    }
    let items: Vec<Item> = keys.iter().filter_map(|key| found.remove(key)).collect();
    read_all(&store, &items).await
}

/// Reads all events of one order by their sequence, which is not the order of arrival.
pub async fn of_order(stack: &Stack, pk: &str) -> Result<Vec<KeptEvent>, Error> {
    let (client, table) = (stack.dynamodb(), stack.deployment().await?.events_table()?);
    let query = client.query().table_name(table).consistent_read(true);
    let query = query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", text(pk));
    let mut items: Vec<Item> = Vec::new();
    let mut pages = query.into_paginator().items().send();
    while let Some(item) = pages.next().await {
        items.push(item.map_err(|error| failed("read the order's events", &error))?);
    }
    items.retain(is_event);
    let mut events = read_all(&stack.store().await?, &items).await?;
    events.sort_by(|a, b| (&a.event.sequence, &a.event.id).cmp(&(&b.event.sequence, &b.event.id)));
    Ok(events)
}

async fn read_all(store: &Store, items: &[Item]) -> Result<Vec<KeptEvent>, Error> {
    stream::iter(items.iter().map(|item| KeptEvent::of(store, item))).buffered(BODIES_AT_ONCE).try_collect().await
}

/// The fingerprints of the keys or tokens by which events came.
pub async fn fingerprints(stack: &Stack, keys: &[EventKey]) -> Result<HashMap<EventKey, String>, Error> {
    let mut found: HashMap<EventKey, Item> = HashMap::new();
    for some in keys.chunks(KEYS_A_CALL) {
        fetch_items(stack, some, Some("pk, sk, fingerprint"), &mut found).await?;
    }
    let fingerprint = |(key, item): (EventKey, Item)| Some((key, item.get("fingerprint")?.as_s().ok()?.clone()));
    Ok(found.into_iter().filter_map(fingerprint).collect())
}

async fn fetch_items(
    stack: &Stack,
    keys: &[EventKey],
    projection: Option<&str>,
    found: &mut HashMap<EventKey, Item>,
) -> Result<(), Error> {
    let (client, table) = (stack.dynamodb(), stack.deployment().await?.events_table()?);
    let item = |key: &EventKey| Item::from([("pk".to_owned(), text(&key.pk)), ("sk".to_owned(), text(&key.sk))]);
    let mut wanted: Vec<Item> = keys.iter().map(item).collect();
    for attempt in 0..ASKS_MAX {
        if attempt > 0 {
            stack.clock.sleep(Duration::from_millis(50 << attempt)).await;
        }
        let asked = KeysAndAttributes::builder().consistent_read(true).set_keys(Some(wanted));
        let asked = asked.set_projection_expression(projection.map(str::to_owned)).build();
        let asked = asked.map_err(|error| Error::service(format!("cannot ask for rows: {error}")))?;
        let sent = client.batch_get_item().request_items(table, asked).send().await;
        let output = sent.map_err(|error| failed("read events", &error))?;
        let came = output.responses.unwrap_or_default().remove(table).unwrap_or_default();
        found.extend(came.into_iter().filter_map(|item| Some((key_of(&item)?, item))));
        wanted = output.unprocessed_keys.unwrap_or_default().remove(table).map(|rest| rest.keys).unwrap_or_default();
        if wanted.is_empty() {
            return Ok(());
        }
    }
    Err(Error::service("cannot read events: the table keeps leaving rows out")
        .next("AWS throttles these reads: wait a little, or ask for less at once."))
}
