//! A provider: a value, so that nothing can fail open by being left out.

use sha2::{Digest, Sha256};

use crate::json::{self, Value};
use crate::keep::claim::{Claim, EventKey, ORIGIN, OtherBody, Part, Strength};
use crate::keep::redact::{SecretPath, redact};
use crate::keep::row::{NewRow, Row};
use crate::read::event::Event;
use crate::read::mapping::{self, Mapping};
use crate::read::snapshot::{self, SnapshotMapping};
use crate::receive::scheme::Admission;
use crate::receive::signature::Verified;

/// Everything that differs from one provider to another.
#[derive(Debug)]
pub struct Provider {
    /// The name in keys, logs and paths.
    pub name: &'static str,
    /// Its requirements for a delivery, before anything acts on it.
    pub admission: Admission,
    /// Headers that a reading or a later check of the signature needs.
    pub kept_headers: &'static [&'static str],
    /// Places in bodies of values that are secrets themselves.
    pub secrets: &'static [SecretPath],
    /// The time within which an equal body without a time is a repeat, in milliseconds.
    pub horizon_ms: i64,
    /// Raised with every change of what `mapping` makes of a body.
    pub mapping_version: u32,
    /// The events that the mapping has a word for, as the provider names them where one subscribes to them.
    pub topics: fn() -> Vec<&'static str>,
    /// The name of a readable delivery.
    pub claim: fn(&Verified<'_>, &Value<'_>) -> Claim,
    /// The reading of a readable delivery.
    pub mapping: Mapping,
    /// The orders of its API.
    pub snapshots: SnapshotMapping,
}

impl Provider {
    /// Returns an event's permanent name.
    pub fn claim_of(&self, verified: &Verified<'_>) -> Claim {
        match &verified.body {
            Ok(document) => (self.claim)(verified, &document.root),
            Err(_) => {
                let content = verified.body_hash();
                Claim {
                    subject: Part::missing(),
                    word: Part::missing(),
                    identity: Part::hash(&content),
                    strength: self.weak(verified),
                    other_body: OtherBody::Conflict,
                    content,
                    bytes: None,
                    alias: None,
                }
            }
        }
    }

    /// Reads the canonical event out of a row: a pure function of the row and this build's mapping.
    pub fn read(&self, row: &Row) -> Event {
        let mapping = if row.key.is_snapshot() { self.snapshots.mapping } else { self.mapping };
        mapping::event(row, mapping, self.mapping_version)
    }

    /// Makes the row of a verified delivery.
    pub fn row_of(&self, verified: &Verified<'_>, received_ms: i64) -> NewRow {
        let delivery = verified.delivery;
        let claim = self.claim_of(verified);
        let redacted = redact(&delivery.body, &verified.body, self.secrets);
        NewRow {
            row: Row {
                key: EventKey::of(self.name, &verified.source.name, &claim),
                received_ms,
                body: redacted.body,
                hash: verified.body_hash(),
                headers: delivery.kept_headers(self.kept_headers),
                signed_at: verified.signed_at().map(str::to_owned),
                mark: None,
            },
            claim,
            fingerprint: verified.fingerprint().to_owned(),
            redacted: redacted.paths,
        }
    }

    /// Makes the row of an API's answer about a subject of a source. `timeless` says that the source's webhooks carry
    /// no times.
    pub fn snapshot(&self, source: &str, subject: Part, answer: &[u8], timeless: bool, received_ms: i64) -> NewRow {
        let redacted = redact(answer, &json::parse(answer), self.snapshots.secrets);
        let claim = snapshot::claim(subject, &redacted.body);
        NewRow {
            row: Row {
                key: EventKey::of(self.name, source, &claim),
                received_ms,
                body: redacted.body,
                hash: Sha256::digest(answer).into(),
                headers: snapshot::headers(timeless),
                signed_at: None,
                mark: None,
            },
            claim,
            fingerprint: ORIGIN.to_owned(),
            redacted: redacted.paths,
        }
    }

    /// The strength of a name that is only a hash.
    pub(crate) fn weak(&self, verified: &Verified<'_>) -> Strength {
        match verified.signed_at() {
            Some(time) => Strength::SignedTime(time.to_owned()),
            None => Strength::Horizon(self.horizon_ms),
        }
    }
}
