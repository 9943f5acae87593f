//! The table's stream: shards, splits, checkpoints.

use std::collections::VecDeque;

use crate::assumptions::{SHARDS, SHARDS_MAX, STREAM_BATCH_MAX, STREAM_RETENTION_MS};
use crate::random::mix;
use crate::table::{JsonItem, TableChange, string};

/// A record and the time at which it came.
#[derive(Debug, Clone)]
pub struct ShardRecord {
    /// The change.
    pub change: TableChange,
    /// The time from which it can be read, in milliseconds.
    pub from_ms: u64,
}

/// One shard.
#[derive(Debug)]
struct Shard {
    parent: Option<usize>,
    first: u64,
    last: u64,
    closed: bool,
    records: VecDeque<ShardRecord>,
    /// Records before this one are handled.
    checkpoint: usize,
    /// The farthest that the checkpoint ever was.
    farthest: usize,
    /// The checkpoints before it, for going back.
    earlier: Vec<usize>,
}

/// The stream.
#[derive(Debug)]
pub struct SimulatedStream {
    shards: Vec<Shard>,
    /// The items of the records that left the stream unread.
    pub trimmed: Vec<JsonItem>,
}

impl Default for SimulatedStream {
    fn default() -> Self {
        let width = u64::MAX / SHARDS;
        let range = |number: u64| {
            let last = if number + 1 == SHARDS { u64::MAX } else { (number + 1) * width - 1 };
            shard(None, number * width, last)
        };
        SimulatedStream { shards: (0..SHARDS).map(range).collect(), trimmed: Vec::new() }
    }
}

impl SimulatedStream {
    /// Appends a change to its shard.
    pub fn append(&mut self, change: TableChange, now_ms: u64) {
        let place = place(string(&change.item, "pk"));
        let owner = self.shards.iter_mut().find(|shard| !shard.closed && (shard.first..=shard.last).contains(&place));
        owner.unwrap().records.push_back(ShardRecord { change, from_ms: now_ms });
    }

    /// Returns the number of shards that there ever were.
    pub fn len(&self) -> usize {
        self.shards.len()
    }

    /// Returns false: there is always a shard.
    pub fn is_empty(&self) -> bool {
        self.shards.is_empty()
    }

    /// Returns the next records of a shard from its checkpoint, up to a maximum; none while its parent is not read.
    pub fn batch(&mut self, number: usize, most: usize, now_ms: u64) -> Vec<ShardRecord> {
        let parent = self.shards[number].parent;
        if parent.is_some_and(|parent| !self.shards[parent].done()) {
            return Vec::new();
        }
        let shard = &mut self.shards[number];
        while shard.records.get(shard.checkpoint).is_some_and(|record| record.from_ms + STREAM_RETENTION_MS < now_ms) {
            // A record that was handled before it came again is not lost when the stream drops it.
            let record = shard.records.get(shard.checkpoint).filter(|_| shard.checkpoint >= shard.farthest);
            self.trimmed.extend(record.map(|record| record.change.item.clone()));
            shard.checkpoint += 1;
        }
        shard.records.iter().skip(shard.checkpoint).take(most.min(STREAM_BATCH_MAX)).cloned().collect()
    }

    /// Moves a shard's checkpoint on.
    pub fn handled(&mut self, number: usize, count: usize) {
        let shard = &mut self.shards[number];
        shard.earlier.push(shard.checkpoint);
        shard.checkpoint += count;
        shard.farthest = shard.farthest.max(shard.checkpoint);
    }

    /// Moves a shard's checkpoint back by a number of batches.
    pub fn lose_checkpoints(&mut self, number: usize, batches: u64) {
        let shard = &mut self.shards[number];
        for _ in 0..batches {
            shard.checkpoint = shard.earlier.pop().unwrap_or(shard.checkpoint);
        }
    }

    /// Splits a shard, if there may be more.
    pub fn split(&mut self, number: usize) {
        let shard = &mut self.shards[number];
        if shard.closed || shard.last - shard.first < 2 {
            return;
        }
        let (first, last) = (shard.first, shard.last);
        if self.shards.len() + 2 > SHARDS_MAX {
            return;
        }
        self.shards[number].closed = true;
        let middle = first + (last - first) / 2;
        self.shards.push(shard_of(number, first, middle));
        self.shards.push(shard_of(number, middle + 1, last));
    }

    /// Returns true if everything is read.
    pub fn drained(&self) -> bool {
        self.shards.iter().all(|shard| shard.checkpoint == shard.records.len())
    }
}

impl Shard {
    fn done(&self) -> bool {
        self.closed && self.checkpoint == self.records.len()
    }
}

fn shard(parent: Option<usize>, first: u64, last: u64) -> Shard {
    Shard {
        parent,
        first,
        last,
        closed: false,
        records: VecDeque::new(),
        checkpoint: 0,
        farthest: 0,
        earlier: Vec::new(),
    }
}

fn shard_of(parent: usize, first: u64, last: u64) -> Shard {
    shard(Some(parent), first, last)
}

/// Returns the position of a partition key among the shards.
fn place(pk: &str) -> u64 {
    pk.bytes().fold(0, |place, byte| mix(place, u64::from(byte)))
}
