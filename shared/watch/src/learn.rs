//! Learns from received events: a source's usual hours, the shapes of its events, and the keys that they matched.
//!
//! The time index is walked once for all three: of an hour only its count is held, of a kind only some events' names.
//! Bodies are read for the shapes only, a few of each kind.

use std::collections::BTreeMap;
use std::ops::Range;

use edge::aws::clock::Clock;
use edge::keep::error::StoreError;
use edge::keep::item::StoredRow;
use edge::keep::memory::Memory;
use edge::keep::store::Store;
use edge::keep::time_index::{IndexEntry, SourceId, TimeIndex, WalkOrder, ms_of};
use serde::{Deserialize, Serialize};
use webhook::secret::Secret;

use crate::finding::{FindingKind, WatchFinding};
use crate::shape::{self, BodyShape, Drift};
use crate::silence::{HOUR_MS, History};

/// Length of the stretches in which the index is read; with more events than this, one ends with the hour.
const STRETCH_MS: i64 = 24 * HOUR_MS;
const STRETCH_EVENTS: usize = 200_000;

/// Most kinds of a stretch whose events are sampled.
const SAMPLED_KINDS_MAX: usize = 1_000;

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

/// The part of the index of a source that was read, from one hour on.
#[derive(Debug, Default)]
struct Stretch {
    /// The end of the hours that were read.
    until_ms: i64,
    /// By hour, its first millisecond and the number of its events, as far as a history counts them.
    hours: BTreeMap<i64, u8>,
    /// By kind.
    samples: BTreeMap<String, Samples>,
}

impl Stretch {
    fn add(&mut self, hour_ms: i64, entry: IndexEntry) {
        let count = self.hours.entry(hour_ms).or_default();
        *count = count.saturating_add(1);
        let kind = entry.key.sk.split('/').next().unwrap_or_default();
        if let Some(samples) = self.samples.get_mut(kind) {
            samples.add(entry);
        } else if self.samples.len() < SAMPLED_KINDS_MAX {
            self.samples.entry(kind.to_owned()).or_default().add(entry);
        }
    }

    /// Returns a time within the hour of each event that is counted.
    fn times(&self) -> impl Iterator<Item = i64> {
        self.hours.iter().flat_map(|(hour_ms, count)| std::iter::repeat_n(*hour_ms, usize::from(*count)))
    }
}

/// Some events of a kind, spread evenly over a stretch whose end is not known yet: every second one, then every fourth
/// and so on, the more there are.
#[derive(Debug)]
struct Samples {
    held: Vec<IndexEntry>,
    /// The latest one, which is always among those that are chosen.
    last: Option<IndexEntry>,
    seen: usize,
    stride: usize,
}

impl Default for Samples {
    fn default() -> Self {
        Samples { held: Vec::new(), last: None, seen: 0, stride: 1 }
    }
}

impl Samples {
    fn add(&mut self, entry: IndexEntry) {
        if self.seen.is_multiple_of(self.stride) {
            self.held.push(entry.clone());
        }
        self.last = Some(entry);
        self.seen += 1;
        if self.held.len() >= 2 * SAMPLES_OF_A_KIND {
            let mut number = 0_usize;
            self.held.retain(|_| {
                number += 1;
                !number.is_multiple_of(2)
            });
            self.stride *= 2;
        }
    }

