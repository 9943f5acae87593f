//! Sends the events that the relay never sent: an outage of the first queue may outlast the stream's 24 hours.
//!
//! Every event is in the time index under the time at which it was received, and every relayed one in the relay log
//! under the same time. An event in an hour of the index that is not in the log and too old to be in the stream was
//! never relayed. It is sent now: the oldest first, under its own id, by the relay's own code, which logs it too.
//! An hour counts as swept when all of it is sent, so an interruption only costs reading the same hour again.

use aws_sdk_dynamodb::Client;

use crate::aws::clock::Clock;
use crate::aws::log::LogLine;
use crate::keep::error::StoreError;
use crate::keep::item::{ERASED_AT, Item, instant, is_event, text};
use crate::keep::memory::Memory;
use crate::keep::store::Store;
use crate::keep::time_index::{IndexEntry, SourceId, TimeIndex, ms_of};
use crate::relay::relay::{Relay, RelayError};
use crate::relay::relay_log::{RelayLog, name_of};

/// Younger events may still be in the stream, which holds 24 hours; the rest is for clocks and last attempts.
pub const AGE_MS_MIN: i64 = 26 * HOUR_MS;

/// The first sweep of a table starts this long ago: more than a stack can have received before its first sweep, and
/// no more of what an older release, which had no relay log, had relayed.
const FIRST_MS: i64 = 48 * HOUR_MS;

const HOUR_MS: i64 = 60 * 60 * 1_000;

/// Events that are fetched and sent at a time, as many as the relay gets from the stream.
const BATCH: usize = 100;

/// The row of the sweeper's progress, and its attribute.
const PROGRESS: &str = "swept";
const UNTIL: &str = "until";

/// The sweeper.
#[derive(Debug)]
pub struct Sweeper {
    memory: Memory,
    store: Store,
    index: TimeIndex,
    relayed: RelayLog,
    relay: Relay,
    clock: Clock,
}

/// The result of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Everything received before this is known to be relayed, in milliseconds since 1970.
    pub until_ms: i64,
    /// Events that were compared.
    pub compared: usize,
    /// Events that were sent.
    pub sent: usize,
    /// Hours are left that could not be looked at in time.
    pub unfinished: bool,
}

/// A reason why a sweep ended early. The next one continues at the same hour.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The table could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A missing event could not be sent.
    #[error(transparent)]
    Relay(#[from] RelayError),
}

impl Sweeper {
    /// A sweeper over a table, with the relay that sends what it finds.
    pub fn new(client: Client, table: String, relay: Relay, clock: Clock) -> Self {
        Sweeper {
            store: Store::new(client.clone(), table.clone()),
            index: TimeIndex::new(client.clone(), table.clone()),
            relayed: RelayLog::new(client.clone(), table.clone()),
            memory: Memory::new(client, table),
            relay,
            clock,
        }
    }

    /// Sweeps every hour that is old enough, for these sources; begins nothing after the deadline.
    pub async fn sweep(&self, sources: &[SourceId], deadline_ms: i64) -> Result<Swept, SweepError> {
        let now_ms = self.clock.now_ms();
        let last_ms = hour_of(now_ms - AGE_MS_MIN);
        let from_ms = self.progress().await?.unwrap_or(hour_of(now_ms - FIRST_MS));
        let mut swept = Swept { until_ms: from_ms, compared: 0, sent: 0, unfinished: false };
        while swept.until_ms < last_ms {
            if last_ms - swept.until_ms > HOUR_MS && self.clock.now_ms() < deadline_ms {
                swept.until_ms = self.next_hour(sources, swept.until_ms, last_ms).await?;
                self.keep_progress(swept.until_ms).await?;
                if swept.until_ms == last_ms {
                    break;
                }
            }
            let whole = self.clock.now_ms() < deadline_ms && self.hour(sources, deadline_ms, &mut swept).await?;
            if !whole {
                swept.unfinished = true;
                break;
            }
            swept.until_ms += HOUR_MS;
            self.keep_progress(swept.until_ms).await?;
        }
        Ok(swept)
    }

    /// Returns the first hour from this one on in which anything was received: empty ones are not read one by one.
    async fn next_hour(&self, sources: &[SourceId], from_ms: i64, last_ms: i64) -> Result<i64, StoreError> {
        let first = self.index.first_from(sources, from_ms).await?;
        // A time that cannot be read must not skip anything.
        let first_ms = first.map_or(last_ms, |first| ms_of(&first).unwrap_or(from_ms));
        Ok(hour_of(first_ms).clamp(from_ms, last_ms))
    }

    /// Sends the events that one hour misses. Returns whether all of them were sent in time.
    async fn hour(&self, sources: &[SourceId], deadline_ms: i64, swept: &mut Swept) -> Result<bool, SweepError> {
        let (from_ms, to_ms) = (swept.until_ms, swept.until_ms + HOUR_MS);
        let mut entries: Vec<IndexEntry> = self.index.received_by(sources, from_ms, to_ms).await?;
        if entries.is_empty() {
            return Ok(true);
        }
        swept.compared += entries.len();
        let noted = self.relayed.between(from_ms, to_ms).await?;
        entries.retain(|entry| !noted.contains(&name_of(&entry.key.id())));
        for missing in entries.chunks(BATCH) {
            if self.clock.now_ms() >= deadline_ms {
                return Ok(false);
            }
            swept.sent += self.send(missing).await?;
        }
        Ok(true)
    }

    async fn send(&self, missing: &[IndexEntry]) -> Result<usize, SweepError> {
        let gets = missing.iter().map(|entry| self.store.item(&entry.key));
        let found = futures_util::future::try_join_all(gets).await?;
        // The index may have a row for a moment after it is gone; an event that was erased meanwhile is not sent.
        let is_due = |item: &Item| is_event(item) && !item.contains_key(ERASED_AT);
        let due: Vec<(&IndexEntry, Item)> =
            missing.iter().zip(found).filter_map(|(entry, item)| Some((entry, item.filter(is_due)?))).collect();
        let (entries, items): (Vec<&IndexEntry>, Vec<Item>) = due.into_iter().unzip();
        self.relay.send_kept(items).await?;
        for entry in &entries {
            let line = LogLine::warn("an event that was never relayed is sent").with("id", entry.key.id());
            line.with("received_at", entry.received_at.as_str()).write(self.clock.now_ms());
        }
        Ok(entries.len())
    }

    async fn progress(&self) -> Result<Option<i64>, StoreError> {
        let until = self.memory.get(PROGRESS, UNTIL).await?;
        // If it cannot be read, more hours are looked at, and none is left out.
        Ok(until.and_then(|until| ms_of(until.as_s().ok()?)).map(hour_of))
    }

    async fn keep_progress(&self, until_ms: i64) -> Result<(), StoreError> {
        self.memory.put(PROGRESS, UNTIL, text(&instant(until_ms))).await
    }
}

fn hour_of(ms: i64) -> i64 {
    ms.div_euclid(HOUR_MS) * HOUR_MS
}
