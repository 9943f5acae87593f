//! `make simulate`: many seeds, in parallel, and the shortest trace of the first that ends wrong.
//!
//! `simulate [--from SEED] [--seeds COUNT] [--orders COUNT] [--threads COUNT]
//! [--json] [--trace] [--exhaustive] [--harsh]`
//!
//! `--harsh` has a fault at every other step of the even seeds. `--json` leaves out the trace.

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

fn parse_arguments() -> Arguments {
    let mut arguments = Arguments {
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
        let mut number =
            || words.next().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{word} needs a number"));
        match word.as_str() {
            "--from" => arguments.from = number(),
            "--seeds" => arguments.seeds = number(),
            "--orders" => arguments.orders = number(),
            "--threads" => arguments.threads = number(),
            "--json" => arguments.json = true,
            "--trace" => arguments.trace = true,
            "--harsh" => arguments.harsh = true,
            "--exhaustive" => arguments.exhaustive = true,
            _ => panic!("no such option: {word}"),
        }
    }
    arguments
}

fn main() -> ExitCode {
    let arguments = parse_arguments();
    let begun = Instant::now();
    if arguments.exhaustive {
        let all = exhaustive(&arguments, begun);
        if arguments.json {
            println!("{}", exhausted_json(&all, begun.elapsed()));
        } else {
            println!("{}Time: {:.0} s.", exhausted(&all), begun.elapsed().as_secs_f64());
        }
        let well = all.iter().all(|exhausted| exhausted.failures.is_empty());
        return if well { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if arguments.trace {
        let outcome = run(&Options { with_trace: true, ..options(&arguments, arguments.from) });
        println!("{}", outcome.trace.join("\n"));
        println!("{:#?}", outcome.violations);
        return ExitCode::SUCCESS;
    }
    let totals = all_seeds(&arguments, begun);
    if arguments.json {
        println!("{}", totals.json(begun.elapsed()));
    } else {
        print!("{}", totals.text(begun.elapsed()));
    }
    let Some(seed) = totals.failures.keys().next() else { return ExitCode::SUCCESS };
    if !arguments.json {
        let options = options(&arguments, *seed);
        eprintln!("{}", failure(&shrink(&options, &run(&options))));
    }
    ExitCode::FAILURE
}

fn options(arguments: &Arguments, seed: u64) -> Options {
    if arguments.harsh { Options::harsh(seed, arguments.orders) } else { Options::seeded(seed, arguments.orders) }
}

/// Runs every crash and every pair of crashes, with a line of progress every ten seconds.
fn exhaustive(arguments: &Arguments, begun: Instant) -> Vec<Exhausted> {
    let last = AtomicU64::new(0);
    exhaust(true, arguments.threads, &|line| {
        let seconds = begun.elapsed().as_secs();
        if seconds >= last.load(Ordering::Relaxed) + 10 {
            last.store(seconds, Ordering::Relaxed);
            eprintln!("{line}, {seconds} s");
        }
    })
}

fn all_seeds(arguments: &Arguments, begun: Instant) -> RunTotals {
    let totals = Mutex::new(RunTotals::default());
    in_parallel(arguments.threads, arguments.seeds, |number| {
        let outcome = run(&options(arguments, arguments.from + number));
        let mut totals = totals.lock().unwrap();
        totals.add(outcome);
        if totals.seeds.is_multiple_of(arguments.seeds.div_ceil(20)) {
            let RunTotals { seeds, deliveries, failures, .. } = &*totals;
            let seconds = begun.elapsed().as_secs();
            eprintln!("{seeds} seeds, {deliveries} deliveries, {} ended wrong, {seconds} s", failures.len());
        }
    });
    totals.into_inner().unwrap()
}
