//! Compares messages and views with those of the oracle, which shares no code with what made them.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge::keep::compression::decompress;
use serde_json::Value;

use crate::assumptions::{TABLE_EVENTS, TABLE_ORDERS};
use crate::cloud::Cloud;
use crate::oracle::{Fact, Reading, fold, is_same, read, refunded};
use crate::process::{ORDERS_QUEUE, WORK_QUEUE};
use crate::rows::{events, hash, id_of};
use crate::table::{ms_of, string};
use crate::violation::Violation;
use crate::workload::Workload;

/// Reads every kept body a second time. Returns the readings by event id, and by partition.
struct Expected {
    by_id: BTreeMap<String, Reading>,
    by_order: BTreeMap<String, Vec<String>>,
    /// Events whose bodies are erased: a message that still waited has only the rest.
    erased: BTreeSet<String>,
}

/// Compares all messages and all views.
pub fn compare(cloud: &Cloud, workload: &Workload) -> Vec<Violation> {
    let expected = Expected::of(cloud, workload);
    let mut violations = expected.messages(cloud);
    violations.extend(expected.views(cloud));
    violations
}

impl Expected {
    fn of(cloud: &Cloud, workload: &Workload) -> Self {
        let sent: BTreeMap<_, _> = workload.sendings.iter().map(|sending| (sending.hash, sending)).collect();
        let mut expected = Expected { by_id: BTreeMap::new(), by_order: BTreeMap::new(), erased: BTreeSet::new() };
        for item in events(&cloud.insertions) {
            let Some(sending) = hash(item).and_then(|hash| sent.get(&hash)) else { continue };
            let received_ms = ms_of(string(item, "received_at"));
            let signed_at = Some(string(item, "signed_at")).filter(|time| !time.is_empty());
            let name = sending.provider.name;
            let Some(reading) = read(name, &sending.source, &sending.body, signed_at, received_ms) else { continue };
            let id = format!("{}/{}", string(item, "pk"), string(item, "sk"));
            let now = cloud.tables.item(TABLE_EVENTS, string(item, "pk"), string(item, "sk"));
            if now.is_some_and(|item| item.contains_key("erased_at")) {
                expected.erased.insert(id.clone());
            }
            expected.by_order.entry(reading.subject.clone()).or_default().push(id.clone());
            expected.by_id.insert(id, reading);
        }
        expected
    }

    /// Each message says what its body says, and the messages of one order are one group of their own.
    fn messages(&self, cloud: &Cloud) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut found = |invariant, found: &str| violations.push(Violation::new(invariant, found.to_owned()));
        for url in [ORDERS_QUEUE, WORK_QUEUE] {
            let mut group_of: BTreeMap<&str, &str> = BTreeMap::new();
            let mut order_of: BTreeMap<&str, &str> = BTreeMap::new();
            for (group, body) in &cloud.queues[url].arrived {
                let Some(reading) = self.by_id.get(id_of(body)) else { continue };
                let is_one = *group_of.entry(&reading.subject).or_insert(group) == group;
                if !is_one || *order_of.entry(group).or_insert(&reading.subject) != reading.subject {
                    found("a group is one order, read a second time", id_of(body));
                }
                let message: Value = serde_json::from_str(body).unwrap();
                let is_word = message["providerevent"].as_str() == Some(reading.word.as_str());
                let is_said = |(path, fact): (&String, &Fact)| {
                    message["data"].is_null() || is_in_message(&message["data"], path, fact)
                };
                if self.erased.contains(id_of(body)) {
                    continue;
                }
                if !is_word || !reading.facts.iter().all(is_said) {
                    found("a message says what its body says, read a second time", id_of(body));
                }
            }
        }
        violations
    }

    /// Each view ends where its bodies say.
    fn views(&self, cloud: &Cloud) -> Vec<Violation> {
        let mut violations = Vec::new();
        for ids in self.by_order.values() {
            let readings: Vec<&Reading> = ids.iter().map(|id| &self.by_id[id]).collect();
            // Every event without its order's id is in one partition, which belongs to nobody.
            let named: Vec<&Reading> = readings.iter().copied().filter(|reading| !reading.is_nameless).collect();
            let ends = fold(&named);
            let pk = ids[0].splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
            let item = cloud.tables.item(TABLE_ORDERS, &pk, "");
            let view = item.map(|item| {
                let compressed = STANDARD.decode(item["view"]["B"].as_str().unwrap()).unwrap();
                serde_json::from_slice::<Value>(&decompress(&compressed).unwrap()).unwrap()
            });
            if named.is_empty() && item.is_some() {
                violations.push(Violation::new("what names no order has no view", pk.clone()));
            }
            for (path, facts) in &ends {
                let value = view.as_ref().map(|view| &view["registers"][*path][1]);
                if !value.is_some_and(|value| facts.iter().any(|fact| is_same(fact, value))) {
                    let found = format!("{pk} {path}: {value:?}, not {facts:?}");
                    violations.push(Violation::new("a view is the fold of its bodies, read a second time", found));
                }
            }
            let sum = item.map(|item| string(item, "refunded")).and_then(|text| text.parse::<f64>().ok());
            let is_vague = readings.iter().any(|reading| reading.vague_refund);
            let expected = refunded(&ends).filter(|_| !is_vague);
            if expected.is_some() && sum != expected {
                let found = format!("{pk}: {sum:?}, not {expected:?}");
                violations.push(Violation::new("refunds are added once each, added a second time", found));
            }
        }
        violations
    }
}

/// Finds a fact of a view's path in a message: `order/…` in its data; `payments/<id>/…` in one of its payments, or in
/// its data where that is a payment. A value that is split in the view, or has another name there, is not looked for.
fn is_in_message(data: &Value, path: &str, fact: &Fact) -> bool {
    let parts: Vec<&str> = path.trim_end_matches("/amount/amount").split('/').collect();
    let is_split = path.ends_with("/amount/amount");
    match (parts.as_slice(), data["kind"].as_str()) {
        (["order", "totals", name], Some("order")) => is_same(fact, &data["totals"][*name]),
        (["order", name], Some("order")) => is_same(fact, &data[*name]),
        (["payments", _], _) if is_split => payments(data).any(|payment| is_same(fact, &payment["amount"])),
        (["payments", _, name], _) => payments(data).any(|payment| is_same(fact, &payment[*name])),
        (["payments", _, "refunds", _, name], _) => payments(data).any(|payment| {
            payment["refunds"].as_array().into_iter().flatten().any(|refund| is_same(fact, &refund[*name]))
        }),
        _ => false,
    }
}

fn payments(data: &Value) -> impl Iterator<Item = &Value> {
    let own = (data["kind"] == "payment").then_some(data);
    own.into_iter().chain(data["payments"].as_array().into_iter().flatten())
}
