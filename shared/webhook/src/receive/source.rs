//! Sources: the registered URLs of one provider, and what each accepts.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::receive::scheme::{Admission, SchemeName};
use crate::receive::secret::{QuarantineKey, Secret};

/// Shorter URL tokens cannot hold 128 random bits: 22 characters of base64, or more of anything plainer.
pub const URL_TOKEN_LENGTH_MIN: usize = 22;

/// Shorter signing keys are refused as mistakes; the shortest real one seen has 20 characters.
pub const SIGNING_KEY_LENGTH_MIN: usize = 8;

/// Keys printed in public documents, this project's own samples among them: they authenticate everybody.
const PUBLIC_KEYS: &[&str] = &[
    "YOUR-SIGNING-SECRET-HERE",
    "test-signing-secret",
    "api_key",
    "api-key",
    "b5138dd0a7c04f674260e1d3b3a762347421396fc5fc1bee55a2c2653c4207bd",
];
/// The beginning of the published samples' keys: no real key may have it.
pub const SAMPLE_KEY_PREFIX: &str = "hookmill-sample-";

/// One registered URL of a provider.
#[derive(Debug, Clone)]
pub struct Source {
    /// The path segment that names it.
    pub name: String,
    /// The scheme by which deliveries prove themselves.
    pub scheme: SchemeName,
    /// Accepted signing keys, the current one first.
    pub signing_keys: Vec<Secret>,
    /// Accepted URL tokens, the current one first.
    pub url_tokens: Vec<Secret>,
    /// Whose deliveries are accepted.
    pub merchants: Merchants,
    /// The URL belongs to an app that serves several shops, so that names begin with the shop where they could clash.
    /// Part of every name that is given here: stated when a source is made, and never changed.
    pub several_merchants: bool,
}

/// Whose deliveries a source accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merchants {
    /// Any merchant's: the credential alone decides.
    Any,
    /// These merchants' only, by the provider's own ids.
    Only(Vec<String>),
}

/// A reason for which a provider's secret, or one source in it, cannot be used. Never holds a value of the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// The secret is not the documented JSON.
    #[error("the secret is not of the documented form at line {line}, column {column}")]
    Form {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A source name that is not allowed in a URL and a key.
    #[error("a source name is not 1 to 64 of a-z, 0-9, '-' and '_'")]
    Name,
    /// The source is not of the documented form.
    #[error("the source is not of the documented form")]
    Source,
    /// The provider has no such scheme.
    #[error("the provider has no such scheme")]
    Scheme,
    /// No key or token for the stated scheme.
    #[error("no credential for the stated scheme")]
    NoCredential,
    /// An empty, too short or publicly known key or token.
    #[error("a credential is empty, too short or publicly known")]
    WeakCredential,
    /// No merchant is accepted.
    #[error("the list of merchants is empty")]
    NoMerchant,
    /// The key for the quarantine is malformed. Sources work without it: only what it would seal is lost.
    #[error("quarantine_key is not 32 random bytes in base64url")]
    QuarantineKey,
}

/// All sources of one provider, as its secret lists them.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    usable: BTreeMap<String, Source>,
    defective: BTreeMap<String, Defect>,
    quarantine_key: Option<Result<QuarantineKey, Defect>>,
    /// Made of the whole secret.
    key: Option<Secret>,
}

impl Source {
    /// The keys or tokens that its deliveries prove themselves by, the current one first.
    pub fn credentials(&self) -> &[Secret] {
        match self.scheme {
            SchemeName::Signed => &self.signing_keys,
            SchemeName::UrlToken => &self.url_tokens,
        }
    }
}

impl Sources {
    /// Reads a provider's secret. One source's defect does not take the others down.
    pub fn parse(admission: &Admission, secret: &str) -> Result<Self, Defect> {
        let document: SecretDocument = serde_json::from_str(secret)
            .map_err(|error| Defect::Form { line: error.line(), column: error.column() })?;
        let key = Secret::new(hex::encode(Secret::new(secret).digest()));
        let mut sources = Sources { quarantine_key: quarantine_key(secret), key: Some(key), ..Sources::default() };
        for (name, value) in document.sources {
            match source(admission, &name, value) {
                Ok(source) => {
                    sources.usable.insert(name, source);
                }
                Err(defect) => {
                    sources.defective.insert(name, defect);
                }
            }
        }
        Ok(sources)
    }

