//! Sends the events that the relay never sent: an outage of the first queue may outlast the stream's 24 hours.
//!
//! Every event is in the time index under the time at which it was received, and every relayed one in the relay log
//! under the same time. An event in an hour of the index that is not in the log and too old to be in the stream was
//! never relayed. It is sent now: the oldest first, under its own id, by the relay's own code, which logs it too.
//! A slot of the log counts as swept when all of it is sent, so an interruption only costs reading the same slot again.
//! Index and log are read page by page, and a part of a slot is compared at a time: memory does not grow with the rate.

use aws_sdk_dynamodb::Client;

use crate::aws::clock::Clock;
use crate::aws::log::LogLine;
use crate::keep::error::StoreError;
use crate::keep::item::{Item, instant, is_due};
use crate::keep::memory::Memory;
use crate::keep::store::Store;
use crate::keep::time_index::{IndexEntry, SourceId, TimeIndex, WalkOrder, ms_of};
use crate::relay::error::RelayError;
use crate::relay::relay::Relay;
use crate::relay::relay_log::{LIFE_MS, RelayLog, SLOT_MS, slot_of};

/// Younger events may still be in the stream, which holds 24 hours; the rest is for clocks and last attempts.
pub const AGE_MS_MIN: i64 = 26 * HOUR_MS;

/// The first sweep of a table starts this long ago: more than a stack can have received before its first sweep, and
/// no more of what an older release, which had no relay log, had relayed.
const FIRST_MS: i64 = 48 * HOUR_MS;

const HOUR_MS: i64 = 60 * 60 * 1_000;

/// Events that were received longer ago are not compared: of those that came before, the relay log may be gone.
const AGE_MS_MAX: i64 = LIFE_MS - 24 * HOUR_MS;

/// Events that are fetched and sent at a time, as many as the relay gets from the stream.
const BATCH: usize = 100;

/// Events that are compared with the log at a time: some 15 MB.
const PART_MAX: usize = 50_000;

/// The row of the sweeper's progress.
const PROGRESS: &str = "swept";

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
        let last_ms = floor(now_ms - AGE_MS_MIN, HOUR_MS);
        // If it cannot be read, more hours are looked at, and none is left out.
        let known_ms = self.memory.until(PROGRESS).await?.map(|ms| floor(ms, SLOT_MS));
        let from_ms = known_ms.unwrap_or(floor(now_ms - FIRST_MS, HOUR_MS));
        let from_ms = self.known_from(from_ms, now_ms);
        let mut swept = Swept { until_ms: from_ms, compared: 0, sent: 0, unfinished: false };
        if from_ms >= last_ms {
            return Ok(swept);
        }
        let mut walk = self.index.walk(sources, from_ms..last_ms, WalkOrder::OldestFirst);
        let mut part: Vec<IndexEntry> = Vec::new();
        loop {
            swept.unfinished = self.clock.now_ms() >= deadline_ms;
            if swept.unfinished {
                return Ok(swept);
            }
            let next = walk.next().await?;
            let is_whole = is_whole(&part, next.as_ref());
            if is_whole && !self.send_missing(std::mem::take(&mut part), deadline_ms, &mut swept).await? {
                swept.unfinished = true;
                return Ok(swept);
            }
            if let Some(until_ms) = passed_ms(next.as_ref(), last_ms).filter(|until_ms| *until_ms > swept.until_ms) {
                swept.until_ms = until_ms.min(last_ms);
                self.memory.keep_until(PROGRESS, swept.until_ms).await?;
            }
            match next {
                Some(entry) => part.push(entry),
                None => return Ok(swept),
            }
        }
    }

    /// Returns the time from which the relay log is there. Everything before it would look as if it had not been relayed:
    /// it is not sent again, and an operator is asked to look.
    fn known_from(&self, from_ms: i64, now_ms: i64) -> i64 {
        let known_ms = floor(now_ms - AGE_MS_MAX, HOUR_MS);
        if from_ms >= known_ms {
            return from_ms;
        }
        let (from, to) = (instant(from_ms), instant(known_ms));
        let next = format!("hookmill replay --from {from} --to {to}, if events of that time are missing anywhere");
        LogLine::error(
            "a sweep was held up for so long that nobody knows which events were relayed: they are left out",
        )
        .attention()
        .with("from", from)
        .with("until", to)
        .with("next", next)
        .write(now_ms);
        known_ms
    }

    /// Sends those events of a part of one slot that were never relayed. Returns whether it could in time.
    async fn send_missing(
        &self,
        part: Vec<IndexEntry>,
        deadline_ms: i64,
        swept: &mut Swept,
    ) -> Result<bool, SweepError> {
        swept.compared += part.len();
        let missing = self.relayed.missing(part).await?;
        for some in missing.chunks(BATCH) {
            loop {
                if self.clock.now_ms() >= deadline_ms {
                    return Ok(false);
                }
                match self.send(some).await {
                    // What was sent of them is remembered.
                    Err(SweepError::Relay(RelayError::Time { .. })) => {}
                    sent => {
                        swept.sent += sent?;
                        break;
                    }
                }
            }
        }
        Ok(true)
    }

    async fn send(&self, missing: &[IndexEntry]) -> Result<usize, SweepError> {
        let gets = missing.iter().map(|entry| self.store.item(&entry.key));
        let found = futures_util::future::try_join_all(gets).await?;
        // The index may have a row for a moment after it is gone; an event that was erased or disowned is not sent.
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
}

/// Returns whether a part of a walk is to be compared before the next entry: it is all of its slot, or large enough.
pub(crate) fn is_whole(part: &[IndexEntry], next: Option<&IndexEntry>) -> bool {
    fn slot(entry: &IndexEntry) -> &str {
        slot_of(&entry.received_at)
    }
    part.len() >= PART_MAX || part.last().map(slot) != next.map(slot)
}

/// Returns the beginning of the slot before which nothing is left of a walk; `None` if the next entry's time cannot be
/// read: that must not skip anything.
pub(crate) fn passed_ms(next: Option<&IndexEntry>, end_ms: i64) -> Option<i64> {
    next.map_or(Some(end_ms), |entry| ms_of(&entry.received_at)).map(|ms| floor(ms, SLOT_MS))
}

pub(crate) fn floor(ms: i64, unit_ms: i64) -> i64 {
    ms.div_euclid(unit_ms) * unit_ms
}
