//! An event's permanent name: subject, key and strength.
//!
//! This is a contract of its own, apart from the mapping: a fixed mapping must never give a redelivery a new name.
//! `tests/claims.golden` holds every name that was ever given; it is only appended to.

use std::fmt;

use sha2::{Digest, Sha256};

/// The contract's version, kept on every row. A new version needs a look-up under the old name.
pub const VERSION: u32 = 1;

/// Longer parts are replaced by their hash: DynamoDB takes 2,048 bytes of partition key and 1,024 of sort key.
const PART_BYTES_MAX: usize = 300;

/// Reserved event word for orders fetched from a provider's API. It cannot collide: encoding yields `~` only alone (a
/// missing value) or as `~h<hash>`.
const SNAPSHOT: &str = "~reconcile";

/// The extension `origin` of events that are snapshots, and the attribute on their rows.
pub const ORIGIN: &str = "reconcile";

/// The name of a verified delivery, and its certainty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The order, payment, customer, product …: the third part of the partition key, already encoded.
    pub subject: Part,
    /// The provider's word for what happened, already encoded.
    pub word: Part,
    /// The difference between this event and others of its word and subject, already encoded.
    pub identity: Part,
    /// The certainty that an equal name is an equal event.
    pub strength: Strength,
    /// The meaning of another body under the same name.
    pub other_body: OtherBody,
    /// The same for two deliveries of one event: a hash of the body, over its meaning where bytes may vary.
    pub content: [u8; 32],
    /// A hash of the bytes, where `content` is over their meaning and rows may be kept whose content is the bytes'. It
    /// names another body under the same name.
    pub bytes: Option<[u8; 32]>,
    /// Another name that the provider uses for the subject: see [`alias`].
    pub alias: Option<String>,
}

/// Returns a provider's other name for a subject as rows have it: of a longer one than a part of a key its hash, since a
/// row has to fit into an item whatever a body says.
pub fn alias(name: &str) -> String {
    if name.len() <= PART_BYTES_MAX { name.to_owned() } else { hashed(name) }
}

fn hashed(long: &str) -> String {
    format!("~h{}", hex::encode(Sha256::digest(long.as_bytes())))
}

/// The certainty that an equal name is an equal event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strength {
    /// The provider's own id: a second delivery is a repeat.
    Strong,
    /// A hash, but the delivery's time is signed: a new time under an equal hash may be a new event.
    SignedTime(String),
    /// A hash and no time: a repeat within this many milliseconds, a new event beyond.
    Horizon(i64),
}

/// The meaning of another body under one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherBody {
    /// A fresh snapshot of the same happening.
    Revision,
    /// A contradiction: kept, relayed marked, alarmed.
    Conflict,
}

/// One encoded part of a key: letters, digits, `.`, `_`, `-`, `%XX`, with `:` between joined values and `~` for a
/// missing one. No two different sequences of values have one encoding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part(String);

impl Part {
    /// Encodes values that belong together; a missing or empty one is explicit.
    pub fn of(values: &[Option<&str>]) -> Self {
        let joined = values.iter().map(|value| encode(value.unwrap_or_default())).collect::<Vec<_>>().join(":");
        if joined.len() <= PART_BYTES_MAX {
            return Part(joined);
        }
        Part(hashed(&joined))
    }

    /// Encodes one value.
    pub fn one(value: &str) -> Self {
        Part::of(&[Some(value)])
    }

    /// The part of an event that has no such value.
    pub fn missing() -> Self {
        Part::of(&[None])
    }

    /// The word of a snapshot: no provider's word encodes to it.
    pub fn snapshot() -> Self {
        Part(SNAPSHOT.to_owned())
    }

    /// A hash as an identity.
    pub fn hash(content: &[u8; 32]) -> Self {
        Part(hex::encode(content))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn encode(value: &str) -> String {
    if value.is_empty() {
        return "~".to_owned();
    }
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-') {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push_str(&hex::encode_upper([byte]));
        }
    }
    text
}

/// A row's key: `<provider>/<source>/<subject>` and `<word>/<identity>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

impl EventKey {
    /// The first name of an event.
    pub fn of(provider: &str, source: &str, claim: &Claim) -> Self {
        EventKey {
            pk: format!("{provider}/{}/{}", encode(source), claim.subject),
            sk: format!("{}/{}", claim.word, claim.identity),
        }
    }

    /// The event id: five encoded parts, resolvable by one read.
    pub fn id(&self) -> String {
        format!("{}/{}", self.pk, self.sk)
    }

    /// The key of an event id.
    pub fn from_id(id: &str) -> Option<Self> {
        let cut = id.match_indices('/').nth(2)?.0;
        let (pk, sk) = (id.get(..cut)?, id.get(cut + 1..)?);
        let parts: Vec<&str> = id.split('/').collect();
        let whole = parts.len() == 5 && parts.iter().all(|part| !part.is_empty());
        whole.then(|| EventKey { pk: pk.to_owned(), sk: sk.to_owned() })
    }

    /// The provider's name, the source's name and the subject, as encoded.
    pub fn parts(&self) -> Option<(&str, &str, &str)> {
        let mut parts = self.pk.splitn(3, '/');
        Some((parts.next()?, parts.next()?, parts.next()?))
    }

    /// Returns whether it names a snapshot, not a delivery.
    pub fn is_snapshot(&self) -> bool {
        self.sk.split('/').next() == Some(SNAPSHOT)
    }

