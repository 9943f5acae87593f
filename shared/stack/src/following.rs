//! Follows events as they show up in the time index.
//!
//! An event shows up a little after the time of receipt that it is indexed under: a delivery takes up to two seconds,
//! clocks differ, and the index follows the table. So every look begins some time before the latest event that is
//! through, and an event that is through is known by its name.

use std::collections::BTreeSet;

use edge::keep::time_index::{IndexEntry, WalkOrder, ms_of};

use crate::connection::Stack;
use crate::error::Error;
use crate::reader::walk;
use crate::sources::SourceName;
use crate::time::{LATEST_MS, Range, instant};

/// Entries of the time index that one call asks for.
const PAGE: i32 = 100;

/// The place up to which events were followed: everything received before a time is through, and of what was received since, what is
/// named.
#[derive(Debug, Clone)]
pub struct Following {
    from_ms: i64,
    overlap_ms: i64,
    through: BTreeSet<IndexEntry>,
    /// Events that were found and are not through yet: the time cannot pass it.
    waiting: BTreeSet<IndexEntry>,
    /// The latest event that is through.
    latest: Option<IndexEntry>,
}

impl Following {
    /// Begins at a time of receipt. An event may show up this long behind later ones.
    pub fn new(from_ms: i64, overlap_ms: i64) -> Self {
        let (through, waiting, latest) = Default::default();
        Following { from_ms: from_ms.max(0), overlap_ms, through, waiting, latest }
    }

    /// Returns the time of receipt from which it looks.
    pub fn from_ms(&self) -> i64 {
        self.from_ms
    }

    /// Returns whether an event is through.
    pub fn has(&self, entry: &IndexEntry) -> bool {
        self.through.contains(entry)
    }

    /// Returns the events that are through and may be met again.
    pub fn through(&self) -> impl Iterator<Item = &IndexEntry> {
        self.through.iter()
    }

    /// Looks once: what is not through, at most this many, by time of receipt. All of it is waited for.
    pub async fn look(&mut self, stack: &Stack, sources: &[SourceName], most: usize) -> Result<Vec<IndexEntry>, Error> {
        let range = Range { from_ms: self.from_ms, to_ms: LATEST_MS };
        let mut walk = walk(stack, sources, range, WalkOrder::OldestFirst, PAGE).await?;
        let mut found = Vec::new();
        while found.len() < most
            && let Some(entry) = walk.next().await?
        {
            found.extend((!self.has(&entry)).then_some(entry));
        }
        self.expect(&found);
        Ok(found)
    }

    /// Passes over what is there already.
    pub async fn skip_present(&mut self, stack: &Stack, sources: &[SourceName]) -> Result<(), Error> {
        for entry in self.look(stack, sources, usize::MAX).await? {
            self.skip(entry);
        }
        self.waiting.clear();
        Ok(())
    }

    /// Waits for these events: none of them is passed.
    pub fn expect(&mut self, entries: &[IndexEntry]) {
        self.waiting = entries.iter().cloned().collect();
    }

    /// Passes over an event that came before the beginning.
    pub fn skip(&mut self, entry: IndexEntry) {
        self.through.insert(entry);
    }

    /// Marks an event as through. The time moves up to the earliest event that is not, less the overlap, in which further
    /// ones may still show up.
    pub fn done(&mut self, entry: &IndexEntry) {
        self.waiting.remove(entry);
        self.through.insert(entry.clone());
        self.latest = self.latest.take().max(Some(entry.clone()));
        let reached = self.waiting.first().or(self.latest.as_ref());
        if let Some(reached_ms) = reached.and_then(|entry| ms_of(&entry.received_at)) {
            self.from_ms = self.from_ms.max(reached_ms.saturating_sub(self.overlap_ms));
            let from = instant(self.from_ms);
            self.through.retain(|entry| entry.received_at >= from);
        }
    }
}

#[cfg(test)]
mod tests {
    use webhook::claim::EventKey;

    use super::*;

    #[test]
    fn a_position_does_not_pass_what_waits() {
        let entry = |second: i64, name: &str| {
            let key = EventKey { pk: "scalev/main/1".to_owned(), sk: format!("order.created/{name}") };
            IndexEntry { received_at: instant(second * 1_000), key }
        };
        let mut position = Following::new(0, 10_000);
        let all = [entry(100, "a"), entry(200, "b"), entry(300, "c")];
        position.expect(&all);
        position.done(&all[2]);
        // The earliest is still to come, so the latest does not count yet.
        assert_eq!(position.from_ms(), 90_000);
        position.done(&all[0]);
        assert_eq!(position.from_ms(), 190_000);
        position.done(&all[1]);
        assert_eq!(position.from_ms(), 290_000);
        assert!(position.has(&all[2]) && !position.has(&all[0]));
        // One that shows up late within the overlap is looked for; it does not move the position back.
        let late = entry(295, "d");
        assert!(!position.has(&late));
        position.expect(std::slice::from_ref(&late));
        position.done(&late);
        assert_eq!(position.from_ms(), 290_000);
        assert!(position.has(&late) && position.has(&all[2]));
    }
}
