//! Redaction: values that are secrets themselves leave a body before it is kept.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::json::{self, Document, JsonError, Kind, Value};

/// The text in a redacted value's place, quotes included.
pub const REDACTED: &str = "\"~cut\"";

/// The text there in a body that is not JSON. It is not JSON either: a body whose one flaw was in a secret would
/// otherwise be read as if nothing were wrong, under a name that says nothing of it.
pub const REDACTED_IN_TEXT: &str = "~cut";

/// A row has room for this many paths of this length: a body may have any number of copies, under names of any length.
const PATHS_MAX: usize = 32;
const PATH_BYTES_MAX: usize = 128;

/// A place of secrets in a provider's bodies. `*` is every item of an array or member of an object.
pub type SecretPath = &'static [&'static str];

/// A body without its secrets.
#[derive(Debug, PartialEq, Eq)]
pub struct Redacted {
    /// The body, each secret value replaced by [`REDACTED`] or [`REDACTED_IN_TEXT`], every other byte as received.
    pub body: Vec<u8>,
    /// The first of the redacted paths, long ones truncated; empty if the body is untouched.
    pub paths: Vec<String>,
}

/// Redacts the values at the given paths; null values stay.
///
/// A body that is not JSON is searched for the same names as text, so that a truncated one cannot carry a token in.
pub fn redact(body: &[u8], document: &Result<Document<'_>, JsonError>, secrets: &[SecretPath]) -> Redacted {
    let mut found: Vec<(Range<usize>, String)> = Vec::new();
    match document {
        Ok(document) => {
            secrets.iter().for_each(|path| find(&document.root, path, path, &mut found));
            let values: BTreeSet<String> =
                found.iter().take(COPIED_MAX).filter_map(|(span, _)| secret_text(body, span)).collect();
            if !values.is_empty() {
                find_copies(&document.root, &mut String::new(), &values, &mut found);
            }
        }
        Err(_) => {
            for path in secrets {
                let Some(name) = path.last() else { continue };
                if let Some(from) = text_begin(body, path) {
                    find_text(body, from, name, &mut found);
                }
            }
        }
    }
    found.sort_by_key(|(span, _)| span.start);
    let mark = if document.is_ok() { REDACTED } else { REDACTED_IN_TEXT };
    let mut kept = Vec::with_capacity(body.len());
    let mut paths: Vec<String> = Vec::new();
    let mut at = 0;
    for (span, path) in found {
        if span.start < at {
            continue;
        }
        kept.extend(body.get(at..span.start).unwrap_or_default());
        kept.extend(mark.as_bytes());
        at = span.end;
        if paths.len() < PATHS_MAX && !paths.contains(&path) {
            paths.push(path);
        }
    }
    kept.extend(body.get(at..).unwrap_or_default());
    Redacted { body: kept, paths }
}

fn find(value: &Value<'_>, rest: &[&str], path: SecretPath, found: &mut Vec<(Range<usize>, String)>) {
    let Some((name, rest)) = rest.split_first() else {
        if !matches!(value.kind, Kind::Null) {
            found.push((value.span(), path.join(".")));
        }
        return;
    };
    match &value.kind {
        Kind::Object(members) => {
            // Every member of the name, not the last alone: a key may occur twice.
            for (_, member) in members.iter().filter(|(key, _)| *name == "*" || key.decode() == *name) {
                find(member, rest, path, found);
            }
        }
        Kind::Array(values) if *name == "*" => values.iter().for_each(|item| find(item, rest, path, found)),
        Kind::Array(_) | Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::String(_) => {}
    }
}

/// Shorter values are not looked for elsewhere: they may be a part of anything.
const COPIED_CHARACTERS_MIN: usize = 12;

/// Copies are looked for of this many secrets: no provider's body has as many, and each is a search of all texts.
const COPIED_MAX: usize = 16;

/// The text of a secret that was found, if it is long enough to be recognised in other values.
fn secret_text(body: &[u8], span: &Range<usize>) -> Option<String> {
    let document = json::parse(body.get(span.clone())?).ok()?;
    let Kind::String(text) = document.root.kind else { return None };
    Some(text.decode().into_owned()).filter(|text| text.chars().count() >= COPIED_CHARACTERS_MIN)
}

