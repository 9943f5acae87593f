//! Authentication schemes, as data.

use serde::Deserialize;

use crate::json::Value;

/// A provider's requirements for a delivery, before anything acts on it.
#[derive(Debug, Clone, Copy)]
pub struct Admission {
    /// The schemes by which its deliveries can prove themselves, by the name that a source states.
    pub schemes: &'static [(SchemeName, Scheme)],
    /// Headers that only another product of the same name sends.
    pub foreign_headers: &'static [&'static str],
    /// The shop that a body names.
    pub merchant: fn(&Value<'_>) -> Option<String>,
}

impl Admission {
    /// The scheme of this name, if the provider has it.
    pub fn scheme(&self, name: SchemeName) -> Option<&Scheme> {
        self.schemes.iter().find(|(known, _)| *known == name).map(|(_, scheme)| scheme)
    }
}

/// The scheme of a source's deliveries: stated, never inferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemeName {
    /// The provider signs.
    Signed,
    /// The provider signs nothing; the URL holds a secret.
    UrlToken,
}

/// A way in which a provider's deliveries prove themselves.
#[derive(Debug)]
pub enum Scheme {
    /// HMAC-SHA256 over a message made of the delivery.
    Signed(Signature),
    /// A secret in the URL; the provider signs nothing.
    UrlToken,
}

/// An HMAC-SHA256 scheme, as data.
#[derive(Debug)]
pub struct Signature {
    /// The place of the digest.
    pub place: SignaturePlace,
    /// The notation of its 32 bytes.
    pub encoding: Encoding,
    /// The timestamp that is part of the message, if any is.
    pub timestamp: Option<TimestampHeader>,
    /// The signed message.
    pub message: SignedMessage,
}

/// A header with the time of a delivery, whose text is part of what is signed.
#[derive(Debug)]
pub struct TimestampHeader {
    /// Its lower-case name.
    pub header: &'static str,
    /// Milliseconds in one unit of its number.
    pub unit_ms: i64,
}

/// The place of a signature.
#[derive(Debug)]
pub enum SignaturePlace {
    /// In a header, by lower-case name.
    Header(&'static str),
    /// In a query parameter.
    Query(&'static str),
}

/// The notation of a signature's bytes.
#[derive(Debug)]
pub enum Encoding {
    /// Standard alphabet, padded.
    Base64,
    /// Either case.
    Hex,
}

/// The message that a signature covers.
#[derive(Debug)]
pub enum SignedMessage {
    /// The body.
    Body,
    /// `<prefix>:<timestamp>:<body>`
    PrefixTimestampBody(&'static str),
    /// `<timestamp>:<body with sorted keys, as JavaScript prints it>`
    TimestampSortedJson,
}
