//! The tasks of a run: providers that send, mappings that pass batches on, secrets that rotate.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge::orders::consumer::QueueBatch;
use edge::relay::stream::StreamBatch;
use edge::{Orders, Receiver, Relay};
use serde_json::{Value, json};
use webhook::claim::EventKey;
use webhook::event::Event;
use webhook::providers::PROVIDERS;

use crate::assumptions::{
    CHECKPOINT_BATCHES_LOST_MAX, CRASH_STATUS, RELAY_TIMEOUT_MS, STREAM_BATCH_MAX, STREAM_RETRIES_SHORT,
    STREAM_RETRY_MS, STREAM_RETRY_MS_LONG, STREAM_RETRY_MS_MAX, VISIBILITY_MS, WORKER_TIMEOUT_MS,
};
use crate::executor::Wait;
use crate::faults::{Actor, Fault, Step};
use crate::network::{Invocation, SimulatedProcess};
use crate::process::{Environment, ORDERS_QUEUE};
use crate::random::{Random, mix};
use crate::rows::Hash;
use crate::samples::sources;
use crate::signing::{Credential, Signed, sign};
use crate::stream::ShardRecord;
use crate::table::string;
use crate::violation::Violation;
use crate::workload::{Forgery, Rotation, Sending, Workload};

/// The answers that providers got.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Answered 200: the sending's number and its body's hash.
    pub acknowledged: Vec<(u64, Hash)>,
    /// The times of those answers in milliseconds, by body.
    pub acknowledged_ms: Vec<(Hash, u64)>,
    /// Corrections that a changed mapping made, by partition key.
    pub corrections: Vec<(String, Event)>,
    /// Operators at work.
    pub operators: u64,
    /// Events that the changed mapping read when their orders' views were rebuilt.
    pub rebuilt: BTreeSet<EventKey>,
    /// Deliveries tried, each attempt counted.
    pub attempts: u64,
    /// Deliveries given up without a 200.
    pub given_up: u64,
    /// Forgeries that were answered 200.
    pub forgeries_accepted: Vec<u64>,
    /// Sendings that ended.
    pub ended: usize,
}

/// A process that waits for its next invocation, and its memory.
type WarmProcess<T> = (Arc<SimulatedProcess>, Rc<T>);

type Idle<T> = RefCell<Vec<WarmProcess<T>>>;

/// Everything that the tasks of a run share.
pub struct SimulatedWorld {
    /// Services and clock.
    pub ground: Environment,
    /// The answers that providers got.
    pub ledger: RefCell<Ledger>,
    /// The secrets' rotation.
    pub rotation: Rotation,
    /// The sources of each provider, as they begin.
    pub sources: BTreeMap<&'static str, Value>,
    /// The order that each body is about.
    pub order_of: HashMap<Hash, u64>,
    receivers: BTreeMap<&'static str, Idle<Receiver>>,
}

/// A wait on the virtual clock, or a future, whichever is first.
struct Within<F> {
    future: F,
    limit: Wait,
}

impl<F: Future + Unpin> Future for Within<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = Pin::new(&mut self.future).poll(context) {
            return Poll::Ready(Some(output));
        }
        Pin::new(&mut self.limit).poll(context).map(|()| None)
    }
}

impl SimulatedWorld {
    /// Makes a world before its first delivery.
    pub fn new(ground: Environment, workload: &Workload) -> Rc<Self> {
        let rotation = workload.rotation;
        let order_of = workload.sendings.iter().map(|sending| (sending.hash, sending.order)).collect();
        let names = PROVIDERS.map(|provider| provider.name);
        let sources = names.into_iter().map(|name| (name, sources(name))).collect();
        let receivers = names.into_iter().map(|name| (name, Idle::default())).collect();
        let world = SimulatedWorld { ground, ledger: RefCell::default(), rotation, sources, order_of, receivers };
        world.put_secrets(false, true);
        Rc::new(world)
    }

    /// Rotates every credential: first the new one beside the old one, later the new one alone.
    pub async fn rotate(self: Rc<Self>) {
        self.ground.time.wait_ms(self.rotation.begins_ms).await;
        self.put_secrets(true, true);
        self.ground.time.wait_ms(self.rotation.ends_ms - self.rotation.begins_ms).await;
        self.put_secrets(true, false);
    }

