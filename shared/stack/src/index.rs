//! Events by time of receipt: the time index's partitions, walked together and merged in time's order.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use edge::keep::item::{TIME_INDEX, TIME_SHARDS, key_of, text, time_bucket};
use futures_util::{StreamExt, TryStreamExt, stream};
use webhook::claim::EventKey;

use crate::aws::failed;
use crate::error::Error;
use crate::sources::SourceName;
use crate::time::{Range, instant};

/// Partitions that are read at once.
const AT_ONCE: usize = 16;

/// Which end of time comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The latest.
    NewestFirst,
    /// The earliest.
    OldestFirst,
}

/// An event's place in the index. Sorts by time of receipt, then by id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// When it was received, as the row has it.
    pub received_at: String,
    /// The event.
    pub key: EventKey,
}

/// A walk over the index.
#[derive(Debug)]
pub struct Walk {
    client: Client,
    table: String,
    range: Range,
    order: Order,
    page: i32,
    buckets: Vec<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    name: String,
    ready: VecDeque<Entry>,
    resume: Option<HashMap<String, AttributeValue>>,
    done: bool,
}

impl Walk {
    /// A walk over all that some sources received in a range. `page` entries are fetched at a time from each of a
    /// source's partitions.
    pub fn new(client: Client, table: &str, sources: &[SourceName], range: Range, order: Order, page: i32) -> Self {
        let of_source = |source: &SourceName| {
            let (provider, source) = (source.provider.name, source.source.clone());
            (0..TIME_SHARDS).map(move |shard| time_bucket(provider, &source, shard))
        };
        let bucket = |name| Bucket { name, ready: VecDeque::new(), resume: None, done: false };
        let buckets = sources.iter().flat_map(of_source).map(bucket).collect();
        Walk { client, table: table.to_owned(), range, order, page, buckets }
    }

    /// The next event.
    pub async fn next(&mut self) -> Result<Option<Entry>, Error> {
        self.fill().await?;
        let order = self.order;
        let heads = self.buckets.iter_mut().filter(|bucket| !bucket.ready.is_empty());
        let first = heads.min_by(|a, b| match order {
            Order::OldestFirst => a.ready.front().cmp(&b.ready.front()),
            Order::NewestFirst => b.ready.front().cmp(&a.ready.front()),
        });
        Ok(first.and_then(|bucket| bucket.ready.pop_front()))
    }

    /// The next so many events; fewer at the end.
    pub async fn take(&mut self, count: usize) -> Result<Vec<Entry>, Error> {
        let mut taken = Vec::new();
        while taken.len() < count {
            match self.next().await? {
                Some(entry) => taken.push(entry),
                None => break,
            }
        }
        Ok(taken)
    }

    /// Skips everything up to an event and that event itself.
    pub async fn skip_to(&mut self, last: &Entry) -> Result<(), Error> {
        let passed = match self.order {
            Order::OldestFirst => Ordering::Greater,
            Order::NewestFirst => Ordering::Less,
        };
        loop {
            self.fill().await?;
            let mut skipped = false;
            for bucket in &mut self.buckets {
                while bucket.ready.front().is_some_and(|entry| entry.cmp(last) != passed) {
                    bucket.ready.pop_front();
                    skipped = true;
                }
            }
            if !skipped {
                return Ok(());
            }
        }
    }

    /// Every partition has its next event at hand, or none is left in it.
    async fn fill(&mut self) -> Result<(), Error> {
        let Walk { client, table, range, order, page, buckets } = self;
        let empty = buckets.iter_mut().filter(|bucket| bucket.ready.is_empty() && !bucket.done);
        let fills = empty.map(|bucket| bucket.fill(client, table, *range, *order, *page));
        stream::iter(fills).buffer_unordered(AT_ONCE).try_collect::<()>().await
    }
}

impl Bucket {
    async fn fill(&mut self, client: &Client, table: &str, range: Range, order: Order, page: i32) -> Result<(), Error> {
        while self.ready.is_empty() && !self.done {
            let sent = client
                .query()
                .table_name(table)
                .index_name(TIME_INDEX)
                .key_condition_expression("#bucket = :bucket AND received_at BETWEEN :from AND :to")
                .expression_attribute_names("#bucket", "bucket")
                .expression_attribute_values(":bucket", text(&self.name))
                .expression_attribute_values(":from", text(&instant(range.from_ms)))
                .expression_attribute_values(":to", text(&instant(range.to_ms - 1)))
                .scan_index_forward(order == Order::OldestFirst)
                .limit(page)
                .set_exclusive_start_key(self.resume.take())
                .send()
                .await;
            let output = sent.map_err(|error| failed("read the events' time index", &error))?;
            let entry = |item: &edge::keep::item::Item| {
                let received_at = item.get("received_at")?.as_s().ok()?.clone();
                Some(Entry { received_at, key: key_of(item)? })
            };
            self.ready.extend(output.items().iter().filter_map(entry));
            self.done = output.last_evaluated_key.is_none();
            self.resume = output.last_evaluated_key;
        }
        // Events of one millisecond stand in the index in no order that it promises.
        let mut entries: Vec<Entry> = self.ready.drain(..).collect();
        entries.sort_unstable();
        if order == Order::NewestFirst {
            entries.reverse();
        }
        self.ready = entries.into();
        Ok(())
    }
}
