//! Finds the part of a body that each canonical field comes from: it takes out one value of the body after the other
//! and reads again. It asks the mapping itself, so it holds for whatever this build's mapping does.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use webhook::json::{self, Kind};
use webhook::providers::Provider;
use webhook::row::Row;

/// Bodies of more values than this are not taken apart: each is a reading of the whole body.
pub const VALUES_MAX: usize = 2_000;

/// One canonical field and what it depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The field's path in the event.
    pub field: String,
    /// Paths in the body, or `header <name>`, without which the field would be another; empty where it is of the row
    /// or fixed.
    pub from: Vec<String>,
}

/// Attributes that are of the row, whatever the body says.
const OF_THE_ROW: &[&str] =
    &["specversion", "id", "source", "subject", "datacontenttype", "dataschema", "mappingversion", "receivedtime"];

/// The origin of every field of a row's event; empty if the body cannot be taken apart.
pub fn origins(row: &Row) -> Vec<Origin> {
    let Some(provider) = Provider::of(&row.key) else { return Vec::new() };
    let Ok(document) = json::parse(&row.body) else { return Vec::new() };
    let mut places = Vec::new();
    leaves(&document.root, "", &mut places);
    if places.len() > VALUES_MAX {
        return Vec::new();
    }
    let whole = fields(provider, row);
    let mut influences: Vec<(String, BTreeSet<String>)> = Vec::new();
    for (path, span, is_null) in places {
        let stand_in: &[u8] = if is_null { b"\"~\"" } else { b"null" };
        let (before, after) = (row.body.get(..span.start), row.body.get(span.end..));
        let body = [before.unwrap_or_default(), stand_in, after.unwrap_or_default()].concat();
        influences.push((path, changed(&whole, &fields(provider, &Row { body, ..row.clone() }))));
    }
    for name in row.headers.keys() {
        let mut without = row.clone();
        without.headers.remove(name);
        influences.push((format!("header {name}"), changed(&whole, &fields(provider, &without))));
    }
    let origin = |field: &String| {
        // A value that decides the kind of event decides everything: it is named only if nothing nearer is found.
        let decides = |changed: &BTreeSet<String>| changed.contains("type") || changed.contains("data.kind");
        let of = |deciding: bool| {
            let fitting =
                influences.iter().filter(|(_, changed)| changed.contains(field) && decides(changed) == deciding);
            fitting.map(|(path, _)| path.clone()).collect::<Vec<_>>()
        };
        let near = of(false);
        Origin { field: field.clone(), from: if near.is_empty() { of(true) } else { near } }
    };
    whole.keys().filter(|field| !OF_THE_ROW.contains(&field.as_str())).map(origin).collect()
}

fn changed(whole: &BTreeMap<String, Value>, other: &BTreeMap<String, Value>) -> BTreeSet<String> {
    whole.iter().filter(|(path, value)| other.get(*path) != Some(value)).map(|(path, _)| path.clone()).collect()
}

fn fields(provider: &Provider, row: &Row) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    flatten(serde_json::to_value(provider.read(row)).unwrap_or_default(), String::new(), &mut found);
    found
}

/// Every value of a document by its path: members behind dots, places in lists in brackets.
pub fn flatten(value: Value, path: String, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) => members.into_iter().for_each(|(name, value)| {
            flatten(value, if path.is_empty() { name } else { format!("{path}.{name}") }, found);
        }),
        Value::Array(items) => items.into_iter().enumerate().for_each(|(at, value)| {
            flatten(value, format!("{path}[{at}]"), found);
        }),
        value => {
            found.insert(path, value);
        }
    }
}

type Leaf = (String, std::ops::Range<usize>, bool);

fn leaves(value: &json::Value<'_>, path: &str, found: &mut Vec<Leaf>) {
    match &value.kind {
        Kind::Object(members) => members.iter().for_each(|(name, value)| {
            let name = name.decode();
            leaves(value, &if path.is_empty() { name.into_owned() } else { format!("{path}.{name}") }, found);
        }),
        Kind::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| leaves(value, &format!("{path}[{at}]"), found));
        }
        kind => found.push((path.to_owned(), value.span(), matches!(kind, Kind::Null))),
    }
}

#[cfg(test)]
mod tests {
    use webhook::claim::EventKey;

    use super::*;

    #[test]
    fn fields_name_the_values_that_they_change_with() {
        let body = br#"{"status":"created","orderToken":"T","totalAmount":40.7,
            "orderDetails":{"totalAmount":{"amount":"40.70","currency":"EUR"},"consumer":{"email":"a@example.com"}}}"#;
        let row = Row {
            key: EventKey { pk: "scalapay/it/T".into(), sk: "created/~".into() },
            received_ms: 0,
            body: body.to_vec(),
            hash: [0; 32],
            headers: BTreeMap::new(),
            signed_at: None,
            mark: None,
        };
        let origins = origins(&row);
        let from = |field: &str| {
            let found = origins.iter().find(|origin| origin.field == field);
            found.map(|origin| origin.from.clone()).unwrap_or_default()
        };
        assert_eq!(from("type"), ["status"]);
        assert_eq!(from("data.customer.email"), ["orderDetails.consumer.email"]);
        assert_eq!(from("data.payments[0].id"), ["orderToken"]);
        assert!(!origins.iter().any(|origin| origin.field == "id"));
    }
}
