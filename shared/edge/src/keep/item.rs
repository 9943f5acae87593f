//! A kept delivery as an item of the events table, and back.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use webhook::claim::{EventKey, Existing, ORIGIN};
use webhook::row::{Mark, Row};

/// An item's attributes by name.
pub type Item = HashMap<String, AttributeValue>;

/// The kinds of items in the events table. The stream's filter passes events only.
pub const KIND_EVENT: &str = "event";
/// A piece of a body that is too large for one item.
pub const KIND_CHUNK: &str = "chunk";
/// A refused delivery.
pub const KIND_REFUSED: &str = "refused";
/// A row of the relay log.
pub const KIND_RELAYED: &str = "relayed";
/// A note that all of an order was erased.
pub const KIND_FORGOTTEN: &str = "forgotten";
/// State of the watch.
pub const KIND_WATCH: &str = "watch";

/// The attribute with the time of erasure; no other row has it.
pub const ERASED_AT: &str = "erased_at";

/// The attribute with the time at which a delivery came that was refused and admitted later; others do not have it.
const REFUSED_AT: &str = "refused_at";

/// The attribute with the time at which an event was disowned.
pub const DISOWNED_AT: &str = "disowned_at";

/// Compressed bodies longer than this go into chunks: an item holds 400 KB in all.
pub const INLINE_BYTES_MAX: usize = 380 * 1024;

/// No kept body is longer than a Lambda request can be.
pub const BODY_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The time index has this many partitions a source, so that a busy source does not make one partition hot.
pub const TIME_SHARDS: u8 = 8;

/// The time index: by bucket and time of receipt, keys only.
pub const TIME_INDEX: &str = "received";

/// The place of a row's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptBody {
    /// In the item, compressed.
    Inline(Vec<u8>),
    /// In chunks, compressed as one.
    Chunks {
        /// The name that is part of the chunks' partition keys.
        name: String,
        /// Number of chunks.
        count: u32,
    },
    /// Equal to the body of the row under this sort key.
    Of(String),
    /// Missing, for an unknown reason.
    Gone,
    /// Erased by age or on request.
    Erased(Erased),
}

/// The remainder of an erased body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// Time of erasure, in the form of all rows' times.
    pub at: String,
    /// The event's contribution without anything personal, compressed: see [`crate::keep::contribution`].
    pub remainder: Vec<u8>,
    /// The chunks' name and number, so that the next run finds those that a run which died left.
    pub chunks: Option<(String, u32)>,
}

/// A kept delivery and where its body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// The row; its body is empty until loaded.
    pub row: Row,
    /// The place of the body.
    pub body: KeptBody,
    /// A hash of what deliveries of one event have in common.
    pub content: [u8; 32],
    /// The claim's contract version.
    pub claim_version: u32,
    /// The fingerprint of the key or token that matched.
    pub fingerprint: String,
    /// Paths of redacted secrets.
    pub redacted: Vec<String>,
    /// The subject's other name at the provider.
    pub alias: Option<String>,
    /// Time at which it was admitted from the quarantine, in milliseconds since 1970, if it was. It is in the time index
    /// there: at its time of receipt, what reads the index in order has passed already.
    pub admitted_ms: Option<i64>,
    /// The time at which it was disowned: somebody else had made it, with a key that had leaked.
    pub disowned_at: Option<String>,
}