    fn put_secrets(&self, with_new: bool, with_old: bool) {
        for (provider, sources) in &self.sources {
            let mut sources = sources.clone();
            for source in sources["sources"].as_object_mut().unwrap().values_mut() {
                for list in ["signing_keys", "url_tokens"] {
                    let old = source[list].as_array().unwrap().clone();
                    let new = old.iter().map(|key| json!(format!("{}{NEW}", key.as_str().unwrap())));
                    let kept = new.filter(|_| with_new).chain(old.iter().filter(|_| with_old).cloned());
                    source[list] = kept.collect();
                }
            }
            self.ground.cloud.lock().secrets.insert((*provider).to_owned(), sources.to_string());
        }
    }

    /// Sends a delivery until it is answered 200 or given up.
    pub async fn deliver(self: Rc<Self>, sending: Sending) {
        self.ground.time.wait_ms(sending.at_ms).await;
        let mut random = Random::new(sending.number, "provider");
        let mut acknowledged = false;
        let refused = |found: String| {
            let violation = Violation::new("a genuine delivery is accepted in the end", found);
            self.ground.cloud.lock().broken.push(violation);
        };
        for attempt in 0..sending.attempts {
            let is_calm = self.ground.cloud.lock().is_calm(self.ground.time.now_ms(), CALM_MS);
            let status = self.attempt(&sending).await;
            self.ledger.borrow_mut().attempts += 1;
            if is_calm && status != 200 && sending.forgery.is_none() {
                let found = format!("delivery {} answered {status}", sending.number);
                refused(found);
            }
            if status == 200 {
                acknowledged = true;
                break;
            }
            let pause_ms = PAUSES_MS[usize::try_from(attempt).unwrap().min(PAUSES_MS.len() - 1)];
            self.ground.time.wait_ms(pause_ms + random.between(0, pause_ms / 4)).await;
        }
        let mut ledger = self.ledger.borrow_mut();
        ledger.ended += 1;
        match (acknowledged, sending.forgery) {
            (true, None) => {
                let mut cloud = self.ground.cloud.lock();
                if !cloud.holds(&sending.hash) {
                    let found = format!("delivery {}", sending.number);
                    cloud.broken.push(Violation::new("200 means that the row is durable", found));
                }
                ledger.acknowledged.push((sending.number, sending.hash));
                ledger.acknowledged_ms.push((sending.hash, self.ground.time.now_ms()));
            }
            (true, Some(_)) => ledger.forgeries_accepted.push(sending.number),
            (false, None) => {
                ledger.given_up += 1;
                if sending.attempts > 1 {
                    let found = format!("delivery {} given up", sending.number);
                    refused(found);
                }
            }
            (false, Some(_)) => {}
        }
    }

    async fn attempt(&self, sending: &Sending) -> u64 {
        let actor = Actor::Delivery(sending.number);
        let request = self.request(sending);
        let idle = self.receivers[sending.provider.name].borrow_mut().pop();
        let (process, receiver) = idle.unwrap_or_else(|| {
            let (process, receiver) = self.ground.receiver(sending.provider, actor);
            (process, Rc::new(receiver))
        });
        process.work_for(actor);
        let request = serde_json::from_value(request).unwrap();
        let work = Box::pin(receiver.receive(request));
        let answered = Invocation { process: Arc::clone(&process), work }.await;
        let status = answered.map_or(u64::from(CRASH_STATUS), |response| {
            self.receivers[sending.provider.name].borrow_mut().push((process, Rc::clone(&receiver)));
            json!(response)["statusCode"].as_u64().unwrap()
        });
        self.note(|| {
            let Sending { number, template, forgery, .. } = sending;
            format!(
                "delivery {number} {}{} answered {status}",
                template.case,
                if forgery.is_some() { " (forged)" } else { "" }
            )
        });
        status
    }

    fn request(&self, sending: &Sending) -> Value {
        let Signed { path, query, headers } = self.signed(sending);
        let text = if sending.template.base64 { None } else { String::from_utf8(sending.body.clone()).ok() };
        let is_base64 = text.is_none();
        json!({
            "rawPath": path, "rawQueryString": query, "headers": headers,
            "requestContext": {"http": {"method": "POST"}},
            "body": text.unwrap_or_else(|| STANDARD.encode(&sending.body)), "isBase64Encoded": is_base64,
        })
    }