/// Finds texts that hold a secret's value, such as the address of a page that the secret opens.
fn find_copies(
    value: &Value<'_>,
    path: &mut String,
    secrets: &BTreeSet<String>,
    found: &mut Vec<(Range<usize>, String)>,
) {
    match &value.kind {
        Kind::String(text) => {
            let text = text.decode();
            if secrets.iter().any(|secret| text.contains(secret.as_str())) {
                found.push((value.span(), path.clone()));
            }
        }
        Kind::Array(items) => {
            let length = path.len();
            push_name(path, "*");
            items.iter().for_each(|item| find_copies(item, path, secrets, found));
            path.truncate(length);
        }
        Kind::Object(members) => {
            for (name, member) in members {
                let length = path.len();
                push_name(path, &name.decode());
                find_copies(member, path, secrets, found);
                path.truncate(length);
            }
        }
        Kind::Null | Kind::Bool(_) | Kind::Number(_) => {}
    }
}

fn push_name(path: &mut String, name: &str) {
    if !path.is_empty() && path.len() < PATH_BYTES_MAX {
        path.push('.');
    }
    let room = PATH_BYTES_MAX.saturating_sub(path.len());
    path.push_str(name.get(..name.floor_char_boundary(room)).unwrap_or_default());
}

/// Paths of more names than this are of a part deep inside, whose names may well be others' names too.
const NAMES_ALONE_MAX: usize = 3;

/// Returns where a path's last name begins to count in a body that is not JSON: everywhere, unless it is of a part deep
/// inside, such as `data`; then behind that part's name. `None` if there is no such part.
fn text_begin(body: &[u8], path: SecretPath) -> Option<usize> {
    let names: Vec<&&str> = path.iter().filter(|name| **name != "*").collect();
    match names.as_slice() {
        [.., part, _] if names.len() > NAMES_ALONE_MAX => position(body, format!("\"{part}\"").as_bytes()),
        _ => Some(0),
    }
}

