//! One run: a seed, a workload, a plan of faults, and the outcome.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::assumptions::{SHARDS_MAX, WORKERS};
use crate::check::check;
use crate::cloud::{Cloud, ServiceCall, Shared};
use crate::executor::{Executor, VirtualTime};
use crate::facts::FACTS_QUEUE;
use crate::faults::{Actor, ActorStep, Fault, FaultPlan, Faults, Step};
use crate::outage::{Outage, Service};
use crate::process::{Environment, ORDERS_QUEUE, WORK_QUEUE};
use crate::queue::FifoQueue;
use crate::random::Random;
use crate::redrive::redrive_parked;
use crate::table::TableAnswer;
use crate::violation::Violation;
use crate::workload::{Workload, WorkloadShape};
use crate::world::SimulatedWorld;

/// Sweepers at once: a schedule may start one while another still runs.
const SWEEPERS: u64 = 2;

/// A service can go down this often in a run.
const OUTAGES_MAX: u64 = 8;

/// All work has to be done this long after the last fault.
const DRAIN_MS_MAX: u64 = 23 * 60 * 60 * 1_000;

/// Options of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The seed: everything follows from it.
    pub seed: u64,
    /// The size and kind of the workload.
    pub shape: WorkloadShape,
    /// The faults to apply.
    pub plan: FaultPlan,
    /// Keep the trace's text.
    pub with_trace: bool,
    /// Keep every table call.
    pub with_table_calls: bool,
}

/// The outcome of a run.
#[derive(Debug)]
pub struct RunOutcome {
    /// The seed.
    pub seed: u64,
    /// Requests made to receivers, repeats and forgeries among them.
    pub deliveries: u64,
    /// Genuine deliveries that were answered 200 in the end.
    pub acknowledged: u64,
    /// Event rows.
    pub rows: u64,
    /// Network calls.
    pub calls: u64,
    /// Processes that died.
    pub crashes: u64,
    /// The number of faults by kind.
    pub faults: BTreeMap<Fault, u64>,
    /// The fault at each step that had one.
    pub applied: BTreeMap<ActorStep, Fault>,
    /// The steps of each actor.
    pub steps: BTreeMap<Actor, u64>,
    /// Failed conditions, each billed.
    pub failed_conditions: u64,
    /// Sends that deduplication absorbed.
    pub deduplicated: u64,
    /// A hash of everything that happened.
    pub trace_hash: u64,
    /// The trace's text, if it was kept.
    pub trace: Vec<String>,
    /// The violations.
    pub violations: Vec<Violation>,
    /// Every table call, if they were kept.
    pub table_calls: Vec<(ServiceCall, TableAnswer)>,
}

impl Options {
    /// Returns a seed's options, with a fault at every other step on the even seeds: a mistake that shows only after
    /// several faults in a row shows here.
    pub fn harsh(seed: u64, orders: u64) -> Self {
        let usual = Options::seeded(seed, orders);
        if seed.is_multiple_of(2) { Options { plan: FaultPlan::Seeded { one_in: 2 }, ..usual } } else { usual }
    }

    /// Returns a seed's usual options: every eighth seed has no fault at all, so that what faults excuse is not excused.
    pub fn seeded(seed: u64, orders: u64) -> Self {
        let one_in = *Random::new(seed, "density").pick(&[3, 6, 14, 25, 60]);
        let plan = if seed % 8 == 5 { FaultPlan::None } else { FaultPlan::Seeded { one_in } };
        Options { seed, shape: WorkloadShape::orders(orders), plan, with_trace: false, with_table_calls: false }
    }
}

