//! The simulator would notice: each deliberate defect is found, and this says in how many seeds.

use simulator::proof::{Found, prove};

#[test]
fn every_deliberate_defect_is_found() {
    let proved = prove(12, 20, 2);
    for Found { defect, invariant, seeds, of } in &proved {
        println!("{defect:?}: found in {seeds} of {of} seeds: {invariant}");
    }
    let missed: Vec<_> = proved.iter().filter(|found| found.seeds == 0).map(|found| found.defect).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}
