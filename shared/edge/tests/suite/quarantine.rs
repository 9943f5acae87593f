//! Refused deliveries wait, and can be admitted as if they had passed at once.

use crate::harness::*;
use aws_sdk_dynamodb::types::AttributeValue;
use edge::keep::item::{Item, StoredRow, bytes, instant};
use edge::keep::store::{Kept, Store};
use edge::receive::quarantine::{BODY_BYTES_MAX, LIFE_MS};
use edge::receive::refused::{Fails, Lost, Refused, RefusedBody};
use serde_json::{Value, json};
use webhook::providers::{PROVIDERS, Provider, SCALEV, SELLDONE, SHOPLINE};
use webhook::secret::QuarantineKey;
use webhook::signature::Refusal;
use webhook::source::Sources;

fn key() -> QuarantineKey {
    QuarantineKey::new(std::array::from_fn(|at| u8::try_from(at).unwrap()))
}

/// A provider's secret with a quarantine key, as the provider's own keys are, or with others.
fn secret(provider: &str, key: Option<&QuarantineKey>, right: bool) -> String {
    let mut secret = sources_of(provider);
    if let Some(key) = key {
        secret["quarantine_key"] = key.to_text().into();
    }
    let text = secret.to_string();
    if right { text } else { text.replace("of-this-test-only-", "of-another-test-x-") }
}

fn sources(provider: &Provider, key: Option<&QuarantineKey>) -> Sources {
    Sources::parse(&provider.admission, &secret(provider.name, key, true)).unwrap()
}

/// The one item that a receiver makes of a delivery under such a secret.
async fn refuse(provider: &'static Provider, secret: String, event: &Value) -> (World, Item) {
    let world = world().await;
    world.secret.set(Some(secret));
    let receiver = world.receiver(provider);
    assert_eq!(status(&receiver, event).await, 401);
    let item = world.items(EVENTS).await.remove(0);
    (world, item)
}

/// Takes a refused delivery in, as far as the secret has it.
async fn admit(world: &World, refused: &Refused, sources: &Sources) -> Result<Kept, Fails> {
    let source = refused.source_now(sources)?;
    let delivery = refused.delivery(sources.quarantine_key())?;
    let verified = refused.verify(source, &delivery)?;
    let store = Store::new(world.dynamodb.clone(), EVENTS.to_owned());
    Ok(store.admit(refused.provider, &verified, refused.received_ms, world.now_ms()).await.unwrap().kept)
}

fn events(items: Vec<Item>) -> Vec<Item> {
    items.into_iter().filter(|item| text_of(item, "kind") == "event").collect()
}

#[tokio::test]
async fn what_was_refused_becomes_the_row_that_it_would_have_been() {
    for provider in PROVIDERS {
        let (at_once, later) = (world().await, world().await);
        let receiver = at_once.receiver(provider);
        let sources = sources(provider, Some(&key()));
        let mut sealed = 0;
        for case in cases(provider.name) {
            let event = sample(provider.name, &case, |_| ());
            assert_eq!(status(&receiver, &event).await, 200);
            let (_, item) = refuse(provider, secret(provider.name, Some(&key()), false), &event).await;
            let refused = Refused::from_item(&item).unwrap();
            assert_eq!((refused.received_ms, refused.reason.as_str()), (START_MS, "mismatch"), "{case}");
            assert_eq!(refused.expires_ms, START_MS + LIFE_MS);
            assert_eq!(refused.original(sources.quarantine_key()).unwrap(), body_of(&event), "{case}");
            sealed += usize::from(item.contains_key("sealed"));
            let whole = matches!(refused.body, RefusedBody::Whole(_));
            assert_ne!(whole, item.contains_key("sealed"), "{case}: what is whole needs no sealing");
            later.time.advance(60_000);
            assert_eq!(admit(&later, &refused, &sources).await, Ok(Kept::New), "{case}");
            assert_eq!(admit(&later, &refused, &sources).await, Ok(Kept::Repeat), "{case}");
        }
        let (expected, found) = (events(at_once.items(EVENTS).await), events(later.items(EVENTS).await));
        for (expected, found) in expected.iter().zip(&found) {
            // What is read from it is the same, its place in its order included.
            let (expected, found) = (StoredRow::from_item(expected).unwrap(), StoredRow::from_item(found).unwrap());
            assert_eq!(expected.row, found.row);
        }
        // In the time index it is where whoever reads that has not been yet.
        let as_at_once = |mut item: Item| {
            let refused_at = item.remove("refused_at").unwrap();
            let received_at = item.insert("received_at".to_owned(), refused_at).unwrap();
            assert!(received_at.as_s().unwrap() > &instant(START_MS));
            item
        };
        let found: Vec<Item> = found.into_iter().map(as_at_once).collect();
        assert!(expected == found, "{}: {expected:?} {found:?}", provider.name);
        assert!(sealed > 0 || provider.secrets.is_empty(), "{}", provider.name);
    }
}

