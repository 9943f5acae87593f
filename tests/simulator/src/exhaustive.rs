//! Every crash point of a history, and every pair of them.

use std::collections::BTreeMap;

use webhook::providers::PROVIDERS;

use crate::faults::{Actor, Fault, Plan, Point};
use crate::run::{Options, Outcome, run};
use crate::workload::Shape;

/// The two sides of a call.
const SIDES: [Fault; 2] = [Fault::CrashBefore, Fault::CrashAfter];

/// What the crashes of one provider's longest history came to.
#[derive(Debug)]
pub struct Exhausted {
    /// The provider.
    pub provider: &'static str,
    /// The history's events.
    pub events: u64,
    /// The calls of a faultless run.
    pub calls: u64,
    /// Runs with one crash.
    pub singles: u64,
    /// Runs with two.
    pub pairs: u64,
    /// Runs that ended wrong.
    pub failures: Vec<(Options, Outcome)>,
}

/// Crashes every provider's longest history everywhere. A pair's second crash may be at a call that only the first one
/// brings about, so the second points are those of the run with the first crash.
pub fn exhaust(with_pairs: bool) -> Vec<Exhausted> {
    PROVIDERS.map(|provider| of_provider(provider.name, with_pairs)).into_iter().collect()
}

fn of_provider(provider: &'static str, with_pairs: bool) -> Exhausted {
    let base = Options {
        seed: 1,
        shape: Shape::longest(provider),
        plan: Plan::None,
        defect: None,
        with_trace: false,
        with_table_calls: false,
    };
    let calm = run(&base);
    let mut exhausted =
        Exhausted { provider, events: calm.rows, calls: calm.calls, singles: 0, pairs: 0, failures: Vec::new() };
    for first in points(&calm) {
        for side in SIDES {
            let crashes = BTreeMap::from([(first, side)]);
            let outcome = exhausted.crash(&base, &crashes);
            exhausted.singles += 1;
            if with_pairs {
                for second in points(&outcome).into_iter().filter(|second| *second > first) {
                    for side in SIDES {
                        exhausted.crash(
                            &base,
                            &crashes.iter().map(|(point, side)| (*point, *side)).chain([(second, side)]).collect(),
                        );
                        exhausted.pairs += 1;
                    }
                }
            }
        }
    }
    exhausted
}

impl Exhausted {
    fn crash(&mut self, base: &Options, crashes: &BTreeMap<Point, Fault>) -> Outcome {
        let options = Options { plan: Plan::Only(crashes.clone()), ..base.clone() };
        let outcome = run(&options);
        if !outcome.violations.is_empty() {
            self.failures.push((options.clone(), run(&options)));
        }
        outcome
    }
}

/// Every call of a run.
fn points(outcome: &Outcome) -> Vec<Point> {
    let calls = |actor: &Actor| matches!(actor, Actor::Delivery(_) | Actor::Relay(_) | Actor::Worker(_));
    let of_actor = |(actor, steps): (&Actor, &u64)| {
        let actor = *actor;
        (0..*steps).map(move |step| Point { actor, step })
    };
    outcome.steps.iter().filter(|(actor, _)| calls(actor)).flat_map(of_actor).collect()
}