    /// A name for a further row under the same identity.
    pub fn variant(&self, variant: &Variant) -> Self {
        EventKey { pk: self.pk.clone(), sk: format!("{}{variant}", self.sk) }
    }
}

/// A further row under one identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variant {
    /// The same body, beyond the horizon, for the n-th time (from 2): `~2`.
    Generation(u32),
    /// The same body, signed again at this time: `~t<time>`.
    SignedAt(String),
    /// Another body: `~b<hash>`.
    Body([u8; 32]),
}

impl fmt::Display for Variant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Variant::Generation(number) => write!(formatter, "~{number}"),
            Variant::SignedAt(time) => write!(formatter, "~t{}", Part::one(time)),
            Variant::Body(content) => write!(formatter, "~b{}", hex::encode(content.get(..16).unwrap_or_default())),
        }
    }
}

/// The facts of the existing row under the claimed name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Its content hash.
    pub content: [u8; 32],
    /// Its signed time.
    pub signed_at: Option<String>,
    /// When it was received, in milliseconds since 1970.
    pub received_ms: i64,
}

/// The decision on a delivery whose name is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is the same event again: write nothing.
    Repeat,
    /// Keep it under this further name, if that is free; if not, it is a repeat.
    KeepAs(Variant),
    /// The name is older than the horizon: look for the latest generation, then decide again.
    LaterGeneration,
}

impl Claim {
    /// Compares a delivery with the existing row under its name.
    pub fn decide(&self, standing: &Existing, received_ms: i64) -> Decision {
        if standing.content != self.content && Some(standing.content) != self.bytes {
            return Decision::KeepAs(Variant::Body(self.bytes.unwrap_or(self.content)));
        }
        match &self.strength {
            Strength::Strong => Decision::Repeat,
            Strength::SignedTime(time) if standing.signed_at.as_ref() == Some(time) => Decision::Repeat,
            Strength::SignedTime(time) => Decision::KeepAs(Variant::SignedAt(time.clone())),
            Strength::Horizon(horizon_ms) if received_ms - standing.received_ms <= *horizon_ms => Decision::Repeat,
            Strength::Horizon(_) => Decision::LaterGeneration,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_is_injective_and_never_empty() {
        let cases: [&[Option<&str>]; 12] = [
            &[None],
            &[Some("~")],
            &[Some("a"), Some("b")],
            &[Some("a:b")],
            &[Some("a"), None],
            &[Some("a")],
            &[Some("a/b")],
            &[Some("a%2Fb")],
            &[Some("é")],
            &[Some("e\u{301}")],
            &[Some("A")],
            &[Some("\0")],
        ];
        let encoded: std::collections::BTreeSet<_> = cases.iter().map(|values| Part::of(values)).collect();
        assert_eq!(encoded.len(), cases.len());
        assert_eq!(Part::of(&[None]), Part::of(&[Some("")]));
        assert_eq!(Part::one("order/create").to_string(), "order%2Fcreate");
        let (long, longer) = ("x".repeat(301), "x".repeat(302));
        assert_eq!(Part::one(&long).to_string().len(), 66);
        assert_ne!(Part::one(&long), Part::one(&longer));
    }

    #[test]
    fn ids_resolve_to_keys() {
        let key = EventKey { pk: "shopline/tw/600fce09".into(), sk: "order%2Fcreate/ab~2".into() };
        assert_eq!(EventKey::from_id(&key.id()), Some(key));
        let snapshot = EventKey { pk: "scalev/main/1".into(), sk: format!("{}/ab", Part::snapshot()) };
        assert!(snapshot.is_snapshot() && EventKey::from_id(&snapshot.id()).is_some());
        for word in [Some("~reconcile"), Some("reconcile"), None] {
            let sk = format!("{}/ab", Part::of(&[word]));
            assert!(!EventKey { sk, ..snapshot.clone() }.is_snapshot(), "{word:?}");
        }
        for id in ["", "a/b/c/d", "a/b/c/d/e/f", "a//c/d/e", "a/b/c/d/"] {
            assert_eq!(EventKey::from_id(id), None, "{id}");
        }
    }

    #[test]
    fn a_taken_name_is_decided_by_strength() {
        let claim = |strength| Claim {
            subject: Part::one("s"),
            word: Part::one("w"),
            identity: Part::one("i"),
            strength,
            other_body: OtherBody::Conflict,
            content: [1; 32],
            bytes: None,
            alias: None,
        };
        let standing = |content, signed_at: Option<&str>, received_ms| Existing {
            content: [content; 32],
            signed_at: signed_at.map(str::to_owned),
            received_ms,
        };
        let signed = |time: &str| Strength::SignedTime(time.to_owned());
        for (strength, row, expected) in [
            (Strength::Strong, standing(1, None, 0), Decision::Repeat),
            (Strength::Strong, standing(2, None, 0), Decision::KeepAs(Variant::Body([1; 32]))),
            (signed("5"), standing(1, Some("5"), 0), Decision::Repeat),
            (signed("6"), standing(1, Some("5"), 0), Decision::KeepAs(Variant::SignedAt("6".into()))),
            (Strength::Horizon(1_000), standing(1, None, 0), Decision::Repeat),
            (Strength::Horizon(999), standing(1, None, 0), Decision::LaterGeneration),
            // Clocks of two machines differ: a row from the future is within the horizon.
            (Strength::Horizon(999), standing(1, None, 5_000), Decision::Repeat),
        ] {
            assert_eq!(claim(strength).decide(&row, 1_000), expected);
        }
    }
}
