//! The rows of the events table under the names of sent deliveries, looked at before and after.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use edge::keep::item::{Item, key_of, text};
use futures_util::{StreamExt, TryStreamExt, stream};
use webhook::claim::EventKey;
use webhook::request::Delivery;

use crate::aws::failed;
use crate::connection::Stack;
use crate::error::Error;

/// Names that are looked at at once.
const AT_ONCE: usize = 16;
/// A row is durable before its 200, so the first look finds it; on a slow network a second one may be needed.
const LOOKS_MAX: u32 = 5;

/// A row under a name: that event's, or a further one under the same identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRow {
    /// Its key.
    pub key: EventKey,
    hash: Vec<u8>,
    signed_at: Option<String>,
    mark: Option<String>,
}

/// The outcome of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// `new`, `repeat`, or the mark on a further row: `conflict`, `revision`, `possiblyrepeated`.
    pub kept: String,
    /// The event's id.
    pub id: String,
}

/// The rows under some names.
pub type Looked = BTreeMap<EventKey, Vec<KeptRow>>;

/// Looks at every name once.
pub async fn look(stack: &Stack, names: &HashSet<EventKey>) -> Result<Looked, Error> {
    let table = stack.deployment().await?.events_table()?;
    let client = stack.dynamodb();
    let looks = names.iter().map(|name| under(&client, table, name));
    stream::iter(looks).buffer_unordered(AT_ONCE).try_collect().await
}

/// Looks until everything that was kept is there, or a short while has passed.
pub async fn look_again(stack: &Stack, names: &HashSet<EventKey>) -> Result<Looked, Error> {
    let mut looked = look(stack, names).await?;
    for attempt in 1..LOOKS_MAX {
        let missing: HashSet<EventKey> =
            looked.iter().filter(|(_, rows)| rows.is_empty()).map(|(name, _)| name.clone()).collect();
        if missing.is_empty() {
            break;
        }
        stack.clock.sleep(Duration::from_millis(200 << attempt)).await;
        looked.extend(look(stack, &missing).await?);
    }
    Ok(looked)
}

/// The outcome of each delivery that was answered 200, judged by the rows before and after.
#[derive(Debug)]
pub struct Fates<'a> {
    before: &'a Looked,
    after: &'a Looked,
    claimed: HashSet<EventKey>,
}

impl<'a> Fates<'a> {
    /// Compares two looks.
    pub fn new(before: &'a Looked, after: &'a Looked) -> Self {
        Fates { before, after, claimed: HashSet::new() }
    }

    /// The fate of one delivery; `None` if no row is there. Of equal deliveries the first one asked about counts as
    /// the one that was kept.
    pub fn of(&mut self, name: &EventKey, delivery: &Delivery, signed_at: Option<&str>) -> Option<Fate> {
        let rows = self.after.get(name)?;
        let earlier =
            |row: &KeptRow| self.before.get(name).is_some_and(|before| before.iter().any(|old| old.key == row.key));
        let hash = delivery.body_hash();
        let alike = |row: &&KeptRow| row.hash == hash && signed_at == row.signed_at.as_deref();
        let equal: Vec<&KeptRow> = rows.iter().filter(alike).collect();
        let fresh = equal.iter().copied().find(|row| !earlier(row) && !self.claimed.contains(&row.key));
        // A body of other bytes may mean the same: then it is a repeat of that row.
        let row = fresh.or(equal.last().copied()).or(rows.first())?;
        let is_new = fresh.is_some() && self.claimed.insert(row.key.clone());
        let kept = if is_new { row.mark.clone().unwrap_or_else(|| "new".to_owned()) } else { "repeat".to_owned() };
        Some(Fate { kept, id: row.key.id() })
    }
}

async fn under(
    client: &aws_sdk_dynamodb::Client,
    table: &str,
    name: &EventKey,
) -> Result<(EventKey, Vec<KeptRow>), Error> {
    let query = client.query().table_name(table).consistent_read(true);
    let query = query.key_condition_expression("pk = :pk AND begins_with(sk, :sk)");
    let query = query.expression_attribute_values(":pk", text(&name.pk));
    let query = query.expression_attribute_values(":sk", text(&name.sk));
    let query =
        query.projection_expression("pk, sk, #hash, signed_at, mark").expression_attribute_names("#hash", "hash");
    let mut pages = query.into_paginator().items().send();
    let mut rows = Vec::new();
    while let Some(item) = pages.next().await {
        let item = item.map_err(|error| failed("look for the events", &error))?;
        // A longer identity that begins alike is another event.
        rows.extend(found(&item).filter(|row| {
            let rest = row.key.sk.strip_prefix(&name.sk).unwrap_or_default();
            rest.is_empty() || rest.starts_with('~')
        }));
    }
    Ok((name.clone(), rows))
}

fn found(item: &Item) -> Option<KeptRow> {
    let string = |name: &str| item.get(name).map(AttributeValue::as_s).and_then(Result::ok).cloned();
    let hash = item.get("hash")?.as_b().ok()?.as_ref().to_vec();
    Some(KeptRow { key: key_of(item)?, hash, signed_at: string("signed_at"), mark: string("mark") })
}
