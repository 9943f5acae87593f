//! The proof that the simulator would notice: deliberate defects, and the seeds in which each is found.

use std::sync::Mutex;

use edge::defects::Defect;

use crate::parallel::in_parallel;
use crate::run::{Options, count, run};

/// Each defect and an invariant that it breaks.
pub const DEFECTS: [(Defect, &str); 17] = [
    (Defect::AnswerBeforeDurable, "200 means that the row is durable"),
    (Defect::PutWithoutCondition, "rows are written once"),
    (Defect::ConflictDropped, "what was answered 200 is kept"),
    (Defect::NameWithoutWord, "one name has one happening"),
    (Defect::RefusedKeptAsEvent, "nothing forged is kept as an event"),
    (Defect::RelaySwallowsErrors, "every kept event reaches its queues"),
    (Defect::FailedEntriesIgnored, "every kept event reaches its queues"),
    (Defect::FailedEntryGoesLast, "keeping order within a group"),
    (Defect::LastWriterWins, "the views are those of a faultless run"),
    (Defect::ViewWithoutCondition, "the views are those of a faultless run"),
    (Defect::NoPartialFailures, "the views are those of a faultless run"),
    (Defect::BodyTrimmed, "kept byte for byte"),
    (Defect::NameWithArrival, "one happening has one name"),
    (Defect::RefusedAnswered200, "nothing forged is answered 200"),
    (Defect::RelayFailsOnContent, "relayed before the stream forgets"),
    (Defect::GroupOfOneEvent, "an order has one group"),
    (Defect::RelayedAtRelaying, "what is relayed is what is kept"),
];

/// In how many of some seeds one defect is found, by the invariant that it breaks.
#[derive(Debug)]
pub struct Found {
    /// The defect.
    pub defect: Defect,
    /// The invariant.
    pub invariant: &'static str,
    /// Seeds in which the invariant was seen broken.
    pub seeds: u64,
    /// Seeds tried.
    pub of: u64,
}

/// A defect that none of the seeds shows is looked for in this many times as many.
const FURTHER: u64 = 10;

/// Runs each defect with the seeds from 1 on, in so many threads.
pub fn prove(seeds: u64, orders: u64, threads: u64) -> Vec<Found> {
    let breaks = |defect: Defect, invariant: &str, seed: u64| {
        let outcome = run(&Options { defect: Some(defect), ..Options::harsh(seed, orders) });
        outcome.violations.iter().any(|violation| violation.invariant == invariant)
    };
    let found = Mutex::new(Vec::new());
    in_parallel(threads, count(DEFECTS.len()), |number| {
        let (defect, invariant) = DEFECTS[usize::try_from(number).unwrap()];
        let mut told = Found { defect, invariant, seeds: 0, of: 0 };
        while told.of < seeds || (told.seeds == 0 && told.of < seeds * FURTHER) {
            told.of += 1;
            told.seeds += u64::from(breaks(defect, invariant, told.of));
        }
        found.lock().unwrap().push(told);
    });
    let mut found = found.into_inner().unwrap();
    found.sort_by_key(|found| DEFECTS.iter().position(|(defect, _)| *defect == found.defect));
    found
}
