//! All simulated services: the effect of each call, and the record of it.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::assumptions::{MESSAGE_BYTES_MAX, SEND_ENTRIES_MAX};
use crate::executor::VirtualTime;
use crate::facts::{FACTS_QUEUE, SentFacts};
use crate::faults::{Actor, Fault, Faults};
use crate::outage::{Outage, Service};
use crate::queue::FifoQueue;
use crate::random::mix;
use crate::rows::id_of;
use crate::sends::Sends;
use crate::stream::SimulatedStream;
use crate::table::{TableAnswer, TableChange, Tables, string};
use crate::violation::Violation;

/// A network call.
#[derive(Debug, Clone)]
pub struct ServiceCall {
    /// Whoever makes it.
    pub actor: Actor,
    /// `DynamoDB_20120810.PutItem`, `AmazonSQS.SendMessageBatch` …
    pub target: String,
    /// The JSON body.
    pub body: Value,
}

/// Everything simulated, shared by tasks and connections.
#[derive(Debug, Clone)]
pub struct Shared(Arc<Mutex<Cloud>>);

/// Everything simulated.
#[derive(Debug)]
pub struct Cloud {
    /// The faults to apply.
    pub faults: Faults,
    /// The services' outages.
    pub outages: Vec<Outage>,
    /// The tables.
    pub tables: Tables,
    /// The events table's stream.
    pub stream: SimulatedStream,
    /// Every insertion into the events table, in order.
    pub insertions: Vec<TableChange>,
    /// The ids of the event rows.
    kept_ids: HashSet<String>,
    /// The hashes of their bodies, in base64.
    kept_hashes: HashSet<String>,
    /// Violations that were noticed the moment they happened.
    pub broken: Vec<Violation>,
    /// The queues by URL.
    pub queues: BTreeMap<String, FifoQueue>,
    /// Every message sent to them.
    pub sends: Sends,
    /// Messages of the relay's dead letter queue.
    pub dead_letters: Vec<Value>,
    /// The changes of facts that were sent.
    pub facts: SentFacts,
    /// Each provider's secret.
    pub secrets: BTreeMap<String, String>,
    /// Conditions that failed: each is billed.
    pub failed_conditions: u64,
    /// Calls in all.
    pub calls: u64,
    /// The number of puts and sends, so that pollers need not ask.
    pub bell: u64,
    /// The tasks that wait for one.
    pub listeners: Vec<Waker>,
    /// Processes that died.
    pub crashes: u64,
    /// Every table call with its answer, if they are recorded.
    pub table_calls: Option<Vec<(ServiceCall, TableAnswer)>>,
    late: Vec<(u64, ServiceCall)>,
    trace: Trace,
}

/// A record of everything that happened, as a hash and optionally as text.
#[derive(Debug, Default)]
pub struct Trace {
    /// A hash over every line.
    pub hash: u64,
    /// The lines.
    pub lines: Option<Vec<String>>,
}

impl Shared {
    /// Shares a cloud.
    pub fn new(cloud: Cloud) -> Self {
        Shared(Arc::new(Mutex::new(cloud)))
    }

    /// Locks the cloud. Nothing may wait while it is locked.
    pub fn lock(&self) -> MutexGuard<'_, Cloud> {
        self.0.lock().unwrap()
    }
}

impl Cloud {
    /// Makes an empty cloud.
    pub fn new(faults: Faults, with_trace: bool) -> Self {
        Cloud {
            faults,
            outages: Vec::new(),
            tables: Tables::default(),
            stream: SimulatedStream::default(),
            insertions: Vec::new(),
            kept_ids: HashSet::new(),
            kept_hashes: HashSet::new(),
            broken: Vec::new(),
            queues: BTreeMap::new(),
            sends: Sends::default(),
            dead_letters: Vec::new(),
            facts: SentFacts::default(),
            secrets: BTreeMap::new(),
            failed_conditions: 0,
            calls: 0,
            bell: 0,
            listeners: Vec::new(),
            crashes: 0,
            table_calls: None,
            late: Vec::new(),
            trace: Trace { hash: 0, lines: with_trace.then(Vec::new) },
        }
    }

