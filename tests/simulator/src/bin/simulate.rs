//! `make simulate`: many seeds, in parallel, and the shortest trace of the first that ends wrong.
//!
//! `simulate [--from SEED] [--seeds COUNT] [--orders COUNT] [--threads COUNT] [--json] [--trace] [--exhaustive] [--harsh]`

#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::panic, reason = "a command")]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use simulator::exhaustive::{Exhausted, exhaust};
use simulator::parallel::in_parallel;
use simulator::report::{RunTotals, exhausted, exhausted_json, failure};
use simulator::run::{Options, run};
use simulator::shrink::shrink;

struct Arguments {
    from: u64,
    seeds: u64,
    orders: u64,
    threads: u64,
    json: bool,
    trace: bool,
    exhaustive: bool,
    harsh: bool,
}

fn arguments() -> Arguments {
    let mut told = Arguments {
        from: 1,
        seeds: 100,
        orders: 100,
        threads: 2,
        json: false,
        trace: false,
        exhaustive: false,
        harsh: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{word} what?"));
        match word.as_str() {
            "--from" => told.from = number(),
            "--seeds" => told.seeds = number(),
            "--orders" => told.orders = number(),
            "--threads" => told.threads = number(),
            "--json" => told.json = true,
            "--trace" => told.trace = true,
            "--harsh" => told.harsh = true,
            "--exhaustive" => told.exhaustive = true,
            _ => panic!("no such option: {word}"),
        }
    }
    told
}

fn main() -> ExitCode {
    let told = arguments();
    let begun = Instant::now();
    if told.exhaustive {
        let all = exhaustive(&told, begun);
        if told.json {
            println!("{}", exhausted_json(&all, begun.elapsed()));
        } else {
            println!("{}Time: {:.0} s.", exhausted(&all), begun.elapsed().as_secs_f64());
        }
        let well = all.iter().all(|exhausted| exhausted.failures.is_empty());
        return if well { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if told.trace {
        let outcome = run(&Options { with_trace: true, ..options(&told, told.from) });
        println!("{}", outcome.trace.join("\n"));
        println!("{:#?}", outcome.violations);
        return ExitCode::SUCCESS;
    }
    let totals = all_seeds(&told, begun);
    if told.json {
        println!("{}", totals.json(begun.elapsed()));
    } else {
        print!("{}", totals.text(begun.elapsed()));
    }
    let Some(seed) = totals.failures.keys().next() else { return ExitCode::SUCCESS };
    if !told.json {
        let options = options(&told, *seed);
        eprintln!("{}", failure(&shrink(&options, &run(&options))));
    }
    ExitCode::FAILURE
}

fn options(told: &Arguments, seed: u64) -> Options {
    if told.harsh { Options::harsh(seed, told.orders) } else { Options::seeded(seed, told.orders) }
}

/// Every crash and every pair of crashes, with a line of progress every ten seconds.
fn exhaustive(told: &Arguments, begun: Instant) -> Vec<Exhausted> {
    let last = AtomicU64::new(0);
    exhaust(true, told.threads, &|line| {
        let seconds = begun.elapsed().as_secs();
        if seconds >= last.load(Ordering::Relaxed) + 10 {
            last.store(seconds, Ordering::Relaxed);
            eprintln!("{line}, {seconds} s");
        }
    })
}

fn all_seeds(told: &Arguments, begun: Instant) -> RunTotals {
    let totals = Mutex::new(RunTotals::default());
    in_parallel(told.threads, told.seeds, |number| {
        let outcome = run(&options(told, told.from + number));
        let mut totals = totals.lock().unwrap();
        totals.add(outcome);
        if totals.seeds.is_multiple_of(told.seeds.div_ceil(20)) {
            let RunTotals { seeds, deliveries, failures, .. } = &*totals;
            let seconds = begun.elapsed().as_secs();
            eprintln!("{seeds} seeds, {deliveries} deliveries, {} ended wrong, {seconds} s", failures.len());
        }
    });
    totals.into_inner().unwrap()
}
