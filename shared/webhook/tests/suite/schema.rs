//! The contract of the canonical event: a JSON Schema made from the types, checked in, only ever added to.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The schema of WorkQueue's messages, and in its definitions that of FactsQueue's.
fn current() -> Value {
    let mut schema = schemars::schema_for!(webhook::event::Event).to_value();
    schema["$id"] = json!(webhook::event::DATA_SCHEMA);
    let mut fact = schemars::schema_for!(webhook::facts::message::FactMessage).to_value();
    let members = fact.as_object_mut().unwrap();
    members.remove("$schema");
    let definitions = members.remove("$defs").unwrap();
    let all = schema["$defs"].as_object_mut().unwrap();
    for (name, definition) in definitions.as_object().unwrap() {
        let known = all.entry(name).or_insert_with(|| definition.clone());
        assert_eq!(known, definition, "{name} is a name of two definitions");
    }
    all.insert("FactMessage".to_owned(), fact);
    for (name, definition) in all {
        definition["title"] = json!(title(name, definition));
        open_words(definition);
    }
    schema
}

/// Returns the name that a generated type is to have.
fn title(name: &str, definition: &Value) -> String {
    let of_state = definition["properties"]["state"]["$ref"].as_str().and_then(|state| state.strip_prefix("#/$defs/"));
    match of_state.and_then(|state| state.strip_suffix("State")) {
        Some(axis) if name.starts_with("Status") => format!("{axis}Status"),
        _ => name.to_owned(),
    }
}

/// Lets a list of words have one more: a consumer must not reject the next version's.
fn open_words(definition: &mut Value) {
    // Indexing would add a `null` where there is nothing.
    let Some(alternatives) = definition.get_mut("oneOf").and_then(Value::as_array_mut) else { return };
    let words: Vec<&Value> = alternatives.iter().filter_map(|each| each.get("const")).collect();
    let kinds: Vec<&Value> = alternatives.iter().filter_map(|each| each["properties"]["kind"].get("const")).collect();
    let later = "Of a later version.";
    let open = if words.len() == alternatives.len() {
        json!({"description": later, "type": "string", "not": {"enum": words}})
    } else if kinds.len() == alternatives.len() {
        let kind = json!({"type": "string", "not": {"enum": kinds}});
        json!({"description": later, "type": "object", "properties": {"kind": kind}, "required": ["kind"]})
    } else {
        panic!("words and others: {alternatives:#?}")
    };
    alternatives.push(open);
}

#[test]
fn every_definition_has_a_title_of_its_own() {
    let schema = current();
    let titles: Vec<&str> =
        schema["$defs"].as_object().unwrap().values().map(|definition| definition["title"].as_str().unwrap()).collect();
    let distinct: std::collections::BTreeSet<_> = titles.iter().collect();
    assert_eq!(distinct.len(), titles.len(), "{titles:?}");
    assert!(titles.contains(&"OrderStatus") && titles.contains(&"FactMessage"), "{titles:?}");
}

#[test]
fn a_list_of_words_takes_later_ones() {
    let schema = current();
    for name in ["EventType", "OrderState", "PaymentState", "ReturnState", "FactName", "FactType", "Data"] {
        let last = schema["$defs"][name]["oneOf"].as_array().unwrap().last().unwrap().clone();
        let words = last.pointer("/not/enum").or(last.pointer("/properties/kind/not/enum"));
        assert!(words.is_some_and(|words| words.as_array().is_some_and(|words| words.len() > 4)), "{name}: {last}");
    }
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
