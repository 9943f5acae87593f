//! The tables, as far as the functions use them: conditional writes, consistent reads, the time index, and the stream
//! of what was written.
//!
//! `tests/suite/dynamo.rs` plays every call of a run to an embedded DynamoDB and compares the answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::assumptions::{ITEM_BYTES_MAX, TABLE_EVENTS};
pub use crate::expression::JsonItem;
use crate::expression::{holds, update};

/// A service's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct TableAnswer {
    /// HTTP status.
    pub status: u16,
    /// JSON body.
    pub body: Value,
}

impl TableAnswer {
    /// Makes a success.
    pub fn ok(body: Value) -> Self {
        TableAnswer { status: 200, body }
    }

    /// Makes an error of the service's JSON protocol.
    pub fn error(status: u16, name: &str) -> Self {
        TableAnswer { status, body: json!({"__type": name, "message": "simulated"}) }
    }
}

/// A write that changed the events table, in the order of the table.
#[derive(Debug, Clone)]
pub struct TableChange {
    /// True if there was no such item before.
    pub inserted: bool,
    /// The new item.
    pub item: JsonItem,
}

/// Both tables.
#[derive(Debug, Default)]
pub struct Tables {
    items: BTreeMap<(String, String, String), JsonItem>,
}

impl Tables {
    /// Puts an item under its condition. Returns the answer and the change that the stream gets.
    pub fn put(&mut self, call: &Value) -> (TableAnswer, Option<TableChange>) {
        let item = call["Item"].as_object().unwrap();
        let table = call["TableName"].as_str().unwrap();
        self.write(call, key(table, item), item.clone())
    }

    /// Updates an item under its condition. Returns the answer and the change that the stream gets.
    pub fn update(&mut self, call: &Value) -> (TableAnswer, Option<TableChange>) {
        let (table, keys) = (text(&call["TableName"]), call["Key"].as_object().unwrap());
        let key = key(table, keys);
        let mut item = self.items.get(&key).unwrap_or(keys).clone();
        update(call, &mut item);
        self.write(call, key, item)
    }

    fn write(
        &mut self,
        call: &Value,
        key: (String, String, String),
        item: JsonItem,
    ) -> (TableAnswer, Option<TableChange>) {
        let old = self.items.get(&key);
        if !holds(call, &call["ConditionExpression"], old) {
            return (condition_failed(call, old), None);
        }
        if bytes(&item) > ITEM_BYTES_MAX {
            return (TableAnswer::error(400, "com.amazon.coral.validate#ValidationException"), None);
        }
        let inserted = old.is_none();
        let unchanged = old == Some(&item);
        let change = (key.0 == TABLE_EVENTS && !unchanged).then(|| TableChange { inserted, item: item.clone() });
        self.items.insert(key, item);
        (TableAnswer::ok(json!({})), change)
    }

    /// Deletes an item under its condition.
    pub fn delete(&mut self, call: &Value) -> TableAnswer {
        let key = key(text(&call["TableName"]), call["Key"].as_object().unwrap());
        let old = self.items.get(&key);
        if !holds(call, &call["ConditionExpression"], old) {
            return condition_failed(call, old);
        }
        self.items.remove(&key);
        TableAnswer::ok(json!({}))
    }

    /// Reads an item.
    pub fn get(&self, call: &Value) -> TableAnswer {
        let key = key(text(&call["TableName"]), call["Key"].as_object().unwrap());
        let found = self.items.get(&key);
        TableAnswer::ok(found.map_or_else(|| json!({}), |item| json!({"Item": item})))
    }

