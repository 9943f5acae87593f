//! The turns: each contender on each target, one after the other, several rounds of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use crate::aws::{Aws, CallCounts};
use crate::contenders::{Contender, Job, Places};
use crate::process::FunctionProcess;
use crate::runtime_api::{FunctionReply, RuntimeApi};
use crate::workload::{BenchTarget, DeliveryKind};

/// The measurements of one process in one turn.
#[derive(Debug, Clone, Serialize)]
pub struct Turn {
    /// From its start to its first poll, in milliseconds.
    pub init_ms: f64,
    /// Processor time until then, in milliseconds.
    pub init_cpu_ms: f64,
    /// Its first invocation, in milliseconds.
    pub first_ms: f64,
    /// The most memory that it held, in bytes.
    pub peak_bytes: u64,
    /// Warm invocations by kind.
    pub warm: BTreeMap<&'static str, WarmInvocations>,
}

/// Warm invocations of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct WarmInvocations {
    /// The number of invocations.
    pub invocations: usize,
    /// Half of them took no longer, in microseconds.
    pub p50_us: f64,
    /// 95 of 100 took no longer.
    pub p95_us: f64,
    /// 99 of 100 took no longer.
    pub p99_us: f64,
    /// Processor time each, user and system, in microseconds.
    pub cpu_us: f64,
    /// The calls to AWS for all of them.
    pub counts: CallCounts,
}

/// A function process and its Runtime API.
#[derive(Debug)]
pub struct Running {
    /// Lambda's side.
    pub api: RuntimeApi,
    /// The function's.
    pub process: FunctionProcess,
}

impl Running {
    /// Runs events one after the other and measures each; the reply to each is checked.
    pub async fn series(
        &mut self,
        events: impl Iterator<Item = Vec<u8>>,
        aws: &Aws,
        check: impl Fn(&FunctionReply),
    ) -> WarmInvocations {
        aws.take_counts();
        let (mut took, mut cpu) = (Vec::new(), Duration::ZERO);
        for event in events {
            self.api.polled().await;
            let before = self.process.processor_time();
            let (reply, time) = self.api.invoke(event).await;
            // The next poll is a part of what an invocation costs.
            self.api.polled().await;
            cpu += self.process.processor_time().saturating_sub(before);
            check(&reply);
            took.push(time);
        }
        summary(took, cpu, aws.take_counts())
    }
}

/// One contender's turn on one target.
pub async fn turn(contender: &Contender, target: &BenchTarget, places: &Places, aws: &Aws, invocations: usize) -> Turn {
    aws.reset(&target.secret);
    let api = RuntimeApi::start().await;
    let launch = contender.launch(places, target, api.address, aws.address);
    let started = Instant::now();
    let process = places.launcher.launch(launch).unwrap_or_else(|error| panic!("{}: {error}", contender.name));
    let mut running = Running { api, process };
    running.api.polled().await;
    let init_ms = milliseconds(started.elapsed());
    let init_cpu_ms = milliseconds(running.process.processor_time());
    let (reply, first) = running.api.invoke(target.delivery(0, DeliveryKind::New)).await;
    expect(contender, target, DeliveryKind::New, &reply);
    for number in 1..=contender.warm_up {
        running.api.invoke(target.delivery(number, DeliveryKind::New)).await;
    }
    let mut warm = BTreeMap::new();
    let first_number = contender.warm_up + 1;
    for kind in kinds(contender.job) {
        let events = (first_number..first_number + invocations).map(|number| target.delivery(number, *kind));
        let series = running.series(events, aws, |reply| expect(contender, target, *kind, reply)).await;
        check_job(contender, *kind, &series.counts, invocations);
        warm.insert(kind.name(), series);
    }
    Turn { init_ms, init_cpu_ms, first_ms: milliseconds(first), peak_bytes: running.process.peak_bytes(), warm }
}

fn kinds(job: Job) -> &'static [DeliveryKind] {
    match job {
        Job::Hello | Job::Floor => &[DeliveryKind::New],
        Job::Keep | Job::KeepAndSend => &DeliveryKind::ALL,
    }
}

/// Nobody is fast by not doing the job.
fn check_job(contender: &Contender, kind: DeliveryKind, counts: &CallCounts, invocations: usize) {
    let deliveries = invocations as u64;
    let rows = match (contender.job, kind) {
        (Job::Hello, _) | (_, DeliveryKind::Repeat | DeliveryKind::Forged) => 0,
        (Job::Floor | Job::Keep | Job::KeepAndSend, DeliveryKind::New) => deliveries,
    };
    // Ours keeps some refused deliveries for a while, within a cap.
    let forged_rows = counts.rows <= 40 && kind == DeliveryKind::Forged;
    assert!(counts.rows == rows || forged_rows, "{} made {} rows of {rows}", contender.name, counts.rows);
    let messages = if contender.job == Job::KeepAndSend { rows } else { 0 };
    assert_eq!(counts.messages, messages, "{} sent other messages than it should", contender.name);
}

fn expect(contender: &Contender, target: &BenchTarget, kind: DeliveryKind, reply: &FunctionReply) {
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let wanted = match contender.job {
        Job::Hello | Job::Floor => 200,
        Job::Keep | Job::KeepAndSend => kind.status(),
    };
    let right = !reply.is_error && answer["statusCode"] == wanted;
    assert!(right, "{} on {}, {}: {}", contender.name, target.name, kind.name(), String::from_utf8_lossy(&reply.body));
}

fn summary(mut took: Vec<Duration>, cpu: Duration, counts: CallCounts) -> WarmInvocations {
    took.sort_unstable();
    let at = |share: usize| microseconds(took[(took.len() * share / 100).min(took.len() - 1)]);
    WarmInvocations {
        invocations: took.len(),
        p50_us: at(50),
        p95_us: at(95),
        p99_us: at(99),
        cpu_us: microseconds(cpu) / took.len() as f64,
        counts,
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