    /// The source of this name.
    pub fn get(&self, name: &str) -> Option<&Source> {
        self.usable.get(name)
    }

    /// Every source's name, those of unusable ones too, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let mut names: Vec<&str> = self.usable.keys().chain(self.defective.keys()).map(String::as_str).collect();
        names.sort_unstable();
        names.into_iter()
    }

    /// The sources that were refused, and why.
    pub fn defective(&self) -> impl Iterator<Item = (&str, &Defect)> {
        self.defective.iter().map(|(name, defect)| (name.as_str(), defect))
    }

    /// Returns the key that refused bodies are sealed with; `None` if the secret has no usable one.
    pub fn quarantine_key(&self) -> Option<&QuarantineKey> {
        self.quarantine_key.as_ref()?.as_ref().ok()
    }

    /// Returns the defect of the key for the quarantine, if the secret has an unusable one.
    pub fn quarantine_key_defect(&self) -> Option<&Defect> {
        self.quarantine_key.as_ref()?.as_ref().err()
    }

    /// Returns a hash of a refused delivery, at one place of the quarantine, that nobody can compute without the secret.
    pub fn keyed(&self, place: &str, body_hash: &[u8; 32]) -> [u8; 32] {
        let parts: [&[u8]; 4] = [b"hookmill quarantine slot\0", place.as_bytes(), b"\0", body_hash];
        self.key.as_ref().map_or(*body_hash, |key| key.hmac(&parts))
    }

    /// Returns whether a source of this name is registered but cannot be used.
    pub fn is_defective(&self, name: &str) -> bool {
        self.defective.contains_key(name)
    }
}

#[derive(Deserialize)]
struct SecretDocument {
    sources: BTreeMap<String, serde_json::Value>,
}

