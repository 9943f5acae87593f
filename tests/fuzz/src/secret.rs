//! A provider's secret as it is in Secrets Manager: unusable sources stay out, and no value is ever shown.

use serde_json::Value;
use webhook::providers::{PROVIDERS, Provider};
use webhook::scheme::SchemeName;
use webhook::source::{Merchants, SIGNING_KEY_LENGTH_MIN, Source, Sources, URL_TOKEN_LENGTH_MIN};

/// The secret's text.
pub fn secret(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for provider in PROVIDERS {
        match Sources::parse(&provider.admission, text) {
            Ok(sources) => check(provider, text, &sources),
            Err(defect) => assert!(defect.to_string().starts_with("the secret is not of the documented form at line ")),
        }
    }
}

fn check(provider: &Provider, text: &str, sources: &Sources) {
    // Of a source that occurs twice the last one counts, for both readers.
    // A skipped value may hold a lone surrogate, which the first reader never looks at and this one refuses.
    let Ok(json) = serde_json::from_str::<Value>(text) else { return };
    // Serde takes a list for a struct as well.
    let Some(named) = json.get("sources").and_then(Value::as_object) else { return };
    for (name, document) in named.iter().filter(|(_, document)| document.is_object()) {
        let source = sources.get(name);
        assert!(source.is_some() || sources.is_defective(name), "the source {name} is lost");
        source.into_iter().for_each(|source| check_source(provider, name, document, source));
    }
    let shown =
        format!("{sources:?} {:?}", sources.defective().map(|(_, defect)| defect.to_string()).collect::<Vec<_>>());
    for credential in credentials(named.values()).filter(|credential| credential.contains('!')) {
        // Names and merchants are shown, and a credential may happen to be one.
        let elsewhere = named.iter().any(|(name, document)| {
            name.contains(credential) || document["merchants"].to_string().contains(credential)
        });
        assert!(
            elsewhere || credential.len() < SIGNING_KEY_LENGTH_MIN || !shown.contains(credential),
            "a credential is shown"
        );
    }
}

fn check_source(provider: &Provider, name: &str, document: &Value, source: &Source) {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    assert!((1..=64).contains(&name.len()) && name.bytes().all(plain) && source.name == name, "{name:?}");
    assert!(provider.admission.scheme(source.scheme).is_some(), "no such scheme");
    let (field, length_min, count) = match source.scheme {
        SchemeName::Signed => ("signing_keys", SIGNING_KEY_LENGTH_MIN, source.signing_keys.len()),
        SchemeName::UrlToken => ("url_tokens", URL_TOKEN_LENGTH_MIN, source.url_tokens.len()),
    };
    let credentials: Vec<&str> = document[field].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(count > 0 && credentials.len() == count, "a source without a credential");
    for credential in credentials {
        assert!(credential.len() >= length_min, "a short credential");
        assert!(!credential.starts_with("hookmill-sample-") && credential != "test-signing-secret", "a public one");
    }
    match &source.merchants {
        Merchants::Any => assert_eq!(document["merchants"], "any"),
        Merchants::Only(list) => assert!(!list.is_empty() && list.iter().all(|merchant| !merchant.is_empty())),
    }
}

fn credentials<'a>(sources: impl Iterator<Item = &'a Value>) -> impl Iterator<Item = &'a str> {
    let lists = sources.flat_map(|source| [&source["signing_keys"], &source["url_tokens"]]);
    lists.filter_map(Value::as_array).flatten().filter_map(Value::as_str)
}
