//! An order read back from its provider's API: named, cut and kept as an event of its own.
//!
//! Its name never is a webhook's: the API's bytes are others than a webhook's, so a webhook that came later would be
//! another body under its own name. It needs none either, since views join events by their places.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::json::canonical::{self, Keys, Numbers};
use crate::json::{self, Value};
use crate::keep::claim::{Claim, EventKey, OtherBody, Part, Strength};
use crate::keep::redact::{Redacted, SecretPath};
use crate::keep::row::Row;
use crate::read::mapping::Mapping;
use crate::read::position::Position;
use crate::receive::scheme::SchemeName;

/// Kept beside the body where the source's webhooks tell no times: a time would rule over all of them for ever.
const TIMELESS: &str = "~timeless";

/// How a provider's API tells an order.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotMapping {
    /// Where its answers carry values that are secrets themselves.
    pub secrets: &'static [SecretPath],
    /// The subject by which webhooks name the order of an answer; none where the answer does not tell enough.
    pub subject: for<'a> fn(&SnapshotContext<'_>, &Value<'a>) -> Option<Part>,
    /// What an answer says.
    pub mapping: Mapping,
}

/// What was asked for, as far as an answer may leave it out.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotContext<'a> {
    /// How the source's webhooks prove themselves: an app's name their shop.
    pub scheme: SchemeName,
    /// Whether the source's subjects begin with the shop where they could clash.
    pub several_merchants: bool,
    /// The shop, by the provider's id.
    pub shop: Option<&'a str>,
    /// The kind of order, by the event that its webhooks have.
    pub kind: Option<&'a str>,
}

/// An answer, ready to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name: by what it says, so that reading the same again is a repeat.
    pub key: EventKey,
    /// The same, as the table decides by it.
    pub claim: Claim,
    /// The answer without its secrets.
    pub body: Vec<u8>,
    /// The redacted paths.
    pub redacted: Vec<String>,
    /// SHA-256 of the answer.
    pub hash: [u8; 32],
    /// What a reading needs beside the body.
    pub headers: BTreeMap<String, String>,
}

impl Snapshot {
    /// An answer about a subject of a source. `timeless` says that the source's webhooks tell no times.
    pub(crate) fn new(name: (&str, &str), subject: Part, answer: &[u8], redacted: Redacted, timeless: bool) -> Self {
        let content = meaning(&redacted.body);
        let claim = Claim {
            subject,
            word: Part::snapshot(),
            identity: Part::hash(&content),
            strength: Strength::Strong,
            other_body: OtherBody::Conflict,
            content,
            alias: None,
        };
        let (provider, source) = name;
        Snapshot {
            key: EventKey::of(provider, source, &claim),
            claim,
            body: redacted.body,
            redacted: redacted.paths,
            hash: Sha256::digest(answer).into(),
            headers: timeless.then(|| (TIMELESS.to_owned(), "true".to_owned())).into_iter().collect(),
        }
    }

    /// The row as it is kept, its body included.
    pub fn row(&self, received_ms: i64) -> Row {
        Row {
            key: self.key.clone(),
            received_ms,
            body: self.body.clone(),
            hash: self.hash,
            headers: self.headers.clone(),
            signed_at: None,
            mark: None,
        }
    }
}

/// A hash of what an answer says, whatever the order of its keys.
fn meaning(body: &[u8]) -> [u8; 32] {
    match json::parse(body) {
        Ok(document) if !document.duplicate_keys => {
            let text = canonical::print(&document.root, Numbers::AsWritten, Keys::JavaScript);
            Sha256::digest(text.as_bytes()).into()
        }
        Ok(_) | Err(_) => Sha256::digest(body).into(),
    }
}

/// Where an answer stands among its order's events: at the time of its last change, and among the events of that very
/// time as of when it was read. Where the webhooks tell no times, at the rank of its status and as of when it was read.
pub(crate) fn position(row: &Row, version: Option<Timestamp>, rank: u16) -> Position {
    match version.filter(|_| !row.headers.contains_key(TIMELESS)) {
        Some(version) => Position::Time { version, event: Timestamp::from_millisecond(row.received_ms).ok(), rank },
        None if rank > 0 => Position::RankThenArrival(rank),
        None => Position::Arrival,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::SELLDONE;

    fn snapshot(answer: &str) -> Snapshot {
        SELLDONE.snapshot("main", Part::one("1"), answer.as_bytes(), false)
    }

    #[test]
    fn equal_answers_have_one_name_however_they_are_written() {
        let first = snapshot(r#"{"id": 1, "code": "guest", "items": [{"a": 1, "b": 2}]}"#);
        assert_eq!(first.key, snapshot(r#"{"items":[{"b":2,"a":1}],"code":"other guest","id":1}"#).key);
        assert_ne!(first.key, snapshot(r#"{"id": 1, "code": "guest", "items": [{"a": 1, "b": 3}]}"#).key);
        assert_eq!((first.redacted.as_slice(), first.key.is_snapshot()), (&["code".to_owned()][..], true));
        // Which of two members of one name comes first is part of what is said.
        assert_ne!(snapshot(r#"{"a":1,"a":2}"#).key, snapshot(r#"{"a":2,"a":1}"#).key);
        assert_ne!(snapshot("no JSON").key, snapshot("none either").key);
    }

    #[test]
    fn an_answer_stands_at_its_last_change_unless_webhooks_tell_no_times() {
        let version = Timestamp::from_second(5).ok();
        let timeless = Snapshot { headers: BTreeMap::from([(TIMELESS.to_owned(), String::new())]), ..snapshot("{}") };
        assert!(matches!(position(&snapshot("{}").row(7), version, 2), Position::Time { rank: 2, event: Some(_), .. }));
        assert_eq!(position(&timeless.row(7), version, 2), Position::RankThenArrival(2));
        assert_eq!(position(&timeless.row(7), version, 0), Position::Arrival);
        assert_eq!(position(&snapshot("{}").row(7), None, 2), Position::RankThenArrival(2));
    }
}
