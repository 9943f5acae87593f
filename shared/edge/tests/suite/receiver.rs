//! Deliveries against a real table: what is kept, once, under which name, at what cost.

use std::sync::atomic::Ordering;

use crate::harness::*;
use serde_json::{Value, json};
use webhook::providers::{PROVIDERS, SCALAPAY, SCALEV, SELLDONE, SHOPLINE};

const HOUR_MS: i64 = 60 * 60 * 1_000;

#[tokio::test]
async fn every_sample_is_kept_once_and_repeats_write_nothing() {
    for provider in PROVIDERS {
        let world = world().await;
        let receiver = world.receiver(provider);
        for pass in 0..2 {
            for case in cases(provider.name) {
                let event = sample(provider.name, &case, |_| ());
                assert_eq!(status(&receiver, &event).await, 200, "{}/{case}, pass {pass}", provider.name);
            }
            assert_eq!(world.items(EVENTS).await.len(), cases(provider.name).len());
        }
    }
}

#[tokio::test]
async fn what_is_kept_is_what_was_sent() {
    let world = world().await;
    let receiver = world.receiver(&SHOPLINE);
    let event = sample("shopline", "order.create", |_| ());
    status(&receiver, &event).await;
    let item = world.items(EVENTS).await.remove(0);
    let kept = item["body"].as_b().unwrap();
    assert_eq!(edge::keep::compression::decompress(kept.as_ref()).unwrap(), body_of(&event));
    for (name, expected) in [("kind", "event"), ("received_at", "2026-01-01T00:00:00.000Z")] {
        assert_eq!(text_of(&item, name), expected);
    }
    assert!(text_of(&item, "bucket").starts_with("shopline/tw/"));
}

/// The budget, indexes included: 2 write units for the providers' own examples, 3 for ours.
#[tokio::test]
async fn write_units_stay_in_budget() {
    let documented = documented();
    let mut costs: Vec<(f64, String)> = Vec::new();
    for provider in PROVIDERS {
        let world = world().await;
        for case in cases(provider.name) {
            let event = sample(provider.name, &case, |_| ());
            costs.push((cost_of(&world, provider, &event).await, format!("{}/{case}", provider.name)));
        }
    }
    let within = |(units, case): &&(f64, String)| documented[case] && *units > 2.0;
    assert_eq!(costs.iter().filter(within).collect::<Vec<_>>(), Vec::<&(f64, String)>::new());
    assert!(costs.iter().all(|(units, _)| *units >= 2.0 && *units <= 3.0), "{costs:?}");
}

/// 3 write units for 5.3 KB whose every leaf is random: only their names can be compressed away.
#[tokio::test]
async fn the_random_leaf_fixture_stays_in_budget() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/random_leaf.json");
    let body = std::fs::read_to_string(path).unwrap();
    assert!((5_200..5_400).contains(&body.len()), "{}", body.len());
    let world = world().await;
    let event = sample("scalev", "order.created.2026", |event| event["body"] = body.into());
    let units = cost_of(&world, &SCALEV, &event).await;
    assert!(units <= 3.0, "{units}");
}

