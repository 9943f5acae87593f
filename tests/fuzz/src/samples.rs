//! The sample deliveries in `events/`, proved with the keys of this crate.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use webhook::request::split_path;
use webhook::row::Row;

use crate::reading::keep;
use crate::sources::{REGISTERED, RawRequest, SCALAPAY_TIME, SHOPLINE_TIME, SampleSource};

/// A sample delivery.
#[derive(Debug)]
pub(crate) struct SeedSample {
    /// The whole Lambda request.
    pub(crate) text: String,
    pub(crate) registered: &'static SampleSource,
    /// Proved.
    pub(crate) request: RawRequest,
    /// The signed time's text.
    pub(crate) time: String,
}

impl SeedSample {
    /// The row that the edge keeps.
    pub(crate) fn row(&self) -> Row {
        keep(self.registered, &self.time, &self.request.body).unwrap()
    }
}

/// A file of `events/`.
pub(crate) fn events(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../events").join(name)
}

/// Every sample, by provider and name.
pub(crate) fn samples() -> Vec<SeedSample> {
    let mut samples = Vec::new();
    for provider in ["scalapay", "scalev", "selldone", "shopline"] {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(events(provider)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.is_file() && !path.to_str().unwrap().ends_with(".event.json"));
        paths.sort();
        samples.extend(paths.iter().map(|path| sample(provider, fs::read_to_string(path).unwrap())));
    }
    samples
}

fn sample(provider: &str, text: String) -> SeedSample {
    let json: Value = serde_json::from_str(&text).unwrap();
    let body = json["body"].as_str().unwrap();
    let body = if json["isBase64Encoded"] == true { STANDARD.decode(body).unwrap() } else { body.as_bytes().to_vec() };
    let headers = json["headers"].as_object().unwrap();
    let headers: BTreeMap<String, String> =
        headers.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
    let (source, _) = split_path(json["rawPath"].as_str().unwrap());
    let is_its = |registered: &&SampleSource| registered.provider.name == provider && registered.source.name == source;
    let registered = REGISTERED.iter().find(is_its).unwrap();
    let time = [SHOPLINE_TIME, SCALAPAY_TIME].iter().find_map(|name| headers.get(*name)).cloned().unwrap_or_default();
    let mut request = RawRequest { headers, body, ..RawRequest::default() };
    registered.prove(&mut request);
    SeedSample { text, registered, request, time }
}
