//! The kept delivery.

use std::collections::BTreeMap;

use crate::keep::claim::{Claim, EventKey};

/// A kept delivery: everything that a reading, now or under a later mapping, is a function of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub key: EventKey,
    /// When it was received, in milliseconds since 1970.
    pub received_ms: i64,
    /// The body as received, but for redacted secrets.
    pub body: Vec<u8>,
    /// SHA-256 of the body as received.
    pub hash: [u8; 32],
    /// The headers that a reading or a new check of the signature needs.
    pub headers: BTreeMap<String, String>,
    /// The timestamp header's text, where the signature covered it.
    pub signed_at: Option<String>,
    /// The mark that distinguishes it from other rows under its identity.
    pub mark: Option<Mark>,
}

/// A row that nobody has kept yet, and what decides if its name is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRow {
    /// The row under its first name, its body included.
    pub row: Row,
    /// Its name and how sure that is, compared with the existing row.
    pub claim: Claim,
    /// The fingerprint of the key or token that matched; [`ORIGIN`] if no webhook brought it.
    ///
    /// [`ORIGIN`]: crate::keep::claim::ORIGIN
    pub fingerprint: String,
    /// The paths of the values that were redacted.
    pub redacted: Vec<String>,
}

/// The reason for a further row under one identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Another body, which the provider rules out.
    Conflict,
    /// Another snapshot.
    Revision,
    /// The same body under a new signed time.
    PossiblyRepeated,
}

impl Mark {
    /// The word on the row.
    pub fn word(self) -> &'static str {
        match self {
            Mark::Conflict => "conflict",
            Mark::Revision => "revision",
            Mark::PossiblyRepeated => "possiblyrepeated",
        }
    }

    /// The mark of a word on a row.
    pub fn of_word(word: &str) -> Option<Self> {
        [Mark::Conflict, Mark::Revision, Mark::PossiblyRepeated].into_iter().find(|mark| mark.word() == word)
    }
}
