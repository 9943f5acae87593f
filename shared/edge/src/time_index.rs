//! The time index: which events a source received, and when.

use aws_sdk_dynamodb::Client;
use futures_util::future::try_join_all;
use webhook::claim::EventKey;

use crate::item::{Item, TIME_INDEX, TIME_SHARDS, instant, key_of, text, time_bucket};
use crate::store::{StoreError, service};

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
pub struct Entry {
    /// When it was received, as its row has it.
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
    /// The index of this table.
    pub fn new(client: Client, table: String) -> Self {
        TimeIndex { client, table }
    }

    /// What a source received from the first millisecond up to, but without, the second, in order.
    pub async fn received(&self, source: &SourceId, from_ms: i64, to_ms: i64) -> Result<Vec<Entry>, StoreError> {
        let buckets = (0..TIME_SHARDS).map(|shard| self.of_bucket(source, shard, from_ms, to_ms));
        let mut entries = try_join_all(buckets).await?.concat();
        entries.sort_unstable();
        Ok(entries)
    }

    /// When a source last received an event.
    pub async fn newest(&self, source: &SourceId) -> Result<Option<String>, StoreError> {
        let newest = try_join_all((0..TIME_SHARDS).map(|shard| self.newest_of_bucket(source, shard))).await?;
        Ok(newest.into_iter().flatten().max())
    }

    async fn of_bucket(
        &self,
        source: &SourceId,
        shard: u8,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<Entry>, StoreError> {
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
            entries.extend(entry(&item.map_err(|error| service("read the time index", &error))?));
        }
        Ok(entries)
    }

    async fn newest_of_bucket(&self, source: &SourceId, shard: u8) -> Result<Option<String>, StoreError> {
        let query = self.client.query().table_name(&self.table).index_name(TIME_INDEX);
        let sent = query
            .key_condition_expression("#bucket = :bucket")
            .expression_attribute_names("#bucket", "bucket")
            .expression_attribute_values(":bucket", text(&time_bucket(&source.provider, &source.source, shard)))
            .scan_index_forward(false)
            .limit(1)
            .send()
            .await;
        let output = sent.map_err(|error| service("read the time index", &error))?;
        Ok(output.items().first().and_then(entry).map(|entry| entry.received_at))
    }
}

fn entry(item: &Item) -> Option<Entry> {
    Some(Entry { received_at: item.get("received_at")?.as_s().ok()?.clone(), key: key_of(item)? })
}
