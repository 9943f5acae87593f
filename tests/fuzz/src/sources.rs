//! The samples' sources under keys of their own, and how a provider proves a delivery to each.
//! Shares nothing with the code under test but SHOPLINE's sorting, which the target `canonical_json` checks.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use webhook::json::{self, canonical};
use webhook::providers::{PROVIDERS, Provider};
use webhook::request::{Delivery, split_path};
use webhook::scheme::SchemeName;
use webhook::source::{Source, Sources};

/// The header of the signed time, where a test makes one up.
pub(crate) const SHOPLINE_TIME: &str = "x-shopline-developer-event-timestamp";
pub(crate) const SCALAPAY_TIME: &str = "x-scalapay-timestamp";

/// A source and the credential that its provider holds.
#[derive(Debug)]
pub(crate) struct SampleSource {
    pub(crate) provider: &'static Provider,
    pub(crate) source: Source,
    pub(crate) credential: String,
}

/// Every source of the samples.
pub(crate) static REGISTERED: LazyLock<Vec<SampleSource>> = LazyLock::new(|| {
    let all: Value = serde_json::from_str(&secrets()).unwrap();
    PROVIDERS.into_iter().flat_map(|provider| of_provider(provider, &all[provider.name])).collect()
});

/// The samples' sources with keys that are not public.
pub(crate) fn secrets() -> String {
    include_str!("../../../events/sources.json").replace("hookmill-sample-", "of-this-fuzzing-only-")
}

fn of_provider(provider: &'static Provider, secret: &Value) -> Vec<SampleSource> {
    let sources = Sources::parse(&provider.admission, &secret.to_string()).unwrap();
    let registered = |(name, json): (&String, &Value)| {
        let credential = [&json["signing_keys"][0], &json["url_tokens"][0]].into_iter().find_map(Value::as_str);
        SampleSource {
            provider,
            source: sources.get(name).unwrap().clone(),
            credential: credential.unwrap().to_owned(),
        }
    };
    secret["sources"].as_object().unwrap().iter().map(registered).collect()
}

/// A request before it is parsed.
#[derive(Debug, Clone, Default)]
pub(crate) struct RawRequest {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl RawRequest {
    /// As the edge hands it on.
    pub(crate) fn delivery(&self) -> Delivery {
        let (_, url_token) = split_path(&self.path);
        Delivery { headers: self.headers.clone(), query: self.query.clone(), url_token, body: self.body.clone() }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl SampleSource {
    /// Gives a request the credential that its provider would give it.
    pub(crate) fn prove(&self, request: &mut RawRequest) {
        request.path = format!("/{}", self.source.name);
        match (self.source.scheme, self.provider.name) {
            (SchemeName::UrlToken, _) => request.path = format!("/{}/{}", self.source.name, self.credential),
            (SchemeName::Signed, "scalev") => {
                request.headers.insert("x-scalev-hmac-sha256".to_owned(), STANDARD.encode(self.mac(&[&request.body])));
            }
            (SchemeName::Signed, "scalapay") => {
                let time = timed(request, SCALAPAY_TIME);
                let digest = hex::encode(self.mac(&[b"V1:", time.as_bytes(), b":", &request.body]));
                request.headers.insert("x-scalapay-hmac-v1".to_owned(), digest);
            }
            (SchemeName::Signed, _) => {
                let time = timed(request, SHOPLINE_TIME);
                let signed = texts(&request.body).into_iter().next().unwrap_or_default();
                let digest = hex::encode(self.mac(&[time.as_bytes(), b":", signed.as_bytes()]));
                request.query = format!("sign={digest}");
            }
        }
    }

    /// Returns whether a request has a credential that its provider alone can have made.
    pub(crate) fn is_proved(&self, request: &RawRequest) -> bool {
        match (self.source.scheme, self.provider.name) {
            (SchemeName::UrlToken, _) => {
                let segments: Vec<&str> = request.path.split('/').filter(|segment| !segment.is_empty()).collect();
                matches!(segments[..], [_, token] if decoded(token) == self.credential)
            }
            (SchemeName::Signed, "scalev") => {
                request.header("x-scalev-hmac-sha256") == STANDARD.encode(self.mac(&[&request.body]))
            }
            (SchemeName::Signed, "scalapay") => {
                let time = request.header(SCALAPAY_TIME);
                let digest = hex::encode(self.mac(&[b"V1:", time.as_bytes(), b":", &request.body]));
                is_time(time) && request.header("x-scalapay-hmac-v1").to_ascii_lowercase() == digest
            }
            (SchemeName::Signed, _) => {
                let time = request.header(SHOPLINE_TIME);
                let named = |pair: &&str| decoded(pair.split('=').next().unwrap()) == "sign";
                let signs: Vec<&str> = request.query.split('&').filter(named).collect();
                let [sign] = signs[..] else { return false };
                let sign = decoded(sign.split_once('=').map_or("", |(_, value)| value)).to_ascii_lowercase();
                let is_of = |text: &String| hex::encode(self.mac(&[time.as_bytes(), b":", text.as_bytes()])) == sign;
                is_time(time) && texts(&request.body).iter().any(is_of)
            }
        }
    }

    fn mac(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mac = Hmac::<Sha256>::new_from_slice(self.credential.as_bytes()).unwrap();
        parts.iter().fold(mac, |mac, part| mac.chain_update(part)).finalize().into_bytes().to_vec()
    }
}

/// Returns whether a header's text is a time, which is what may be joined to a body by a colon.
pub(crate) fn is_time(text: &str) -> bool {
    !text.is_empty() && text.len() < 20 && text.chars().all(|character| character.is_ascii_digit())
}

/// The signed time, made up where it is missing.
fn timed(request: &mut RawRequest, name: &str) -> String {
    let time = request.headers.entry(name.to_owned()).or_default();
    if time.is_empty() {
        "1618994178".clone_into(time);
    }
    time.clone()
}

/// Returns the texts that SHOPLINE may have signed; none if the signed text is not certain.
pub(crate) fn texts(body: &[u8]) -> Vec<String> {
    let document = json::parse(body).ok().filter(|document| !document.duplicate_keys);
    document.map_or_else(Vec::new, |document| canonical::candidates(&document.root))
}

/// `%XX` undone; text that is not UTF-8 behind it stays as it was.
fn decoded(text: &str) -> String {
    let mut bytes: Vec<u8> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let digits = text.as_bytes().get(at + 1..at + 3).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        match digits {
            Some(digits) if text.as_bytes()[at] == b'%' => {
                bytes.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
                at += 3;
            }
            Some(_) | None => {
                bytes.push(text.as_bytes()[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}
