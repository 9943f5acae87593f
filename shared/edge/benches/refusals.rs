//! Measures whether the time of a refusal distinguishes an unknown source from a wrong credential.
//!
//! `cargo bench -p edge --profile simulate --bench refusals -- [--rounds N] [--json]`
//!
//! Both kinds go through the real receiver in turn, in random order, with equal bodies. The result is not a time but
//! how often somebody who sees one answer of each kind, without any network between, would guess right: 50 % is blind.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement"
)]

#[expect(dead_code, reason = "shared with the tests")]
#[path = "../tests/suite/harness.rs"]
mod harness;

use std::time::Instant;

use harness::{sample, status, world};
use serde_json::{Value, json};
use webhook::providers::Provider;

/// A provider, a sample at a source of each of its schemes, and the size of the body where it is enlarged.
const CASES: [(&str, &str, usize); 10] = [
    ("scalev", "order.created.2026", 0),
    ("scalev", "order.created.2026", 100_000),
    ("scalapay", "charged", 0),
    ("scalapay", "charged", 100_000),
    ("shopline", "order.create", 0),
    ("shopline", "order.create.app", 0),
    ("shopline", "order.create", 100_000),
    ("shopline", "order.create.app", 100_000),
    ("selldone", "OnlineOrder.PaymentOrder", 0),
    ("selldone", "OnlineOrder.PaymentOrder", 100_000),
];

/// Times of the two kinds, in nanoseconds.
struct Measured {
    wrong: Vec<u64>,
    unknown: Vec<u64>,
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let rounds =
        words.iter().position(|word| word == "--rounds").map_or(3_000, |at| words[at + 1].parse::<usize>().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut rows = Vec::new();
    for (provider, case, bytes) in CASES {
        eprintln!("{provider} {case} …");
        let measured = runtime.block_on(measure(provider, case, bytes, rounds));
        rows.push(summary(provider, case, bytes, measured));
    }
    if words.iter().any(|word| word == "--json") {
        println!("{}", json!(rows));
        return;
    }
    println!("provider  case                      enlarged to  wrong credential  unknown source  guessed right");
    for row in rows {
        let text = |name: &str| document_text(&row[name]);
        println!(
            "{:<9} {:<25} {:>11} {:>14} µs {:>12} µs {:>12} %",
            text("provider"),
            text("case"),
            text("enlarged_to"),
            text("wrong_credential_us"),
            text("unknown_source_us"),
            text("guessed_right_percent")
        );
    }
}

fn document_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

async fn measure(provider: &'static str, case: &str, bytes: usize, rounds: usize) -> Measured {
    let world = world().await;
    let receiver = world.receiver(Provider::named(provider).unwrap());
    let genuine = sample(provider, case, |event| enlarge(event, bytes));
    let wrong = with_wrong_credential(genuine.clone());
    let mut unknown = wrong.clone();
    let path = wrong["rawPath"].as_str().unwrap();
    let name = path.split('/').nth(1).unwrap();
    unknown["rawPath"] = path.replacen(name, &"z".repeat(name.len()), 1).into();
    let mut measured = Measured { wrong: Vec::new(), unknown: Vec::new() };
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    // The clock is fixed: the first refusals spend the budget of writes, and no secret is fetched again.
    for round in 0..rounds + 200 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let order = if random >> 63 == 0 { [true, false] } else { [false, true] };
        for is_unknown in order {
            let event = if is_unknown { &unknown } else { &wrong };
            let begun = Instant::now();
            assert_eq!(status(&receiver, event).await, 401);
            let took = u64::try_from(begun.elapsed().as_nanos()).unwrap();
            if round >= 200 {
                if is_unknown { measured.unknown.push(took) } else { measured.wrong.push(took) }
            }
        }
    }
    measured
}

fn enlarge(event: &mut Value, bytes: usize) {
    if bytes > 0 {
        let body = event["body"].as_str().unwrap();
        let member = format!("{{\"more\":\"{}\",", "x".repeat(bytes.saturating_sub(body.len())));
        event["body"] = body.replacen('{', &member, 1).into();
    }
}

/// The same request with the last character of what proves it changed.
fn with_wrong_credential(mut event: Value) -> Value {
    let changed = |text: &str| {
        let (most, last) = text.split_at(text.len() - 1);
        format!("{most}{}", if last == "0" { "1" } else { "0" })
    };
    for name in ["x-scalev-hmac-sha256", "x-scalapay-hmac-v1"] {
        if let Some(text) = event["headers"][name].as_str() {
            // Before the padding, so that it stays Base64.
            let (proof, padding) = text.split_at(text.trim_end_matches('=').len());
            event["headers"][name] = format!("{}{padding}", changed(proof)).into();
            return event;
        }
    }
    match event["rawQueryString"].as_str() {
        Some(query) if query.starts_with("sign=") => event["rawQueryString"] = changed(query).into(),
        _ => event["rawPath"] = changed(event["rawPath"].as_str().unwrap()).into(),
    }
    event
}

fn summary(provider: &str, case: &str, bytes: usize, measured: Measured) -> Value {
    let guessed = guessed_right(&measured);
    let median = |mut times: Vec<u64>| {
        times.sort_unstable();
        times[times.len() / 2] / 100
    };
    let tenths = |number: u64| f64::from(u32::try_from(number).unwrap()) / 10.0;
    json!({
        "provider": provider, "case": case, "enlarged_to": bytes, "rounds": measured.wrong.len(),
        "wrong_credential_us": tenths(median(measured.wrong)), "unknown_source_us": tenths(median(measured.unknown)),
        "guessed_right_percent": tenths(guessed),
    })
}

/// Returns how often the better of the two fixed guesses ("the longer one was …") is right, in tenths of a percent.
fn guessed_right(measured: &Measured) -> u64 {
    let mut wrong = measured.wrong.clone();
    wrong.sort_unstable();
    // Twice the count of pairs in which the unknown one took longer; a tie is half of one.
    let halves: usize = measured
        .unknown
        .iter()
        .map(|time| wrong.partition_point(|other| other < time) + wrong.partition_point(|other| other <= time))
        .sum();
    let pairs = 2 * wrong.len() * measured.unknown.len();
    u64::try_from(halves.max(pairs - halves) * 1_000 / pairs).unwrap()
}
