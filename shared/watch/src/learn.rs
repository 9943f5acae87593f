//! Learns from received events: a source's usual hours, the shapes of its events, and the keys that they matched.
//!
//! The time index is read once for all three. Bodies are read for the shapes only, a few of each kind.

use std::collections::BTreeMap;

use edge::aws::clock::Clock;
use edge::keep::error::StoreError;
use edge::keep::item::StoredRow;
use edge::keep::memory::Memory;
use edge::keep::store::Store;
use edge::keep::time_index::{IndexEntry, SourceId, TimeIndex, ms_of};
use serde::{Deserialize, Serialize};
use webhook::secret::Secret;

use crate::finding::{FindingKind, WatchFinding};
use crate::shape::{self, BodyShape, Drift};
use crate::silence::{HOUR_MS, History};

/// Length of the stretches in which the index is read.
const STRETCH_MS: i64 = 24 * HOUR_MS;

/// Most bodies that are read of one kind in a stretch, and of one source in all.
const SAMPLES_OF_A_KIND: usize = 20;
const SAMPLES_OF_A_SOURCE: usize = 200;

/// Most kinds of one source that are kept: a provider has some dozens.
const KINDS_MAX: usize = 120;

/// The state of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learnt {
    /// Its hours.
    pub history: History,
    /// Time at which a sampled delivery last matched the current key, in milliseconds.
    pub current_key_ms: Option<i64>,
    /// Time at which one last matched another key.
    pub old_key_ms: Option<i64>,
    /// The kinds of events whose shapes are kept.
    pub kinds: Vec<String>,
}

/// Returns the name of a source's state.
pub fn name_of(source: &SourceId) -> String {
    format!("source/{source}")
}

/// Learns what sources received.
#[derive(Debug)]
pub struct Learner {
    store: Store,
    index: TimeIndex,
    memory: Memory,
    clock: Clock,
}

impl Learner {
    /// A learner.
    pub fn new(store: Store, index: TimeIndex, memory: Memory, clock: Clock) -> Self {
        Learner { store, index, memory, clock }
    }

    /// Learns from the events of all hours that are over; starts nothing after the deadline. Findings are added as they
    /// are made, even if an error follows: a field that was added to a shape is not found again.
    pub async fn learn(
        &self,
        source: &SourceId,
        credentials: &[Secret],
        deadline_ms: i64,
        findings: &mut Vec<WatchFinding>,
    ) -> Result<Learnt, StoreError> {
        let name = name_of(source);
        let mut learnt: Learnt = self.memory.recall(&name).await?.unwrap_or_default();
        let now_ms = self.clock.now_ms();
        let last_ms = now_ms.div_euclid(HOUR_MS) * HOUR_MS;
        if learnt.history.is_empty() {
            // A younger source is not read for four weeks.
            let from_ms = learnt.history.wanted_from_ms(now_ms);
            let first = self.index.first_from(std::slice::from_ref(source), from_ms).await?;
            let Some(first_ms) = first.and_then(|first| ms_of(&first)) else { return Ok(learnt) };
            learnt.history.begin(first_ms);
        }
        loop {
            let from_ms = learnt.history.wanted_from_ms(now_ms);
            if from_ms >= last_ms || self.clock.now_ms() >= deadline_ms {
                return Ok(learnt);
            }
            let to_ms = last_ms.min(from_ms + STRETCH_MS);
            let entries = self.index.received(source, from_ms, to_ms).await?;
            self.sample(source, credentials, &mut learnt, &entries, findings).await?;
            learnt.history.learn(from_ms, to_ms, entries.iter().filter_map(|entry| ms_of(&entry.received_at)));
            self.memory.keep(&name, &learnt).await?;
        }
    }

