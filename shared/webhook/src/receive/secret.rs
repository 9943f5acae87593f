//! Values that must never be printed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// A signing key or URL token: comparable in constant time, never printable.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Secret(value.into())
    }

    /// A name for the value that reveals nothing of it: twelve hex digits.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::new().chain_update(b"hookmill fingerprint\0").chain_update(self.0.as_bytes()).finalize();
        hex::encode(digest.get(..6).unwrap_or_default())
    }

    /// HMAC-SHA256 under this value's UTF-8 bytes, over the parts joined.
    pub fn hmac(&self, parts: &[&[u8]]) -> [u8; 32] {
        // HMAC takes keys of any length, so the error cannot arise; if it did, nothing would match.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()) else { return [0; 32] };
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    /// Returns whether both are one value. Compares digests, so that neither content nor length shows in the time.
    pub fn matches(&self, other: &Secret) -> Choice {
        self.has_digest(&other.digest())
    }

    /// Returns whether this is the value of a digest, in constant time.
    pub fn has_digest(&self, digest: &[u8; 32]) -> Choice {
        self.digest().ct_eq(digest)
    }

    /// SHA-256 of the value, for keeping what was presented without keeping it.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The value itself, for a URL that an operator's tool is to call. No function calls this; tidy checks it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether it is one of these texts, which are public and so no longer secret.
    pub(crate) fn is_any_of(&self, texts: &[&str]) -> bool {
        texts.contains(&self.0.as_str())
    }

    /// Returns whether it starts with this public text.
    pub(crate) fn starts_with(&self, text: &str) -> bool {
        self.0.starts_with(text)
    }
}

/// The key that seals refused bodies while they wait in quarantine: 32 random bytes, never printable.
#[derive(Clone, PartialEq, Eq)]
pub struct QuarantineKey([u8; 32]);

impl QuarantineKey {
    /// A key of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        QuarantineKey(bytes)
    }

    /// Reads a key as secrets have it: base64url. Bytes that are all alike are somebody's placeholder.
    pub fn from_text(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?.try_into().ok()?;
        let [first, ..] = bytes;
        bytes.iter().any(|byte| *byte != first).then_some(QuarantineKey(bytes))
    }

    /// The key as secrets have it.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The key's bytes, for a cipher.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for QuarantineKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("QuarantineKey")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secret({})", self.fingerprint())
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The library's message would repeat a value of the wrong type.
        String::deserialize(deserializer).map(Secret).map_err(|_| serde::de::Error::custom("a secret is not a string"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_prints() {
        let secret = Secret::new("hunter2hunter2");
        assert!(!format!("{secret:?}").contains("hunter"));
        assert!(bool::from(secret.matches(&Secret::new("hunter2hunter2"))));
        assert!(!bool::from(secret.matches(&Secret::new("hunter2"))));
        let error = serde_json::from_str::<Secret>("12345").unwrap_err().to_string();
        assert!(!error.contains("12345"), "{error}");
    }

    #[test]
    fn a_quarantine_key_is_32_bytes_that_somebody_drew() {
        let bytes: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let text = QuarantineKey::new(bytes).to_text();
        for (text, is_key) in [
            (text.clone(), true),
            (format!("{text}="), true),
            (text[1..].to_owned(), false),
            (format!("{text}AA"), false),
            (format!("{}+", &text[1..]), false),
            (QuarantineKey::new([0; 32]).to_text(), false),
            (QuarantineKey::new([7; 32]).to_text(), false),
            (String::new(), false),
        ] {
            let key = QuarantineKey::from_text(&text);
            assert_eq!(key.is_some(), is_key, "{text}");
            assert!(key.is_none_or(|key| key.as_bytes() == &bytes && format!("{key:?}") == "QuarantineKey"));
        }
    }
}