fn find_text(body: &[u8], begin: usize, name: &str, found: &mut Vec<(Range<usize>, String)>) {
    let quoted = format!("\"{name}\"");
    let mut from = begin;
    while let Some(offset) = body.get(from..).and_then(|rest| position(rest, quoted.as_bytes())) {
        let after_name = from + offset + quoted.len();
        from = after_name;
        let skip = |from: usize, skipped: &[u8]| {
            let rest = body.get(from..).unwrap_or_default();
            from + rest.iter().take_while(|byte| skipped.contains(byte)).count()
        };
        let start = skip(after_name, b" \t\r\n:");
        if start == after_name {
            continue;
        }
        let rest = body.get(start..).unwrap_or_default();
        let length = match rest.first() {
            Some(b'"') => string_length(rest),
            _ => rest.iter().take_while(|byte| !b",}] \t\r\n".contains(byte)).count(),
        };
        // The inside of a value is redacted with it: looking there again would take quadratic time.
        from = start + length;
        if length > 0 && rest.get(..length) != Some(b"null") {
            found.push((start..start + length, name.to_owned()));
        }
    }
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// The length of the string that begins here, closing quote included; to the end where it is not closed.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    for (index, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: &[SecretPath] =
        &[&["resource", "token"], &["tokens", "*", "code"], &["order", "items", "*", "licences", "*", "data"]];

    fn check(body: &str, expected: &str, paths: &[&str]) {
        let document = crate::json::parse(body.as_bytes());
        let redacted = redact(body.as_bytes(), &document, SECRETS);
        assert_eq!(String::from_utf8_lossy(&redacted.body), expected);
        assert_eq!(redacted.paths, paths);
    }

    #[test]
    fn values_are_cut_and_nothing_else() {
        check(
            r#"{ "resource": {"a":1, "token" : "x\"y"}}"#,
            r#"{ "resource": {"a":1, "token" : "~cut"}}"#,
            &["resource.token"],
        );
        check(r#"{"resource":{"token":12}}"#, r#"{"resource":{"token":"~cut"}}"#, &["resource.token"]);
        check(r#"{"resource":{"token":null},"token":"x"}"#, r#"{"resource":{"token":null},"token":"x"}"#, &[]);
        check(
            r#"{"tokens":[{"code":1},{"code":{"a":[2]}}]}"#,
            r#"{"tokens":[{"code":"~cut"},{"code":"~cut"}]}"#,
            &["tokens.*.code"],
        );
        check(
            r#"{"resource":{"tok\u0065n":"x","token":"y"}}"#,
            r#"{"resource":{"tok\u0065n":"~cut","token":"~cut"}}"#,
            &["resource.token"],
        );
    }

    #[test]
    fn a_hostile_body_takes_linear_time() {
        // Quadratic time would be minutes here.
        let body = "\"token\":x".repeat(200_000);
        let redacted = redact(body.as_bytes(), &crate::json::parse(body.as_bytes()), SECRETS);
        assert_eq!(redacted.body, br#""token":~cut"#);
        let secrets: Vec<String> = (0..20_000).map(|number| format!(r#""token":"secret-{number:06}""#)).collect();
        let texts: Vec<String> = (0..40_000).map(|number| format!(r#""{number:012}""#)).collect();
        let body = format!(r#"{{"resource":{{{}}},"texts":[{}]}}"#, secrets.join(","), texts.join(","));
        let redacted = redact(body.as_bytes(), &crate::json::parse(body.as_bytes()), SECRETS);
        assert_eq!(redacted.paths, ["resource.token"]);
    }

    #[test]
    fn the_paths_of_copies_fit_into_a_row() {
        let long = "n".repeat(50_000);
        let copies: Vec<String> =
            (0..500).map(|number| format!(r#""{number}-é{long}":{{"a":"our-secret-value"}}"#)).collect();
        let body = format!(r#"{{"resource":{{"token":"our-secret-value"}},"é{long}":{{{}}}}}"#, copies[..20].join(","));
        let redacted = redact(body.as_bytes(), &crate::json::parse(body.as_bytes()), SECRETS);
        assert_eq!(redacted.paths.len(), 2, "one path for all that are truncated to the same");
        assert!(
            redacted.paths.iter().all(|path| path.len() <= 128)
                && !String::from_utf8_lossy(&redacted.body).contains("our-secret")
        );
        let copies: Vec<String> = (0..500).map(|number| format!(r#""{number}":"our-secret-value""#)).collect();
        let body = format!(r#"{{"resource":{{"token":"our-secret-value"}},{}}}"#, copies.join(","));
        assert_eq!(redact(body.as_bytes(), &crate::json::parse(body.as_bytes()), SECRETS).paths.len(), 32);
    }

    #[test]
    fn broken_bodies_lose_their_secrets_too() {
        check(r#"{"resource":{"token":"abc"#, r#"{"resource":{"token":~cut"#, &["token"]);
        check(r#"{"token" : "a\"b", "x""#, r#"{"token" : ~cut, "x""#, &["token"]);
        check(r#"{"code":12345"#, r#"{"code":~cut"#, &["code"]);
        // A flaw in the secret itself: the remainder must not look whole.
        check("{\"token\":\"a\nb\"}", r#"{"token":~cut}"#, &["token"]);
        check(r#"{"token":0ull,"a":1}"#, r#"{"token":~cut,"a":1}"#, &["token"]);
        check(r#"{"token":"#, r#"{"token":"#, &[]);
        check(r#"{"token""#, r#"{"token""#, &[]);
    }

    #[test]
    fn a_common_name_counts_behind_the_name_of_its_part() {
        check(r#"{"data":{"a":"1"#, r#"{"data":{"a":"1"#, &[]);
        check(
            r#"{"data":1,"licences":[{"data":"x"},{"data":"y"#,
            r#"{"data":1,"licences":[{"data":~cut},{"data":~cut"#,
            &["data"],
        );
    }
}