#[tokio::test]
async fn a_scalapay_token_goes_through_its_life() {
    let world = world().await;
    let receiver = world.receiver(&SCALAPAY);
    let send = async |status_word: &str, extra: &str, time: &str| {
        let body = format!(r#"{{"status":"{status_word}","orderToken":"T0KEN","totalAmount":100{extra}}}"#);
        let event = sample("scalapay", "charged", |event| {
            event["body"] = body.into();
            event["headers"]["x-scalapay-timestamp"] = time.into();
        });
        assert_eq!(status(&receiver, &event).await, 200);
        world.names("scalapay/it/T0KEN").await.len()
    };
    for (word, extra, time, rows, what) in [
        ("created", "", "1", 1, "the first event"),
        ("authorized", "", "2", 2, "the second"),
        ("authorized", "", "3", 2, "strong: signed again is a repeat"),
        ("charged", "", "4", 3, "the third"),
        ("refunded", "", "5", 4, "a refund"),
        ("refunded", r#","merchantRefundReference":"r2""#, "6", 5, "another refund has another body"),
        ("refunded", "", "5", 5, "equal bytes, equal time: a repeat"),
        ("refunded", "", "7", 6, "equal bytes, signed again: indistinguishable"),
        ("refunded", "", "7", 6, "and that again is a repeat"),
        ("authorized", r#","merchantReference":"x""#, "8", 7, "another snapshot of what happens once"),
        ("authorized", r#","merchantReference":"x""#, "9", 7, "and that again is a repeat"),
    ] {
        assert_eq!(send(word, extra, time).await, rows, "{what}");
    }
    let items = world.items(EVENTS).await;
    let marks: Vec<_> = items.iter().map(|item| text_of(item, "mark")).filter(|mark| !mark.is_empty()).collect();
    assert_eq!(marks, ["revision", "possiblyrepeated"]);
    let repeated = items.iter().find(|item| text_of(item, "mark") == "possiblyrepeated").unwrap();
    assert!(!repeated.contains_key("body") && text_of(repeated, "body_of").starts_with("refunded/"));
}

#[tokio::test]
async fn a_scalev_conflict_is_kept_and_marked() {
    let world = world().await;
    let receiver = world.receiver(&SCALEV);
    for (body, rows) in [
        (r#"{"event":"order.updated","unique_id":"e1","data":{"order_id":"O","notes":"a"}}"#, 1),
        (r#"{"event":"order.updated","unique_id":"e1","data":{"order_id":"O","notes":"b"}}"#, 2),
        (r#"{"event":"order.updated","unique_id":"e1","data":{"order_id":"O","notes":"b"}}"#, 2),
        (r#"{"event":"order.updated","unique_id":"e1","data":{"order_id":"O","notes":"a"}}"#, 2),
        (r#"{"event":"order.deleted","unique_id":"e1","data":{"order_id":"O"}}"#, 3),
    ] {
        let event = sample("scalev", "order.created.2026", |event| event["body"] = body.into());
        assert_eq!(status(&receiver, &event).await, 200);
        assert_eq!(world.names("scalev/main/O").await.len(), rows, "{body}");
    }
    let marked = world.items(EVENTS).await.iter().filter(|item| text_of(item, "mark") == "conflict").count();
    assert_eq!(marked, 1);
}

#[tokio::test]
async fn equal_bodies_without_a_time_are_distinguished_by_the_horizon() {
    let world = world().await;
    let receiver = world.receiver(&SHOPLINE);
    let event = sample("shopline", "user.sign_in", |_| ());
    let mut expected = 1;
    for (wait_hours, is_new) in
        [(0, true), (1, false), (46, false), (2, true), (40, false), (9, true), (49, true), (1, false)]
    {
        world.time.advance(wait_hours * HOUR_MS);
        assert_eq!(status(&receiver, &event).await, 200);
        expected += usize::from(is_new && wait_hours > 0);
        assert_eq!(world.names("shopline/tw/").await.len(), expected, "after {wait_hours} more hours");
    }
    let names = world.names("shopline/tw/").await;
    let generations: Vec<_> = names.iter().map(|name| name.split('~').nth(1).unwrap_or("1")).collect();
    assert_eq!(generations, ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_race_beyond_the_horizon_makes_one_event() {
    let world = world().await;
    let receiver = world.receiver(&SHOPLINE);
    let event = sample("shopline", "user.sign_in", |_| ());
    status(&receiver, &event).await;
    world.time.advance(49 * HOUR_MS);
    let (a, b, c) = tokio::join!(status(&receiver, &event), status(&receiver, &event), status(&receiver, &event));
    assert_eq!((a, b, c), (200, 200, 200));
    assert_eq!(world.names("shopline/tw/").await.len(), 2);
}

#[tokio::test]
async fn a_selldone_snapshot_is_a_revision() {
    let world = world().await;
    let receiver = world.receiver(&SELLDONE);
    for (price, rows) in [(1, 1), (2, 2), (1, 2), (2, 2), (3, 3)] {
        let body = json!({"event": "OnlineOrder", "action": "OrderConfirm", "shop": {"id": 1},
            "basket": {"id": 5, "updated_at": "2024-08-17T16:29:26.000000Z", "price": price}});
        let event = sample("selldone", "OnlineOrder.OrderConfirm", |event| event["body"] = body.to_string().into());
        assert_eq!(status(&receiver, &event).await, 200);
        assert_eq!(world.names("selldone/main/1:OnlineOrder:5").await.len(), rows);
    }
}

#[tokio::test]
async fn a_body_too_large_for_an_item_goes_into_chunks() {
    let world = world().await;
    let receiver = world.receiver(&SCALEV);
    let noise: String = random(11).take(900_000).map(|number| char::from(33 + number % 89)).collect();
    let noise = noise.replace(['"', '\\'], "x");
    let body = json!({"event": "order.updated", "unique_id": "big", "data": {"order_id": "O", "notes": noise}});
    let event = sample("scalev", "order.created.2026", |event| event["body"] = body.to_string().into());
    for _ in 0..2 {
        assert_eq!(status(&receiver, &event).await, 200);
        assert_eq!(world.names("scalev/main/O").await.len(), 1);
        assert!(world.names("chunk/").await.len() >= 2);
    }
    let store = edge::keep::store::Store::new(world.dynamodb.clone(), EVENTS.to_owned());
    let key = webhook::claim::EventKey { pk: "scalev/main/O".into(), sk: "order.updated/big".into() };
    let stored = store.load(&key).await.unwrap().unwrap();
    assert_eq!(stored.row.body, body_of(&event));
}

#[tokio::test]
async fn a_rotated_key_needs_no_deployment_and_a_revoked_one_ends() {
    let world = world().await;
    let receiver = world.receiver(&SCALEV);
    let old = sample("scalev", "order.created.2026", |_| ());
    assert_eq!(status(&receiver, &old).await, 200);
    let key = sources_of("scalev")["sources"]["main"]["signing_keys"][0].as_str().unwrap().to_owned();
    world.secret.set(Some(secret_of("scalev").replace(&key, "the-key-that-comes-next")));
    // The old key works until the secret is fetched again by age.
    assert_eq!(status(&receiver, &old).await, 200);
    assert_eq!(world.secret.fetches.load(Ordering::SeqCst), 1);
    world.time.advance(edge::receive::secrets::AGE_MS_MAX + 1);
    assert_eq!(status(&receiver, &old).await, 401);
    // The fetch by age and, since the check failed, one more.
    assert_eq!(world.secret.fetches.load(Ordering::SeqCst), 3);
    world.secret.set(Some(secret_of("scalev")));
    assert_eq!(status(&receiver, &old).await, 401, "a failed check has the secret fetched once a minute");
    world.time.advance(edge::receive::secrets::FORCED_MS_MIN);
    assert_eq!(status(&receiver, &old).await, 200);
}

#[tokio::test]
async fn secrets_serve_while_stale_and_then_no_longer() {
    let world = world().await;
    let receiver = world.receiver(&SCALEV);
    let event = sample("scalev", "order.created.2026", |_| ());
    assert_eq!(status(&receiver, &event).await, 200);
    world.secret.set(None);
    world.time.advance(edge::receive::secrets::AGE_MS_MAX + 1);
    assert_eq!(status(&receiver, &event).await, 200);
    world.time.advance(edge::receive::secrets::STALE_MS_MAX);
    assert_eq!(status(&receiver, &event).await, 503);
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_loses_nothing() {
    for secret in [
        "",
        "{}",
        "not json",
        r#"{"sources": {"main": {"scheme": "signed", "signing_keys": [""], "merchants": "any"}}}"#,
    ] {
        let world = world().await;
        world.secret.set(Some(secret.to_owned()));
        let receiver = world.receiver(&SCALEV);
        let event = sample("scalev", "order.created.2026", |_| ());
        assert_eq!(status(&receiver, &event).await, 503, "{secret}");
        assert_eq!(world.items(EVENTS).await.len(), 0);
    }
}

#[tokio::test]
async fn no_table_no_200() {
    let world = world().await;
    world.dynamodb.delete_table().table_name(EVENTS).send().await.unwrap();
    let event = sample("scalev", "order.created.2026", |_| ());
    assert_eq!(status(&world.receiver(&SCALEV), &event).await, 503);
}

#[tokio::test]
async fn a_flood_of_forgeries_writes_little() {
    let world = world().await;
    let receiver = world.receiver(&SCALEV);
    let genuine = sample("scalev", "order.created.2026", |_| ());
    for number in 0..2_000 {
        let mut forged = genuine.clone();
        forged["body"] = format!(r#"{{"event":"order.created","unique_id":"{number}"}}"#).into();
        if number % 2 == 0 {
            forged["rawPath"] = format!("/made-up-{number}").into();
        }
        assert_eq!(status(&receiver, &forged).await, 401);
    }
    let refused = world.items(EVENTS).await.len();
    assert!(refused > 0 && refused <= 2 * 20, "{refused} rows of 2,000 forgeries");
    // A retry storm takes one slot.
    world.time.advance(24 * HOUR_MS);
    for _ in 0..50 {
        let mut forged = genuine.clone();
        forged["body"] = "{}".into();
        status(&receiver, &forged).await;
    }
    assert_eq!(world.items(EVENTS).await.len(), refused + 1);
    assert_eq!(status(&receiver, &genuine).await, 200);
}

#[tokio::test]
async fn a_flood_of_large_bodies_costs_little_and_leaves_room_for_a_wrong_secret() {
    let world = world().await;
    let genuine = sample("scalev", "order.created.2026", |_| ());
    // What is deployed is another key than the provider's.
    world.secret.set(Some(secret_of("scalev").replace("of-this-test-only-", "of-another-test-x-")));
    let receiver = world.receiver(&SCALEV);
    let large = "x".repeat(100_000);
    for number in 0..500 {
        let mut forged = genuine.clone();
        forged["rawPath"] = format!("/made-up-{number}").into();
        forged["body"] = format!(r#"{{"event":"order.created","unique_id":"{number}","more":"{large}"}}"#).into();
        assert_eq!(status(&receiver, &forged).await, 401);
    }
    let flood = world.items(EVENTS).await;
    let units: usize = flood.iter().map(write_units).sum();
    assert_eq!(status(&receiver, &genuine).await, 401);
    println!("500 forgeries of 100 KB: {} rows, {units} write units", flood.len());
    assert!(!flood.is_empty() && flood.len() <= 20 && units <= 2 * flood.len(), "{} rows, {units} units", flood.len());
    let rows = world.items(EVENTS).await;
    let hash = <sha2::Sha256 as sha2::Digest>::digest(body_of(&genuine));
    let is_genuine = |row: &&edge::keep::item::Item| row["hash"].as_b().unwrap().as_ref() == hash.as_slice();
    let waiting = rows.iter().find(is_genuine).expect("a row of the provider's own delivery");
    assert!(waiting.contains_key("body"), "it can be verified again when the secret is right");
}

/// Returns the units that a put of this item is billed: one for each KB begun. It is in no index.
fn write_units(item: &edge::keep::item::Item) -> usize {
    use aws_sdk_dynamodb::types::AttributeValue;
    fn bytes(value: &AttributeValue) -> usize {
        match value {
            AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
            AttributeValue::B(blob) => blob.as_ref().len(),
            AttributeValue::M(map) => 3 + map.iter().map(|(name, value)| 1 + name.len() + bytes(value)).sum::<usize>(),
            _ => 1,
        }
    }
    let all: usize = item.iter().map(|(name, value)| name.len() + bytes(value)).sum();
    all.div_ceil(1_024)
}

async fn cost_of(world: &World, provider: &'static webhook::providers::Provider, event: &Value) -> f64 {
    let request: edge::receive::http::Request = serde_json::from_value(event.clone()).unwrap();
    let arrived = request.open(1024 * 1024).unwrap();
    let sources = webhook::source::Sources::parse(&provider.admission, &secret_of(provider.name)).unwrap();
    let source = sources.get(&arrived.source).unwrap();
    let verified = webhook::signature::admit(&provider.admission, source, &arrived.delivery).unwrap();
    let store = edge::keep::store::Store::new(world.dynamodb.clone(), EVENTS.to_owned());
    store.keep(provider, &verified, START_MS).await.unwrap().write_units
}
