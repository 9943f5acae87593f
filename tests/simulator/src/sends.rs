//! Messages that are sent twice, and what excuses it.
//!
//! A relay may send an event again when it cannot know that it has: its call failed or was not answered, its process
//! died or was stopped, the mapping forgot its checkpoint. With none of that it sends each event once to each queue.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::assumptions::{DEDUPLICATION_MS, RELAY_TIMEOUT_MS};
use crate::faults::Actor;
use crate::violation::Violation;

/// The first and the last time that an event was sent to a queue, and by whom first.
#[derive(Debug)]
struct Sent {
    first_ms: u64,
    stored_ms: u64,
    by: Actor,
}

/// Every message that was sent.
#[derive(Debug, Default)]
pub struct Sends {
    sent: HashMap<(String, String), Sent>,
    /// When something went wrong for whoever sends.
    disturbed_ms: BTreeMap<Actor, BTreeSet<u64>>,
}

impl Sends {
    /// Remembers that something went wrong for an actor.
    pub fn disturb(&mut self, actor: Actor, now_ms: u64) {
        self.disturbed_ms.entry(sender(actor)).or_default().insert(now_ms);
    }

    /// Remembers that an event was sent, and whether the queue stored it. Returns a violation if it should not have been.
    pub fn add(&mut self, by: Actor, queue: &str, id: &str, stored: bool, now_ms: u64) -> Option<Violation> {
        let name = (queue.to_owned(), id.to_owned());
        let Some(known) = self.sent.get_mut(&name) else {
            self.sent.insert(name, Sent { first_ms: now_ms, stored_ms: now_ms, by: sender(by) });
            return None;
        };
        let since_ms = known.first_ms.saturating_sub(RELAY_TIMEOUT_MS);
        // A sweeper sends what no log names: only what went wrong while an event was sent can have kept it out of that,
        // or another sweeper at the same time. A relay gets its batches again whatever goes wrong later.
        let until_ms = if is_watch(by) { known.first_ms + 2 * RELAY_TIMEOUT_MS } else { now_ms };
        let is_disturbed = |times: &BTreeSet<u64>| times.range(since_ms..=until_ms.max(since_ms)).next().is_some();
        let is_excused = self.disturbed_ms.get(&known.by).is_some_and(is_disturbed)
            || is_watch(by) && is_watch(known.by) && now_ms < known.first_ms + SWEEPS_MS;
        let is_close = stored && now_ms < known.stored_ms + DEDUPLICATION_MS;
        if stored {
            known.stored_ms = now_ms;
        }
        let found = format!("{id} by {by:?}");
        if is_close {
            return Some(Violation::new("no event is in a queue twice within five minutes", found));
        }
        (!is_excused).then(|| Violation::new("nothing is sent again without a reason", found))
    }
}

/// Two sweeps that overlap end within this time.
const SWEEPS_MS: u64 = 10 * RELAY_TIMEOUT_MS;

fn is_watch(actor: Actor) -> bool {
    matches!(actor, Actor::Watch(_))
}

/// The relay of a shard and the mapping that calls it are one sender.
fn sender(actor: Actor) -> Actor {
    match actor {
        Actor::Shard(number) => Actor::Relay(number),
        other => other,
    }
}