#[tokio::test]
async fn a_sealed_body_reveals_its_secrets_only_with_the_key() {
    let event = sample("scalev", "order.created.2026", |_| ());
    let (_, item) = refuse(&SCALEV, secret("scalev", Some(&key()), false), &event).await;
    let body: Value = serde_json::from_slice(&body_of(&event)).unwrap();
    let slug = body["data"]["secret_slug"].as_str().unwrap();
    let compressed = edge::keep::compression::compress(&body_of(&event)).unwrap();
    let sealed = item["sealed"].as_b().unwrap().as_ref();
    assert!(!sealed.windows(12).any(|window| compressed.windows(12).any(|open| window == open)));
    let open = edge::keep::compression::decompress(item["body"].as_b().unwrap().as_ref()).unwrap();
    assert!(!String::from_utf8(open).unwrap().contains(slug));
    let refused = Refused::from_item(&item).unwrap();
    let other = QuarantineKey::new([9; 32]);
    for (key, lost) in [(None, Lost::NoKey), (Some(&other), Lost::OtherKey)] {
        assert_eq!(refused.original(key), Err(lost));
    }
}

#[tokio::test]
async fn a_sealed_body_opens_in_its_own_slot_alone() {
    let event = sample("scalev", "order.created.2026", |_| ());
    let (_, item) = refuse(&SCALEV, secret("scalev", Some(&key()), false), &event).await;
    let opens = |item: &Item| Refused::from_item(item).unwrap().original(Some(&key()));
    assert!(opens(&item).is_ok());
    let mut sealed = item["sealed"].as_b().unwrap().as_ref().to_vec();
    sealed[20] ^= 1;
    for (name, value) in [
        ("sealed", bytes(sealed)),
        ("sealed", bytes(Vec::new())),
        ("hash", bytes(vec![1; 32])),
        ("sk", AttributeValue::S("0256".to_owned())),
        ("pk", AttributeValue::S("refused/scalev/apps".to_owned())),
    ] {
        let mut tampered = item.clone();
        tampered.insert(name.to_owned(), value);
        assert_eq!(opens(&tampered), Err(Lost::OtherKey), "{name}");
    }
}

#[tokio::test]
async fn without_a_key_it_is_as_it_was() {
    let event = sample("scalev", "order.created.2026", |_| ());
    for malformed in [false, true] {
        let mut secret: Value = serde_json::from_str(&secret("scalev", None, false)).unwrap();
        if malformed {
            secret["quarantine_key"] = "no key".into();
        }
        let (world, item) = refuse(&SCALEV, secret.to_string(), &event).await;
        assert!(item.contains_key("body") && !item.contains_key("sealed"));
        let refused = Refused::from_item(&item).unwrap();
        let outcome = admit(&world, &refused, &sources(&SCALEV, Some(&key()))).await;
        assert_eq!(outcome, Err(Fails::Lost(Lost::Redacted)));
    }
}

