//! The targets' first inputs: the sample deliveries in every form that a target takes, and hand-made oddities.

use std::collections::BTreeSet;
use std::fs;

use edge::keep::compression::{compress, compress_body};
use edge::keep::item::{Item, KeptBody, StoredRow};
use serde_json::{Map, Value, json};
use webhook::event::Event;
use webhook::json::{self, Kind};
use webhook::providers::PROVIDERS;
use webhook::row::Row;
use webhook::view::View;

use crate::reading::{event, of_provider};
use crate::samples::{SeedSample, events, samples};
use crate::sources::{REGISTERED, secrets};
use crate::view::SEPARATOR;

/// Texts that parsers stumble over.
const ODD_JSON: [&str; 24] = [
    "null",
    "[]",
    "{}",
    "\"\"",
    "-0",
    "[1e400,-1e400,5e-324,1e21,1e-7,123456789012345678901234567890,0.1e1,1E+2,-0.0]",
    "[10.0,1e3,0.50,-0,9007199254740993,4503599627370495.5,2.2250738585072011e-308]",
    r#"{"b":1,"10":2,"9":3,"01":4,"4294967294":5,"4294967295":6,"-1":7}"#,
    r#"{"__proto__":1,"constructor":2,"toString":3,"":4,"length":5}"#,
    r#"{"__proto__":{"a":1}}"#,
    r#"["\ud83d","\ud83d\ude00","\ude00","\ude00\ud83d","\uD83Dx"]"#,
    r#"{"\ud83d":1,"\ud83e":2,"\uff61":3,"\ud83d\ude00":4,"｡":5}"#,
    r#"["\u003cb\u003e\/\u0026","\u007f\u2028\u2029\u0000\u001f","\b\f\n\r\t\"\\"]"#,
    "{\"\u{1f600}\":\"\u{ff61}\u{fffe}\u{ffff}\u{fdd0}\u{2028}\"}",
    r#"{"a":1,"\u0061":2}"#,
    r#"{"a":{"b":1,"b":2}}"#,
    " \t\r\n{ \"z\" : [ ] , \"a\" : { } } ",
    "{\"a\":1,}",
    "[1,]",
    "01",
    "1.",
    "\"\u{1}\"",
    "\u{feff}{}",
    r#"{"token":{"token":"x"},"resource":{"token":"y"},"data":{"secret_slug":"#,
];

/// Each sample proved, and each to be proved.
pub(crate) fn admit() -> Vec<Vec<u8>> {
    let seed = |(number, sample): (usize, &SeedSample)| {
        let place = REGISTERED.iter().position(|registered| std::ptr::eq(registered, sample.registered)).unwrap();
        crate::admit::seed(place + number % 2 * REGISTERED.len(), &sample.request)
    };
    samples().iter().enumerate().map(seed).collect()
}

/// Scalapay's samples.
pub(crate) fn read_scalapay() -> Vec<Vec<u8>> {
    read("scalapay")
}

/// Scalev's samples.
pub(crate) fn read_scalev() -> Vec<Vec<u8>> {
    read("scalev")
}

/// Selldone's samples.
pub(crate) fn read_selldone() -> Vec<Vec<u8>> {
    read("selldone")
}

/// SHOPLINE's samples.
pub(crate) fn read_shopline() -> Vec<Vec<u8>> {
    read("shopline")
}

/// The answers of the providers' APIs in `events/<provider>/snapshots/`.
pub(crate) fn snapshot() -> Vec<Vec<u8>> {
    let answers = PROVIDERS.iter().enumerate().flat_map(|(place, provider)| {
        let folder = fs::read_dir(events(provider.name).join("snapshots")).unwrap();
        let mut paths: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| !path.to_str().unwrap().ends_with(".event.json"));
        paths.sort();
        paths.into_iter().map(move |path| (place, path))
    });
    let seed = |(place, path): (usize, std::path::PathBuf)| {
        let vector: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let mut seed = vec![u8::try_from(place).unwrap()];
        seed.extend(vector["answer"].as_str().unwrap().as_bytes());
        seed
    };
    answers.map(seed).collect()
}

