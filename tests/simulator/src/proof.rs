//! The proof that the simulator would notice: deliberate defects, and the seeds in which each is found.

use edge::defects::Defect;

use crate::run::{Options, run};

/// Each defect and an invariant that it breaks.
pub const DEFECTS: [(Defect, &str); 11] = [
    (Defect::AnswerBeforeDurable, "what was answered 200 is kept"),
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

/// Runs each defect with the seeds from 1 on.
pub fn prove(seeds: u64, orders: u64) -> Vec<Found> {
    let found = |(defect, invariant): (Defect, &'static str)| {
        let breaks = |seed: &u64| {
            let outcome = run(&Options { defect: Some(defect), ..Options::seeded(*seed, orders) });
            outcome.violations.iter().any(|violation| violation.invariant == invariant)
        };
        let count = crate::run::count((1..=seeds).filter(breaks).count());
        Found { defect, invariant, seeds: count, of: seeds }
    };
    DEFECTS.into_iter().map(found).collect()
}