    fn signed(&self, sending: &Sending) -> Signed {
        let old = Credential::current(&self.sources[sending.provider.name]["sources"][&sending.source]);
        let switched = self.ground.time.now_ms() >= self.rotation.switches_ms;
        let current = if switched { old.changed(NEW) } else { old.clone() };
        let mut headers = sending.template.headers.clone();
        if let Some(time) = &sending.signed_at {
            headers.insert("x-scalapay-timestamp".to_owned(), time.clone());
            headers.insert("x-shopline-developer-event-timestamp".to_owned(), time.clone());
        }
        let proof = |source: &str, body: &[u8], credential: &Credential| {
            sign(sending.provider.name, source, &headers, body, credential)
        };
        let (source, body) = (sending.source.as_str(), sending.body.as_slice());
        match sending.forgery {
            None => proof(source, body, &current),
            Some(Forgery::NoCredential) => proof(source, body, &Credential::Nothing),
            Some(Forgery::UnknownSource) => proof("nobody", body, &current),
            Some(Forgery::RevokedCredential) => proof(source, body, &old),
            Some(Forgery::ForeignProof) if matches!(current, Credential::Key(_)) => {
                proof(source, &sending.template.body_of(sending.order, None), &current)
            }
            Some(Forgery::WrongCredential | Forgery::ForeignProof) => proof(source, body, &current.changed("x")),
        }
    }

    /// Hands a shard's records to the relay, one batch at a time.
    pub async fn relay(self: Rc<Self>, shard: usize) {
        let number = u64::try_from(shard).unwrap();
        let mut warm: Option<WarmProcess<Relay>> = None;
        let (mut pause_ms, mut failures) = (STREAM_RETRY_MS, 0);
        loop {
            let seen = self.bell();
            let batch = if self.exists(shard) { self.records(shard, usize::MAX) } else { Vec::new() };
            if batch.is_empty() {
                self.changed(seen, IDLE_MS).await;
                continue;
            }
            let (fault, mut random) = self.step(Actor::Shard(number), Step::StreamBatch);
            if fault == Some(Fault::RecordsLate) {
                self.ground.time.wait_ms(random.between(1_000, 240_000)).await;
            }
            let records = self.records(shard, *random.pick(&[1, 3, 10, STREAM_BATCH_MAX, STREAM_BATCH_MAX]));
            let (process, relay) = warm.take().unwrap_or_else(|| {
                let (process, relay) = self.ground.relay(Actor::Relay(number));
                (process, Rc::new(relay))
            });
            let batch: StreamBatch = serde_json::from_value(stream_event(&records)).unwrap();
            let worker = Rc::clone(&relay);
            let work =
                Invocation { process: Arc::clone(&process), work: Box::pin(async move { worker.relay(batch).await }) };
            let limit_ms = if fault == Some(Fault::FunctionTimeOut) { random.between(1, 60) } else { RELAY_TIMEOUT_MS };
            let outcome = Within { future: work, limit: self.ground.time.wait_ms(limit_ms) }.await;
            let succeeded = matches!(&outcome, Some(Some(Ok(()))));
            self.note(|| format!("shard {shard}: {} records, relayed: {succeeded}", records.len()));
            if matches!(outcome, Some(Some(_))) {
                warm = Some((process, relay));
            }
            if !succeeded {
                self.ground.time.wait_ms(pause_ms).await;
                failures += 1;
                let is_long = failures > STREAM_RETRIES_SHORT;
                pause_ms = (pause_ms * 2).min(if is_long { STREAM_RETRY_MS_LONG } else { STREAM_RETRY_MS_MAX });
                continue;
            }
            (pause_ms, failures) = (STREAM_RETRY_MS, 0);
            let mut cloud = self.ground.cloud.lock();
            cloud.stream.handled(shard, records.len());
            match fault {
                Some(Fault::CheckpointLost) => {
                    cloud.stream.lose_checkpoints(shard, random.between(1, CHECKPOINT_BATCHES_LOST_MAX));
                }
                Some(Fault::ShardSplit) => cloud.stream.split(shard),
                _ => {}
            }
        }
    }

