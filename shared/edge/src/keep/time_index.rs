//! The time index: the events that a source received, by time.

use aws_sdk_dynamodb::Client;
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use webhook::claim::EventKey;

use crate::keep::error::StoreError;
use crate::keep::item::{Item, TIME_INDEX, TIME_SHARDS, instant, key_of, text, time_bucket};

/// Sources whose partitions are read at once.
const SOURCES_AT_ONCE: usize = 6;

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

    /// Returns the events that a source received from one millisecond up to, but without, another, in order.
    pub async fn received(&self, source: &SourceId, from_ms: i64, to_ms: i64) -> Result<Vec<IndexEntry>, StoreError> {
        let buckets = (0..TIME_SHARDS).map(|shard| self.of_bucket(source, shard, from_ms, to_ms));
        let mut entries = try_join_all(buckets).await?.concat();
        entries.sort_unstable();
        Ok(entries)
    }

    /// Returns the events that several sources received, in order.
    pub async fn received_by(
        &self,
        sources: &[SourceId],
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<IndexEntry>, StoreError> {
        let reads = sources.iter().map(|source| self.received(source, from_ms, to_ms));
        let mut entries: Vec<IndexEntry> =
            stream::iter(reads).buffer_unordered(SOURCES_AT_ONCE).try_collect::<Vec<_>>().await?.concat();
        entries.sort_unstable();
        Ok(entries)
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

    async fn of_bucket(
        &self,
        source: &SourceId,
        shard: u8,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<IndexEntry>, StoreError> {
        let query = self.client.query().table_name(&self.table).index_name(TIME_INDEX);
        let query = query
            .key_condition_expression("#bucket = :bucket AND received_at BETWEEN :from AND :to")
            .expression_attribute_names("#bucket", "bucket")
            .expression_attribute_values(":bucket", text(&time_bucket(&source.provider, &source.source, shard)))
            .expression_attribute_values(":from", text(&instant(from_ms)))
            .expression_attribute_values(":to", text(&instant(to_ms - 1)));
        let mut entries = Vec::new();
        let mut pages = query.into_paginator().items().send();
        while let Some(item) = pages.next().await {
            entries.extend(entry(&item.map_err(|error| StoreError::service("read the time index", &error))?));
        }
        Ok(entries)
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

/// Parses a time of the index into milliseconds since 1970; `None` if it is malformed.
pub fn ms_of(received_at: &str) -> Option<i64> {
    received_at.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

fn entry(item: &Item) -> Option<IndexEntry> {
    Some(IndexEntry { received_at: item.get("received_at")?.as_s().ok()?.clone(), key: key_of(item)? })
}