/// The secret's other member, read by itself: no value of it takes a source down.
#[derive(Deserialize)]
struct KeyDocument {
    quarantine_key: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceDocument {
    scheme: SchemeName,
    #[serde(default)]
    signing_keys: Vec<Secret>,
    #[serde(default)]
    url_tokens: Vec<Secret>,
    merchants: MerchantsDocument,
    #[serde(default)]
    several_merchants: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum MerchantsDocument {
    Word(String),
    List(Vec<String>),
}

/// Returns whether a text can be a source's name: 1 to 64 of `a-z`, `0-9`, `-` and `_`.
pub fn is_source_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.len() <= 64 && name.bytes().all(plain)
}

fn quarantine_key(secret: &str) -> Option<Result<QuarantineKey, Defect>> {
    let key = match serde_json::from_str::<KeyDocument>(secret) {
        Ok(document) => document.quarantine_key?,
        Err(_) => return Some(Err(Defect::QuarantineKey)),
    };
    Some(key.as_str().and_then(QuarantineKey::from_text).ok_or(Defect::QuarantineKey))
}

fn source(admission: &Admission, name: &str, value: serde_json::Value) -> Result<Source, Defect> {
    if !is_source_name(name) {
        return Err(Defect::Name);
    }
    let document: SourceDocument = serde_json::from_value(value).map_err(|_| Defect::Source)?;
    if admission.scheme(document.scheme).is_none() {
        return Err(Defect::Scheme);
    }
    let (credentials, length_min) = match document.scheme {
        SchemeName::Signed => (&document.signing_keys, SIGNING_KEY_LENGTH_MIN),
        SchemeName::UrlToken => (&document.url_tokens, URL_TOKEN_LENGTH_MIN),
    };
    if credentials.is_empty() {
        return Err(Defect::NoCredential);
    }
    let public = |secret: &Secret| secret.is_any_of(PUBLIC_KEYS) || secret.starts_with(SAMPLE_KEY_PREFIX);
    if credentials.iter().any(|secret| secret.len() < length_min || public(secret)) {
        return Err(Defect::WeakCredential);
    }
    let merchants = match document.merchants {
        MerchantsDocument::Word(word) if word == "any" => Merchants::Any,
        MerchantsDocument::Word(_) => return Err(Defect::Source),
        MerchantsDocument::List(list) if list.is_empty() || list.iter().any(String::is_empty) => {
            return Err(Defect::NoMerchant);
        }
        MerchantsDocument::List(list) => Merchants::Only(list),
    };
    let SourceDocument { scheme, signing_keys, url_tokens, several_merchants, .. } = document;
    Ok(Source { name: name.to_owned(), scheme, signing_keys, url_tokens, merchants, several_merchants })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Provider;
    use crate::providers::{SCALEV, SELLDONE};

    fn defect(provider: &Provider, source: &str) -> Option<Defect> {
        let secret = format!(r#"{{"sources": {{"main": {source}}}}}"#);
        Sources::parse(&provider.admission, &secret).unwrap().defective.get("main").cloned()
    }

    #[test]
    fn weak_or_misplaced_credentials_are_refused_when_loaded() {
        let good = r#"{"scheme":"signed","signing_keys":["q8Vq2b7xGkP4mZ1s"],"merchants":"any"}"#;
        assert_eq!(defect(&SCALEV, good), None);
        for (source, expected) in [
            (r#"{"scheme":"signed","signing_keys":[""],"merchants":"any"}"#, Defect::WeakCredential),
            (r#"{"scheme":"signed","signing_keys":["q8Vq2b7xGkP4mZ1s",""],"merchants":"any"}"#, Defect::WeakCredential),
            (r#"{"scheme":"signed","signing_keys":["test-signing-secret"],"merchants":"any"}"#, Defect::WeakCredential),
            (r#"{"scheme":"signed","signing_keys":["hookmill-sample-x"],"merchants":"any"}"#, Defect::WeakCredential),
            (r#"{"scheme":"signed","signing_keys":[],"merchants":"any"}"#, Defect::NoCredential),
            (
                r#"{"scheme":"signed","url_tokens":["q8Vq2b7xGkP4mZ1sq8Vq2b7xG"],"merchants":"any"}"#,
                Defect::NoCredential,
            ),
            (r#"{"scheme":"url_token","url_tokens":["q8Vq2b7xGkP4mZ1sq8Vq2b7xG"],"merchants":"any"}"#, Defect::Scheme),
            (r#"{"scheme":"none","merchants":"any"}"#, Defect::Source),
            (r#"{"signing_keys":["q8Vq2b7xGkP4mZ1s"],"merchants":"any"}"#, Defect::Source),
            (r#"{"scheme":"signed","signing_keys":["q8Vq2b7xGkP4mZ1s"]}"#, Defect::Source),
            (r#"{"scheme":"signed","signing_keys":["q8Vq2b7xGkP4mZ1s"],"merchants":"all"}"#, Defect::Source),
            (r#"{"scheme":"signed","signing_keys":["q8Vq2b7xGkP4mZ1s"],"merchants":[]}"#, Defect::NoMerchant),
        ] {
            assert_eq!(defect(&SCALEV, source), Some(expected), "{source}");
        }
        let short = r#"{"scheme":"url_token","url_tokens":["q8Vq2b7xGkP4mZ1s"],"merchants":"any"}"#;
        assert_eq!(defect(&SELLDONE, short), Some(Defect::WeakCredential));
    }

    #[test]
    fn a_bad_quarantine_key_is_reported_and_takes_no_source_down() {
        let key = QuarantineKey::new(std::array::from_fn(|at| u8::try_from(at).unwrap())).to_text();
        let good = format!(r#""quarantine_key": "{key}","#);
        for (member, usable, defective) in [
            ("", false, false),
            (r#""quarantine_key": null,"#, false, false),
            (good.as_str(), true, false),
            (r#""quarantine_key": "short","#, false, true),
            (r#""quarantine_key": 5,"#, false, true),
            (r#""quarantine_key": {"a": 1},"#, false, true),
            (r#""quarantine_key": "\ud800","#, false, true),
            (&format!("{good}{good}"), false, true),
        ] {
            let main = r#"{"main": {"scheme":"signed","signing_keys":["q8Vq2b7xGkP4mZ1s"],"merchants":"any"}}"#;
            let sources = Sources::parse(&SCALEV.admission, &format!(r#"{{{member} "sources": {main}}}"#)).unwrap();
            assert!(sources.get("main").is_some(), "{member}");
            assert_eq!(sources.quarantine_key().is_some(), usable, "{member}");
            assert_eq!(sources.quarantine_key_defect().is_some(), defective, "{member}");
            assert!(!format!("{sources:?}").contains(&key));
        }
    }

    #[test]
    fn a_bad_secret_is_reported_by_place_without_its_value() {
        let error = Sources::parse(&SCALEV.admission, "{\"sources\": hunter2}").unwrap_err();
        assert_eq!(error.to_string(), "the secret is not of the documented form at line 1, column 13");
    }
}
