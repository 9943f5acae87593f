//! Results of many runs, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::exhaustive::Exhausted;
use crate::faults::{Fault, FaultPlan};
use crate::run::RunOutcome;
use crate::shrink::Shortest;
use crate::violation::Violation;

/// Invariants whose violation is a loss.
const LOSSES: [&str; 6] = [
    "a genuine delivery is accepted in the end",
    "200 means that the row is durable",
    "what was answered 200 is kept",
    "every kept event reaches its queues",
    "relayed before the stream forgets",
    "each change is sent",
];

/// Invariants whose violation is a doubling.
const DOUBLINGS: [&str; 3] = [
    "no repeat has a second row",
    "no event is in a queue twice within five minutes",
    "nothing is sent again without a reason",
];

/// Sums over runs.
#[derive(Debug, Default)]
pub struct RunTotals {
    /// Seeds.
    pub seeds: u64,
    /// Requests made to receivers.
    pub deliveries: u64,
    /// Genuine deliveries answered 200.
    pub acknowledged: u64,
    /// Event rows.
    pub rows: u64,
    /// Network calls.
    pub calls: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Failed conditions.
    pub failed_conditions: u64,
    /// Sends that deduplication absorbed.
    pub deduplicated: u64,
    /// The number of faults by kind.
    pub faults: BTreeMap<Fault, u64>,
    /// The violations of each seed that ended wrong.
    pub failures: BTreeMap<u64, Vec<Violation>>,
}

impl RunTotals {
    /// Adds a run.
    pub fn add(&mut self, outcome: RunOutcome) {
        self.seeds += 1;
        self.deliveries += outcome.deliveries;
        self.acknowledged += outcome.acknowledged;
        self.rows += outcome.rows;
        self.calls += outcome.calls;
        self.crashes += outcome.crashes;
        self.failed_conditions += outcome.failed_conditions;
        self.deduplicated += outcome.deduplicated;
        for (fault, count) in outcome.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        if !outcome.violations.is_empty() {
            self.failures.insert(outcome.seed, outcome.violations);
        }
    }

    fn violations(&self, invariants: &[&str]) -> usize {
        let all = self.failures.values().flatten();
        all.filter(|violation| invariants.contains(&violation.invariant)).count()
    }

    /// Returns them as JSON.
    pub fn json(&self, elapsed: Duration) -> Value {
        let faults: BTreeMap<String, u64> =
            self.faults.iter().map(|(fault, count)| (format!("{fault:?}"), *count)).collect();
        let failure = |(seed, violations): (&u64, &Vec<Violation>)| {
            let found: Vec<Value> = violations
                .iter()
                .map(|violation| json!({"invariant": violation.invariant, "found": violation.found}))
                .collect();
            json!({"seed": seed, "violations": found})
        };
        json!({
            "seeds": self.seeds, "deliveries": self.deliveries, "acknowledged": self.acknowledged, "rows": self.rows,
            "calls": self.calls, "crashes": self.crashes, "failed_conditions": self.failed_conditions,
            "deduplicated": self.deduplicated, "faults": faults, "lost": self.violations(&LOSSES),
            "doubled": self.violations(&DOUBLINGS), "failures": self.failures.iter().map(failure).collect::<Vec<_>>(),
            "seconds": elapsed.as_secs_f64(),
        })
    }

    /// Returns them as text.
    pub fn text(&self, elapsed: Duration) -> String {
        let mut text = String::new();
        let faults: u64 = self.faults.values().sum();
        let _ = writeln!(
            text,
            "{} deliveries from {} seeds in {:.0} s: {} answered 200, {} event rows, {} network calls.",
            self.deliveries,
            self.seeds,
            elapsed.as_secs_f64(),
            self.acknowledged,
            self.rows,
            self.calls
        );
        let _ = writeln!(text, "{faults} faults, {} processes killed:", self.crashes);
        for (fault, count) in &self.faults {
            let _ = writeln!(text, "  {:<16} {count}", format!("{fault:?}"));
        }
        let _ = writeln!(
            text,
            "{} failed conditions, {} sends absorbed by deduplication.",
            self.failed_conditions, self.deduplicated
        );
        let (lost, doubled) = (self.violations(&LOSSES), self.violations(&DOUBLINGS));
        let _ = writeln!(text, "Lost: {lost}. Doubled: {doubled}. Seeds that ended wrong: {}.", self.failures.len());
        text
    }
}

/// Returns the shortest form of a failure as text.
pub fn failure(shortest: &Shortest) -> String {
    let mut text = String::new();
    let shape = &shortest.options.shape;
    let orders: Vec<u64> = (0..shape.orders).filter(|order| !shape.without.contains(order)).collect();
    let _ = writeln!(text, "Seed {}, after {} shorter runs: orders {orders:?}", shortest.options.seed, shortest.runs);
    if let FaultPlan::Only(faults) = &shortest.options.plan {
        for (point, fault) in faults {
            let _ = writeln!(text, "  {:?} step {}: {fault:?}", point.actor, point.step);
        }
    }
    for violation in shortest.outcome.violations.iter().take(10) {
        let _ = writeln!(text, "  VIOLATED: {}: {}", violation.invariant, violation.found);
    }
    for line in &shortest.outcome.trace {
        let _ = writeln!(text, "  {line}");
    }
    text
}

/// Returns the results of exhaustive runs as JSON.
pub fn exhausted_json(all: &[Exhausted], elapsed: Duration) -> Value {
    let of = |Exhausted { provider, events, calls, singles, pairs, failures }: &Exhausted| {
        let failures: Vec<String> = failures
            .iter()
            .map(|(options, outcome)| format!("{:?}: {:?}", options.plan, outcome.violations.first()))
            .collect();
        json!({
            "provider": provider, "events": events, "calls": calls, "singles": singles, "pairs": pairs,
            "failures": failures,
        })
    };
    json!({"providers": all.iter().map(of).collect::<Vec<_>>(), "seconds": elapsed.as_secs_f64()})
}

/// Returns the results of exhaustive runs as text.
pub fn exhausted(all: &[Exhausted]) -> String {
    let mut text = String::new();
    for Exhausted { provider, events, calls, singles, pairs, failures } in all {
        let wrong = failures.len();
        let _ = writeln!(
            text,
            "{provider}: {events} events, {calls} calls, {singles} single crashes, {pairs} pairs: {wrong} ended wrong"
        );
        for (options, outcome) in failures.iter().take(3) {
            let _ = writeln!(text, "  {:?}: {:?}", options.plan, outcome.violations.first());
        }
    }
    text
}
