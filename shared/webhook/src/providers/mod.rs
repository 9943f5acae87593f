//! The providers: each a value, so that nothing can fail open by being left out.

use crate::claim::{self, Claim, EventKey, OtherBody, Part, Strength};
use crate::cut::SecretPath;
use crate::json::Value;
use crate::read_back::{Asked, ReadBack};
use crate::row::{Kept, Reading};
use crate::signature::{Scheme, Verified};
use crate::source::SchemeName;
use crate::status::Table;

mod scalapay;
mod scalev;
mod selldone;
mod shopline;

pub use scalapay::SCALAPAY;
pub use scalev::SCALEV;
pub use selldone::SELLDONE;
pub use shopline::SHOPLINE;

/// Every provider, in the order of their names.
pub const PROVIDERS: [&Provider; 4] = [&SCALAPAY, &SCALEV, &SELLDONE, &SHOPLINE];

/// Everything that tells one provider from another.
#[derive(Debug)]
pub struct Provider {
    /// The name in keys, logs and paths.
    pub name: &'static str,
    /// How its deliveries can prove themselves, by the name that a source states.
    pub schemes: &'static [(SchemeName, Scheme)],
    /// Headers that only another product of the same name sends.
    pub foreign_headers: &'static [&'static str],
    /// Headers that a reading or a later check of the signature needs.
    pub kept_headers: &'static [&'static str],
    /// Where bodies carry values that are secrets themselves.
    pub secrets: &'static [SecretPath],
    /// How long an equal body without a time is a repeat, in milliseconds.
    pub horizon_ms: i64,
    /// Raised with every change of what `read` makes of a body.
    pub mapping_version: u32,
    /// The events that the mapping has a word for, as the provider names them where one subscribes to them.
    pub topics: fn() -> Vec<&'static str>,
    /// The shop that a body names.
    pub merchant: fn(&Value<'_>) -> Option<String>,
    /// The name of a readable delivery.
    pub claim: fn(&Verified<'_>, &Value<'_>) -> Claim,
    /// What a readable delivery says.
    pub read: for<'a> fn(Kept<'a>) -> Reading,
    /// How its API tells an order.
    pub read_back: ReadBack,
}

impl Provider {
    /// The scheme of this name, if the provider has it.
    pub fn scheme(&self, name: SchemeName) -> Option<&Scheme> {
        self.schemes.iter().find(|(known, _)| *known == name).map(|(_, scheme)| scheme)
    }

    /// The provider of this name.
    pub fn named(name: &str) -> Option<&'static Provider> {
        PROVIDERS.into_iter().find(|provider| provider.name == name)
    }

    /// The provider that a key names.
    pub fn of(key: &EventKey) -> Option<&'static Provider> {
        key.parts().and_then(|(name, ..)| Provider::named(name))
    }

    /// An event's name for ever.
    pub fn claim(&self, verified: &Verified<'_>) -> Claim {
        match &verified.body {
            Ok(document) => (self.claim)(verified, &document.root),
            Err(_) => {
                let content = verified.body_hash();
                Claim {
                    subject: Part::missing(),
                    word: Part::missing(),
                    identity: Part::hash(&content),
                    strength: weak(self, verified),
                    other_body: OtherBody::Conflict,
                    content,
                    alias: None,
                }
            }
        }
    }
}

/// The strength of a name that is only a hash.
fn weak(provider: &Provider, verified: &Verified<'_>) -> Strength {
    match verified.signed_at() {
        Some(time) => Strength::SignedTime(time.to_owned()),
        None => Strength::Horizon(provider.horizon_ms),
    }
}

/// The contract's version, for rows.
pub const CLAIM_VERSION: u32 = claim::VERSION;

/// The provider's words of a table.
fn words<T>(table: Table<T>) -> Vec<&'static str> {
    table.iter().map(|(word, _)| *word).collect()
}

const HOUR_MS: i64 = 60 * 60 * 1_000;