/// Each body alone and with the next one of its provider.
fn read(provider: &str) -> Vec<Vec<u8>> {
    let samples: Vec<SeedSample> =
        samples().into_iter().filter(|sample| sample.registered.provider.name == provider).collect();
    let several = of_provider(provider);
    let seed = |sample: &SeedSample, bodies: &[&[u8]]| {
        let place = several.iter().position(|registered| std::ptr::eq(*registered, sample.registered)).unwrap();
        let mut seed = vec![u8::try_from(place).unwrap()];
        seed.extend(sample.time.as_bytes());
        for body in bodies {
            seed.push(SEPARATOR);
            seed.extend(*body);
        }
        seed
    };
    let alone = samples.iter().map(|sample| seed(sample, &[&sample.request.body]));
    let pairs = samples.windows(2).map(|pair| seed(&pair[0], &[&pair[0].request.body, &pair[1].request.body]));
    let odd = ODD_JSON.iter().map(|text| seed(&samples[0], &[text.as_bytes()]));
    alone.chain(pairs).chain(odd).collect()
}

/// The bodies of SHOPLINE, signed vectors, and oddities.
pub(crate) fn canonical_json() -> Vec<Vec<u8>> {
    let bodies = samples().into_iter().map(|sample| sample.request.body);
    let vectors: Value =
        serde_json::from_str(&std::fs::read_to_string(events("signature_vectors.json")).unwrap()).unwrap();
    let vectors = vectors["shopline"].as_array().unwrap().clone();
    let vectors = vectors.iter().map(|vector| vector["raw_body"].as_str().unwrap().as_bytes().to_vec());
    bodies.chain(vectors).chain(ODD_JSON.iter().map(|text| text.as_bytes().to_vec())).collect()
}

/// The views of single events, and of pairs.
pub(crate) fn view() -> Vec<Vec<u8>> {
    let views = rows().into_iter().map(|(sample, row)| View::of(&event(sample.registered.provider, &row)));
    let texts: Vec<Vec<u8>> =
        views.filter(|view| !view.is_empty()).map(|view| serde_json::to_vec(&view).unwrap()).collect();
    let pairs: Vec<Vec<u8>> = texts.windows(2).map(|pair| pair.join(&SEPARATOR)).collect();
    texts.into_iter().chain(pairs).collect()
}

/// Whole requests.
pub(crate) fn http() -> Vec<Vec<u8>> {
    let compact = |sample: SeedSample| serde_json::from_str::<Value>(&sample.text).unwrap().to_string().into_bytes();
    samples().into_iter().map(compact).collect()
}

/// The samples' sources, and those of the README.
pub(crate) fn secret() -> Vec<Vec<u8>> {
    let all: Value = serde_json::from_str(&secrets()).unwrap();
    let mut seeds: Vec<Vec<u8>> = all.as_object().unwrap().values().map(|one| one.to_string().into_bytes()).collect();
    let readme = json!({"sources": {
        "tw": {"scheme": "url_token", "url_tokens": ["0123456789abcdef012345!"], "merchants": ["5fc5ea00c43d7f001003999d"]},
        "app": {"scheme": "signed", "signing_keys": ["q8Vq2b7xGkP4mZ1s!", "hookmill-sample-x"], "merchants": "any",
            "several_merchants": true},
        "Bad": {"scheme": "none"},
    }});
    seeds.push(readme.to_string().into_bytes());
    seeds
}

/// Compressed samples, bombs, and frames that promise more than they hold.
pub(crate) fn row_decompress() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for sample in samples() {
        let body = &sample.request.body;
        for compressed in [compress(body), compress_body(sample.registered.provider.name, body)] {
            seeds.push([&[1], &compressed.unwrap()[..]].concat());
        }
    }
    seeds.push([b"\0", "{\"a\":[1,2,3]}".repeat(100).as_bytes()].concat());
    for megabytes in [1, 8, 9, 64] {
        let mut bomb = compress(&vec![0; megabytes * 1024 * 1024]).unwrap();
        seeds.push([&[1], &bomb[..]].concat());
        // Two frames, one behind the other.
        bomb.extend_from_within(..);
        seeds.push([&[1], &bomb[..]].concat());
    }
    // Magic, a descriptor without a content size, the window's exponent, an empty last block.
    for window in [0x00, 0x58, 0x68, 0x88, 0xa0, 0xff] {
        seeds.push(vec![1, 0x28, 0xb5, 0x2f, 0xfd, 0x00, window, 0x01, 0x00, 0x00]);
    }
    // A block of one repeated byte, of the greatest length, ten thousand times.
    let frame = [&[1, 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58][..], &[0x02, 0x00, 0x10, 0x61].repeat(10_000)].concat();
    seeds.push(frame);
    seeds
}

/// One record a sample, and batches.
pub(crate) fn stream_record() -> Vec<Vec<u8>> {
    let records: Vec<Value> = rows().into_iter().map(|(_, row)| record(row)).collect();
    let batches = records.chunks(1).chain(records.chunks(3).take(5));
    batches.map(|records| json!({"Records": records}).to_string().into_bytes()).collect()
}

