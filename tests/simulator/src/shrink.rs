//! From a failing seed to its shortest trace: fewer orders, then fewer faults, as long as it still fails alike.

use std::collections::{BTreeMap, BTreeSet};

use crate::faults::{ActorStep, Fault, FaultPlan};
use crate::run::{Options, RunOutcome, run};

/// Runs at most, so that a stubborn failure does not take for ever.
const RUNS_MAX: usize = 400;

/// A shorter run that fails like a failing one.
#[derive(Debug)]
pub struct Shortest {
    /// The options that show it again.
    pub options: Options,
    /// Its outcome, with the trace.
    pub outcome: RunOutcome,
    /// The number of runs that it took.
    pub runs: usize,
}

/// Shortens a failing run.
pub fn shrink(options: &Options, failed: &RunOutcome) -> Shortest {
    let invariants: BTreeSet<&str> = failed.violations.iter().map(|violation| violation.invariant).collect();
    let plan = FaultPlan::Only(failed.applied.clone());
    let mut search = Search { options: Options { plan, ..options.clone() }, invariants, runs: 0 };
    let orders: Vec<u64> = (0..options.shape.orders).filter(|order| !options.shape.without.contains(order)).collect();
    let all: BTreeSet<u64> = orders.iter().copied().collect();
    let kept: BTreeSet<u64> = search.fewest(orders, |options, kept| {
        options.shape.without = all.iter().copied().filter(|order| !kept.contains(order)).collect();
    });
    search.options.shape.without = all.difference(&kept).copied().collect();
    let faults: Vec<(ActorStep, Fault)> = failed.applied.iter().map(|(point, fault)| (*point, *fault)).collect();
    let kept = search.fewest(faults, |options, kept| {
        options.plan = FaultPlan::Only(kept.iter().copied().collect::<BTreeMap<_, _>>());
    });
    search.options.plan = FaultPlan::Only(kept.into_iter().collect());
    let options = Options { with_trace: true, ..search.options };
    let outcome = run(&options);
    Shortest { options, outcome, runs: search.runs }
}

struct Search<'a> {
    options: Options,
    invariants: BTreeSet<&'a str>,
    runs: usize,
}

impl Search<'_> {
    /// Returns the shortest part of a list with which it still fails: leaves out halves, then quarters, down to one.
    fn fewest<T: Copy + Ord>(&mut self, list: Vec<T>, with: impl Fn(&mut Options, &[T])) -> BTreeSet<T> {
        let mut kept = list;
        let mut size = kept.len().div_ceil(2);
        while size > 0 && self.runs < RUNS_MAX {
            let mut at = 0;
            while at < kept.len() && self.runs < RUNS_MAX {
                let mut fewer = kept.clone();
                fewer.drain(at..(at + size).min(kept.len()));
                let mut options = self.options.clone();
                with(&mut options, &fewer);
                if self.fails(&options) {
                    kept = fewer;
                } else {
                    at += size;
                }
            }
            size /= 2;
        }
        kept.into_iter().collect()
    }

    fn fails(&mut self, options: &Options) -> bool {
        self.runs += 1;
        run(options).violations.iter().any(|violation| self.invariants.contains(violation.invariant))
    }
}
