//! The time index: the events that a source received, by time.
//!
//! [`Walk`] reads any range of it, for any number of sources, in bounded memory: its partitions are read page by page
//! and merged in the order of time. Whoever wants only some of the events leaves the others out as they come.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use webhook::claim::EventKey;

use crate::keep::error::StoreError;
use crate::keep::item::{Item, TIME_INDEX, TIME_SHARDS, chunk_bucket, instant, key_of, text, time_bucket};

/// Sources whose partitions are read at once.
const SOURCES_AT_ONCE: usize = 6;

/// Partitions that a walk reads at once.
const PARTITIONS_AT_ONCE: usize = 16;

/// Entries that a walk holds, over all partitions, unless more than a page of them have one millisecond: some 5 MB.
pub const HELD_MAX: usize = 16_000;

/// Most entries of a page.
const PAGE_MAX: usize = 1_000;

/// The time index of an events table.
#[derive(Debug, Clone)]
pub struct TimeIndex {
    client: Client,
    table: String,
}

/// A source by its provider's name and its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId {
    /// The provider.
    pub provider: String,
    /// The source, as in its URL.
    pub source: String,
}

/// An event in the index. Sorts by time of receipt, then by id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexEntry {
    /// Time of receipt, as its row has it.
    pub received_at: String,
    /// Its name.
    pub key: EventKey,
}

/// The end of a range that a walk begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalkOrder {
    /// The latest event first.
    NewestFirst,
    /// The earliest event first.
    OldestFirst,
}

/// A walk over the index: see [`TimeIndex::walk`].
#[derive(Debug)]
pub struct Walk {
    pages: Pages,
    partitions: Vec<Partition>,
}

/// The queries of a walk.
#[derive(Debug)]
struct Pages {
    client: Client,
    table: String,
    range_ms: Range<i64>,
    order: WalkOrder,
    /// Most entries of a page.
    entries: i32,
}

/// One partition of a walk.
#[derive(Debug)]
struct Partition {
    bucket: String,
    /// Entries in their order.
    ready: VecDeque<IndexEntry>,
    /// Entries of the last millisecond of a page, to be sorted together with what the next page has of it.
    pending: Vec<IndexEntry>,
    resume: Option<HashMap<String, AttributeValue>>,
    is_read: bool,
}

impl SourceId {
    /// Returns the source of a partition of events.
    pub fn of_partition(pk: &str) -> Option<Self> {
        let mut parts = pk.split('/');
        Some(SourceId { provider: parts.next()?.to_owned(), source: parts.next()?.to_owned() })
    }
}

impl std::fmt::Display for SourceId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.provider, self.source)
    }
}

impl TimeIndex {
    /// The index of the table of this name.
    pub fn new(client: Client, table: String) -> Self {
        TimeIndex { client, table }
    }

    /// A walk over the events that some sources received in a range of milliseconds since 1970, in the order of time
    /// and, within a millisecond, of ids. Nothing is read before the first entry is asked for.
    pub fn walk(&self, sources: &[SourceId], range_ms: Range<i64>, order: WalkOrder) -> Walk {
        let of_source = |source: &SourceId| {
            let SourceId { provider, source } = source.clone();
            (0..TIME_SHARDS).map(move |shard| time_bucket(&provider, &source, shard))
        };
        let partitions: Vec<Partition> = sources.iter().flat_map(of_source).map(Partition::new).collect();
        let entries = (HELD_MAX / partitions.len().max(1)).clamp(1, PAGE_MAX);
        let entries = i32::try_from(entries).unwrap_or(1);
        Walk { pages: self.pages(range_ms, order, entries), partitions }
    }

    fn pages(&self, range_ms: Range<i64>, order: WalkOrder, entries: i32) -> Pages {
        Pages { client: self.client.clone(), table: self.table.clone(), range_ms, order, entries }
    }