    /// Applies a call, after the effects that earlier calls left for later.
    pub fn apply(&mut self, call: &ServiceCall, entries_failed: u64, time: &VirtualTime) -> TableAnswer {
        self.settle(time);
        self.effect(call, entries_failed, time)
    }

    /// Applies the late calls that are due.
    pub fn settle(&mut self, time: &VirtualTime) {
        let now_ms = time.now_ms();
        while let Some(at) = self.late.iter().position(|(due_ms, _)| *due_ms <= now_ms) {
            let (_, call) = self.late.remove(at);
            self.note(time, || format!("  late effect of {}", summary(&call)));
            self.effect(&call, 0, time);
        }
    }

    /// Leaves a call for later.
    pub fn defer(&mut self, call: ServiceCall, due_ms: u64) {
        self.late.push((due_ms, call));
    }

    /// Returns true if no call is left for later.
    pub fn settled(&self) -> bool {
        self.late.is_empty()
    }

    /// Returns true if a service is down.
    pub fn is_down(&self, service: Service, now_ms: u64) -> bool {
        let down = |outage: &Outage| outage.service == service && (outage.from_ms..outage.to_ms).contains(&now_ms);
        self.outages.iter().any(down)
    }

    /// Returns true if nothing could go wrong for some time.
    pub fn is_calm(&self, now_ms: u64, for_ms: u64) -> bool {
        let was_down = self.outages.iter().any(|outage| outage.from_ms <= now_ms && now_ms < outage.to_ms + for_ms);
        !was_down && self.faults.calm_for_ms(now_ms) >= for_ms
    }

    fn effect(&mut self, call: &ServiceCall, entries_failed: u64, time: &VirtualTime) -> TableAnswer {
        let now_ms = time.now_ms();
        match call.target.as_str() {
            "DynamoDB_20120810.PutItem" => {
                let (answer, change) = self.tables.put(&call.body);
                self.written(call, answer, change, now_ms)
            }
            "DynamoDB_20120810.UpdateItem" => {
                let (answer, change) = self.tables.update(&call.body);
                self.written(call, answer, change, now_ms)
            }
            "DynamoDB_20120810.DeleteItem" => {
                let answer = self.tables.delete(&call.body);
                self.written(call, answer, None, now_ms)
            }
            "DynamoDB_20120810.GetItem" => {
                let answer = self.tables.get(&call.body);
                self.record(call, &answer);
                answer
            }
            "DynamoDB_20120810.Query" => {
                let answer = self.tables.query(&call.body);
                self.record(call, &answer);
                answer
            }
            "AmazonSQS.SendMessageBatch" => self.send_batch(call, entries_failed, now_ms),
            "AmazonSQS.SendMessage" => {
                self.dead_letters.push(serde_json::from_str(call.body["MessageBody"].as_str().unwrap()).unwrap());
                TableAnswer::ok(json!({"MessageId": "dead-letter", "MD5OfMessageBody": ""}))
            }
            "secretsmanager.GetSecretValue" => {
                let name = call.body["SecretId"].as_str().unwrap();
                TableAnswer::ok(json!({"ARN": name, "Name": name, "SecretString": self.secrets[name]}))
            }
            other => panic!("a call that no simulated service knows: {other}"),
        }
    }

    /// Records a write: its answer, and the change that the stream gets.
    fn written(
        &mut self,
        call: &ServiceCall,
        answer: TableAnswer,
        change: Option<TableChange>,
        now_ms: u64,
    ) -> TableAnswer {
        self.record(call, &answer);
        if answer.status != 200 {
            self.failed_conditions += 1;
        }
        if let Some(change) = change {
            let is_event = string(&change.item, "kind") == "event";
            let id = || format!("{}/{}", string(&change.item, "pk"), string(&change.item, "sk"));
            if change.inserted {
                self.insertions.push(change.clone());
            } else if is_event && call.target.ends_with("PutItem") {
                self.broken.push(Violation::new("rows are written once", id()));
            }
            if is_event {
                self.kept_ids.insert(id());
                self.kept_hashes.insert(change.item["hash"]["B"].as_str().unwrap().to_owned());
            }
            self.stream.append(change, now_ms);
            self.ring();
        }
        answer
    }