    /// Reads a partition of a table or of its index: an answer needs a second page only where a limit is given.
    pub fn query(&self, call: &Value) -> TableAnswer {
        let (table, index) = (text(&call["TableName"]), call["IndexName"].as_str());
        let condition = &call["KeyConditionExpression"];
        let mut found: Vec<(Vec<&str>, &JsonItem)> = Vec::new();
        let order: &[&str] = if index.is_some() { &["received_at", "pk", "sk"] } else { &["sk"] };
        let values = call["ExpressionAttributeValues"].as_object().unwrap();
        let is_value = |value: Option<&Value>| value.is_some_and(|value| values.values().any(|known| known == value));
        let pk = values.get(":pk").and_then(|pk| pk["S"].as_str()).filter(|_| index.is_none());
        // The partition's name is looked for first: most items are not of it.
        let of_partition = |item: &&JsonItem| index.is_none() || is_value(item.get("bucket"));
        for item in self.partition(table, pk).filter(of_partition).filter(|item| holds(call, condition, Some(item))) {
            found.push((order.iter().map(|name| string(item, name)).collect(), item));
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        if call["ScanIndexForward"] == false {
            found.reverse();
        }
        if let Some(start) = call["ExclusiveStartKey"].as_object() {
            let start: Vec<&str> = order.iter().map(|name| string(start, name)).collect();
            let is_forward = call["ScanIndexForward"] != false;
            found.retain(|(place, _)| if is_forward { *place > start } else { *place < start });
        }
        let limit = call["Limit"].as_u64().map_or(usize::MAX, |limit| usize::try_from(limit).unwrap());
        // At the limit there may be more, even if there is not.
        let is_more = found.len() >= limit;
        found.truncate(limit);
        let names = ["pk", "sk", "bucket", "received_at"];
        let keys = |item: &JsonItem| -> JsonItem {
            let known = |name: &&str| item.get(*name).map(|value| ((*name).to_owned(), value.clone()));
            names
                .iter()
                .filter(|name| index.is_some() || !["bucket", "received_at"].contains(name))
                .filter_map(known)
                .collect()
        };
        let items: Vec<JsonItem> =
            found.iter().map(|(_, item)| if index.is_some() { keys(item) } else { (*item).clone() }).collect();
        let mut body = json!({"Items": items, "Count": items.len(), "ScannedCount": items.len()});
        if let Some((_, last)) = found.last().filter(|_| is_more) {
            body["LastEvaluatedKey"] = Value::Object(keys(last));
        }
        TableAnswer::ok(body)
    }

    /// Returns the items of a table in key order.
    pub fn items<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a JsonItem> {
        self.partition(table, None)
    }

    /// Returns one item.
    pub fn item(&self, table: &str, pk: &str, sk: &str) -> Option<&JsonItem> {
        self.items.get(&(table.to_owned(), pk.to_owned(), sk.to_owned()))
    }

    fn partition<'a>(&'a self, table: &'a str, pk: Option<&'a str>) -> impl Iterator<Item = &'a JsonItem> {
        let first = (table.to_owned(), pk.unwrap_or_default().to_owned(), String::new());
        let is_of = move |key: &(String, String, String)| key.0 == table && pk.is_none_or(|pk| key.1 == pk);
        self.items.range(first..).take_while(move |(key, _)| is_of(key)).map(|(_, item)| item)
    }
}

fn condition_failed(call: &Value, old: Option<&JsonItem>) -> TableAnswer {
    let name = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
    let mut body = json!({"__type": name, "message": "The conditional request failed"});
    if let (Some(old), "ALL_OLD") = (old, text(&call["ReturnValuesOnConditionCheckFailure"])) {
        body["Item"] = Value::Object(old.clone());
    }
    TableAnswer { status: 400, body }
}

/// Returns an item's size: names and values, binary ones as bytes. Counts numbers as their digits, which is more.
fn bytes(item: &JsonItem) -> usize {
    let of_value = |value: &Value| match value.as_object().and_then(|typed| typed.iter().next()) {
        Some((name, Value::String(text))) if name == "B" => text.len() / 4 * 3,
        Some((_, Value::String(text))) => text.len(),
        Some((_, other)) => other.to_string().len(),
        None => 0,
    };
    item.iter().map(|(name, value)| name.len() + of_value(value)).sum()
}

fn key(table: &str, item: &JsonItem) -> (String, String, String) {
    let part = |name: &str| item.get(name).map_or("", |value| text(&value["S"])).to_owned();
    (table.to_owned(), part("pk"), part("sk"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Returns a string attribute of an item.
pub fn string<'a>(item: &'a JsonItem, name: &str) -> &'a str {
    item.get(name).map_or("", |value| text(&value["S"]))
}

/// Parses a time as rows have it into milliseconds since 1970; 0 if there is none.
pub fn ms_of(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond)
}
