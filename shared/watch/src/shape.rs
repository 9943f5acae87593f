//! The shape of a kind of event: the fields that its bodies have. No value is ever read.
//!
//! A field is a path of names. Names that only one body may have (ids, dates, anything that no programmer would call
//! a field) are `*`, so that neither a map's keys nor a person's data become part of the state.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use webhook::json::{Kind, Value};

/// Number of bodies after which a shape is known.
pub const SAMPLES_MIN: u32 = 50;

/// Number of bodies in a row without a usual field after which it is gone.
pub const MISSING_MIN: u32 = 10;

/// Percent of bodies that have a field that belongs to the shape.
const PERCENT_MIN: u64 = 99;

/// Most fields of a body, and of a shape.
const PATHS_MAX: usize = 600;

/// An object with more members is a map.
const MEMBERS_MAX: usize = 80;

/// Longest name of a field, and most digits in it.
const NAME_CHARACTERS_MAX: usize = 40;
const NAME_DIGITS_MAX: usize = 3;

/// The fields of one source's events of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyShape {
    /// Number of bodies read.
    samples: u32,
    /// By path, the number of bodies that had it, and the number of the last one.
    paths: BTreeMap<String, (u32, u32)>,
}

/// A change of a shape.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drift {
    /// A field that no body had before.
    New(String),
    /// A field that nearly all bodies had, and the latest ones lack.
    Gone(String),
}

impl Drift {
    /// The field.
    pub fn path(&self) -> &str {
        match self {
            Drift::New(path) | Drift::Gone(path) => path,
        }
    }

    /// A word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Drift::New(_) => "new_field",
            Drift::Gone(_) => "gone_field",
        }
    }
}

impl BodyShape {
    /// Adds a body, and returns the changes that it makes.
    pub fn take(&mut self, found: &BTreeSet<String>) -> Vec<Drift> {
        let is_known = self.samples >= SAMPLES_MIN;
        self.samples = self.samples.saturating_add(1);
        let mut drifts = Vec::new();
        for path in found {
            if let Some((count, last)) = self.paths.get_mut(path) {
                (*count, *last) = (count.saturating_add(1), self.samples);
            } else if self.paths.len() < PATHS_MAX {
                self.paths.insert(path.clone(), (1, self.samples));
                drifts.extend(is_known.then(|| Drift::New(path.clone())));
            }
        }
        for (path, (count, last)) in &self.paths {
            let usual = u64::from(*count) * 100 >= u64::from(*last) * PERCENT_MIN;
            // Returned once: when it is missing for the tenth time, not for the eleventh.
            if usual && *last >= SAMPLES_MIN && self.samples - last == MISSING_MIN {
                drifts.push(Drift::Gone(path.clone()));
            }
        }
        outermost(drifts)
    }
}

/// Keeps an object that is new or gone, without the fields in it.
fn outermost(drifts: Vec<Drift>) -> Vec<Drift> {
    let within = |inner: &Drift, outer: &Drift| {
        let rest = inner.path().strip_prefix(outer.path());
        inner.word() == outer.word() && rest.is_some_and(|rest| rest.starts_with(['.', '[']))
    };
    drifts.iter().filter(|inner| !drifts.iter().any(|outer| within(inner, outer))).cloned().collect()
}

/// Returns the fields of a body.
pub fn paths(root: &Value<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(root, "", &mut found);
    found
}

fn collect(value: &Value<'_>, path: &str, found: &mut BTreeSet<String>) {
    match &value.kind {
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::String(_) => {}
        Kind::Array(values) => {
            let path = format!("{path}[]");
            values.iter().for_each(|value| collect(value, &path, found));
        }
        Kind::Object(members) => {
            let is_map = members.len() > MEMBERS_MAX;
            for (name, value) in members {
                let name = name.decode();
                let name = if is_map || !is_field(&name) { "*" } else { &*name };
                let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                if found.len() < PATHS_MAX {
                    found.insert(path.clone());
                    collect(value, &path, found);
                }
            }
        }
    }
}

/// Returns whether a programmer would give a field this name.
fn is_field(name: &str) -> bool {
    let plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '$');
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || matches!(first, '_' | '$'));
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    begins && name.len() <= NAME_CHARACTERS_MAX && digits <= NAME_DIGITS_MAX && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(body: &str) -> BTreeSet<String> {
        paths(&webhook::json::parse(body.as_bytes()).unwrap().root)
    }

    fn listed(body: &str) -> Vec<String> {
        fields(body).into_iter().collect()
    }

    #[test]
    fn a_field_is_a_path_of_names_and_no_value() {
        assert_eq!(
            listed(r#"{"a": {"b": [{"c": 1}, {"d": null}]}, "e": "buyer@example.com"}"#),
            ["a", "a.b", "a.b[].c", "a.b[].d", "e"]
        );
        for key in
            ["2026-01-31", "5fc5ea00c43d7f001003999d", "buyer@example.com", "陳小明", "Example Buyer", "15550100", ""]
        {
            assert_eq!(
                listed(&format!(r#"{{"orders": {{"{key}": {{"total": 1}}}}}}"#)),
                ["orders", "orders.*", "orders.*.total"]
            );
        }
        let map: Vec<String> = (0..100)
            .map(|n| format!(r#""key{}": 1"#, char::from(b'a' + n % 26).to_string().repeat(usize::from(n / 26) + 1)))
            .collect();
        assert_eq!(listed(&format!("{{{}}}", map.join(","))), ["*"]);
        let many: Vec<String> = (0..2_000).map(|n| format!(r#"{{"f{}": {{"g{}": 1}}}}"#, n % 1_000, n)).collect();
        assert!(fields(&format!("[{}]", many.join(","))).len() <= PATHS_MAX);
    }

    #[test]
    fn new_fields_and_gone_ones_are_told_once() {
        let mut shape = BodyShape::default();
        let (usual, more) = (
            r#"{"id": 1, "buyer": {"city": 1, "zip": 2}}"#,
            r#"{"id": 1, "gift": {"text": 1}, "buyer": {"city": 1, "zip": 2}}"#,
        );
        for _ in 0..SAMPLES_MIN {
            assert_eq!(shape.take(&fields(usual)), []);
        }
        assert_eq!(shape.take(&fields(more)), [Drift::New("gift".to_owned())]);
        assert_eq!(shape.take(&fields(more)), []);
        for _ in 1..MISSING_MIN {
            assert_eq!(shape.take(&fields(r#"{"id": 1}"#)), []);
        }
        // The field that only two bodies had is not missed.
        assert_eq!(shape.take(&fields(r#"{"id": 1}"#)), [Drift::Gone("buyer".to_owned())]);
        assert_eq!(shape.take(&fields(r#"{"id": 1}"#)), []);
    }

    #[test]
    fn a_field_that_is_now_and_then_missing_is_no_drift() {
        let mut shape = BodyShape::default();
        for number in 0..400 {
            let body = if number % 20 == 0 { r#"{"id": 1}"# } else { r#"{"id": 1, "note": 1}"# };
            assert_eq!(shape.take(&fields(body)), [], "{number}");
        }
        for _ in 0..3 * MISSING_MIN {
            assert_eq!(shape.take(&fields(r#"{"id": 1}"#)), []);
        }
    }
}
