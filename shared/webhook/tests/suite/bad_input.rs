//! Every field of every sample in turn: missing, null, of another type, empty, huge, in another case.
//!
//! No body makes a reading fail. What changes of the event is what the ledger says of the field, so that no neighbour
//! is read in its place; and where a value was lost because it is of another type, the event says so.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use webhook::json::{self, Kind, Value};
use webhook::provider::Provider;
use webhook::providers::PROVIDERS;
use webhook::row::Row;

use crate::ledger::{Ledger, collect, fields, ledger_of, rows};

/// The samples of a path that are tried: some paths are in every sample.
const SAMPLES_OF_A_PATH: usize = 3;

/// Attributes that follow from any change of a body, and the marks.
const NOT_A_NEIGHBOUR: &[&str] = &["changedshape", "unrecognised"];

/// A value in the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bad {
    Missing,
    Null,
    OtherType,
    Empty,
    Huge,
    OtherCase,
}

const ALL: [Bad; 6] = [Bad::Missing, Bad::Null, Bad::OtherType, Bad::Empty, Bad::Huge, Bad::OtherCase];

/// The body with a leaf changed; `None` where the change makes no sense.
fn change(body: &[u8], leaf: &Value<'_>, name: Option<std::ops::Range<usize>>, bad: Bad) -> Option<Vec<u8>> {
    let span = leaf.span();
    let replaced = |text: &[u8]| Some([&body[..span.start], text, &body[span.end..]].concat());
    match bad {
        // Another name is as good as none, and leaves the commas where they are.
        Bad::Missing => name.map(|name| [&body[..name.start], b"\"~missing\"", &body[name.end..]].concat()),
        Bad::Null => replaced(b"null"),
        Bad::OtherType => match leaf.kind {
            Kind::Array(_) | Kind::Object(_) => replaced(b"\"a text\""),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::String(_) => replaced(br#"{"a":[1,null]}"#),
        },
        Bad::Empty => match leaf.kind {
            Kind::Array(_) => replaced(b"[]"),
            Kind::Object(_) => replaced(b"{}"),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::String(_) => replaced(b"\"\""),
        },
        Bad::Huge => match leaf.kind {
            Kind::Number(_) => replaced("9".repeat(400).as_bytes()),
            Kind::String(_) => replaced(format!("\"{}\"", "x".repeat(40_000)).as_bytes()),
            Kind::Null | Kind::Bool(_) | Kind::Array(_) | Kind::Object(_) => None,
        },
        Bad::OtherCase => match &leaf.kind {
            Kind::String(text) => {
                let text = text.raw();
                let other = if text.contains(|one: char| one.is_ascii_lowercase()) && !text.contains('\\') {
                    text.to_ascii_uppercase()
                } else {
                    return None;
                };
                replaced(format!("\"{other}\"").as_bytes())
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Array(_) | Kind::Object(_) => None,
        },
    }
}

/// The fields of an event that changed or are new.
fn changed(before: &BTreeMap<String, Vec<Json>>, after: &BTreeMap<String, Vec<Json>>) -> BTreeSet<String> {
    let differs = |name: &&String| before.get(*name) != after.get(*name);
    before.keys().chain(after.keys()).filter(differs).cloned().collect()
}

fn is_allowed(field: &str, destinations: &BTreeSet<String>) -> bool {
    let is_within = |known: &String| {
        let inner = |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.starts_with(['.', '[']));
        field == known || inner(field, known) || inner(known, field)
    };
    NOT_A_NEIGHBOUR.contains(&field) || destinations.iter().any(is_within)
}

fn try_row(
    provider: &'static Provider,
    row: &Row,
    ledger: &Ledger,
    tried: &mut BTreeMap<String, usize>,
) -> Vec<String> {
    let Ok(document) = json::parse(&row.body) else { return Vec::new() };
    let whole = fields(provider, row);
    let prefix = if row.key.is_snapshot() { "api:" } else { "" };
    let mut leaves = Vec::new();
    collect(&row.body, &document.root, String::new(), None, &mut leaves);
    let mut wrong = Vec::new();
    // What a sample has of another type already is not made worse.
    let unread = provider.read(row).unreadfields.unwrap_or_default();
    let is_unread = |path: &str| unread.split(',').any(|field| field == path);
    for (path, leaf, name) in leaves {
        if is_unread(&path) {
            continue;
        }
        let path = format!("{prefix}{path}");
        let times = tried.entry(path.clone()).or_default();
        *times += 1;
        if *times > SAMPLES_OF_A_PATH {
            continue;
        }
        let destinations = &ledger[&path].goes_to;
        // Whatever decides the kind of an event moves all of it.
        let decides = destinations.contains("type") || destinations.contains("data.kind");
        for bad in ALL {
            let Some(body) = change(&row.body, leaf, name.clone(), bad) else { continue };
            let changed_row = Row { body, ..row.clone() };
            let event = provider.read(&changed_row);
            let after = fields(provider, &changed_row);
            let moved = changed(&whole, &after);
            if !decides {
                let neighbours: Vec<_> = moved.iter().filter(|field| !is_allowed(field, destinations)).collect();
                if !neighbours.is_empty() {
                    wrong.push(format!("{} {path} {bad:?}: changes {neighbours:?}", provider.name));
                }
            }
            // Where a list of texts may be one text, that text is read.
            let is_read = after.values().flatten().any(|value| value.as_str() == Some("a text"));
            let is_lost =
                bad == Bad::OtherType && !matches!(leaf.kind, Kind::Null) && !destinations.is_empty() && !is_read;
            let is_said = event.unreadfields.is_some() || event.changedshape || event.unrecognised;
            if is_lost && !moved.is_empty() && !is_said {
                wrong.push(format!("{} {path} {bad:?}: loses {moved:?} without a word", provider.name));
            }
        }
    }
    wrong
}

#[test]
fn bad_values_are_lost_with_a_word_and_touch_nothing_else() {
    let mut wrong = Vec::new();
    for provider in PROVIDERS {
        let ledger = ledger_of(provider);
        let mut tried = BTreeMap::new();
        for row in rows(provider) {
            wrong.extend(try_row(provider, &row, &ledger, &mut tried));
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{} {wrong:#?}", wrong.len());
}
