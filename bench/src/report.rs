//! The report of the turns: medians over rounds with their spread, and the ratios that the targets are about.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::aws::CallCounts;
use crate::contenders::OURS;
use crate::growth::{BODY, Curve, Growth, HISTORY_OF_ORDER};
use crate::measure::Turn;
use crate::workload::DeliveryKind;

/// A figure over several rounds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
}

/// The results of all rounds of one contender on one target.
#[derive(Debug, Clone, Serialize)]
pub struct ContenderRow {
    /// The contender.
    pub contender: &'static str,
    /// The target.
    pub target: &'static str,
    /// Milliseconds from start to first poll.
    pub init_ms: Spread,
    /// Milliseconds of processor time until then.
    pub init_cpu_ms: Spread,
    /// Milliseconds of the first invocation.
    pub first_ms: Spread,
    /// Peak memory in bytes.
    pub peak_bytes: Spread,
    /// Warm invocations by kind.
    pub warm: BTreeMap<&'static str, WarmRow>,
}

/// Warm invocations of one kind, over all rounds.
#[derive(Debug, Clone, Serialize)]
pub struct WarmRow {
    /// Median latency in microseconds.
    pub p50_us: Spread,
    /// 95th percentile.
    pub p95_us: Spread,
    /// 99th percentile.
    pub p99_us: Spread,
    /// Processor time each, in microseconds.
    pub cpu_us: Spread,
    /// Invocations of the last round.
    pub invocations: usize,
    /// The calls to AWS in the last round.
    pub counts: CallCounts,
}

impl Spread {
    /// Of at least one value.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_unstable_by(f64::total_cmp);
        Spread { median: values[values.len() / 2], least: values[0], greatest: values[values.len() - 1] }
    }
}

/// One row for a contender's turns on a target.
pub fn row(contender: &'static str, target: &'static str, turns: &[Turn]) -> ContenderRow {
    let of = |value: fn(&Turn) -> f64| Spread::of(turns.iter().map(value));
    let last = turns.last().expect("there is a round");
    let warm = last.warm.iter().map(|(kind, warm)| {
        let of = |value: fn(&crate::measure::WarmInvocations) -> f64| {
            Spread::of(turns.iter().map(|turn| value(&turn.warm[kind])))
        };
        let row = WarmRow {
            p50_us: of(|warm| warm.p50_us),
            p95_us: of(|warm| warm.p95_us),
            p99_us: of(|warm| warm.p99_us),
            cpu_us: of(|warm| warm.cpu_us),
            invocations: warm.invocations,
            counts: warm.counts.clone(),
        };
        (*kind, row)
    });
    ContenderRow {
        contender,
        target,
        init_ms: of(|turn| turn.init_ms),
        init_cpu_ms: of(|turn| turn.init_cpu_ms),
        first_ms: of(|turn| turn.first_ms),
        peak_bytes: of(|turn| turn.peak_bytes as f64),
        warm: warm.collect(),
    }
}

/// A table for people: one line a contender and target.
pub fn table(rows: &[ContenderRow]) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:<16} {:<12} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8} {:>6} {:>6}",
        "target",
        "contender",
        "init ms",
        "first ms",
        "new p50",
        "new p99",
        "new CPU",
        "rep CPU",
        "forg CPU",
        "peak MB",
        "units",
        "calls"
    );
    for row in rows {
        let warm = |kind: DeliveryKind, value: fn(&WarmRow) -> Spread| {
            row.warm.get(kind.name()).map_or_else(|| "–".to_owned(), |warm| format!("{:.0}", value(warm).median))
        };
        let _ = writeln!(
            text,
            "{:<16} {:<12} {:>9.1} {:>9.1} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8.1} {:>6.2} {:>6.2}",
            row.target,
            row.contender,
            row.init_ms.median,
            row.first_ms.median,
            warm(DeliveryKind::New, |warm| warm.p50_us),
            warm(DeliveryKind::New, |warm| warm.p99_us),
            warm(DeliveryKind::New, |warm| warm.cpu_us),
            warm(DeliveryKind::Repeat, |warm| warm.cpu_us),
            warm(DeliveryKind::Forged, |warm| warm.cpu_us),
            row.peak_bytes.median / 1e6,
            write_units_of_new(row).unwrap_or_default(),
            calls_of_new(row).unwrap_or_default(),
        );
    }
    text.push_str(
        "p50, p99 and CPU in microseconds an invocation, medians of the rounds; write units and calls of AWS of a new delivery\n",
    );
    text
}

/// A figure that there is a target for.
#[derive(Debug, Clone, Serialize)]
pub struct Goal {
    /// The measured quantity and its unit.
    pub what: String,
    /// The median over the samples, or the one figure that there is.
    pub value: f64,
    /// The least and the greatest over the samples.
    pub spread: [f64; 2],
    /// The value that it should not exceed.
    pub at_most: f64,
    /// True if it does not exceed it.
    pub met: bool,
}

type Value = fn(&ContenderRow) -> Option<f64>;

/// A ratio: our quantity, the contender that it is divided by, and the value that it should not exceed.
const RATIOS: [(&str, &str, Value, f64); 9] = [
    ("init", "rust-hello", |row| Some(row.init_ms.median), 1.5),
    ("init and first invocation", "python", init_and_first, 1.0 / 40.0),
    ("init and first invocation", "node", init_and_first, 1.0 / 20.0),
    ("warm CPU", "python", cpu_of_new, 1.0 / 25.0),
    ("warm CPU", "node", cpu_of_new, 1.0 / 20.0),
    ("warm CPU", "rust-sample", cpu_of_new, 0.6),
    ("warm CPU", "floor", cpu_of_new, 1.5),
    ("peak memory", "python", |row| Some(row.peak_bytes.median), 0.2),
    ("peak memory", "node", |row| Some(row.peak_bytes.median), 0.125),
];

