//! Every crash point of a history, and every pair of them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use webhook::providers::PROVIDERS;

use crate::faults::{Actor, ActorStep, Fault, FaultPlan};
use crate::parallel::in_parallel;
use crate::run::{Options, RunOutcome, count, run};
use crate::workload::WorkloadShape;

/// The two sides of a call.
const SIDES: [Fault; 2] = [Fault::CrashBefore, Fault::CrashAfter];

/// The results of crashing one provider's longest history.
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
    pub failures: Vec<(Options, RunOutcome)>,
}

/// A crash, and perhaps a second one.
type Crashes = BTreeMap<ActorStep, Fault>;

/// Crashes every provider's longest history at every call. A pair's second crash may be at a call that only the
/// first one brings about, so the second steps are those of the run with the first crash.
pub fn exhaust(with_pairs: bool, threads: u64, progress: &(dyn Fn(&str) + Sync)) -> Vec<Exhausted> {
    PROVIDERS.into_iter().map(|provider| of_provider(provider.name, with_pairs, threads, progress)).collect()
}

fn of_provider(provider: &'static str, with_pairs: bool, threads: u64, progress: &(dyn Fn(&str) + Sync)) -> Exhausted {
    let base = Options {
        seed: 1,
        shape: WorkloadShape::longest(provider),
        plan: FaultPlan::None,
        with_trace: false,
        with_table_calls: false,
    };
    let calm = run(&base);
    let firsts: Vec<Crashes> =
        points(&calm).into_iter().flat_map(|point| SIDES.map(|side| Crashes::from([(point, side)]))).collect();
    let done = Mutex::new(Exhausted::new(provider, &calm));
    in_parallel(threads, count(firsts.len()), |number| {
        let found = of_first(&base, &firsts[usize::try_from(number).unwrap()], with_pairs);
        let mut done = done.lock().unwrap();
        done.singles += 1;
        done.pairs += found.0;
        done.failures.extend(found.1);
        progress(&format!(
            "{provider}: {} of {} first crashes, {} pairs, {} ended wrong",
            done.singles,
            firsts.len(),
            done.pairs,
            done.failures.len()
        ));
    });
    done.into_inner().unwrap()
}

/// Runs one first crash, with every second one that can follow it. Returns the number of pairs and the failures.
fn of_first(base: &Options, first: &Crashes, with_pairs: bool) -> (u64, Vec<(Options, RunOutcome)>) {
    let mut failures = Vec::new();
    let mut crash = |crashes: Crashes| {
        let options = Options { plan: FaultPlan::Only(crashes), ..base.clone() };
        let outcome = run(&options);
        let points = points(&outcome);
        if !outcome.violations.is_empty() {
            failures.push((options, outcome));
        }
        points
    };
    let reached = crash(first.clone());
    let last = first.keys().next_back();
    let seconds = reached.into_iter().filter(|point| with_pairs && Some(point) > last);
    let mut pairs = 0;
    for point in seconds {
        for side in SIDES {
            crash(first.iter().map(|(point, side)| (*point, *side)).chain([(point, side)]).collect());
            pairs += 1;
        }
    }
    (pairs, failures)
}

impl Exhausted {
    fn new(provider: &'static str, calm: &RunOutcome) -> Self {
        Exhausted { provider, events: calm.rows, calls: calm.calls, singles: 0, pairs: 0, failures: Vec::new() }
    }
}

/// Returns every call of a run.
fn points(outcome: &RunOutcome) -> Vec<ActorStep> {
    let calls = |actor: &Actor| matches!(actor, Actor::Delivery(_) | Actor::Relay(_) | Actor::Worker(_));
    let of_actor = |(actor, steps): (&Actor, &u64)| {
        let actor = *actor;
        (0..*steps).map(move |step| ActorStep { actor, step })
    };
    outcome.steps.iter().filter(|(actor, _)| calls(actor)).flat_map(of_actor).collect()
}
