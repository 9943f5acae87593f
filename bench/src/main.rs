//! `make bench`: see CONTRIBUTING.md.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a tool for measuring prints, and stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bench::aws::Aws;
use bench::contenders::{CONTENDERS, Contender, Places};
use bench::growth::growth;
use bench::measure::{Turn, turn};
use bench::process::{self, Awake, Launcher};
use bench::report::{curve_table, goal_table, goals, row, table};
use bench::workload::targets;
use clap::Parser;
use serde_json::json;

/// Measures hookmill's receivers beside what users would pick instead.
#[derive(Debug, Parser)]
struct Args {
    /// Rounds; in each every contender has its turn on every target.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Warm invocations of each kind in a turn, at most 1,900; slower contenders make fewer.
    #[arg(long, default_value_t = 500, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_900))]
    invocations: usize,
    /// Only these contenders.
    #[arg(long)]
    only: Vec<String>,
    /// Only these targets.
    #[arg(long)]
    target: Vec<String>,
    /// Folder that `bench/deliveries.py` wrote.
    #[arg(long, default_value = ".local/bench/deliveries")]
    deliveries: PathBuf,
    /// The release binaries of the functions.
    #[arg(long, default_value = "target/release")]
    functions: PathBuf,
    /// The folder of the peers.
    #[arg(long, default_value = "bench/peers")]
    peers: PathBuf,
    /// The release binaries of the peers in Rust.
    #[arg(long, default_value = "target/peers/release")]
    rust_peers: PathBuf,
    /// The interpreter with the Python peer's packages.
    #[arg(long, default_value = ".local/bench/python/bin/python")]
    python: PathBuf,
    /// The core that functions are kept on, the last one that there is; the driver and the stand-in for AWS have the
    /// others.
    #[arg(long)]
    core: Option<usize>,
    /// Let cores go to sleep between calls.
    #[arg(long)]
    sleepy: bool,
    /// Leave out how cost grows.
    #[arg(long)]
    no_growth: bool,
    /// File to write all measurements to, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args = Args::parse();
    assert!(Path::new("/proc/self/schedstat").exists(), "processor times are read from Linux's /proc");
    let own = std::env::current_exe().expect("its own path").parent().expect("a folder").to_owned();
    // Before the deliveries are read: what is started is copied from this process.
    let cores = process::cores();
    let core = args.core.or(cores.last().copied()).unwrap_or_default();
    let launcher = Launcher::start(&own, core).expect("the launcher is there");
    process::leave(core, &cores);
    let _awake = (!args.sleepy).then(|| Awake::cores(&own, &cores));
    let absolute = |path: &PathBuf| std::path::absolute(path).expect("a path");
    let places = Places {
        functions: absolute(&args.functions),
        own,
        peers: absolute(&args.peers),
        rust_peers: absolute(&args.rust_peers),
        python: absolute(&args.python),
        launcher,
    };
    let targets = targets(&args.deliveries, &args.target);
    let wanted = |contender: &&Contender| args.only.is_empty() || args.only.iter().any(|name| name == contender.name);
    let (contenders, left_out): (Vec<&Contender>, Vec<&Contender>) =
        CONTENDERS.iter().filter(wanted).partition(|contender| contender.can_run(&places.peers));
    for contender in left_out {
        eprintln!("{} is left out: there is no Node.js here, or its packages are not installed", contender.name);
    }
    let aws = Aws::start().await;
    let mut turns: BTreeMap<(usize, usize), Vec<Turn>> = BTreeMap::new();
    for round in 1..=args.rounds {
        for (at, target) in targets.iter().enumerate() {
            for (number, contender) in contenders.iter().enumerate() {
                eprintln!("round {round} of {}: {} on {}", args.rounds, contender.name, target.name);
                let invocations = (args.invocations / contender.slowness).max(1);
                let shown = turn(contender, target, &places, &aws, invocations).await;
                turns.entry((at, number)).or_default().push(shown);
            }
        }
    }
    let named = |((at, number), turns): (&(usize, usize), &Vec<Turn>)| {
        Some(row(contenders.get(*number)?.name, targets.get(*at)?.name, turns))
    };
    let rows: Vec<_> = turns.iter().filter_map(named).collect();
    println!("{}", table(&rows));
    let mut grown = None;
    if let Some(target) = targets.iter().find(|target| target.can_grow() && !args.no_growth) {
        let growth = growth(&places, target, &aws, args.invocations.min(1_000)).await;
        println!("{}", curve_table(target.name, &growth.curves));
        grown = Some(growth);
    }
    let goals = goals(&rows, grown.as_ref());
    println!("{}", goal_table(&goals));
    if let Some(path) = args.json {
        let names: Vec<_> = contenders.iter().map(|one| json!({"name": one.name, "what": one.what})).collect();
        let curves = grown.map(|growth| growth.curves).unwrap_or_default();
        let document =
            json!({"rounds": args.rounds, "contenders": names, "rows": rows, "goals": goals, "growth": curves});
        std::fs::write(&path, format!("{document:#}\n")).expect("the file can be written");
    }
}
