//! The memory that the sweeper and the learner take for an hour of any number of events.
//!
//! `cargo bench -p watch --profile simulate --bench memory -- [--events 1000000] [--json]`
//!
//! The table is made up as it is asked for, so that only what the code holds is counted: the largest resident size that
//! Linux saw of a process of its own, less that before the work. It is done with a hundredth and a tenth of the events
//! too: what grows with them is held.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a measurement")]

#[expect(dead_code, reason = "shared with the tests")]
#[path = "../../edge/tests/suite/harness.rs"]
mod harness;
#[expect(dead_code, reason = "shared with the tests")]
#[path = "../../edge/tests/suite/played.rs"]
mod played;

use std::process::Command;
use std::sync::Arc;

use edge::Relay;
use edge::aws::config::{QueueConfig, RELAY_TIMEOUT_MS, RelayConfig};
use edge::keep::memory::Memory;
use edge::keep::store::Store;
use edge::keep::time_index::{SourceId, TimeIndex};
use edge::relay::sweep::{AGE_MS_MIN, Sweeper};
use harness::{EVENTS, Queues, world};
use played::Played;
use serde_json::{Value, json};
use watch::learn::Learner;

const HOUR_MS: i64 = 60 * 60 * 1_000;
const DUTIES: [&str; 2] = ["sweeper", "learner"];

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let after = |name: &str| words.iter().position(|word| word == name).map(|at| words[at + 1].clone());
    let events: usize = after("--events").map_or(1_000_000, |events| events.parse().unwrap());
    if let Some(duty) = after("--duty") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        println!("{}", runtime.block_on(measure(&duty, events)));
        return;
    }
    let mut lines = Vec::new();
    for duty in DUTIES {
        for events in [events / 100, events / 10, events] {
            let program = std::env::current_exe().unwrap();
            let output =
                Command::new(program).args(["--duty", duty, "--events", &events.to_string()]).output().unwrap();
            lines.push(serde_json::from_slice::<Value>(&output.stdout).unwrap());
        }
    }
    if words.iter().any(|word| word == "--json") {
        println!("{}", json!(lines));
        return;
    }
    println!("| duty | events of an hour | met | MB |\n|---|---|---|---|");
    for line in lines {
        println!("| {} | {} | {} | {} |", line["duty"], line["events"], line["met"], line["mb"]);
    }
}

async fn measure(duty: &str, events: usize) -> Value {
    let world = world().await;
    let from_ms = world.now_ms().div_euclid(HOUR_MS) * HOUR_MS;
    let table = Played::new(from_ms, events, 10_007);
    let source = SourceId { provider: "scalev".to_owned(), source: "main".to_owned() };
    let client = table.client();
    let before = peak_bytes();
    if duty == "sweeper" {
        world.time.advance(HOUR_MS + AGE_MS_MIN);
        let queues = Arc::new(Queues::default());
        let config = RelayConfig {
            events_table: EVENTS.to_owned(),
            queues: vec![QueueConfig { url: "https://queue/work".to_owned(), types: Vec::new(), bodies: false }],
            dead_letter_queue_url: "https://queue/parked".to_owned(),
            timeout_ms: RELAY_TIMEOUT_MS,
        };
        let relay = Relay::new(config, client.clone(), queues.client(), world.hasty_clock());
        let sweeper = Sweeper::new(client, EVENTS.to_owned(), relay, world.hasty_clock());
        assert_eq!(sweeper.sweep(&[source], i64::MAX).await.unwrap().compared, events);
    } else {
        world.time.advance(HOUR_MS);
        let learner = Learner::new(
            Store::new(client.clone(), EVENTS.to_owned()),
            TimeIndex::new(client.clone(), EVENTS.to_owned()),
            Memory::new(client, EVENTS.to_owned()),
            world.hasty_clock(),
        );
        learner.learn(&source, &[], i64::MAX, &mut Vec::new()).await.unwrap();
    }
    let mb = (peak_bytes() - before).div_ceil(1_000_000);
    json!({"duty": duty, "events": events, "met": table.answered(), "mb": mb})
}

/// The largest resident size of this process so far.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
}
