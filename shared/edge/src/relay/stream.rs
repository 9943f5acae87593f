//! Records of the events table's stream, as Lambda passes them on.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::keep::item::{Item, bytes, is_event};

/// One invocation's records.
#[derive(Debug, Default, Deserialize)]
pub struct StreamBatch {
    /// In the shard's order.
    #[serde(rename = "Records", default)]
    pub records: Vec<Record>,
}

/// One change of the table.
#[derive(Debug, Default, Deserialize)]
pub struct Record {
    #[serde(rename = "eventName", default)]
    event_name: String,
    #[serde(default)]
    dynamodb: StreamChange,
}

#[derive(Debug, Default, Deserialize)]
struct StreamChange {
    #[serde(rename = "NewImage", default)]
    new_image: HashMap<String, Value>,
}

impl Record {
    /// Returns the item, if this is an event's insertion. The mapping's filter passes nothing else; a mapping without
    /// the filter must not do harm.
    pub fn inserted_event(self) -> Option<Item> {
        let item: Item =
            self.dynamodb.new_image.into_iter().filter_map(|(name, value)| Some((name, attribute(&value)?))).collect();
        (self.event_name == "INSERT" && is_event(&item)).then_some(item)
    }
}

/// Reads an attribute of the stream's JSON. Types that no item here has are left out.
fn attribute(value: &Value) -> Option<AttributeValue> {
    let (kind, value) = value.as_object()?.iter().next()?;
    match kind.as_str() {
        "S" => value.as_str().map(crate::keep::item::text),
        "N" => value.as_str().map(|number| AttributeValue::N(number.to_owned())),
        "B" => STANDARD.decode(value.as_str()?).ok().map(bytes),
        "L" => Some(AttributeValue::L(value.as_array()?.iter().filter_map(attribute).collect())),
        "M" => {
            let members = value.as_object()?.iter();
            Some(AttributeValue::M(
                members.filter_map(|(name, value)| Some((name.clone(), attribute(value)?))).collect(),
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: Value) -> Option<Item> {
        serde_json::from_value::<StreamBatch>(serde_json::json!({"Records": [json]}))
            .unwrap()
            .records
            .remove(0)
            .inserted_event()
    }

    #[test]
    fn only_inserted_events_pass() {
        let image = |kind: &str| serde_json::json!({"kind": {"S": kind}, "body": {"B": "YWI="}, "n": {"N": "1"}});
        let record =
            |name: &str, kind: &str| serde_json::json!({"eventName": name, "dynamodb": {"NewImage": image(kind)}});
        let item = event(record("INSERT", "event")).unwrap();
        assert_eq!(item.get("body").unwrap().as_b().unwrap().as_ref(), b"ab");
        for (name, kind) in [("MODIFY", "event"), ("REMOVE", "event"), ("INSERT", "refused"), ("INSERT", "chunk")] {
            assert_eq!(event(record(name, kind)), None, "{name} {kind}");
        }
        assert_eq!(event(serde_json::json!({})), None);
    }
}