    /// Returns the time of the first event that any of these sources received at this time or later.
    pub async fn first_from(&self, sources: &[SourceId], from_ms: i64) -> Result<Option<String>, StoreError> {
        let looks = sources.iter().map(|source| self.edge(source, from_ms, true));
        let firsts = stream::iter(looks).buffer_unordered(SOURCES_AT_ONCE).try_collect::<Vec<_>>().await?;
        Ok(firsts.into_iter().flatten().min())
    }

    /// Returns the time at which a source last received an event.
    pub async fn newest(&self, source: &SourceId) -> Result<Option<String>, StoreError> {
        self.edge(source, 0, false).await
    }

    /// Returns the first or the last time from some time on, over a source's partitions.
    async fn edge(&self, source: &SourceId, from_ms: i64, first: bool) -> Result<Option<String>, StoreError> {
        let looks = (0..TIME_SHARDS).map(|shard| self.edge_of_bucket(source, shard, from_ms, first));
        let times = try_join_all(looks).await?.into_iter().flatten();
        Ok(if first { times.min() } else { times.max() })
    }

    /// Returns the chunks that were written for a source before a time.
    pub(crate) async fn chunks(&self, source: &SourceId, to_ms: i64) -> Result<Vec<IndexEntry>, StoreError> {
        let entries = i32::try_from(PAGE_MAX).unwrap_or(1);
        let pages = self.pages(0..to_ms, WalkOrder::OldestFirst, entries);
        pages.read_all(chunk_bucket(&source.provider, &source.source)).await
    }

    async fn edge_of_bucket(
        &self,
        source: &SourceId,
        shard: u8,
        from_ms: i64,
        first: bool,
    ) -> Result<Option<String>, StoreError> {
        let query = self.client.query().table_name(&self.table).index_name(TIME_INDEX);
        let sent = query
            .key_condition_expression("#bucket = :bucket AND received_at >= :from")
            .expression_attribute_names("#bucket", "bucket")
            .expression_attribute_values(":bucket", text(&time_bucket(&source.provider, &source.source, shard)))
            .expression_attribute_values(":from", text(&instant(from_ms)))
            .scan_index_forward(first)
            .limit(1)
            .send()
            .await;
        let output = sent.map_err(|error| StoreError::service("read the time index", &error))?;
        Ok(output.items().first().and_then(entry).map(|entry| entry.received_at))
    }
}

impl Walk {
    /// The same walk with at most this number of entries a page, for a walk that ends early.
    #[must_use]
    pub fn with_page(mut self, entries: i32) -> Self {
        self.pages.entries = entries.clamp(1, self.pages.entries);
        self
    }

    /// Returns the next entry; `None` at the end of the range.
    pub async fn next(&mut self) -> Result<Option<IndexEntry>, StoreError> {
        self.fill().await?;
        let order = self.pages.order;
        let heads = self.partitions.iter_mut().filter(|partition| !partition.ready.is_empty());
        let first = heads.min_by(|a, b| match order {
            WalkOrder::OldestFirst => a.ready.front().cmp(&b.ready.front()),
            WalkOrder::NewestFirst => b.ready.front().cmp(&a.ready.front()),
        });
        Ok(first.and_then(|partition| partition.ready.pop_front()))
    }

    /// Returns the next entries up to a number; fewer at the end of the range.
    pub async fn take(&mut self, count: usize) -> Result<Vec<IndexEntry>, StoreError> {
        let mut taken = Vec::new();
        while taken.len() < count {
            match self.next().await? {
                Some(entry) => taken.push(entry),
                None => break,
            }
        }
        Ok(taken)
    }

    /// Skips everything up to an entry, and that entry itself.
    pub async fn skip_to(&mut self, last: &IndexEntry) -> Result<(), StoreError> {
        let passed = match self.pages.order {
            WalkOrder::OldestFirst => Ordering::Greater,
            WalkOrder::NewestFirst => Ordering::Less,
        };
        loop {
            self.fill().await?;
            let mut skipped = false;
            for partition in &mut self.partitions {
                while partition.ready.front().is_some_and(|entry| entry.cmp(last) != passed) {
                    partition.ready.pop_front();
                    skipped = true;
                }
            }
            if !skipped {
                return Ok(());
            }
        }
    }

