//! The contract of the canonical event: a JSON Schema made from the types, checked in, only ever added to.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn current() -> Value {
    let mut schema = schemars::schema_for!(webhook::event::Event).to_value();
    schema["$id"] = json!(webhook::event::DATA_SCHEMA);
    schema
}

#[test]
fn the_schema_is_the_types() {
    let path = file("event.schema.json");
    if crate::cases::updating() {
        fs::write(&path, serde_json::to_string_pretty(&sorted(current())).unwrap() + "\n").unwrap();
    }
    let written: Value = serde_json::from_str(&fs::read_to_string(path).unwrap_or_default()).unwrap_or_default();
    // The order of members is the build's: another package's features may keep the types' order.
    let (written, current) = (sorted(written), sorted(current()));
    let difference = crate::cases::first_difference(&format!("{written:#}"), &format!("{current:#}"));
    assert!(
        difference.is_none(),
        "the schema differs in {}; UPDATE_READINGS=1 rewrites it",
        difference.unwrap_or_default()
    );
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: std::collections::BTreeMap<_, _> =
                members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.into_iter().collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// Whatever the last release promised still holds: `released.schema.json` is replaced by a release and nothing else.
#[test]
fn the_schema_only_grows() {
    let released: Value =
        serde_json::from_str(&fs::read_to_string(file("tests/released.schema.json")).unwrap()).unwrap();
    assert_eq!(taken_away(&released, &current(), ""), Vec::<String>::new());
}

#[test]
fn taking_away_is_noticed() {
    let released = current();
    for (path, change) in [
        ("/properties/id", Value::Null),
        ("/$defs/PaymentState/oneOf/2", Value::Null),
        ("/$defs/Order/properties/lines", Value::Null),
        ("/$defs/Amount/type", json!("number")),
    ] {
        let mut broken = released.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        match broken.pointer_mut(parent).unwrap() {
            Value::Object(members) if change.is_null() => drop(members.remove(name).unwrap()),
            Value::Object(members) => drop(members.insert(name.to_owned(), change)),
            Value::Array(items) => drop(items.remove(name.parse().unwrap())),
            _ => panic!("{path}"),
        }
        assert!(!taken_away(&released, &broken, "").is_empty(), "{path}");
    }
    let mut broken = released.clone();
    broken["required"].as_array_mut().unwrap().push(json!("time"));
    assert!(!taken_away(&released, &broken, "").is_empty());
}

/// The places where something released is gone, changed, or newly required. Words may change.
fn taken_away(released: &Value, current: &Value, path: &str) -> Vec<String> {
    let here = || vec![path.to_owned()];
    match (released, current) {
        (Value::Object(old), Value::Object(new)) => old
            .iter()
            .filter(|(name, value)| !(*name == "description" && value.is_string()) && *name != "title")
            .flat_map(|(name, value)| {
                let path = format!("{path}/{name}");
                new.get(name).map_or_else(|| vec![path.clone()], |new| taken_away(value, new, &path))
            })
            .collect(),
        // What was promised to be there stays, and nothing that was optional turns into a promise by accident.
        (Value::Array(old), Value::Array(new)) if path.ends_with("/required") => {
            if new.iter().all(|name| old.contains(name)) && old.iter().all(|name| new.contains(name)) {
                vec![]
            } else {
                here()
            }
        }
        // Alternatives and words may be added anywhere.
        (Value::Array(old), Value::Array(new)) => {
            let kept = |item: &Value| new.iter().any(|new| taken_away(item, new, path).is_empty());
            if old.iter().all(kept) { vec![] } else { here() }
        }
        (old, new) => {
            if old == new {
                vec![]
            } else {
                here()
            }
        }
    }
}
