//! Finds whether the relay runs: the oldest event that it should have sent by now and did not.
//!
//! A relay whose mapping is disabled, that is throttled to nothing or that fails at every batch has no metric of its own
//! that says so: nothing is invoked, or nothing is read. What was received and is not in the relay log says it, whatever
//! the reason is. Nothing is sent here: that is the relay's work, and the sweeper's once the stream has forgotten.

use aws_sdk_dynamodb::Client;

use crate::aws::clock::Clock;
use crate::keep::error::StoreError;
use crate::keep::item::is_due;
use crate::keep::memory::Memory;
use crate::keep::store::Store;
use crate::keep::time_index::{IndexEntry, SourceId, TimeIndex, WalkOrder};
use crate::relay::relay_log::{RelayLog, SLOT_MS};
use crate::relay::sweep::{AGE_MS_MIN, floor, is_whole, passed_ms};

/// An event that was received this long ago is late when it is not in the relay log. With a run every five minutes,
/// a relay that stopped is noticed within ten.
pub const LATE_MS: i64 = 4 * 60 * 1_000;

/// The row of the progress.
const PROGRESS: &str = "relayed";

/// The events that were received and not relayed.
#[derive(Debug)]
pub struct Backlog {
    memory: Memory,
    store: Store,
    index: TimeIndex,
    relayed: RelayLog,
    clock: Clock,
}

impl Backlog {
    /// The backlog of a table's events.
    pub fn new(client: Client, table: String, clock: Clock) -> Self {
        Backlog {
            store: Store::new(client.clone(), table.clone()),
            index: TimeIndex::new(client.clone(), table.clone()),
            relayed: RelayLog::new(client.clone(), table.clone()),
            memory: Memory::new(client, table),
            clock,
        }
    }

    /// Returns the oldest late event of these sources; `None` if there is none, or none was found before the deadline.
    /// The search begins where the last one ended, and no earlier than with what the sweeper sends.
    pub async fn oldest_late(&self, sources: &[SourceId], deadline_ms: i64) -> Result<Option<IndexEntry>, StoreError> {
        let now_ms = self.clock.now_ms();
        let until_ms = now_ms - LATE_MS;
        let known_ms = self.memory.until(PROGRESS).await?;
        let from_ms = known_ms.unwrap_or(until_ms).clamp(now_ms - AGE_MS_MIN, until_ms);
        let from_ms = floor(from_ms, SLOT_MS);
        let (late, relayed_ms) = self.search(sources, from_ms, until_ms, deadline_ms).await?;
        if known_ms != Some(relayed_ms) {
            self.memory.keep_until(PROGRESS, relayed_ms).await?;
        }
        Ok(late)
    }

    /// Returns the oldest late event of a range, and the beginning of the slot in which the next search begins.
    async fn search(
        &self,
        sources: &[SourceId],
        from_ms: i64,
        until_ms: i64,
        deadline_ms: i64,
    ) -> Result<(Option<IndexEntry>, i64), StoreError> {
        let mut relayed_ms = from_ms;
        let mut walk = self.index.walk(sources, from_ms..until_ms, WalkOrder::OldestFirst);
        let mut part: Vec<IndexEntry> = Vec::new();
        loop {
            let next = walk.next().await?;
            if is_whole(&part, next.as_ref()) {
                let looked_at = part.len();
                let late = self.first_late(std::mem::take(&mut part)).await?;
                if late.is_some() {
                    return Ok((late, relayed_ms));
                }
                relayed_ms = passed_ms(next.as_ref(), until_ms).unwrap_or(relayed_ms).max(relayed_ms);
                if looked_at > 0 && self.clock.now_ms() >= deadline_ms {
                    return Ok((None, relayed_ms));
                }
            }
            match next {
                Some(entry) => part.push(entry),
                None => return Ok((None, relayed_ms)),
            }
        }
    }

    /// Returns the first of some events of one slot that is neither in the relay log nor gone.
    async fn first_late(&self, part: Vec<IndexEntry>) -> Result<Option<IndexEntry>, StoreError> {
        for entry in self.relayed.missing(part).await? {
            if self.store.item(&entry.key).await?.as_ref().is_some_and(is_due) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}