/// Ours alone: the greatest over the samples is what counts.
const ABSOLUTE: [(&str, Value, f64); 3] = [
    ("peak memory of a receiver, MB", |row| Some(row.peak_bytes.median / 1e6), 15.0),
    ("calls of AWS before the answer to a new delivery", calls_of_new, 1.0),
    ("write units of a new delivery, index included", write_units_of_new, 3.0),
];

/// Does not distinguish when a contender fetches the secret.
fn init_and_first(row: &ContenderRow) -> Option<f64> {
    Some(row.init_ms.median + row.first_ms.median)
}

fn of_new(row: &ContenderRow) -> Option<&WarmRow> {
    row.warm.get(DeliveryKind::New.name())
}

fn cpu_of_new(row: &ContenderRow) -> Option<f64> {
    of_new(row).map(|warm| warm.cpu_us.median)
}

fn calls_of_new(row: &ContenderRow) -> Option<f64> {
    of_new(row).map(|warm| warm.counts.calls.values().sum::<u64>() as f64 / warm.invocations as f64)
}

fn write_units_of_new(row: &ContenderRow) -> Option<f64> {
    of_new(row).map(|warm| warm.counts.write_units as f64 / warm.invocations as f64)
}

/// Every target that something was measured for.
pub fn goals(rows: &[ContenderRow], growth: Option<&Growth>) -> Vec<Goal> {
    let find =
        |contender: &str, target: &str| rows.iter().find(move |row| row.contender == contender && row.target == target);
    let ours = || rows.iter().filter(|row| row.contender == OURS.name);
    let ratio = |(what, other, value, at_most): (&str, &str, Value, f64)| {
        let ratios = ours().filter_map(|row| Some(value(row)? / value(find(other, row.target)?)?));
        let figure = figure(ratios)?;
        Some(goal(format!("{what}: hookmill / {other}"), figure.median, figure, at_most))
    };
    let absolute = |(what, value, at_most): (&str, Value, f64)| {
        let figure = figure(ours().filter_map(value))?;
        Some(goal(what.to_owned(), figure.greatest, figure, at_most))
    };
    let mut goals: Vec<Goal> = RATIOS.into_iter().filter_map(ratio).collect();
    goals.extend(ABSOLUTE.into_iter().filter_map(absolute));
    goals.extend(growth.into_iter().flat_map(of_growth));
    goals
}

fn of_growth(growth: &Growth) -> Vec<Goal> {
    let curve = |what: &str| growth.curves.iter().find(|curve| curve.what == what);
    let mut goals = Vec::new();
    let mut add = |what: &str, value: f64, at_most: f64| {
        let figure = Spread { median: value, least: value, greatest: value };
        goals.push(goal(what.to_owned(), value, figure, at_most));
    };
    let random = &growth.random_leaf;
    let units = random.counts.write_units as f64 / random.events as f64;
    add("write units of 5.3 KB with a random value in every leaf", units, 4.0);
    if let Some([.., hundred, _, million]) = curve(BODY).map(|curve| curve.points.as_slice()) {
        add("CPU of a body of 1 MB / of 100 KB", million.cpu_us / hundred.cpu_us, 12.0);
    }
    if let Some([small, .., million]) = curve(BODY).map(|curve| curve.points.as_slice()) {
        let more = (million.peak_bytes - small.peak_bytes) as f64 / (million.size - small.size) as f64;
        add("memory that a body of 1 MB takes / its bytes", more, 6.0);
    }
    if let Some(history) = curve(HISTORY_OF_ORDER) {
        add("exponent of the next event's CPU over an order's events", history.exponent, 0.05);
    }
    goals
}

fn figure(values: impl Iterator<Item = f64>) -> Option<Spread> {
    let mut values = values.peekable();
    values.peek()?;
    Some(Spread::of(values))
}

fn goal(what: String, value: f64, figure: Spread, at_most: f64) -> Goal {
    Goal { what, value, spread: [figure.least, figure.greatest], at_most, met: value <= at_most }
}

/// The targets for people.
pub fn goal_table(goals: &[Goal]) -> String {
    let mut text = String::new();
    for Goal { what, value, spread, at_most, met } in goals {
        let verdict = if *met { "met" } else { "NOT MET" };
        let _ = writeln!(
            text,
            "{what:<58} {value:>8.3} ({:.3} to {:.3})  target ≤ {at_most:.3}  {verdict}",
            spread[0], spread[1]
        );
    }
    text
}

/// The curves for people.
pub fn curve_table(target: &str, curves: &[Curve]) -> String {
    let mut text = String::new();
    for Curve { what, points, exponent } in curves {
        let _ = writeln!(text, "{what} ({target}): processor time grows with exponent {exponent:.2}");
        let _ = writeln!(
            text,
            "{:>12} {:>12} {:>10} {:>9} {:>12} {:>12}",
            "size", "CPU us", "p50 us", "peak MB", "write units", "calls/event"
        );
        for point in points {
            let each = |count: u64| count as f64 / point.events.max(1) as f64;
            let _ = writeln!(
                text,
                "{:>12} {:>12.0} {:>10.0} {:>9.1} {:>12.2} {:>12.2}",
                point.size,
                point.cpu_us,
                point.p50_us,
                point.peak_bytes as f64 / 1e6,
                each(point.counts.write_units),
                each(point.counts.calls.values().sum()),
            );
        }
        text.push('\n');
    }
    text
}