    /// Reads some bodies of each kind, and learns their shapes and keys.
    async fn sample(
        &self,
        source: &SourceId,
        credentials: &[Secret],
        learnt: &mut Learnt,
        entries: &[IndexEntry],
        findings: &mut Vec<WatchFinding>,
    ) -> Result<(), StoreError> {
        for (kind, chosen) in chosen(entries) {
            if !learnt.kinds.iter().any(|known| known == kind) {
                if learnt.kinds.len() >= KINDS_MAX {
                    continue;
                }
                learnt.kinds.push(kind.to_owned());
            }
            let loads = chosen.iter().map(|entry| self.store.load(&entry.key));
            let rows = futures_util::future::join_all(loads).await;
            let name = format!("shape/{source}/{kind}");
            let mut shape: BodyShape = self.memory.recall(&name).await?.unwrap_or_default();
            for row in rows {
                match row {
                    Ok(Some(row)) => {
                        learnt.keys(&row, credentials);
                        let drifts = add_to(&mut shape, &row);
                        findings.extend(drifts.iter().map(|drift| finding(source, kind, drift)));
                    }
                    // A body that is gone or damaged has no shape; an outage ends the learning.
                    Ok(None) | Err(StoreError::Row { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            self.memory.keep(&name, &shape).await?;
        }
        Ok(())
    }
}

impl Learnt {
    fn keys(&mut self, row: &StoredRow, credentials: &[Secret]) {
        let matched = credentials.iter().position(|secret| secret.fingerprint() == row.fingerprint);
        let latest = match matched {
            Some(0) => &mut self.current_key_ms,
            Some(_) => &mut self.old_key_ms,
            // The key is no longer in the secret.
            None => return,
        };
        *latest = (*latest).max(Some(row.row.received_ms));
    }
}

/// Adds a body's fields to a shape; one that is not JSON has none.
fn add_to(shape: &mut BodyShape, row: &StoredRow) -> Vec<Drift> {
    match webhook::json::parse(&row.row.body) {
        Ok(document) => shape.take(&shape::paths(&document.root)),
        Err(_) => Vec::new(),
    }
}

fn finding(source: &SourceId, kind: &str, drift: &Drift) -> WatchFinding {
    let message = match drift {
        Drift::New(path) => format!("{source}: {kind} has a field that no body had before: {path}"),
        Drift::Gone(path) => format!("{source}: {kind} no longer has the field {path}"),
    };
    let next = format!("hookmill events list --source {source} --since 1d, then hookmill events show <id> --fields");
    WatchFinding::new(FindingKind::Drift, source, drift.word(), message, next)
}

/// Chooses the entries to be read, by kind, in order, within the limits.
fn chosen(entries: &[IndexEntry]) -> BTreeMap<&str, Vec<&IndexEntry>> {
    let mut of_kinds: BTreeMap<&str, Vec<&IndexEntry>> = BTreeMap::new();
    for entry in entries {
        let kind = entry.key.sk.split('/').next().unwrap_or_default();
        of_kinds.entry(kind).or_default().push(entry);
    }
    let share = (SAMPLES_OF_A_SOURCE / of_kinds.len().max(1)).clamp(1, SAMPLES_OF_A_KIND);
    for entries in of_kinds.values_mut() {
        // Spread evenly over the whole stretch, the last one always included.
        let count = entries.len();
        let is_chosen = |index: usize| (index + 1) * share / count != index * share / count || count <= share;
        *entries =
            entries.iter().copied().enumerate().filter(|(at, _)| is_chosen(*at)).map(|(_, entry)| entry).collect();
    }
    of_kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use webhook::claim::EventKey;

    #[test]
    fn a_few_of_each_kind_are_read() {
        let entry = |kind: &str, number: usize| IndexEntry {
            received_at: format!("{number:05}"),
            key: EventKey { pk: "scalev/main/1".to_owned(), sk: format!("{kind}/{number}") },
        };
        let mut entries: Vec<IndexEntry> = (0..1_000).map(|number| entry("order.created", number)).collect();
        entries.extend((0..3).map(|number| entry("rare", number)));
        let chosen = chosen(&entries);
        assert_eq!(chosen["rare"].len(), 3);
        let many = &chosen["order.created"];
        assert_eq!((many.len(), many.last().unwrap().received_at.as_str()), (SAMPLES_OF_A_KIND, "00999"));
        assert!(many.windows(2).all(|pair| pair[0] < pair[1]));
        let day: Vec<IndexEntry> = (0..24).map(|number| entry("order.created", number)).collect();
        assert_eq!(super::chosen(&day)["order.created"].len(), SAMPLES_OF_A_KIND);
        let kinds: Vec<IndexEntry> = (0..1_000).map(|number| entry(&format!("k{}", number % 300), number)).collect();
        assert!(super::chosen(&kinds).values().all(|entries| entries.len() == 1));
    }
}