    /// Hands messages to the orders function, one batch at a time.
    pub async fn work(self: Rc<Self>, number: u64) {
        let mut warm: Option<WarmProcess<Orders>> = None;
        loop {
            let seen = self.bell();
            let now_ms = self.ground.time.now_ms();
            let messages = self.ground.cloud.lock().queues.get_mut(ORDERS_QUEUE).unwrap().receive(usize::MAX, now_ms);
            if messages.is_empty() {
                let waiting = !self.ground.cloud.lock().queues[ORDERS_QUEUE].drained();
                self.changed(seen, if waiting { VISIBILITY_MS / 20 } else { IDLE_MS }).await;
                continue;
            }
            let (fault, mut random) = self.step(Actor::Poller(number), Step::QueueBatch);
            let (process, orders) = warm.take().unwrap_or_else(|| {
                let (process, orders) = self.ground.orders(Actor::Worker(number));
                (process, Rc::new(orders))
            });
            let records = messages.iter().map(|message| {
                let attributes = json!({"MessageGroupId": message.group});
                json!({"messageId": message.number.to_string(), "body": message.body, "attributes": attributes})
            });
            let batch: QueueBatch = serde_json::from_value(json!({"Records": records.collect::<Value>()})).unwrap();
            let worker = Rc::clone(&orders);
            let work =
                Invocation { process: Arc::clone(&process), work: Box::pin(async move { worker.apply(batch).await }) };
            let limit_ms =
                if fault == Some(Fault::FunctionTimeOut) { random.between(1, 60) } else { WORKER_TIMEOUT_MS };
            let outcome = Within { future: work, limit: self.ground.time.wait_ms(limit_ms) }.await;
            let failures: Option<Value> = outcome.flatten().map(|failures| json!(failures)["batchItemFailures"].take());
            self.note(|| format!("worker {number}: {} messages, failures: {failures:?}", messages.len()));
            let Some(failures) = failures else { continue };
            warm = Some((process, orders));
            if fault == Some(Fault::DeleteLost) {
                continue;
            }
            let is_rebuilding = self.ledger.borrow().operators > 0;
            let mut cloud = self.ground.cloud.lock();
            for message in messages {
                let id = message.number.to_string();
                if !failures.as_array().unwrap().iter().any(|failure| failure["itemIdentifier"] == id) {
                    let found = cloud.facts.acknowledged(&cloud.tables, &message.body, is_rebuilding);
                    cloud.broken.extend(found);
                    cloud.queues.get_mut(ORDERS_QUEUE).unwrap().delete(message.number);
                }
            }
        }
    }

    fn exists(&self, shard: usize) -> bool {
        shard < self.ground.cloud.lock().stream.len()
    }

    fn records(&self, shard: usize, most: usize) -> Vec<ShardRecord> {
        let now_ms = self.ground.time.now_ms();
        let mut cloud = self.ground.cloud.lock();
        cloud.settle(&self.ground.time);
        cloud.stream.batch(shard, most, now_ms)
    }

    fn step(&self, actor: Actor, step: Step) -> (Option<Fault>, Random) {
        let drawn = self.ground.cloud.lock().faults.next(actor, step);
        if let Some(fault) = drawn.0 {
            self.ground.cloud.lock().sends.disturb(actor, self.ground.time.now_ms());
            self.note(|| format!("{actor:?}  << {fault:?}"));
        }
        drawn
    }

    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        self.ground.cloud.lock().note(&self.ground.time, line);
    }

    fn bell(&self) -> u64 {
        self.ground.cloud.lock().bell
    }

    /// Waits until something was put or sent, or some time is over.
    async fn changed(&self, seen: u64, most_ms: u64) {
        let cloud = self.ground.cloud.clone();
        let ringing = std::future::poll_fn(move |context| {
            let mut cloud = cloud.lock();
            if cloud.bell != seen {
                return Poll::Ready(());
            }
            cloud.listeners.push(context.waker().clone());
            Poll::Pending
        });
        Within { future: ringing, limit: self.ground.time.wait_ms(most_ms) }.await;
        // Nothing is read in the very instant in which it was written.
        self.ground.time.wait_ms(20 + mix(seen, self.ground.time.now_ms()) % 200).await;
    }
}

/// When nothing went wrong for this long, every genuine delivery has to be accepted: a function that got a wrong secret
/// may ask for it again after a minute.
const CALM_MS: u64 = 5 * 60_000;

/// Added to a credential to make the next one.
const NEW: &str = "-2";

/// The longest wait of an idle poller that nothing wakes.
const IDLE_MS: u64 = 3_600_000;

/// Pauses between a provider's attempts.
const PAUSES_MS: [u64; 10] =
    [5_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_200_000, 1_800_000, 2_700_000, 3_600_000];

/// Returns the records that pass the mapping's filter, as the relay gets them.
fn stream_event(records: &[ShardRecord]) -> Value {
    let passes = |record: &&ShardRecord| record.change.inserted && string(&record.change.item, "kind") == "event";
    let event = |record: &ShardRecord| json!({"eventName": "INSERT", "dynamodb": {"NewImage": record.change.item}});
    json!({"Records": records.iter().filter(passes).map(event).collect::<Vec<_>>()})
}