    /// Returns some of the events in order, the last one included.
    fn chosen(&self, share: usize) -> Vec<&IndexEntry> {
        let last = self.last.as_ref().filter(|last| self.held.last() != Some(last));
        let all: Vec<&IndexEntry> = self.held.iter().chain(last).collect();
        let count = all.len();
        let is_chosen = |index: usize| (index + 1) * share / count != index * share / count || count <= share;
        all.into_iter().enumerate().filter(|(index, _)| is_chosen(*index)).map(|(_, entry)| entry).collect()
    }
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
            let Some(stretch) = self.stretch(source, from_ms..to_ms, deadline_ms).await? else { return Ok(learnt) };
            self.sample(source, credentials, &mut learnt, &stretch.samples, findings).await?;
            learnt.history.learn(from_ms, stretch.until_ms, stretch.times());
            self.memory.keep(&name, &learnt).await?;
        }
    }

    /// Reads the index from an hour on: a day, or fewer hours of a busy source or if time is short; `None` if no hour
    /// could be read to its end.
    async fn stretch(
        &self,
        source: &SourceId,
        range_ms: Range<i64>,
        deadline_ms: i64,
    ) -> Result<Option<Stretch>, StoreError> {
        let mut stretch = Stretch { until_ms: range_ms.end, ..Stretch::default() };
        let mut walk = self.index.walk(std::slice::from_ref(source), range_ms.clone(), WalkOrder::OldestFirst);
        let (mut events, mut hour_ms) = (0_usize, range_ms.start);
        while let Some(entry) = walk.next().await? {
            let next_ms = ms_of(&entry.received_at).map_or(hour_ms, |ms| ms.div_euclid(HOUR_MS) * HOUR_MS);
            let is_over = events.is_multiple_of(1_000) && events > 0 && self.clock.now_ms() >= deadline_ms;
            if is_over || (next_ms > hour_ms && events >= STRETCH_EVENTS) {
                stretch.until_ms = next_ms;
                return Ok((next_ms > range_ms.start).then_some(stretch));
            }
            (events, hour_ms) = (events + 1, next_ms);
            stretch.add(next_ms, entry);
        }
        Ok(Some(stretch))
    }

    /// Reads some bodies of each kind, and learns their shapes and keys.
    async fn sample(
        &self,
        source: &SourceId,
        credentials: &[Secret],
        learnt: &mut Learnt,
        samples: &BTreeMap<String, Samples>,
        findings: &mut Vec<WatchFinding>,
    ) -> Result<(), StoreError> {
        let share = (SAMPLES_OF_A_SOURCE / samples.len().max(1)).clamp(1, SAMPLES_OF_A_KIND);
        for (kind, samples) in samples {
            let chosen = samples.chosen(share);
            if !learnt.kinds.iter().any(|known| known == kind) {
                if learnt.kinds.len() >= KINDS_MAX {
                    continue;
                }
                learnt.kinds.push(kind.clone());
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
                    // A body that is gone, damaged or of a later build has no shape; an outage ends the learning.
                    Ok(None) | Err(StoreError::OtherBuild { .. }) => {}
                    Err(error) if !error.is_outage() => {}
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
        let of = |entries: &[IndexEntry]| {
            let mut stretch = Stretch::default();
            entries.iter().for_each(|entry| stretch.add(0, entry.clone()));
            stretch.samples
        };
        let samples = of(&entries);
        assert_eq!(samples["rare"].chosen(SAMPLES_OF_A_KIND).len(), 3);
        let many = samples["order.created"].chosen(SAMPLES_OF_A_KIND);
        assert_eq!((many.len(), many.last().unwrap().received_at.as_str()), (SAMPLES_OF_A_KIND, "00999"));
        assert!(many.windows(2).all(|pair| pair[0] < pair[1]));
        // They are spread over all of it, and no more are held however many there are.
        let numbers: Vec<i64> = many.iter().map(|entry| entry.received_at.parse().unwrap()).collect();
        assert!(numbers[0] < 100 && numbers.windows(2).all(|pair| pair[1] - pair[0] < 100), "{numbers:?}");
        assert!(samples["order.created"].held.len() < 2 * SAMPLES_OF_A_KIND);
        let day: Vec<IndexEntry> = (0..24).map(|number| entry("order.created", number)).collect();
        assert_eq!(of(&day)["order.created"].chosen(SAMPLES_OF_A_KIND).len(), SAMPLES_OF_A_KIND);
        let kinds: Vec<IndexEntry> = (0..1_000).map(|number| entry(&format!("k{}", number % 300), number)).collect();
        assert!(of(&kinds).values().all(|samples| samples.chosen(1).len() == 1));
        let endless: Vec<IndexEntry> = (0..5_000).map(|number| entry(&format!("k{number}"), number)).collect();
        assert_eq!(of(&endless).len(), SAMPLED_KINDS_MAX);
    }
}