/// An item that is not of its documented form. Names the attribute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the item's attribute {0} is missing or not of its form")]
pub struct BadItem(pub &'static str);

impl StoredRow {
    /// Returns the item.
    pub fn to_item(&self) -> Item {
        let row = &self.row;
        let mut item = Item::from([
            ("pk".to_owned(), text(&row.key.pk)),
            ("sk".to_owned(), text(&row.key.sk)),
            ("kind".to_owned(), text(KIND_EVENT)),
            ("received_at".to_owned(), text(&instant(self.admitted_ms.unwrap_or(row.received_ms)))),
            ("bucket".to_owned(), text(&time_bucket_of(&row.key))),
            ("hash".to_owned(), bytes(row.hash.to_vec())),
            ("claim".to_owned(), AttributeValue::N(self.claim_version.to_string())),
            ("fingerprint".to_owned(), text(&self.fingerprint)),
        ]);
        let mut put = |name: &str, value: Option<AttributeValue>| {
            if let Some(value) = value {
                item.insert(name.to_owned(), value);
            }
        };
        put("content", (self.content != row.hash).then(|| bytes(self.content.to_vec())));
        put("signed_at", row.signed_at.as_deref().map(text));
        put("mark", row.mark.map(|mark| text(mark.word())));
        put("origin", row.key.is_snapshot().then(|| text(ORIGIN)));
        put("alias", self.alias.as_deref().map(text));
        put(REFUSED_AT, self.admitted_ms.map(|_| text(&instant(row.received_ms))));
        put(DISOWNED_AT, self.disowned_at.as_deref().map(text));
        put("headers", (!row.headers.is_empty()).then(|| header_map(&row.headers)));
        put(
            "cut",
            (!self.redacted.is_empty())
                .then(|| AttributeValue::L(self.redacted.iter().map(|path| text(path)).collect())),
        );
        match &self.body {
            KeptBody::Inline(compressed) => put("body", Some(bytes(compressed.clone()))),
            KeptBody::Chunks { name, count } => {
                put("chunks", Some(AttributeValue::N(count.to_string())));
                put("chunks_of", Some(text(name)));
            }
            KeptBody::Of(sk) => put("body_of", Some(text(sk))),
            KeptBody::Gone => {}
            KeptBody::Erased(Erased { at, remainder, chunks }) => {
                put(ERASED_AT, Some(text(at)));
                put("residue", Some(bytes(remainder.clone())));
                let chunks = chunks.as_ref();
                put("chunks", chunks.map(|(_, count)| AttributeValue::N(count.to_string())));
                put("chunks_of", chunks.map(|(name, _)| text(name)));
            }
        }
        item
    }

    /// Reads an item.
    pub fn from_item(item: &Item) -> Result<Self, BadItem> {
        let string = |name| item.get(name).and_then(|value| value.as_s().ok());
        let number = |name: &'static str| match item.get(name) {
            None => Ok(None),
            Some(value) => {
                let number = value.as_n().ok().and_then(|text| text.parse::<u32>().ok());
                number.map(Some).ok_or(BadItem(name))
            }
        };
        let key = key_of(item).ok_or(BadItem("pk"))?;
        let time = |name: &'static str| {
            let time = string(name).and_then(|text| text.parse::<Timestamp>().ok()).ok_or(BadItem(name))?;
            Ok::<i64, BadItem>(time.as_millisecond())
        };
        let indexed_ms = time("received_at")?;
        let refused_ms = item.contains_key(REFUSED_AT).then(|| time(REFUSED_AT)).transpose()?;
        let hash = digest(item, "hash").ok_or(BadItem("hash"))?;
        let binary = |name: &'static str| match item.get(name) {
            None => Ok(None),
            Some(value) => value.as_b().map(|bytes| Some(bytes.as_ref().to_vec())).map_err(|_| BadItem(name)),
        };
        let chunks = match number("chunks")? {
            None => None,
            Some(count) => Some((string("chunks_of").ok_or(BadItem("chunks_of"))?.clone(), count)),
        };
        let body = match (string(ERASED_AT), binary("body")?, chunks, string("body_of")) {
            (Some(at), _, chunks, _) => {
                let remainder = binary("residue")?.ok_or(BadItem("residue"))?;
                KeptBody::Erased(Erased { at: at.clone(), remainder, chunks })
            }
            (None, Some(body), ..) => KeptBody::Inline(body),
            (None, None, Some((name, count)), _) => KeptBody::Chunks { name, count },
            (None, None, None, Some(sk)) => KeptBody::Of(sk.clone()),
            (None, None, None, None) => KeptBody::Gone,
        };
        let headers = item.get("headers").and_then(|value| value.as_m().ok()).into_iter().flatten();
        let redacted = item.get("cut").and_then(|value| value.as_l().ok()).into_iter().flatten();
        Ok(StoredRow {
            row: Row {
                key,
                received_ms: refused_ms.unwrap_or(indexed_ms),
                body: Vec::new(),
                hash,
                headers: headers.filter_map(|(name, value)| Some((name.clone(), value.as_s().ok()?.clone()))).collect(),
                signed_at: string("signed_at").cloned(),
                mark: string("mark").and_then(|word| Mark::of_word(word)),
            },
            body,
            content: digest(item, "content").unwrap_or(hash),
            claim_version: number("claim")?.ok_or(BadItem("claim"))?,
            fingerprint: string("fingerprint").cloned().unwrap_or_default(),
            redacted: redacted.filter_map(|value| value.as_s().ok().cloned()).collect(),
            alias: string("alias").cloned(),
            admitted_ms: refused_ms.map(|_| indexed_ms),
            disowned_at: string(DISOWNED_AT).cloned(),
        })
    }

    /// Returns whether the body was erased.
    pub fn is_erased(&self) -> bool {
        matches!(self.body, KeptBody::Erased(_))
    }

    /// Returns whether it was disowned.
    pub fn is_disowned(&self) -> bool {
        self.disowned_at.is_some()
    }

    /// Returns whether the body is not there although it was not erased. Of a body that another row has, this is known
    /// once it was loaded.
    pub fn is_bodiless(&self) -> bool {
        match self.body {
            KeptBody::Gone => true,
            KeptBody::Of(_) => self.row.body.is_empty(),
            KeptBody::Inline(_) | KeptBody::Chunks { .. } | KeptBody::Erased(_) => false,
        }
    }

    /// Returns what a delivery that claims the same name is compared with.
    pub fn existing(&self) -> Existing {
        Existing { content: self.content, signed_at: self.row.signed_at.clone(), received_ms: self.row.received_ms }
    }
}

