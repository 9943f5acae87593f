//! The tables, as far as the functions use them: conditional puts, consistent reads, and the stream of what was put.
//!
//! `tests/suite/dynamo.rs` plays every call of a run to an embedded DynamoDB and compares the answers.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::assumptions::{ITEM_BYTES_MAX, TABLE_EVENTS};

/// An item in DynamoDB's JSON.
pub type JsonItem = Map<String, Value>;

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

/// A put that changed the events table, in the order of the table.
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
        let key = key(table, item);
        let old = self.items.get(&key);
        if !holds(call, old) {
            let name = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
            let mut body = json!({"__type": name, "message": "The conditional request failed"});
            if let (Some(old), "ALL_OLD") = (old, text(&call["ReturnValuesOnConditionCheckFailure"])) {
                body["Item"] = Value::Object(old.clone());
            }
            return (TableAnswer { status: 400, body }, None);
        }
        if bytes(item) > ITEM_BYTES_MAX {
            return (TableAnswer::error(400, "com.amazon.coral.validate#ValidationException"), None);
        }
        let inserted = old.is_none();
        let unchanged = old == Some(item);
        self.items.insert(key, item.clone());
        let change = (table == TABLE_EVENTS && !unchanged).then(|| TableChange { inserted, item: item.clone() });
        (TableAnswer::ok(json!({})), change)
    }

    /// Reads an item.
    pub fn get(&self, call: &Value) -> TableAnswer {
        let key = key(text(&call["TableName"]), call["Key"].as_object().unwrap());
        let found = self.items.get(&key);
        TableAnswer::ok(found.map_or_else(|| json!({}), |item| json!({"Item": item})))
    }

    /// Reads a partition: an answer of this size needs no second page here.
    pub fn query(&self, call: &Value) -> TableAnswer {
        assert_eq!(call["KeyConditionExpression"], "pk = :pk", "a query that the simulated table does not know");
        let (table, pk) = (text(&call["TableName"]), text(&call["ExpressionAttributeValues"][":pk"]["S"]));
        let items: Vec<&JsonItem> = self.items(table).filter(|item| string(item, "pk") == pk).collect();
        TableAnswer::ok(json!({"Items": items, "Count": items.len(), "ScannedCount": items.len()}))
    }

    /// Returns the items of a table in key order.
    pub fn items<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a JsonItem> {
        self.items.iter().filter(move |((name, ..), _)| name == table).map(|(_, item)| item)
    }
}

/// Evaluates a put's condition: one of those that the functions use, or several of them joined by OR.
fn holds(call: &Value, old: Option<&JsonItem>) -> bool {
    let value = |name: &str| &call["ExpressionAttributeValues"][name];
    let attribute = |name: &str| old.and_then(|old| old.get(name));
    let number = |value: &Value| value["N"].as_str().and_then(|text| text.parse::<i64>().ok());
    let one = |condition: &str| match condition {
        "attribute_not_exists(pk)" => old.is_none(),
        "expires < :now" => {
            let expires = attribute("expires").and_then(number);
            expires.zip(number(value(":now"))).is_some_and(|(expires, now)| expires < now)
        }
        // A missing attribute differs from every value.
        "#hash <> :hash" => attribute("hash") != Some(value(":hash")),
        "etag = :etag" => attribute("etag") == Some(value(":etag")),
        other => panic!("a condition that the simulated table does not know: {other}"),
    };
    call["ConditionExpression"].as_str().is_none_or(|condition| condition.split(" OR ").any(one))
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
