//! Histories of orders, made from the sample deliveries in `events/`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use webhook::claim::{EventKey, Strength};
use webhook::providers::{PROVIDERS, Provider};
use webhook::request::{Delivery, split_path};
use webhook::row::Row;
use webhook::source::Sources;

use crate::random::Random;
use crate::signing::{Credential, sign};

/// A real order's deliveries, in the order in which they happened.
#[derive(Debug, Clone)]
pub struct OrderHistory {
    /// The provider.
    pub provider: &'static Provider,
    /// The source that the samples came in at.
    pub source: String,
    /// The deliveries.
    pub events: Vec<Template>,
}

/// A sample delivery, ready to be given other ids.
#[derive(Debug, Clone)]
pub struct Template {
    /// The sample's name.
    pub case: String,
    /// Its headers, without credentials.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: Vec<u8>,
    /// True if the function URL passes it on as base64.
    pub base64: bool,
    /// Positions at which ids end: digits inserted there make other ids.
    pub ids: Vec<usize>,
    /// The strength of its name, as the claim's contract states it.
    pub strength: Strength,
}

/// The members of bodies that hold ids of their subject and of themselves.
fn id_paths(provider: &str) -> &'static [&'static [&'static str]] {
    match provider {
        "scalev" => &[&["unique_id"], &["data", "id"], &["data", "order_id"]],
        "scalapay" => &[&["orderToken"]],
        "shopline" => &[&["trace_id"], &["resource", "_id"], &["resource", "id"], &["resource", "order_id"]],
        "selldone" => &[&["basket", "id"], &["product", "id"], &["customer", "id"]],
        other => panic!("say which members of {other}'s bodies hold ids"),
    }
}

/// The samples' sources, with keys that are not public.
pub fn sources(provider: &str) -> Value {
    let all = read_json(&events_folder().join("sources.json"));
    let text = all[provider].to_string().replace("hookmill-sample-", "of-this-simulation-only-");
    serde_json::from_str(&text).unwrap()
}

/// Every history of every provider.
pub fn histories() -> Vec<OrderHistory> {
    PROVIDERS.into_iter().flat_map(of_provider).collect()
}

fn of_provider(provider: &'static Provider) -> Vec<OrderHistory> {
    let sources = sources(provider.name);
    let parsed = Sources::parse(&provider.admission, &sources.to_string()).unwrap();
    let mut found: BTreeMap<String, (String, Vec<(String, Template)>)> = BTreeMap::new();
    let mut names: BTreeSet<EventKey> = BTreeSet::new();
    for path in case_paths(provider) {
        let event = read_json(&path);
        let mut template = template(provider, &path, &event);
        let (source, _) = split_path(event["rawPath"].as_str().unwrap());
        let credential = Credential::current(&sources["sources"][source.as_ref()]);
        let delivery = delivery(provider, &source, &template, &credential);
        let verified = webhook::signature::admit(&provider.admission, parsed.get(&source).unwrap(), &delivery)
            .expect("a sample passes");
        let claim = provider.claim_of(&verified);
        template.strength = claim.strength.clone();
        let key = EventKey::of(provider.name, &source, &claim);
        // A second body under one name is made by the workload, where it is wanted.
        if !names.insert(key.clone()) {
            continue;
        }
        let sequence = sequence(provider, &key, &delivery);
        found.entry(key.pk).or_insert_with(|| (source.into_owned(), Vec::new())).1.push((sequence, template));
    }
    let history = |(source, mut events): (String, Vec<(String, Template)>)| {
        events.sort_by(|one, other| one.0.cmp(&other.0));
        OrderHistory { provider, source, events: events.into_iter().map(|(_, template)| template).collect() }
    };
    found.into_values().map(history).collect()
}