    /// Returns the number of entries in memory.
    pub fn held(&self) -> usize {
        self.partitions.iter().map(|partition| partition.ready.len() + partition.pending.len()).sum()
    }

    /// Afterwards every partition has its next entry at hand, unless none is left in it.
    async fn fill(&mut self) -> Result<(), StoreError> {
        let Walk { pages, partitions } = self;
        let empty = partitions.iter_mut().filter(|partition| partition.ready.is_empty() && !partition.is_read);
        let fills = empty.map(|partition| partition.fill(pages));
        stream::iter(fills).buffer_unordered(PARTITIONS_AT_ONCE).try_collect::<()>().await
    }
}

impl Partition {
    fn new(bucket: String) -> Self {
        Partition { bucket, ready: VecDeque::new(), pending: Vec::new(), resume: None, is_read: false }
    }

    /// Reads pages until there is an entry whose millisecond is read to its end: within one, the index has no order.
    async fn fill(&mut self, pages: &Pages) -> Result<(), StoreError> {
        while self.ready.is_empty() && !self.is_read {
            let (entries, resume) = pages.read(&self.bucket, self.resume.take()).await?;
            self.pending.extend(entries);
            self.is_read = resume.is_none();
            self.resume = resume;
            let last = self.pending.last().filter(|_| !self.is_read).map(|entry| entry.received_at.as_str());
            let before = self.pending.iter().rposition(|entry| Some(entry.received_at.as_str()) != last);
            let mut whole: Vec<IndexEntry> = self.pending.drain(..before.map_or(0, |at| at + 1)).collect();
            whole.sort_unstable();
            if pages.order == WalkOrder::NewestFirst {
                whole.reverse();
            }
            self.ready = whole.into();
        }
        Ok(())
    }
}

impl Pages {
    /// Returns the entries of one page, and the key to continue at; `None` after the last page.
    async fn read(
        &self,
        bucket: &str,
        start: Option<HashMap<String, AttributeValue>>,
    ) -> Result<(Vec<IndexEntry>, Option<HashMap<String, AttributeValue>>), StoreError> {
        let query = self.client.query().table_name(&self.table).index_name(TIME_INDEX);
        let sent = query
            .key_condition_expression("#bucket = :bucket AND received_at BETWEEN :from AND :to")
            .expression_attribute_names("#bucket", "bucket")
            .expression_attribute_values(":bucket", text(bucket))
            .expression_attribute_values(":from", text(&instant(self.range_ms.start)))
            .expression_attribute_values(":to", text(&instant(self.range_ms.end - 1)))
            .scan_index_forward(self.order == WalkOrder::OldestFirst)
            .limit(self.entries)
            .set_exclusive_start_key(start)
            .send()
            .await;
        let output = sent.map_err(|error| StoreError::service("read the time index", &error))?;
        let entries = output.items().iter().filter_map(entry).collect();
        Ok((entries, output.last_evaluated_key))
    }

    async fn read_all(&self, bucket: String) -> Result<Vec<IndexEntry>, StoreError> {
        let (mut all, mut resume) = self.read(&bucket, None).await?;
        while resume.is_some() {
            let (entries, next) = self.read(&bucket, resume).await?;
            all.extend(entries);
            resume = next;
        }
        Ok(all)
    }
}

/// Parses a time of the index into milliseconds since 1970; `None` if it is malformed.
pub fn ms_of(received_at: &str) -> Option<i64> {
    received_at.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

fn entry(item: &Item) -> Option<IndexEntry> {
    Some(IndexEntry { received_at: item.get("received_at")?.as_s().ok()?.clone(), key: key_of(item)? })
}
