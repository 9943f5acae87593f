//! How providers prove themselves, and how others try to. Shares nothing with the receivers but SHOPLINE's sorting.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// What a provider holds for a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A signing key.
    Key(String),
    /// A token in the URL.
    Token(String),
    /// None at all.
    Nothing,
}

/// A request as a provider sends it, but for the body.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The URL's path.
    pub path: String,
    /// The query string.
    pub query: String,
    /// The headers.
    pub headers: BTreeMap<String, String>,
}

impl Credential {
    /// The first credential of a source.
    pub fn current(source: &Value) -> Self {
        let first = |name: &str| source[name][0].as_str().unwrap().to_owned();
        match source["scheme"].as_str().unwrap() {
            "signed" => Credential::Key(first("signing_keys")),
            _ => Credential::Token(first("url_tokens")),
        }
    }

    /// Another credential of the same kind.
    pub fn changed(&self, by: &str) -> Self {
        match self {
            Credential::Key(key) => Credential::Key(format!("{key}{by}")),
            Credential::Token(token) => Credential::Token(format!("{token}{by}")),
            Credential::Nothing => Credential::Nothing,
        }
    }

    /// The text.
    pub fn text(&self) -> &str {
        match self {
            Credential::Key(text) | Credential::Token(text) => text,
            Credential::Nothing => "",
        }
    }
}

const CREDENTIAL_HEADERS: [&str; 2] = ["x-scalev-hmac-sha256", "x-scalapay-hmac-v1"];

/// Proves a body.
pub fn sign(
    provider: &str,
    source: &str,
    headers: &BTreeMap<String, String>,
    body: &[u8],
    credential: &Credential,
) -> Signed {
    let mut headers = headers.clone();
    headers.retain(|name, _| !CREDENTIAL_HEADERS.contains(&name.as_str()));
    let mut signed = Signed { path: format!("/{source}"), query: String::new(), headers };
    let key = match credential {
        Credential::Key(key) => key,
        Credential::Token(token) => {
            signed.path = format!("/{source}/{token}");
            return signed;
        }
        Credential::Nothing => return signed,
    };
    let header = |name: &str| signed.headers.get(name).cloned().unwrap_or_default();
    match provider {
        "scalev" => {
            let digest = STANDARD.encode(hmac(key, &[body]));
            signed.headers.insert("x-scalev-hmac-sha256".to_owned(), digest);
        }
        "scalapay" => {
            let time = header("x-scalapay-timestamp");
            let digest = hex::encode(hmac(key, &[b"V1:", time.as_bytes(), b":", body]));
            signed.headers.insert("x-scalapay-hmac-v1".to_owned(), digest);
        }
        _ => {
            let time = header("x-shopline-developer-event-timestamp");
            let document = webhook::json::parse(body).unwrap();
            let sorted = webhook::json::canonical::candidates(&document.root).remove(0);
            signed.query = format!("sign={}", hex::encode(hmac(key, &[time.as_bytes(), b":", sorted.as_bytes()])));
        }
    }
    signed
}

fn hmac(key: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    parts.iter().fold(mac, |mac, part| mac.chain_update(part)).finalize().into_bytes().to_vec()
}