#[tokio::test]
async fn both_forms_of_a_body_are_within_the_cap() {
    for (length, has_body, is_sealed) in
        [(100, true, true), (11_000, true, true), (18_000, false, true), (30_000, false, false)]
    {
        let noise: String = random(7).take(length).map(|byte| char::from(b'a' + byte % 26)).collect();
        let body =
            json!({"event": "order.updated", "unique_id": "e", "data": {"secret_slug": "s3cr3t", "notes": noise}});
        let event = sample("scalev", "order.created.2026", |event| event["body"] = body.to_string().into());
        let (_, item) = refuse(&SCALEV, secret("scalev", Some(&key()), false), &event).await;
        assert_eq!((item.contains_key("body"), item.contains_key("sealed")), (has_body, is_sealed), "{length}");
        let kept = ["body", "sealed"].iter().filter_map(|name| item.get(*name)?.as_b().ok());
        assert!(kept.map(|blob| blob.as_ref().len()).sum::<usize>() <= BODY_BYTES_MAX, "{length}");
        let refused = Refused::from_item(&item).unwrap();
        let expected = if is_sealed { Ok(body_of(&event)) } else { Err(Lost::TooLong) };
        assert_eq!(refused.original(Some(&key())), expected, "{length}");
    }
}

#[tokio::test]
async fn a_source_that_was_unknown_may_be_known_later() {
    let event = sample("selldone", "OnlineOrder.PaymentOrder", |_| ());
    let nothing = json!({"sources": {}, "quarantine_key": key().to_text()}).to_string();
    let (world, item) = refuse(&SELLDONE, nothing.clone(), &event).await;
    let refused = Refused::from_item(&item).unwrap();
    assert!(refused.unknown && refused.source.as_deref() == Some("main"));
    assert!(refused.name().starts_with("selldone/~/"));
    let unknown = Sources::parse(&SELLDONE.admission, &nothing).unwrap();
    let still = admit(&world, &refused, &unknown).await;
    assert_eq!(still, Err(Fails::Again(Refusal::UnknownSource)));
    assert_eq!(admit(&world, &refused, &sources(&SELLDONE, Some(&key()))).await, Ok(Kept::New));
    let names = world.names("selldone/main/").await;
    assert_eq!(names.len(), 1);
}

#[tokio::test]
async fn what_is_still_wrong_stays_outside() {
    // Another product's delivery: the header that named it was not kept, and the rest would pass.
    let event = sample("shopline", "order.create.app", |event| event["headers"]["x-shopline-topic"] = "orders".into());
    let (world, item) = refuse(&SHOPLINE, secret("shopline", Some(&key()), true), &event).await;
    let refused = Refused::from_item(&item).unwrap();
    let outcome = admit(&world, &refused, &sources(&SHOPLINE, Some(&key()))).await;
    assert_eq!(outcome, Err(Fails::Again(Refusal::OtherProduct)));
    // A forgery of what a wrong key refused stays a forgery.
    let mut event = sample("scalev", "order.created.2026", |_| ());
    event["body"] = event["body"].as_str().unwrap().replace("order.created", "order.deleted").into();
    let (world, item) = refuse(&SCALEV, secret("scalev", Some(&key()), false), &event).await;
    let refused = Refused::from_item(&item).unwrap();
    let outcome = admit(&world, &refused, &sources(&SCALEV, Some(&key()))).await;
    assert_eq!(outcome, Err(Fails::Again(Refusal::Mismatch)));
    assert!(events(world.items(EVENTS).await).is_empty());
}

