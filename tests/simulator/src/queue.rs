//! FIFO queues: groups, locks, deduplication, visibility, dead letters.

use std::collections::{BTreeMap, BTreeSet};

use crate::assumptions::{DEDUPLICATION_MS, QUEUE_BATCH_MAX, RECEIVES_MAX, VISIBILITY_MS};

/// A message.
#[derive(Debug, Clone)]
pub struct QueuedMessage {
    /// Its number in the queue, which is its id.
    pub number: u64,
    /// Its group.
    pub group: String,
    /// The canonical event.
    pub body: String,
    receives: u32,
    hidden_until_ms: u64,
}

/// A queue.
#[derive(Debug, Default)]
pub struct FifoQueue {
    messages: BTreeMap<u64, QueuedMessage>,
    dead: Vec<QueuedMessage>,
    known: BTreeMap<(String, String), u64>,
    count: u64,
    /// Every message that was ever stored: its group and body, in order.
    pub arrived: Vec<(String, String)>,
    /// The groups that ever had a dead letter.
    pub stopped: BTreeSet<String>,
    /// Sends that were taken but not stored.
    pub deduplicated: u64,
    /// True if anything reads the queue.
    is_read: bool,
}

impl FifoQueue {
    /// Makes a queue that something reads.
    pub fn read() -> Self {
        FifoQueue { is_read: true, ..FifoQueue::default() }
    }

    /// Takes a message. Returns true if it was stored.
    pub fn send(&mut self, group: &str, deduplication_id: &str, body: &str, now_ms: u64) -> bool {
        let name = (group.to_owned(), deduplication_id.to_owned());
        if self.known.get(&name).is_some_and(|then_ms| now_ms < then_ms + DEDUPLICATION_MS) {
            self.deduplicated += 1;
            return false;
        }
        self.known.insert(name, now_ms);
        self.arrived.push((group.to_owned(), body.to_owned()));
        if self.is_read {
            self.count += 1;
            let (number, group, body) = (self.count, group.to_owned(), body.to_owned());
            self.messages.insert(number, QueuedMessage { number, group, body, receives: 0, hidden_until_ms: 0 });
        }
        true
    }

    /// Takes a message that nothing relayed.
    pub fn remind(&mut self, group: &str, body: &str) {
        self.count += 1;
        let (number, group, body) = (self.count, group.to_owned(), body.to_owned());
        self.messages.insert(number, QueuedMessage { number, group, body, receives: 0, hidden_until_ms: 0 });
    }

    /// Returns messages and hides them.
    pub fn receive(&mut self, most: usize, now_ms: u64) -> Vec<QueuedMessage> {
        let in_flight = self.messages.values().filter(|message| message.hidden_until_ms > now_ms);
        let locked: BTreeSet<String> = in_flight.map(|message| message.group.clone()).collect();
        let mut batch = Vec::new();
        let mut dead = Vec::new();
        for message in self.messages.values_mut().filter(|message| !locked.contains(&message.group)) {
            if batch.len() == most.min(QUEUE_BATCH_MAX) {
                break;
            }
            message.receives += 1;
            if message.receives > RECEIVES_MAX {
                dead.push(message.number);
                continue;
            }
            message.hidden_until_ms = now_ms + VISIBILITY_MS;
            batch.push(message.clone());
        }
        self.dead.extend(dead.iter().filter_map(|number| self.messages.remove(number)));
        self.stopped.extend(self.dead.iter().map(|message| message.group.clone()));
        batch
    }

    /// Deletes a message.
    pub fn delete(&mut self, number: u64) {
        self.messages.remove(&number);
    }

    /// Sends dead letters back.
    pub fn redrive(&mut self) {
        for message in std::mem::take(&mut self.dead) {
            self.messages.insert(message.number, QueuedMessage { receives: 0, hidden_until_ms: 0, ..message });
        }
    }

    /// Returns the number of dead letters.
    pub fn dead(&self) -> usize {
        self.dead.len()
    }

    /// Returns true if nothing is left.
    pub fn drained(&self) -> bool {
        self.messages.is_empty() && self.dead.is_empty()
    }
}
