//! Whoever works beside deliveries: sweepers, operators who erase, operators who change the mapping.

use std::rc::Rc;

use edge::aws::queue::group_of;
use edge::keep::time_index::SourceId;
use webhook::event::Event;

use crate::executor::START_MS;
use crate::faults::Actor;
use crate::network::Invocation;
use crate::process::ORDERS_QUEUE;
use crate::random::mix;
use crate::remapping::{REMAPPED, read_again};
use crate::workload::ErasurePlan;
use crate::world::SimulatedWorld;

/// An operator's pause before trying again.
const PAUSE_MS: u64 = 60_000;

/// A sweeper begins nothing after this part of its time.
const SWEEP_MS: i64 = 5 * 60_000;

impl SimulatedWorld {
    /// Sweeps again and again until a time, in one process after the other. Several of these may sweep at once.
    pub async fn sweep(self: Rc<Self>, number: u64, from_ms: u64, to_ms: u64) {
        let sources: Vec<SourceId> = self
            .sources
            .iter()
            .flat_map(|(provider, sources)| {
                let source = |source: &String| SourceId { provider: (*provider).to_owned(), source: source.clone() };
                sources["sources"].as_object().unwrap().keys().map(source)
            })
            .collect();
        self.ground.time.wait_ms(from_ms).await;
        while self.ground.time.now_ms() < to_ms {
            let (process, sweeper) = self.ground.sweeper(Actor::Watch(number));
            let deadline_ms = i64::try_from(START_MS + self.ground.time.now_ms()).unwrap() + SWEEP_MS;
            let named = sources.clone();
            let work = Box::pin(async move { sweeper.sweep(&named, deadline_ms).await });
            let outcome = Invocation { process, work }.await;
            self.note(|| format!("sweeper {number}: {outcome:?}"));
            // Every other time all sweepers begin at once.
            let now_ms = self.ground.time.now_ms();
            let pause_ms = 30 * PAUSE_MS;
            let rest_ms = if mix(now_ms / pause_ms, 0).is_multiple_of(2) { mix(number, now_ms) % pause_ms } else { 0 };
            self.ground.time.wait_ms(pause_ms - now_ms % pause_ms + rest_ms).await;
        }
    }

    /// Erases what an order's events say, or those of them that are old enough, until it is done.
    pub async fn erase(self: Rc<Self>, number: u64, plan: ErasurePlan) {
        self.ground.time.wait_ms(plan.at_ms).await;
        self.ledger.borrow_mut().operators += 1;
        let (before_ms, by_age) = plan.before_ms();
        let before_ms = by_age.then_some(before_ms);
        for pk in self.partitions_of(plan.order) {
            loop {
                let (process, eraser) = self.ground.eraser(Actor::Operator(mix(number, 1)));
                let order = pk.clone();
                let work = Box::pin(async move { eraser.erase(&order, before_ms).await });
                let outcome = Invocation { process, work }.await;
                self.note(|| format!("erasure of {pk}: {outcome:?}"));
                if let Some(Ok(erasure)) = outcome {
                    self.remind(&pk, erasure.reminder);
                    break;
                }
                self.ground.time.wait_ms(PAUSE_MS).await;
            }
        }
        self.ledger.borrow_mut().operators -= 1;
    }

    /// The partitions in which an order has events now.
    fn partitions_of(&self, order: u64) -> Vec<String> {
        let cloud = self.ground.cloud.lock();
        let known = |hash: &Option<crate::rows::Hash>| hash.and_then(|hash| self.order_of.get(&hash)) == Some(&order);
        let of_order = crate::rows::events(&cloud.insertions).filter(|item| known(&crate::rows::hash(item)));
        let mut partitions: Vec<String> = of_order.map(|item| crate::table::string(item, "pk").to_owned()).collect();
        partitions.sort();
        partitions.dedup();
        partitions
    }

    /// Changes every mapping at some time and reads everything again.
    pub async fn remap(self: Rc<Self>, at_ms: u64) {
        self.ground.time.wait_ms(at_ms).await;
        let now_ms = self.ground.time.now_ms();
        let corrections = read_again(&mut self.ground.cloud.lock(), now_ms);
        self.note(|| format!("a changed mapping reads {} events again", corrections.len()));
        let mut orders: Vec<String> = corrections.iter().map(|(pk, _)| pk.clone()).collect();
        orders.sort();
        orders.dedup();
        {
            let mut ledger = self.ledger.borrow_mut();
            ledger.corrections = corrections;
            ledger.operators += 1;
        }
        for (number, pk) in (0..).zip(orders) {
            self.rebuild(number, pk).await;
        }
        self.ledger.borrow_mut().operators -= 1;
    }

    /// Rebuilds a view with the changed mapping, while events flow, until it is done.
    async fn rebuild(&self, number: u64, pk: String) {
        loop {
            let (process, rebuilder) = self.ground.rebuilder(Actor::Operator(number));
            let (rebuilder, order) = (rebuilder.with_mapping(&REMAPPED), pk.clone());
            let work = Box::pin(async move { rebuilder.rebuild(&order).await });
            let outcome = Invocation { process, work }.await;
            self.note(|| format!("rebuild of {pk}: {}", matches!(outcome, Some(Ok(_)))));
            if let Some(Ok(rebuild)) = outcome {
                self.remind(&pk, rebuild.reminder());
                self.ledger.borrow_mut().rebuilt.extend(rebuild.events);
                return;
            }
            self.ground.time.wait_ms(PAUSE_MS).await;
        }
    }

    /// Has the orders function look at an order again, whose facts an operator changed.
    fn remind(&self, pk: &str, reminder: Option<Event>) {
        let Some(reminder) = reminder else { return };
        let mut cloud = self.ground.cloud.lock();
        cloud.queues.get_mut(ORDERS_QUEUE).unwrap().remind(&group_of(pk), &reminder.to_json().unwrap());
        cloud.ring();
    }
}
