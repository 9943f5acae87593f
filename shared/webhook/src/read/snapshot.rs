//! A snapshot: an order as fetched from its provider's API, named, redacted and kept as an event of its own.
//!
//! Its name never is a webhook's: the API's bytes differ from a webhook's, so a webhook that came later would be
//! another body under a taken name. It needs none either, since views join events by their places.
//!
//! A place by time would win for ever over webhooks that report no times. So the order's own webhooks, or else the
//! source's latest ones, are checked for times first; what was found is kept on the row, so that a reading is a
//! function of the row alone. A refund in a report has the id of its transfer, a webhook's mention of it another or
//! none: each kind is a set of its own, and the refunded sum is that of whichever has more.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::json::canonical;
use crate::json::{self, Value};
use crate::keep::claim::{Claim, OtherBody, Part, Strength};
use crate::keep::redact::SecretPath;
use crate::keep::row::Row;
use crate::read::mapping::Mapping;
use crate::read::position::Position;
use crate::receive::scheme::SchemeName;

/// Kept beside the body if the source's webhooks have no times: a time would win over all of them for ever.
const TIMELESS: &str = "~timeless";

/// The orders of a provider's API.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotMapping {
    /// Places in its answers of values that are secrets themselves.
    pub secrets: &'static [SecretPath],
    /// The subject by which webhooks name the order of an answer; `None` if the answer does not say enough.
    pub subject: for<'a> fn(&SnapshotContext<'_>, &Value<'a>) -> Option<Part>,
    /// The reading of an answer.
    pub mapping: Mapping,
}

/// The question, as far as an answer may leave it out.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotContext<'a> {
    /// The scheme of the source's webhooks: an app's name their shop.
    pub scheme: SchemeName,
    /// True if the source's subjects begin with the shop where they could clash.
    pub several_merchants: bool,
    /// The shop, by the provider's id.
    pub shop: Option<&'a str>,
    /// The kind of order, by the event that its webhooks have.
    pub kind: Option<&'a str>,
}

/// Returns an answer's name: by its content, so that fetching the same again is a repeat.
pub(crate) fn claim(subject: Part, redacted: &[u8]) -> Claim {
    let content = meaning(redacted);
    Claim {
        subject,
        word: Part::snapshot(),
        identity: Part::hash(&content),
        strength: Strength::Strong,
        other_body: OtherBody::Conflict,
        content,
        bytes: None,
        alias: None,
    }
}

/// Returns what a reading needs beside the body. `timeless` says that the source's webhooks carry no times.
pub(crate) fn headers(timeless: bool) -> BTreeMap<String, String> {
    timeless.then(|| (TIMELESS.to_owned(), "true".to_owned())).into_iter().collect()
}

/// Returns a hash of an answer's content, whatever the order of its keys.
fn meaning(body: &[u8]) -> [u8; 32] {
    match json::parse(body) {
        Ok(document) if !document.duplicate_keys => canonical::meaning(&document.root),
        Ok(_) | Err(_) => Sha256::digest(body).into(),
    }
}

/// Returns an answer's place among its order's events: at the time of its last change, and among the events of that
/// very time as of when it was read. If the webhooks have no times, at the rank of its status and as of when it was
/// read.
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
    use crate::keep::row::NewRow;
    use crate::providers::SELLDONE;

    fn snapshot(answer: &str) -> NewRow {
        SELLDONE.snapshot("main", Part::one("1"), answer.as_bytes(), false, 7)
    }

    #[test]
    fn equal_answers_have_one_name_however_they_are_written() {
        let key = |answer| snapshot(answer).row.key;
        let first = snapshot(r#"{"id": 1, "code": "guest", "items": [{"a": 1, "b": 2}]}"#);
        assert_eq!(first.row.key, key(r#"{"items":[{"b":2,"a":1}],"code":"other guest","id":1}"#));
        assert_ne!(first.row.key, key(r#"{"id": 1, "code": "guest", "items": [{"a": 1, "b": 3}]}"#));
        assert_eq!((first.redacted.as_slice(), first.row.key.is_snapshot()), (&["code".to_owned()][..], true));
        // The order of two members of one name is part of the content.
        assert_ne!(key(r#"{"a":1,"a":2}"#), key(r#"{"a":2,"a":1}"#));
        assert_ne!(key("no JSON"), key("none either"));
    }

    #[test]
    fn an_answer_is_placed_at_its_last_change_unless_webhooks_have_no_times() {
        let version = Timestamp::from_second(5).ok();
        let row = snapshot("{}").row;
        let timeless = Row { headers: headers(true), ..row.clone() };
        assert!(matches!(position(&row, version, 2), Position::Time { rank: 2, event: Some(_), .. }));
        assert_eq!(position(&timeless, version, 2), Position::RankThenArrival(2));
        assert_eq!(position(&timeless, version, 0), Position::Arrival);
        assert_eq!(position(&row, None, 2), Position::RankThenArrival(2));
    }
}