/// Returns whether an item is an event's row.
pub fn is_event(item: &Item) -> bool {
    item.get("kind").and_then(|kind| kind.as_s().ok()).is_some_and(|kind| kind == KIND_EVENT)
}

/// Returns whether an item is an event's row that is to reach the queues: neither erased nor disowned.
pub(crate) fn is_due(item: &Item) -> bool {
    is_event(item) && !item.contains_key(ERASED_AT) && !item.contains_key(DISOWNED_AT)
}

/// Returns an item's key.
pub fn key_of(item: &Item) -> Option<EventKey> {
    let string = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    Some(EventKey { pk: string("pk")?, sk: string("sk")? })
}

/// Makes a string attribute.
pub fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// Makes a binary attribute.
pub fn bytes(value: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

/// Makes a map of strings.
pub fn header_map(headers: &BTreeMap<String, String>) -> AttributeValue {
    AttributeValue::M(headers.iter().map(|(name, value)| (name.clone(), text(value))).collect())
}

/// Formats an instant as every item has it: RFC 3339, UTC, milliseconds, one width, so that text sorts as time.
pub fn instant(ms: i64) -> String {
    let time = Timestamp::from_millisecond(ms).unwrap_or_default();
    format!("{time:.3}")
}

/// Returns the name of a partition of the time index; each source has [`TIME_SHARDS`].
pub fn time_bucket(provider: &str, source: &str, shard: u8) -> String {
    format!("{provider}/{source}/{shard}")
}

/// Returns the partition of the time index with the chunks of a source's rows.
pub fn chunk_bucket(provider: &str, source: &str) -> String {
    format!("{KIND_CHUNK}/{provider}/{source}")
}

/// Returns the source, `<provider>/<source>`, of which a partition of the time index is.
pub fn source_of_bucket(bucket: &str) -> Option<&str> {
    let chunks = bucket.strip_prefix(KIND_CHUNK).and_then(|rest| rest.strip_prefix('/'));
    chunks.or_else(|| bucket.rsplit_once('/').map(|(source, _)| source))
}

pub(crate) fn chunk_bucket_of(key: &EventKey) -> String {
    let (provider, source, _) = key.parts().unwrap_or_default();
    chunk_bucket(provider, source)
}

fn time_bucket_of(key: &EventKey) -> String {
    let (provider, source, subject) = key.parts().unwrap_or_default();
    let first = <sha2::Sha256 as sha2::Digest>::digest(subject.as_bytes()).first().copied().unwrap_or_default();
    time_bucket(provider, source, first % TIME_SHARDS)
}

pub(crate) fn digest(item: &Item, name: &str) -> Option<[u8; 32]> {
    item.get(name)?.as_b().ok()?.as_ref().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_read_back_as_they_were() {
        let row = Row {
            key: EventKey { pk: "scalev/main/1".into(), sk: "order.created/e".into() },
            received_ms: 1_700_000_000_123,
            body: Vec::new(),
            hash: [7; 32],
            headers: BTreeMap::from([("x".to_owned(), "y".to_owned())]),
            signed_at: Some("5".into()),
            mark: Some(Mark::Conflict),
        };
        let chunks = KeptBody::Chunks { name: "ab".into(), count: 3 };
        let erased = |chunks| KeptBody::Erased(Erased { at: instant(5), remainder: vec![3], chunks });
        let erased = [erased(None), erased(Some(("ab".to_owned(), 3)))];
        let others = [KeptBody::Inline(vec![1, 2]), chunks, KeptBody::Of("a/b".into()), KeptBody::Gone];
        for body in others.into_iter().chain(erased) {
            let stored = StoredRow {
                row: row.clone(),
                body,
                content: [8; 32],
                claim_version: 1,
                fingerprint: "abc".into(),
                redacted: vec!["data.secret_slug".into()],
                alias: Some("id".into()),
                admitted_ms: None,
                disowned_at: Some(instant(6)),
            };
            assert_eq!(StoredRow::from_item(&stored.to_item()).unwrap(), stored);
            // One that was admitted is in the index at that time, and came when it came.
            let admitted = StoredRow { admitted_ms: Some(1_700_000_100_000), ..stored.clone() };
            assert_eq!(StoredRow::from_item(&admitted.to_item()).unwrap(), admitted);
            assert_eq!(admitted.to_item()["received_at"], text(&instant(1_700_000_100_000)));
            assert_eq!(admitted.to_item()["refused_at"], text(&instant(1_700_000_000_123)));
            // A snapshot is marked as one, for people who look at the table.
            let mut snapshot = stored;
            assert!(!snapshot.to_item().contains_key("origin"));
            snapshot.row.key.sk = format!("{}/ab", webhook::claim::Part::snapshot());
            assert_eq!(snapshot.to_item()["origin"], text("reconcile"));
            assert_eq!(StoredRow::from_item(&snapshot.to_item()).unwrap(), snapshot);
        }
        assert_eq!(instant(1_700_000_000_000), "2023-11-14T22:13:20.000Z");
    }
}
