//! The ledger: every path that a sample shows, once, with where it goes in the event or why it is left.
//!
//! `shared/webhook/ledger/<provider>.tsv` has a line a path: the path, where it goes, a note. Where it goes is computed: the
//! value is taken out, the body is read again, and what differs is named. A path that goes nowhere needs a note, so a
//! sample with a new field fails until somebody decides.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use serde_json::Value as Json;
use webhook::json::{self, Kind, Value};
use webhook::provider::Provider;
use webhook::providers::PROVIDERS;
use webhook::row::Row;

use crate::cases::{self, all};

/// Attributes of the row, and what follows from every change of a body.
const NOT_A_DESTINATION: &[&str] = &["id", "sequence", "receivedtime", "unreadfields"];

/// A path's line.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Entry {
    pub(crate) goes_to: BTreeSet<String>,
    note: String,
}

pub(crate) type Ledger = BTreeMap<String, Entry>;

#[test]
fn every_path_of_every_sample_is_in_the_ledger() {
    let mut undecided = Vec::new();
    for provider in PROVIDERS {
        let file = file_of(provider);
        let text = fs::read_to_string(&file).unwrap_or_default();
        let written = parse(&text);
        let mut computed = Ledger::new();
        for row in rows(provider) {
            trace(provider, &row, &mut computed);
        }
        for (path, entry) in &mut computed {
            entry.note = written.get(path).map(|entry| entry.note.clone()).unwrap_or_default();
        }
        if cases::updating() {
            fs::write(&file, print(&computed)).unwrap();
        }
        let difference = cases::first_difference(&fs::read_to_string(&file).unwrap_or_default(), &print(&computed));
        assert!(
            difference.is_none(),
            "the ledger of {} differs in {}; UPDATE_READINGS=1 rewrites it",
            provider.name,
            difference.unwrap_or_default()
        );
        undecided.extend(
            computed
                .iter()
                .filter(|(_, entry)| entry.goes_to.is_empty() && entry.note.is_empty())
                .map(|(path, _)| format!("{} {path}", provider.name)),
        );
    }
    assert!(
        undecided.is_empty(),
        "give each a destination in the mapping or a note in the ledger:\n{}",
        cases::first_lines(&undecided)
    );
}

fn file_of(provider: &Provider) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("ledger/{}.tsv", provider.name))
}

/// The ledger of a provider as it is written.
pub(crate) fn ledger_of(provider: &Provider) -> Ledger {
    parse(&fs::read_to_string(file_of(provider)).unwrap())
}

/// Every sample's row: deliveries, and answers of the provider's API.
pub(crate) fn rows(provider: &'static Provider) -> Vec<Row> {
    let deliveries = all().into_iter().filter(|case| case.provider.name == provider.name).map(|case| case.row());
    let answers = crate::snapshots::all().into_iter().filter(|answer| answer.provider.name == provider.name);
    deliveries.chain(answers.map(|answer| answer.row())).collect()
}

/// Notes for each leaf of a row's body what of the event changes without it.
fn trace(provider: &'static Provider, row: &Row, ledger: &mut Ledger) {
    let Ok(document) = json::parse(&row.body) else { return };
    let whole = fields(provider, row);
    let prefix = if row.key.is_snapshot() { "api:" } else { "" };
    let mut leaves = Vec::new();
    collect(&row.body, &document.root, String::new(), None, &mut leaves);
    for (path, value, _) in leaves {
        let span = value.span();
        let entry = ledger.entry(format!("{prefix}{path}")).or_default();
        // A value that says what another field says too is seen by another value, and so is a null, which may stand for
        // a text or for an object.
        let substitutes: [&[u8]; 2] = match value.kind {
            Kind::Null => [b"\"~\"", b"{\"~\":\"~\"}"],
            _ => [b"\"~\"", b"null"],
        };
        for substitute in substitutes {
            let body = [&row.body[..span.start], substitute, &row.body[span.end..]].concat();
            let without = fields(provider, &Row { body, ..row.clone() });
            for (field, value) in &whole {
                if without.get(field) != Some(value) {
                    entry.goes_to.insert(field.clone());
                }
            }
            entry.goes_to.extend(without.keys().filter(|field| !whole.contains_key(*field)).cloned());
        }
        // Whatever decides the kind of an event moves everything: that is said once.
        if entry.goes_to.contains("type") || entry.goes_to.contains("data.kind") {
            entry.goes_to.retain(|field| !field.starts_with("data.") || field == "data.kind");
        }
    }
}

/// A leaf: its path with the places of lists as `[]`, its value, and where its name is in the body.
pub(crate) type Leaf<'v, 'a> = (String, &'v Value<'a>, Option<Range<usize>>);

/// Collects the leaves; an empty list or object is one.
pub(crate) fn collect<'v, 'a>(
    body: &[u8],
    value: &'v Value<'a>,
    path: String,
    name: Option<Range<usize>>,
    found: &mut Vec<Leaf<'v, 'a>>,
) {
    match &value.kind {
        Kind::Array(items) if !items.is_empty() => {
            items.iter().for_each(|item| collect(body, item, format!("{path}[]"), None, found));
        }
        Kind::Object(members) if !members.is_empty() => {
            for (key, member) in members {
                let start = member.span().start;
                // The name's text is before the colon; quotes and escapes are as written.
                let written = format!("\"{}\"", key.raw());
                let place = body[..start].windows(written.len()).rposition(|window| window == written.as_bytes());
                let name = place.map(|at| at..at + written.len());
                let key = key.decode();
                let path = if path.is_empty() { key.into_owned() } else { format!("{path}.{key}") };
                collect(body, member, path, name, found);
            }
        }
        Kind::Array(_) | Kind::Object(_) | Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::String(_) => {
            found.push((path, value, name));
        }
    }
}

/// An event's fields by path, lists' places as `[]`.
pub(crate) fn fields(provider: &Provider, row: &Row) -> BTreeMap<String, Vec<Json>> {
    fn walk(value: &Json, path: String, found: &mut BTreeMap<String, Vec<Json>>) {
        match value {
            Json::Object(members) if !members.is_empty() => {
                for (name, member) in members {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(member, path, found);
                }
            }
            Json::Array(items) if !items.is_empty() => {
                items.iter().for_each(|item| walk(item, format!("{path}[]"), found));
            }
            _ => found.entry(path).or_default().push(value.clone()),
        }
    }
    let mut found = BTreeMap::new();
    walk(&serde_json::to_value(provider.read(row)).unwrap(), String::new(), &mut found);
    found.retain(|field, _| !NOT_A_DESTINATION.contains(&field.as_str()));
    found
}

fn parse(text: &str) -> Ledger {
    let lines = text.lines().skip(1).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let mut cells = line.split('\t');
            let path = cells.next().unwrap_or_default().to_owned();
            let goes_to = cells.next().unwrap_or_default();
            let goes_to = goes_to.split(", ").filter(|field| !field.is_empty()).map(str::to_owned).collect();
            (path, Entry { goes_to, note: cells.next().unwrap_or_default().to_owned() })
        })
        .collect()
}

fn print(ledger: &Ledger) -> String {
    let mut text = "path\tgoes to\tnote\n".to_owned();
    for (path, entry) in ledger {
        let goes_to: Vec<&str> = entry.goes_to.iter().map(String::as_str).collect();
        text += &format!("{path}\t{}\t{}\n", goes_to.join(", "), entry.note);
    }
    text
}
