//! Proves deliveries as the providers do: the schemes that receivers check, the other way round.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use webhook::json::{self, canonical};
use webhook::providers::Provider;
use webhook::request::{Delivery, percent_decode};
use webhook::scheme::Encoding;
use webhook::scheme::Message;
use webhook::scheme::Place;
use webhook::scheme::Scheme;
use webhook::scheme::SchemeName;
use webhook::scheme::Signature;
use webhook::secret::Secret;

/// Providers whose timestamps count milliseconds; the others' count seconds.
const IN_MILLISECONDS: &[&str] = &["scalapay"];

/// Why a delivery cannot be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsigned {
    /// The provider has no such scheme.
    NoScheme,
    /// What is to be signed is the body's JSON, and it is none.
    NotJson,
}

impl std::fmt::Display for Unsigned {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Unsigned::NoScheme => "the provider has no such scheme",
            Unsigned::NotJson => "this provider signs a body's JSON, and this body is not JSON",
        })
    }
}

/// Gives a delivery the credential that its scheme asks for, in the place of any that it has. A timestamp that the
/// signature covers is kept where there is one, unless it is to be fresh.
pub fn sign(
    provider: &Provider,
    scheme: SchemeName,
    secret: &Secret,
    delivery: &mut Delivery,
    now_ms: i64,
    fresh: bool,
) -> Result<(), Unsigned> {
    take_away(provider, delivery);
    match provider.admission.scheme(scheme).ok_or(Unsigned::NoScheme)? {
        Scheme::UrlToken => delivery.url_token = Some(secret.clone()),
        Scheme::Signed(signature) => {
            if let Some(name) = signature.timestamp_header
                && (fresh || delivery.header(name).is_none())
            {
                let unit_ms = if IN_MILLISECONDS.contains(&provider.name) { 1 } else { 1_000 };
                delivery.headers.insert(name.to_owned(), (now_ms / unit_ms).to_string());
            }
            let digest = digest(signature, secret, delivery)?;
            let written = match signature.encoding {
                Encoding::Base64 => STANDARD.encode(digest),
                Encoding::Hex => hex::encode(digest),
            };
            match signature.place {
                Place::Header(name) => {
                    delivery.headers.insert(name.to_owned(), written);
                }
                Place::Query(name) => {
                    let separator = if delivery.query.is_empty() { "" } else { "&" };
                    delivery.query = format!("{}{separator}{name}={}", delivery.query, encode(&written));
                }
            }
        }
    }
    Ok(())
}

/// The URL's path and query for a delivery to a source, without a slash in front.
pub fn path(source: &str, delivery: &Delivery) -> String {
    let token = delivery.url_token.as_ref().map(|token| format!("/{}", encode(token.reveal()))).unwrap_or_default();
    let query = if delivery.query.is_empty() { String::new() } else { format!("?{}", delivery.query) };
    format!("{source}{token}{query}")
}

fn digest(signature: &Signature, key: &Secret, delivery: &Delivery) -> Result<[u8; 32], Unsigned> {
    let stamp = signature.timestamp_header.and_then(|name| delivery.header(name)).unwrap_or_default().as_bytes();
    Ok(match signature.message {
        Message::Body => key.hmac(&[&delivery.body]),
        Message::PrefixTimestampBody(prefix) => key.hmac(&[prefix.as_bytes(), b":", stamp, b":", &delivery.body]),
        Message::TimestampSortedJson => {
            let document = json::parse(&delivery.body).map_err(|_| Unsigned::NotJson)?;
            let texts = canonical::candidates(&document.root);
            key.hmac(&[stamp, b":", texts.first().ok_or(Unsigned::NotJson)?.as_bytes()])
        }
    })
}

/// Removes whatever credential another scheme or another key has left.
fn take_away(provider: &Provider, delivery: &mut Delivery) {
    delivery.url_token = None;
    for (_, scheme) in provider.admission.schemes {
        match scheme {
            Scheme::Signed(Signature { place: Place::Header(name), .. }) => {
                delivery.headers.remove(*name);
            }
            Scheme::Signed(Signature { place: Place::Query(name), .. }) => {
                let other = |pair: &&str| percent_decode(pair.split('=').next().unwrap_or_default()) != *name;
                let kept: Vec<&str> = delivery.query.split('&').filter(other).collect();
                delivery.query = kept.join("&");
            }
            Scheme::UrlToken => {}
        }
    }
}

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A delivery that is only a body.
pub fn bare(body: Vec<u8>) -> Delivery {
    let headers = BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]);
    Delivery { headers, query: String::new(), url_token: None, body }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use webhook::providers::{SCALAPAY, SCALEV, SELLDONE, SHOPLINE};

    use super::*;

    fn vectors(provider: &str) -> Vec<Value> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../events/signature_vectors.json");
        let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        vectors[provider].as_array().unwrap().clone()
    }

    fn signed(provider: &Provider, vector: &Value, timestamp: Option<(&str, &str)>) -> Delivery {
        let mut delivery = bare(vector["raw_body"].as_str().unwrap().as_bytes().to_vec());
        delivery.headers.extend(timestamp.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let key = ["secret", "api_key", "app_secret"].iter().find_map(|name| vector[*name].as_str());
        let key = Secret::new(key.unwrap());
        sign(provider, SchemeName::Signed, &key, &mut delivery, 0, false).unwrap();
        delivery
    }

    #[test]
    fn signatures_are_those_made_elsewhere() {
        for vector in vectors("scalev") {
            let delivery = signed(&SCALEV, &vector, None);
            assert_eq!(delivery.header("x-scalev-hmac-sha256"), vector["x_scalev_hmac_sha256"].as_str());
        }
        for vector in vectors("scalapay") {
            let timestamp = ("x-scalapay-timestamp", vector["x_scalapay_timestamp"].as_str().unwrap());
            let delivery = signed(&SCALAPAY, &vector, Some(timestamp));
            assert_eq!(delivery.header("x-scalapay-hmac-v1"), vector["x_scalapay_hmac_v1"].as_str());
        }
        for vector in vectors("shopline") {
            let timestamp = ("x-shopline-developer-event-timestamp", vector["timestamp"].as_str().unwrap());
            let delivery = signed(&SHOPLINE, &vector, Some(timestamp));
            assert_eq!(delivery.query_once("sign").as_deref(), vector["sign"].as_str());
        }
    }

    #[test]
    fn an_earlier_credential_is_replaced() {
        let mut delivery = bare(b"{}".to_vec());
        delivery.query = "a=1&%73ign=old&sign=older".to_owned();
        sign(&SHOPLINE, SchemeName::Signed, &Secret::new("key"), &mut delivery, 5_000, false).unwrap();
        assert!(delivery.query.starts_with("a=1&sign=") && delivery.query_once("sign").is_some(), "{}", delivery.query);
        assert_eq!(delivery.header("x-shopline-developer-event-timestamp"), Some("5"));
        sign(&SHOPLINE, SchemeName::UrlToken, &Secret::new("a/b"), &mut delivery, 0, false).unwrap();
        assert_eq!(path("tw", &delivery), "tw/a%2Fb?a=1");
        let no_scheme = sign(&SELLDONE, SchemeName::Signed, &Secret::new("k"), &mut delivery, 0, false);
        assert_eq!(no_scheme, Err(Unsigned::NoScheme));
        delivery.body = b"no".to_vec();
        let not_json = sign(&SHOPLINE, SchemeName::Signed, &Secret::new("k"), &mut delivery, 0, false);
        assert_eq!(not_json, Err(Unsigned::NotJson));
    }
}
