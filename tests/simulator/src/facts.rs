//! The facts that were sent, against what the stored views say and what was announced of them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge::keep::compression::decompress;
use serde_json::Value;
use webhook::facts::announced::{Announced, from_json};
use webhook::facts::message::FactMessage;
use webhook::facts::{FactName, Facts};
use webhook::view::View;

use crate::assumptions::TABLE_ORDERS;
use crate::queue::FifoQueue;
use crate::rows::id_of;
use crate::table::{JsonItem, Tables, string};
use crate::violation::Violation;

/// The queue of facts.
pub const FACTS_QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/000000000000/facts.fifo";

/// Every change of a fact that was sent: its value, by order and fact, then by number.
#[derive(Debug, Default)]
pub struct SentFacts(BTreeMap<(String, String), BTreeMap<u64, Value>>);

impl SentFacts {
    /// Notes a message, and returns what is wrong with it at this moment.
    pub fn sent(&mut self, tables: &Tables, body: &str) -> Option<Violation> {
        let message: FactMessage = serde_json::from_str(body).unwrap();
        let fact = message.message_type.strip_prefix("fact.").and_then(FactName::from_name).unwrap();
        let value = message.value.map_or(Value::Bool(message.holds), Value::String);
        let known = self.0.entry((message.order.clone(), fact.name().to_owned())).or_default();
        if *known.entry(message.number).or_insert_with(|| value.clone()) != value {
            return Some(Violation::new("one change has one id", message.id));
        }
        let announced = kept(tables, &message.order).and_then(|(_, announced)| announced);
        let latest = announced.as_ref().and_then(|announced| announced.of(fact));
        let is_announced = latest.is_some_and(|latest| {
            latest.number > message.number || (latest.number == message.number && Value::from(latest.value) == value)
        });
        (!is_announced).then(|| Violation::new("nothing is sent that was not announced", message.id))
    }

    /// Returns what is wrong at the moment in which a message of an order is acknowledged.
    pub fn acknowledged(&self, tables: &Tables, body: &str, is_rebuilding: bool) -> Vec<Violation> {
        let event = id_of(body);
        let order = event.split('/').take(3).collect::<Vec<_>>().join("/");
        let Some((view, announced)) = kept(tables, &order) else { return Vec::new() };
        let announced = announced.unwrap_or_default();
        let mut found = Vec::new();
        // A rebuild writes the view first, and has the function look at it then.
        if !is_rebuilding && announced.facts() != Facts::of(&view) {
            found.push(Violation::new("what is announced is what the stored view says", order.clone()));
        }
        for change in announced.changes().filter(|change| change.announcement.is_caused_by(event)) {
            if !self.has(&order, change.fact, change.announcement.number) {
                found.push(Violation::new("announced before the acknowledgement", change.id(&order)));
            }
        }
        found
    }

    /// Returns what is wrong when everything has settled. A change that an event announced which became a dead letter,
    /// and that a later event took back, has no message.
    pub fn check(&self, tables: &Tables, orders: &FifoQueue) -> Vec<Violation> {
        let mut found = Vec::new();
        for item in tables.items(TABLE_ORDERS) {
            let order = string(item, "pk");
            let (view, announced) = read(item);
            let announced = announced.unwrap_or_default();
            if announced.facts() != Facts::of(&view) {
                found.push(Violation::new("what is announced is what the stored view says", order.to_owned()));
            }
            let group = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(order.as_bytes()));
            let had_dead_letters = orders.stopped.contains(&group);
            for change in announced.changes() {
                let latest = change.announcement.number;
                let first = if had_dead_letters { latest } else { 1 };
                let missing = (first..=latest).find(|number| !self.has(order, change.fact, *number));
                found.extend(missing.map(|_| Violation::new("each change is sent", change.id(order))));
            }
        }
        for ((order, fact), values) in &self.0 {
            let consecutive = || values.iter().zip(values.iter().skip(1));
            let repeats = consecutive().any(|((number, value), (next, other))| number + 1 == *next && value == other);
            if repeats || values.get(&1) == Some(&Value::Bool(false)) {
                found.push(Violation::new("values of a fact alternate", format!("{order} {fact} {values:?}")));
            }
        }
        found
    }

    fn has(&self, order: &str, fact: FactName, number: u64) -> bool {
        let values = self.0.get(&(order.to_owned(), fact.name().to_owned()));
        values.is_some_and(|values| values.contains_key(&number))
    }
}

fn kept(tables: &Tables, order: &str) -> Option<(View, Option<Announced>)> {
    tables.item(TABLE_ORDERS, order, "").map(read)
}

fn read(item: &JsonItem) -> (View, Option<Announced>) {
    let compressed = STANDARD.decode(item["view"]["B"].as_str().unwrap()).unwrap();
    from_json(&decompress(&compressed).unwrap()).unwrap()
}