/// One message a sample, batches, and bare events.
pub(crate) fn queue_record() -> Vec<Vec<u8>> {
    let events: Vec<Event> = rows().into_iter().map(|(sample, row)| event(sample.registered.provider, &row)).collect();
    let message = |event: &Event| json!({"messageId": event.id, "body": event.to_json().unwrap(), "attributes": {"MessageGroupId": event.subject}});
    let messages: Vec<Value> = events.iter().map(message).collect();
    let batches = messages.chunks(1).chain(messages.chunks(3).take(5));
    let batches = batches.map(|messages| json!({"Records": messages}).to_string().into_bytes());
    let bare = events.iter().step_by(4).map(|event| event.without_data().to_json().unwrap().into_bytes());
    batches.chain(bare).chain(events.iter().map(|event| event.to_json().unwrap().into_bytes())).collect()
}

fn rows() -> Vec<(SeedSample, Row)> {
    samples().into_iter().map(|sample| (sample.row(), sample)).map(|(row, sample)| (sample, row)).collect()
}

/// A row as the stream hands it over.
fn record(row: Row) -> Value {
    let body =
        KeptBody::Inline(compress_body(row.key.parts().map_or("", |(provider, ..)| provider), &row.body).unwrap());
    let stored = StoredRow {
        content: row.hash,
        row,
        body,
        claim_version: 1,
        fingerprint: "0123456789ab".to_owned(),
        redacted: vec!["data.secret_slug".to_owned()],
        alias: Some("other".to_owned()),
        admitted_ms: None,
        disowned_at: None,
    };
    json!({"eventName": "INSERT", "dynamodb": {"NewImage": image(&stored.to_item())}})
}

fn image(item: &Item) -> Value {
    let mut members = Map::new();
    for (name, value) in item {
        let value = match (value.as_s(), value.as_n(), value.as_b(), value.as_m(), value.as_l()) {
            (Ok(text), ..) => json!({"S": text}),
            (_, Ok(number), ..) => json!({"N": number}),
            (_, _, Ok(bytes), ..) => {
                json!({"B": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes.as_ref())})
            }
            (_, _, _, Ok(map), _) => json!({"M": image(map)}),
            (.., Ok(list)) => {
                json!({"L": list.iter().map(|value| json!({"S": value.as_s().unwrap()})).collect::<Vec<_>>()})
            }
            (.., Err(_)) => continue,
        };
        members.insert(name.clone(), value);
    }
    Value::Object(members)
}

/// Tokens worth putting anywhere: the samples' keys and short values, and what parsers stumble over.
pub fn dictionary() -> Vec<Vec<u8>> {
    let mut tokens: BTreeSet<Vec<u8>> = BTreeSet::new();
    let odd = [
        "{}",
        "[]",
        "null",
        "true",
        "false",
        "-0",
        "1e400",
        "10.0",
        "1e-7",
        "\\u0000",
        "\\ud83d",
        "\\ude00",
        "\\u0061",
        "\\/",
        "\"__proto__\":",
        "\"~\"",
        "\"\"",
        "%2F",
        "%00",
        "~cut",
        "\u{fffe}",
        "\u{1f600}",
        "2026-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999999Z",
        "79228162514264337593543950335",
        "0.0000000000000000000000000001",
        "-1",
        "9223372036854775807",
        "18446744073709551616",
        "[[[[[[[[",
        "sign=",
        "MessageGroupId",
        "NewImage",
        "INSERT",
        "isBase64Encoded",
        "requestContext",
        "signing_keys",
        "url_tokens",
        "several_merchants",
        "merchants",
        "scheme",
        "dataref",
        "sequence",
        "receivedtime",
        "events",
        "registers",
        "body_of",
        "chunks",
        "chunks_of",
        "content",
    ];
    tokens.extend(odd.iter().map(|token| token.as_bytes().to_vec()));
    for sample in samples() {
        if let Ok(document) = json::parse(&sample.request.body) {
            collect(&document.root, &sample.request.body, &mut tokens);
        }
    }
    tokens.into_iter().collect()
}

fn collect(value: &json::Value<'_>, body: &[u8], tokens: &mut BTreeSet<Vec<u8>>) {
    match &value.kind {
        Kind::Object(members) => members.iter().for_each(|(key, value)| {
            tokens.insert(format!("\"{}\":", key.raw()).into_bytes());
            collect(value, body, tokens);
        }),
        Kind::Array(values) => values.iter().for_each(|value| collect(value, body, tokens)),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::String(_) if value.span().len() <= 24 => {
            tokens.insert(body[value.span()].to_vec());
        }
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::String(_) => {}
    }
}
