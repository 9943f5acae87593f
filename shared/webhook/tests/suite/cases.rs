//! The sample deliveries in `events/`, as the suites need them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use webhook::claim::{Claim, EventKey};
use webhook::providers::{PROVIDERS, Provider};
use webhook::request::{Delivery, split_path};
use webhook::row::Row;
use webhook::scheme::SchemeName;
use webhook::secret::Secret;
use webhook::signature::Verified;
use webhook::signing;
use webhook::source::{Merchants, Source};

/// When every sample is received, for readings that do not change.
pub(crate) const RECEIVED_MS: i64 = 1_767_225_600_000;

/// `UPDATE_READINGS=1` rewrites what the suite compares with; the diff is the contract change.
#[expect(clippy::disallowed_methods, reason = "the crate has no environment, its tests have")]
pub(crate) fn updating() -> bool {
    std::env::var_os("UPDATE_READINGS").is_some()
}

/// `UPDATE_READINGS=unreleased` also rewrites readings under a mapping version that no stack has yet.
#[expect(clippy::disallowed_methods, reason = "the crate has no environment, its tests have")]
pub(crate) fn update_unreleased() -> bool {
    std::env::var_os("UPDATE_READINGS").is_some_and(|value| value == "unreleased")
}

/// The first line in which two texts differ, if any: a failure shows that line, not two whole files.
pub(crate) fn first_difference(recorded: &str, now: &str) -> Option<String> {
    if recorded == now {
        return None;
    }
    let mut pairs = recorded.lines().zip(now.lines()).enumerate();
    let shorter = recorded.lines().count().min(now.lines().count());
    Some(match pairs.find(|(_, (old, new))| old != new) {
        Some((at, (old, new))) => format!("line {}: {} -> {}", at + 1, shortened(old), shortened(new)),
        None => format!("line {}: one text is longer", shorter + 1),
    })
}

/// The first lines of a long list, and the number of the others.
pub(crate) fn first_lines(lines: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut text: String = lines.iter().take(SHOWN).map(|line| format!("  {line}\n")).collect();
    if lines.len() > SHOWN {
        text += &format!("  and {} more\n", lines.len() - SHOWN);
    }
    text
}

fn shortened(line: &str) -> String {
    let line = line.trim();
    let mut text: String = line.chars().take(120).collect();
    if text.len() < line.len() {
        text.push('…');
    }
    text
}

/// One file of `events/`.
pub(crate) struct Case {
    pub(crate) provider: &'static Provider,
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) source: Source,
    pub(crate) delivery: Delivery,
}

pub(crate) fn events_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../events")
}

/// Every case of every provider, by name.
pub(crate) fn all() -> Vec<Case> {
    let sources: Value = read_json(&events_folder().join("sources.json"));
    let mut cases = Vec::new();
    for provider in PROVIDERS {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(events_folder().join(provider.name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let Some(name) = name.strip_suffix(".json").filter(|name| !name.ends_with(".event")) else { continue };
            let event = read_json(&path);
            let (source, delivery) = open(&event);
            cases.push(Case {
                provider,
                name: name.to_owned(),
                source: source_of(&source, &sources[provider.name]["sources"][&source]),
                delivery,
                path,
            });
        }
    }
    cases
}

pub(crate) fn one(provider: &str, name: &str) -> Case {
    let found = all().into_iter().find(|case| case.provider.name == provider && case.name == name);
    found.unwrap_or_else(|| panic!("no case {provider}/{name}"))
}

pub(crate) fn read_json(path: &std::path::Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A function URL request as source and delivery.
pub(crate) fn open(event: &Value) -> (String, Delivery) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let body = text(&event["body"]);
    let body = if event["isBase64Encoded"] == true { STANDARD.decode(body).unwrap() } else { body.into_bytes() };
    let headers = event["headers"].as_object().unwrap();
    let headers: BTreeMap<_, _> = headers.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    let path = text(&event["rawPath"]);
    let (source, url_token) = split_path(&path);
    (source.into_owned(), Delivery { headers, query: text(&event["rawQueryString"]), url_token, body })
}

/// A source of the samples. Built by hand, since loading refuses public keys.
pub(crate) fn source_of(name: &str, json: &Value) -> Source {
    let secrets = |field: &str| {
        json[field].as_array().unwrap().iter().map(|value| Secret::new(value.as_str().unwrap())).collect()
    };
    let merchants = match &json["merchants"] {
        Value::Array(list) => {
            Merchants::Only(list.iter().map(|merchant| merchant.as_str().unwrap().to_owned()).collect())
        }
        _ => Merchants::Any,
    };
    Source {
        name: name.to_owned(),
        scheme: serde_json::from_value(json["scheme"].clone()).unwrap(),
        signing_keys: secrets("signing_keys"),
        url_tokens: secrets("url_tokens"),
        merchants,
        several_merchants: json["several_merchants"] == true,
    }
}

impl Case {
    pub(crate) fn admit(&self) -> Result<Verified<'_>, webhook::signature::Refusal> {
        webhook::signature::admit(&self.provider.admission, &self.source, &self.delivery)
    }

    pub(crate) fn claim(&self) -> Claim {
        self.provider.claim_of(&self.admit().unwrap())
    }

    pub(crate) fn key(&self) -> EventKey {
        EventKey::of(self.provider.name, &self.source.name, &self.claim())
    }

    /// The row of the delivery.
    pub(crate) fn row(&self) -> Row {
        self.provider.row_of(&self.admit().unwrap(), RECEIVED_MS).row
    }

    /// The same case with another body, signed again with the sample's key where the scheme signs it.
    pub(crate) fn with_body(&self, body: Vec<u8>) -> Case {
        let mut delivery = Delivery { body, ..self.delivery.clone() };
        if self.source.scheme == SchemeName::Signed {
            let key = &self.source.signing_keys[0];
            // A body that the scheme cannot sign keeps the signature of the other.
            let _ = signing::sign(&self.provider.admission, SchemeName::Signed, key, &mut delivery, 0, false);
        }
        Case {
            provider: self.provider,
            name: self.name.clone(),
            path: self.path.clone(),
            source: self.source.clone(),
            delivery,
        }
    }
}