#[tokio::test]
async fn a_slot_is_freed_of_that_delivery_alone() {
    let event = sample("scalev", "order.created.2026", |_| ());
    let (world, item) = refuse(&SCALEV, secret("scalev", Some(&key()), false), &event).await;
    let refused = Refused::from_item(&item).unwrap();
    let mut other = item.clone();
    other.insert("hash".to_owned(), bytes(vec![1; 32]));
    world.dynamodb.put_item().table_name(EVENTS).set_item(Some(other)).send().await.unwrap();
    assert!(!refused.remove(&world.dynamodb, EVENTS).await.unwrap());
    world.dynamodb.put_item().table_name(EVENTS).set_item(Some(item)).send().await.unwrap();
    assert!(refused.remove(&world.dynamodb, EVENTS).await.unwrap());
    assert!(!refused.remove(&world.dynamodb, EVENTS).await.unwrap());
    assert!(world.items(EVENTS).await.is_empty());
}

#[tokio::test]
async fn sealing_does_not_widen_what_a_flood_may_write() {
    let world = world().await;
    world.secret.set(Some(secret("scalev", Some(&key()), true)));
    let receiver = world.receiver(&SCALEV);
    let genuine = sample("scalev", "order.created.2026", |_| ());
    for number in 0..1_000 {
        let mut forged = genuine.clone();
        forged["body"] =
            format!(r#"{{"event":"order.created","unique_id":"{number}","data":{{"secret_slug":"s"}}}}"#).into();
        if number % 2 == 0 {
            forged["rawPath"] = format!("/made-up-{number}").into();
        }
        assert_eq!(status(&receiver, &forged).await, 401);
    }
    let items = world.items(EVENTS).await;
    assert!(!items.is_empty() && items.len() <= 2 * 20, "{} rows of 1,000 forgeries", items.len());
    // Known and unknown sources cost the same.
    assert!(items.iter().all(|item| item.contains_key("sealed") && item.contains_key("body")));
}

#[tokio::test]
async fn an_item_that_is_not_ours_is_reported() {
    let event = sample("scalev", "order.created.2026", |_| ());
    let (_, item) = refuse(&SCALEV, secret("scalev", Some(&key()), false), &event).await;
    let text = |value: &str| AttributeValue::S(value.to_owned());
    for (name, value) in [
        ("kind", text("event")),
        ("pk", text("refused/nobody/main")),
        ("pk", text("refused")),
        ("received_at", text("yesterday")),
        ("expires", text("soon")),
        ("hash", bytes(vec![1])),
        ("body", text("no bytes")),
        ("body", bytes(vec![1, 2, 3])),
        ("url_token_hash", bytes(vec![1])),
    ] {
        let mut bad = item.clone();
        bad.insert(name.to_owned(), value);
        assert_eq!(Refused::from_item(&bad).unwrap_err(), edge::keep::item::BadItem(name));
    }
}

/// It came three days ago, and the sweeper has been there; the stream then forgets that it was kept now.
#[tokio::test]
async fn what_is_admitted_and_never_relayed_is_swept() {
    let (world, queues) = (world().await, std::sync::Arc::new(Queues::default()));
    let event = sample("scalev", "order.created.2026", |_| ());
    let (_, item) = refuse(&SCALEV, secret("scalev", Some(&key()), false), &event).await;
    let refused = Refused::from_item(&item).unwrap();
    let day_ms = 24 * 60 * 60 * 1_000;
    world.time.advance(3 * day_ms - 1);
    assert_eq!(crate::sweep::sweep(&world, &queues).await.unwrap().sent, 0);
    assert_eq!(admit(&world, &refused, &sources(&SCALEV, Some(&key()))).await, Ok(Kept::New));
    world.time.advance(2 * day_ms);
    let swept = crate::sweep::sweep(&world, &queues).await.unwrap();
    assert_eq!((swept.sent, queues.bodies(crate::relay::USERS).len()), (1, 1));
    let sent = queues.bodies(crate::relay::USERS).remove(0);
    assert_eq!(edge::keep::time_index::ms_of(sent["receivedtime"].as_str().unwrap()), Some(START_MS));
    world.time.advance(2 * day_ms);
    assert_eq!(crate::sweep::sweep(&world, &queues).await.unwrap().sent, 0);
}