fn template(provider: &Provider, path: &std::path::Path, event: &Value) -> Template {
    let body = event["body"].as_str().unwrap();
    let base64 = event["isBase64Encoded"] == true;
    let body = if base64 { STANDARD.decode(body).unwrap() } else { body.as_bytes().to_vec() };
    let document = webhook::json::parse(&body).unwrap();
    let mut ids: Vec<usize> = Vec::new();
    for value in id_paths(provider.name).iter().filter_map(|path| document.root.at(path)) {
        let span = value.span();
        match body[span.end - 1] {
            b'"' => ids.push(span.end - 1),
            digit if digit.is_ascii_digit() => ids.push(span.end),
            _ => {}
        }
    }
    ids.sort_unstable();
    let headers = event["headers"].as_object().unwrap();
    Template {
        case: path.file_stem().unwrap().to_str().unwrap().to_owned(),
        headers: headers.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect(),
        base64,
        ids,
        strength: Strength::Strong,
        body,
    }
}

impl Template {
    /// The body with ids of its own, and members that nothing reads where a variant is wanted.
    pub fn body_of(&self, order: u64, variant: Option<&str>) -> Vec<u8> {
        let digits = format!("{order:07}");
        let mut body = Vec::with_capacity(self.body.len() + 64);
        let mut at = 0;
        for end in &self.ids {
            body.extend(&self.body[at..*end]);
            body.extend(digits.as_bytes());
            at = *end;
        }
        body.extend(&self.body[at..]);
        let unnamed = self.ids.is_empty().then_some(digits);
        for member in unnamed.iter().map(String::as_str).chain(variant) {
            let start = body.iter().position(|byte| *byte == b'{').unwrap() + 1;
            body.splice(start..start, format!("\"simulated_{member}\":1,").into_bytes());
        }
        body
    }

    /// Makes a body too long for a row, of text that does not compress. If the mapping reads the
    /// text, the canonical event may be too long for a message.
    pub fn enlarge(&self, body: &mut Vec<u8>, random: &mut Random) {
        let longest = LARGE_BYTES_MAX - body.len();
        let length = if random.one_in(2) { longest } else { longest * 2 / 3 };
        let text: Vec<u8> = (0..length).map(|_| *random.pick(INCOMPRESSIBLE)).collect();
        let text = String::from_utf8(text).unwrap();
        let document = webhook::json::parse(body).unwrap();
        let notes = document.root.at(&["data", "notes"]).map(webhook::json::Value::span);
        match notes {
            Some(span) => body.splice(span, format!("\"{text}\"").into_bytes()),
            None => {
                let start = body.iter().position(|byte| *byte == b'{').unwrap() + 1;
                body.splice(start..start, format!("\"simulated_text\":\"{text}\",").into_bytes())
            }
        };
    }
}

/// Below the body limit, with room for a member more.
const LARGE_BYTES_MAX: usize = edge::aws::config::BODY_LIMIT_BYTES - 200;

/// Six bits and a half each, none of which JSON escapes.
const INCOMPRESSIBLE: &[u8] =
    b"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~";

fn delivery(provider: &Provider, source: &str, template: &Template, credential: &Credential) -> Delivery {
    let signed = sign(provider.name, source, &template.headers, &template.body, credential);
    let (_, url_token) = split_path(&signed.path);
    Delivery { headers: signed.headers, query: signed.query, url_token, body: template.body.clone() }
}

fn sequence(provider: &Provider, key: &EventKey, delivery: &Delivery) -> String {
    let row = Row {
        key: key.clone(),
        received_ms: 0,
        body: delivery.body.clone(),
        hash: delivery.body_hash(),
        headers: delivery.kept_headers(provider.kept_headers),
        signed_at: None,
        mark: None,
    };
    provider.read(&row).sequence
}

fn case_paths(provider: &Provider) -> Vec<PathBuf> {
    let folder = fs::read_dir(events_folder().join(provider.name)).unwrap();
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    let is_case = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.ends_with(".json") && !name.ends_with(".event.json")
    };
    paths.retain(is_case);
    paths.sort();
    paths
}

fn events_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../events")
}

fn read_json(path: &std::path::Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}
