//! Faults at steps: drawn from a seed, or a list that can be repeated and shortened.
//!
//! A step is an actor and the number of its step, not a number over the whole run: leaving one order or one fault out
//! does not change the steps of the others.

use std::collections::{BTreeMap, BTreeSet};

use crate::random::{Random, mix};

/// Whoever takes a step at which something can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// A receiver that answers this delivery.
    Delivery(u64),
    /// The relay over this shard.
    Relay(u64),
    /// This copy of the orders function.
    Worker(u64),
    /// The mapping from this shard to the relay.
    Shard(u64),
    /// The mapping from the queue to this copy of the orders function.
    Poller(u64),
    /// A service that is down for a while.
    Outage(u64),
    /// An operator at one piece of work.
    Operator(u64),
    /// This copy of the sweeper.
    Watch(u64),
}

/// A step of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorStep {
    /// The actor.
    pub actor: Actor,
    /// The number of its step, from 0.
    pub step: u64,
}

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The service fails and does nothing.
    ErrorBefore,
    /// The service does it, then fails.
    ErrorAfter,
    /// The service throttles.
    Throttle,
    /// The connection breaks before the request arrives.
    ResetBefore,
    /// The service does it and the answer is lost.
    AnswerLost,
    /// Nothing happens, and there is no answer.
    TimeOutBefore,
    /// The service does it and never answers.
    TimeOutAfter,
    /// The service does it long after the caller has given up.
    EffectLate,
    /// The process dies before the request arrives.
    CrashBefore,
    /// The process dies when the service has done it.
    CrashAfter,
    /// Some entries of a batch fail.
    PartlyFailed,
    /// A batch that was handled comes again, and perhaps others before it.
    CheckpointLost,
    /// Records come late.
    RecordsLate,
    /// The shard splits.
    ShardSplit,
    /// Handled messages are not deleted, and come again.
    DeleteLost,
    /// The function is stopped at its time-out, wherever it is.
    FunctionTimeOut,
    /// A service is down for minutes.
    Outage,
}

/// The kinds of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A network call; of a batch or of one thing.
    Call {
        /// True if its entries can fail one by one.
        batch: bool,
    },
    /// The relay gets a stream batch.
    StreamBatch,
    /// The orders function gets a queue batch.
    QueueBatch,
    /// A time at which a service could go down.
    Outage,
}

const CALL: &[Fault] = &[
    Fault::ErrorBefore,
    Fault::ErrorAfter,
    Fault::Throttle,
    Fault::ResetBefore,
    Fault::AnswerLost,
    Fault::TimeOutBefore,
    Fault::TimeOutAfter,
    Fault::EffectLate,
    Fault::CrashBefore,
    Fault::CrashAfter,
];
const STREAM: &[Fault] = &[Fault::CheckpointLost, Fault::RecordsLate, Fault::ShardSplit, Fault::FunctionTimeOut];
const QUEUE: &[Fault] = &[Fault::DeleteLost, Fault::FunctionTimeOut];

impl Fault {
    /// Returns every fault that can be drawn.
    pub fn all() -> BTreeSet<Fault> {
        let drawn = [CALL, STREAM, QUEUE].concat();
        drawn.into_iter().chain([Fault::PartlyFailed, Fault::Outage]).collect()
    }

    fn of(step: Step, random: &mut Random) -> Fault {
        match step {
            Step::Call { batch: true } if random.one_in(2) => Fault::PartlyFailed,
            Step::Call { .. } => *random.pick(CALL),
            Step::StreamBatch => *random.pick(STREAM),
            Step::QueueBatch => *random.pick(QUEUE),
            Step::Outage => Fault::Outage,
        }
    }
}

/// The origin of faults.
#[derive(Debug, Clone)]
pub enum FaultPlan {
    /// Nothing goes wrong.
    None,
    /// Faults drawn from the seed.
    Seeded {
        /// One in this number of steps has a fault.
        one_in: usize,
    },
    /// These and no others.
    Only(BTreeMap<ActorStep, Fault>),
}

/// The plan at work.
#[derive(Debug)]
pub struct Faults {
    plan: FaultPlan,
    seed: u64,
    steps: BTreeMap<Actor, u64>,
    /// The time from which nothing goes wrong any more.
    calm_from_ms: Option<u64>,
    /// The faults so far.
    pub applied: BTreeMap<ActorStep, Fault>,
}

impl Faults {
    /// A plan before its first step.
    pub fn new(plan: FaultPlan, seed: u64) -> Self {
        let calm_from_ms = matches!(plan, FaultPlan::None).then_some(0);
        Faults { plan, seed, steps: BTreeMap::new(), calm_from_ms, applied: BTreeMap::new() }
    }

    /// Lets nothing go wrong from this time on.
    pub fn end(&mut self, now_ms: u64) {
        self.calm_from_ms.get_or_insert(now_ms);
    }

    /// Returns true if nothing goes wrong any more.
    pub fn is_calm(&self) -> bool {
        self.calm_from_ms.is_some()
    }

    /// Returns the time for which nothing could go wrong; in a run without faults it always was.
    pub fn calm_for_ms(&self, now_ms: u64) -> u64 {
        match self.plan {
            FaultPlan::None => u64::MAX,
            FaultPlan::Seeded { .. } | FaultPlan::Only(_) => self.calm_from_ms.map_or(0, |from_ms| now_ms - from_ms),
        }
    }

    /// Returns the fault of an actor's next step, if any, and the random numbers for it.
    pub fn next(&mut self, actor: Actor, step: Step) -> (Option<Fault>, Random) {
        let number = self.steps.entry(actor).or_default();
        let point = ActorStep { actor, step: *number };
        *number += 1;
        let mut random = Random::new(mix(self.seed, number_of(point)), "fault");
        let drawn = match &self.plan {
            _ if self.is_calm() => None,
            FaultPlan::None => None,
            // Of the few times at which a service could go down, one in four is taken.
            FaultPlan::Seeded { .. } if step == Step::Outage => random.one_in(4).then_some(Fault::Outage),
            FaultPlan::Seeded { one_in } => random.one_in(*one_in).then(|| Fault::of(step, &mut random)),
            FaultPlan::Only(list) => list.get(&point).copied(),
        };
        if let Some(fault) = drawn {
            self.applied.insert(point, fault);
        }
        // From a stream of their own, so that they are the same whether drawn or listed.
        (drawn, Random::new(mix(self.seed, number_of(point)), "details"))
    }

    /// Returns the number of steps that each actor took.
    pub fn steps(&self) -> &BTreeMap<Actor, u64> {
        &self.steps
    }
}

fn number_of(point: ActorStep) -> u64 {
    let (kind, number) = match point.actor {
        Actor::Delivery(number) => (1, number),
        Actor::Relay(number) => (2, number),
        Actor::Worker(number) => (3, number),
        Actor::Shard(number) => (4, number),
        Actor::Poller(number) => (5, number),
        Actor::Outage(number) => (6, number),
        Actor::Operator(number) => (7, number),
        Actor::Watch(number) => (8, number),
    };
    mix(mix(kind, number), point.step)
}
