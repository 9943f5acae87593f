//! Seeds that must end well, and that must be the same run each time.

use simulator::exhaustive::exhaust;
use simulator::faults::{Fault, FaultPlan};
use simulator::run::{Options, RunOutcome, run};

/// About 11,000 deliveries in all.
const SEEDS: u64 = 36;
const ORDERS: u64 = 60;

fn ended_well(outcome: &RunOutcome) {
    let found: Vec<_> = outcome.violations.iter().take(5).collect();
    assert!(found.is_empty(), "seed {}: {found:?}", outcome.seed);
}

#[test]
fn nothing_is_lost_or_doubled_whatever_breaks() {
    let (mut deliveries, mut faults) = (0, std::collections::BTreeMap::new());
    for seed in 1..=SEEDS {
        let outcome = run(&Options::seeded(seed, ORDERS));
        ended_well(&outcome);
        deliveries += outcome.deliveries;
        for (fault, count) in outcome.faults {
            *faults.entry(fault).or_insert(0) += count;
        }
    }
    println!("{deliveries} deliveries, faults: {faults:?}");
    let never: Vec<_> = Fault::all().into_iter().filter(|fault| !faults.contains_key(fault)).collect();
    assert_eq!(Fault::all().len(), 17);
    assert!(never.is_empty(), "never happened: {never:?}");
}

#[test]
fn a_seed_is_one_run() {
    for seed in [1, 7, 11] {
        let (one, other) = (run(&Options::seeded(seed, 30)), run(&Options::seeded(seed, 30)));
        assert_eq!((one.trace_hash, one.calls), (other.trace_hash, other.calls), "seed {seed}");
        let listed = Options { plan: FaultPlan::Only(one.applied.clone()), ..Options::seeded(seed, 30) };
        assert_eq!(run(&listed).trace_hash, one.trace_hash, "seed {seed} with its faults as a list");
    }
    let (one, other) = (run(&Options::seeded(1, 30)), run(&Options::seeded(2, 30)));
    assert_ne!(one.trace_hash, other.trace_hash);
}

#[test]
fn every_single_crash_of_the_longest_histories_ends_well() {
    for exhausted in exhaust(false, 1, &|_| ()) {
        println!("{}: {} events, {} crashes", exhausted.provider, exhausted.events, exhausted.singles);
        exhausted.failures.iter().for_each(|(_, outcome)| ended_well(outcome));
        assert!(exhausted.singles > 20);
    }
}
