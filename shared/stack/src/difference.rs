//! Compares two readings of one event, field by field.

use std::collections::BTreeMap;

use serde_json::Value;
use webhook::event::Event;
use webhook::personal::is_shown;

use crate::provenance::flatten;

/// One field of two readings: its path with `[]` for places in lists, and its first values that differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// The path.
    pub field: String,
    /// The older value; `None` if there is none.
    pub old: Option<Value>,
    /// The newer value.
    pub new: Option<Value>,
}

/// A reading's own name: equal ones are equal to the last field.
pub fn fingerprint(event: &Event) -> String {
    fingerprint_of(&serde_json::to_value(event).unwrap_or_default())
}

/// The same of an event that another build read.
pub fn fingerprint_of(event: &Value) -> String {
    let lines: Vec<String> = fields(event).iter().map(|(path, value)| format!("{path}={value}\n")).collect();
    // The same function as message groups have: a SHA-256 in hex.
    edge::aws::queue::group_of(&lines.concat())
}

/// The fields in which two readings differ, apart from which mapping made them.
pub fn changes(old: &Value, new: &Value) -> Vec<FieldChange> {
    let (old, new) = (compared(old), compared(new));
    let mut changes: BTreeMap<String, FieldChange> = BTreeMap::new();
    let paths = old.keys().chain(new.keys().filter(|path| !old.contains_key(*path)));
    for path in paths.filter(|path| old.get(*path) != new.get(*path)) {
        let field = collapsed(path);
        let change = FieldChange { field: field.clone(), old: old.get(path).cloned(), new: new.get(path).cloned() };
        changes.entry(field).or_insert(change);
    }
    changes.into_values().collect()
}

/// Returns the part of a value that may be printed: all of it, or that it is there.
pub fn shown(kind: &str, field: &str, value: Option<&Value>, all: bool) -> String {
    match value {
        None => "–".to_owned(),
        Some(Value::Null) => "null".to_owned(),
        Some(value) if all || is_shown(kind, field) => match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        },
        Some(_) => "(a value)".to_owned(),
    }
}

/// An event's kind of data.
pub fn kind(event: &Value) -> &str {
    event.get("data").and_then(|data| data.get("kind")).and_then(Value::as_str).unwrap_or_default()
}

fn fields(event: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    flatten(event.clone(), String::new(), &mut found);
    found
}

/// Returns the fields without the mapping's version, which is also part of the sequence.
fn compared(event: &Value) -> BTreeMap<String, Value> {
    let mut found = fields(event);
    found.remove("mappingversion");
    if let Some(sequence) = found.get_mut("sequence") {
        let text = sequence.as_str().unwrap_or_default();
        let parts: Vec<&str> = text.split('.').enumerate().filter(|(at, _)| *at != 4).map(|(_, part)| part).collect();
        *sequence = Value::String(parts.join("."));
    }
    found
}

fn collapsed(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut inside = false;
    for character in path.chars() {
        inside = inside && character != ']';
        if !inside {
            text.push(character);
        }
        inside = inside || character == '[';
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_listed_by_field() {
        let old = json!({"type": "a", "mappingversion": 1, "sequence": "3.1.0.0.00001.ff",
            "data": {"kind": "order", "lines": [{"q": 1}, {"q": 2}], "gone": 1}});
        let new = json!({"type": "a", "mappingversion": 2, "sequence": "3.1.0.0.00002.ff",
            "data": {"kind": "order", "lines": [{"q": 3}, {"q": 4}], "come": null}});
        let found: Vec<_> = changes(&old, &new).into_iter().map(|c| (c.field, c.old, c.new)).collect();
        let field = |name: &str, old: Option<Value>, new: Option<Value>| (name.to_owned(), old, new);
        assert_eq!(
            found,
            [
                field("data.come", None, Some(Value::Null)),
                field("data.gone", Some(json!(1)), None),
                field("data.lines[].q", Some(json!(1)), Some(json!(3))),
            ]
        );
        assert!(changes(&old, &old).is_empty());
        assert_ne!(fingerprint_of(&old), fingerprint_of(&new));
        let later = json!({"sequence": "3.2.0.0.00001.ff"});
        assert_eq!(changes(&json!({"sequence": "3.1.0.0.00001.ff"}), &later).len(), 1);
    }

    #[test]
    fn personal_values_are_listed_as_present_or_absent() {
        let name = json!("Ann");
        for (field, value, all, text) in [
            ("data.totals.total.amount", Some(&name), false, "Ann"),
            ("data.customer.name", Some(&name), false, "(a value)"),
            ("data.customer.name", Some(&name), true, "Ann"),
            ("data.customer.name", None, false, "–"),
            ("data.customer.name", Some(&Value::Null), false, "null"),
        ] {
            assert_eq!(shown("order", field, value, all), text);
        }
    }
}
