//! Proofs as providers make them, and as others forge them, with the shared signer. Signatures that were made elsewhere
//! hold the signer: the samples' own.

use std::collections::BTreeMap;

use serde_json::Value;
use webhook::providers::Provider;
use webhook::request::Delivery;
use webhook::scheme::SchemeName;
use webhook::secret::Secret;
use webhook::signing::remove_credentials;

/// A credential that a provider has for a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A signing key.
    Key(String),
    /// A token in the URL.
    Token(String),
    /// No credential.
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
    /// Returns the first credential of a source.
    pub fn current(source: &Value) -> Self {
        let first = |name: &str| source[name][0].as_str().unwrap().to_owned();
        match source["scheme"].as_str().unwrap() {
            "signed" => Credential::Key(first("signing_keys")),
            _ => Credential::Token(first("url_tokens")),
        }
    }

    /// Returns another credential of the same kind.
    pub fn changed(&self, by: &str) -> Self {
        match self {
            Credential::Key(key) => Credential::Key(format!("{key}{by}")),
            Credential::Token(token) => Credential::Token(format!("{token}{by}")),
            Credential::Nothing => Credential::Nothing,
        }
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        match self {
            Credential::Key(text) | Credential::Token(text) => text,
            Credential::Nothing => "",
        }
    }
}

/// Proves a body.
pub fn sign(
    provider: &str,
    source: &str,
    headers: &BTreeMap<String, String>,
    body: &[u8],
    credential: &Credential,
) -> Signed {
    let admission = &Provider::named(provider).unwrap().admission;
    let mut delivery =
        Delivery { headers: headers.clone(), query: String::new(), url_token: None, body: body.to_vec() };
    remove_credentials(admission, &mut delivery);
    let mut path = format!("/{source}");
    match credential {
        Credential::Key(key) => {
            let key = Secret::new(key.as_str());
            webhook::signing::sign(admission, SchemeName::Signed, &key, &mut delivery, 0, false).unwrap();
        }
        Credential::Token(token) => path = format!("{path}/{token}"),
        Credential::Nothing => {}
    }
    Signed { path, query: delivery.query, headers: delivery.headers }
}
