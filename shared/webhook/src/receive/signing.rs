//! Proofs as the providers make them: the schemes that receivers check, the other way round.
//!
//! For tools and tests, behind the feature `signing`: no function is built with it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::json::{self, canonical};
use crate::receive::request::{Delivery, percent_decode, percent_encode};
use crate::receive::scheme::{Admission, Encoding, Scheme, SchemeName, Signature, SignaturePlace, SignedMessage};
use crate::receive::secret::Secret;

/// A reason for which a delivery cannot be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// The provider has no such scheme.
    #[error("the provider has no such scheme")]
    NoScheme,
    /// The scheme signs the body's JSON, and the body is not JSON.
    #[error("this provider signs a body's JSON, and this body is not JSON")]
    NotJson,
}

/// Gives a delivery the credential that its scheme requires, in the place of any that it has.
///
/// A timestamp that the signature covers is kept if there is one, unless it is to be fresh.
pub fn sign(
    admission: &Admission,
    scheme: SchemeName,
    secret: &Secret,
    delivery: &mut Delivery,
    now_ms: i64,
    fresh: bool,
) -> Result<(), Unsigned> {
    let signature = match admission.scheme(scheme).ok_or(Unsigned::NoScheme)? {
        Scheme::UrlToken => {
            remove_credentials(admission, delivery);
            delivery.url_token = Some(secret.clone());
            return Ok(());
        }
        Scheme::Signed(signature) => signature,
    };
    if let Some(timestamp) = &signature.timestamp
        && (fresh || delivery.header(timestamp.header).is_none())
    {
        delivery.headers.insert(timestamp.header.to_owned(), (now_ms / timestamp.unit_ms).to_string());
    }
    let digest = digest(signature, secret, delivery)?;
    let written = match signature.encoding {
        Encoding::Base64 => STANDARD.encode(digest),
        Encoding::Hex => hex::encode(digest),
    };
    remove_credentials(admission, delivery);
    match signature.place {
        SignaturePlace::Header(name) => {
            delivery.headers.insert(name.to_owned(), written);
        }
        SignaturePlace::Query(name) => {
            let separator = if delivery.query.is_empty() { "" } else { "&" };
            delivery.query = format!("{}{separator}{name}={}", delivery.query, percent_encode(&written));
        }
    }
    Ok(())
}

/// Returns the URL's path and query for a delivery to a source, without a leading slash.
pub fn path(source: &str, delivery: &Delivery) -> String {
    let token =
        delivery.url_token.as_ref().map(|token| format!("/{}", percent_encode(token.reveal()))).unwrap_or_default();
    let query = if delivery.query.is_empty() { String::new() } else { format!("?{}", delivery.query) };
    format!("{source}{token}{query}")
}

/// Makes a delivery that is only a body.
pub fn bare(body: Vec<u8>) -> Delivery {
    let headers = BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]);
    Delivery { headers, query: String::new(), url_token: None, body }
}

/// Removes the credentials of all of a provider's schemes.
pub fn remove_credentials(admission: &Admission, delivery: &mut Delivery) {
    delivery.url_token = None;
    for (_, scheme) in admission.schemes {
        match scheme {
            Scheme::Signed(Signature { place: SignaturePlace::Header(name), .. }) => {
                delivery.headers.remove(*name);
            }
            Scheme::Signed(Signature { place: SignaturePlace::Query(name), .. }) => {
                let other = |pair: &&str| percent_decode(pair.split('=').next().unwrap_or_default()) != *name;
                let kept: Vec<&str> = delivery.query.split('&').filter(other).collect();
                delivery.query = kept.join("&");
            }
            Scheme::UrlToken => {}
        }
    }
}

fn digest(signature: &Signature, key: &Secret, delivery: &Delivery) -> Result<[u8; 32], Unsigned> {
    let stamp = signature
        .timestamp
        .as_ref()
        .and_then(|timestamp| delivery.header(timestamp.header))
        .unwrap_or_default()
        .as_bytes();
    Ok(match signature.message {
        SignedMessage::Body => key.hmac(&[&delivery.body]),
        SignedMessage::PrefixTimestampBody(prefix) => key.hmac(&[prefix.as_bytes(), b":", stamp, b":", &delivery.body]),
        SignedMessage::TimestampSortedJson => {
            let document = json::parse(&delivery.body).map_err(|_| Unsigned::NotJson)?;
            let texts = canonical::candidates(&document.root);
            key.hmac(&[stamp, b":", texts.first().ok_or(Unsigned::NotJson)?.as_bytes()])
        }
    })
}

#[cfg(test)]
mod tests {
    use crate::provider::Provider;
    use crate::providers::{SCALAPAY, SCALEV, SELLDONE, SHOPLINE};
    use serde_json::Value;

    use super::*;

    fn vectors(provider: &str) -> Vec<Value> {
        let vectors: Value = serde_json::from_str(include_str!("../../../../events/signature_vectors.json")).unwrap();
        vectors[provider].as_array().unwrap().clone()
    }

    fn signed(provider: &Provider, vector: &Value, timestamp: Option<(&str, &str)>) -> Delivery {
        let mut delivery = bare(vector["raw_body"].as_str().unwrap().as_bytes().to_vec());
        delivery.headers.extend(timestamp.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let key = ["secret", "api_key", "app_secret"].iter().find_map(|name| vector[*name].as_str());
        let key = Secret::new(key.unwrap());
        sign(&provider.admission, SchemeName::Signed, &key, &mut delivery, 0, false).unwrap();
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
        sign(&SHOPLINE.admission, SchemeName::Signed, &Secret::new("key"), &mut delivery, 5_000, false).unwrap();
        assert!(delivery.query.starts_with("a=1&sign=") && delivery.query_once("sign").is_some(), "{}", delivery.query);
        assert_eq!(delivery.header("x-shopline-developer-event-timestamp"), Some("5"));
        sign(&SHOPLINE.admission, SchemeName::UrlToken, &Secret::new("a/b"), &mut delivery, 0, false).unwrap();
        assert_eq!(path("tw", &delivery), "tw/a%2Fb?a=1");
        let no_scheme = sign(&SELLDONE.admission, SchemeName::Signed, &Secret::new("k"), &mut delivery, 0, false);
        assert_eq!(no_scheme, Err(Unsigned::NoScheme));
        delivery.body = b"no".to_vec();
        let not_json = sign(&SHOPLINE.admission, SchemeName::Signed, &Secret::new("k"), &mut delivery, 0, false);
        assert_eq!(not_json, Err(Unsigned::NotJson));
    }
}