    /// Returns true if a body is in the table at this moment.
    pub fn holds(&self, hash: &[u8; 32]) -> bool {
        self.kept_hashes.contains(&STANDARD.encode(hash))
    }

    /// Wakes the tasks that wait for a put or send.
    pub fn ring(&mut self) {
        self.bell += 1;
        self.listeners.drain(..).for_each(Waker::wake);
    }

    fn record(&mut self, call: &ServiceCall, answer: &TableAnswer) {
        if let Some(calls) = &mut self.table_calls {
            calls.push((call.clone(), answer.clone()));
        }
    }

    fn send_batch(&mut self, call: &ServiceCall, entries_failed: u64, now_ms: u64) -> TableAnswer {
        let (entries, url) = (call.body["Entries"].as_array().unwrap(), call.body["QueueUrl"].as_str().unwrap());
        let queue = self.queues.get_mut(url).unwrap();
        assert!(entries.len() <= SEND_ENTRIES_MAX, "a batch of {} entries", entries.len());
        let bytes: usize = entries.iter().map(|entry| entry["MessageBody"].as_str().unwrap().len()).sum();
        assert!(bytes <= MESSAGE_BYTES_MAX, "a batch of {bytes} bytes");
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for (index, entry) in entries.iter().enumerate() {
            let text = |name: &str| entry[name].as_str().unwrap();
            if (entries_failed >> index.min(63)) & 1 == 1 {
                failed.push(json!({"Id": entry["Id"], "Code": "InternalError", "SenderFault": false}));
                continue;
            }
            let id = id_of(text("MessageBody"));
            let stored =
                queue.send(text("MessageGroupId"), text("MessageDeduplicationId"), text("MessageBody"), now_ms);
            if url == FACTS_QUEUE {
                self.broken.extend(self.facts.sent(&self.tables, text("MessageBody")));
            } else {
                if !self.kept_ids.contains(id) {
                    self.broken.push(Violation::new("only kept events are relayed", id.to_owned()));
                }
                self.broken.extend(self.sends.add(call.actor, url, id, stored, now_ms));
            }
            successful.push(json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": ""}));
        }
        self.ring();
        TableAnswer::ok(json!({"Successful": successful, "Failed": failed}))
    }

    /// Adds a line to the trace. The hash covers it whether the text is kept or not.
    pub fn note(&mut self, time: &VirtualTime, line: impl FnOnce() -> String) {
        let now_us = time.now_us();
        let line = line();
        self.trace.hash = line
            .bytes()
            .fold(mix(self.trace.hash, now_us), |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        if let Some(lines) = &mut self.trace.lines {
            let seconds = now_us / 1_000_000;
            lines.push(format!("{seconds:>7}.{:06} {line}", now_us % 1_000_000));
        }
    }

    /// Returns the trace.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Returns the number of times that each fault was applied.
    pub fn fault_counts(&self) -> BTreeMap<Fault, u64> {
        let mut counts = BTreeMap::new();
        for fault in self.faults.applied.values() {
            *counts.entry(*fault).or_default() += 1;
        }
        counts
    }
}

/// Describes a call in a few words.
pub fn summary(call: &ServiceCall) -> String {
    let operation = call.target.split('.').next_back().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of_item = |item: &Value| format!("{} {}", text(&item["pk"]["S"]), text(&item["sk"]["S"]));
    match operation {
        "PutItem" => format!("PutItem {} {}", text(&call.body["TableName"]), of_item(&call.body["Item"])),
        "UpdateItem" | "DeleteItem" => {
            format!("{operation} {} {}", text(&call.body["TableName"]), of_item(&call.body["Key"]))
        }
        "GetItem" => format!("GetItem {} {}", text(&call.body["TableName"]), of_item(&call.body["Key"])),
        "Query" => format!(
            "Query {} {}",
            text(&call.body["TableName"]),
            text(&call.body["ExpressionAttributeValues"][":pk"]["S"])
        ),
        "SendMessageBatch" => {
            let count = call.body["Entries"].as_array().map_or(0, Vec::len);
            format!("SendMessageBatch {} of {count}", text(&call.body["QueueUrl"]))
        }
        other => other.to_owned(),
    }
}