/// Runs the functions over the simulated services and checks the result.
pub fn run(options: &Options) -> RunOutcome {
    let workload = Workload::new(options.seed, &options.shape);
    let time = VirtualTime::default();
    let cloud = Shared::new(cloud(options, &workload));
    let world = SimulatedWorld::new(Environment { cloud: cloud.clone(), time: time.clone() }, &workload);
    let mut executor = Executor::new(time.clone(), options.seed);
    if !options.shape.plain {
        executor.spawn(Rc::clone(&world).rotate());
    }
    if !options.shape.plain && options.seed.is_multiple_of(3) {
        executor.spawn(Rc::clone(&world).remap(workload.rotation.ends_ms));
    }
    if let Some(forgetting) = &workload.forgetting {
        let (from_ms, to_ms) = (forgetting.sweeps_from_ms, forgetting.sweeps_to_ms);
        (0..SWEEPERS).for_each(|number| executor.spawn(Rc::clone(&world).sweep(number, from_ms, to_ms)));
    }
    for (number, plan) in (0..).zip(&workload.erasures) {
        executor.spawn(Rc::clone(&world).erase(number, plan.clone()));
    }
    for sending in &workload.sendings {
        executor.spawn(Rc::clone(&world).deliver(sending.clone()));
    }
    (0..SHARDS_MAX).for_each(|shard| executor.spawn(Rc::clone(&world).relay(shard)));
    (0..WORKERS).for_each(|number| executor.spawn(Rc::clone(&world).work(number)));
    let calm_ms = workload.calm_ms;
    let swept_ms = workload.forgetting.as_ref().map_or(0, |forgetting| forgetting.sweeps_to_ms);
    executor.run_until(calm_ms, || time.now_ms() >= calm_ms);
    cloud.lock().faults.end(time.now_ms());
    let mut redriven = 0;
    let drained = executor.run_until(calm_ms + DRAIN_MS_MAX, || {
        let mut cloud = cloud.lock();
        cloud.settle(&time);
        redriven = redrive_parked(&mut cloud, redriven, time.now_ms());
        let all_ended = world.ledger.borrow().ended == workload.sendings.len();
        let queue = cloud.queues.get_mut(ORDERS_QUEUE).unwrap();
        queue.redrive();
        let is_over = all_ended && world.ledger.borrow().operators == 0 && time.now_ms() >= swept_ms;
        is_over && queue.drained() && cloud.stream.drained() && cloud.settled()
    });
    let cloud = cloud.lock();
    let ledger = world.ledger.borrow();
    let mut violations = check(&cloud, &ledger, &workload);
    if !drained {
        violations.push(Violation::new("drained", "work is left long after the last fault".to_owned()));
    }
    outcome(options.seed, &cloud, &ledger, violations)
}

fn cloud(options: &Options, workload: &Workload) -> Cloud {
    let mut cloud = Cloud::new(Faults::new(options.plan.clone(), options.seed), options.with_trace);
    cloud.table_calls = options.with_table_calls.then(Vec::new);
    cloud.queues.insert(ORDERS_QUEUE.to_owned(), FifoQueue::read());
    cloud.queues.insert(WORK_QUEUE.to_owned(), FifoQueue::default());
    cloud.queues.insert(FACTS_QUEUE.to_owned(), FifoQueue::default());
    for number in 0..OUTAGES_MAX {
        let (fault, mut random) = cloud.faults.next(Actor::Outage(number), Step::Outage);
        if fault.is_some() {
            let service = *random.pick(&[Service::Events, Service::Views, Service::Queues, Service::Secrets]);
            let from_ms = random.between(0, workload.calm_ms.min(3 * 60 * 60 * 1_000));
            let to_ms = (from_ms + random.between(60_000, 900_000)).min(workload.calm_ms);
            cloud.outages.push(Outage { service, from_ms, to_ms });
        }
    }
    cloud.outages.extend(workload.forgetting.iter().flat_map(|forgetting| forgetting.outages.clone()));
    cloud
}

fn outcome(seed: u64, cloud: &Cloud, ledger: &crate::world::Ledger, violations: Vec<Violation>) -> RunOutcome {
    let is_event = |change: &&crate::table::TableChange| crate::table::string(&change.item, "kind") == "event";
    RunOutcome {
        seed,
        deliveries: ledger.attempts,
        acknowledged: count(ledger.acknowledged.len()),
        rows: count(cloud.insertions.iter().filter(is_event).count()),
        calls: cloud.calls,
        crashes: cloud.crashes,
        faults: cloud.fault_counts(),
        applied: cloud.faults.applied.clone(),
        steps: cloud.faults.steps().clone(),
        failed_conditions: cloud.failed_conditions,
        deduplicated: cloud.queues.values().map(|queue| queue.deduplicated).sum(),
        trace_hash: cloud.trace().hash,
        trace: cloud.trace().lines.clone().unwrap_or_default(),
        table_calls: cloud.table_calls.clone().unwrap_or_default(),
        violations,
    }
}

/// Converts a length to a count.
pub fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap()
}
