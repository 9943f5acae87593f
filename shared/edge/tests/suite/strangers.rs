//! A stranger's deliveries are bounded, show them nothing, and leave a genuine delivery its place.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, Sleep};
use edge::aws::clock::Clock;
use edge::keep::item::Item;
use edge::receive::limiter::REFILL_MS;
use edge::receive::quarantine::SLOTS;
use edge::{Receiver, ReceiverConfig};
use serde_json::Value;
use sha2::{Digest, Sha256};
use webhook::providers::{PROVIDERS, SCALEV};

use crate::harness::*;

fn from(mut event: Value, address: &str) -> Value {
    event["requestContext"]["http"]["sourceIp"] = address.into();
    event
}

fn with_body(event: &Value, body: String) -> Value {
    let mut event = event.clone();
    (event["body"], event["isBase64Encoded"]) = (body.into(), false.into());
    event
}

/// A world whose secret has other keys than the provider signs with.
async fn wrong_key() -> (World, Receiver) {
    let world = world().await;
    world.secret.set(Some(secret_of("scalev").replace("of-this-test-only-", "of-another-test-x-")));
    let receiver = world.receiver(&SCALEV);
    (world, receiver)
}

async fn waits(world: &World, event: &Value) -> bool {
    let hash = Sha256::digest(body_of(event));
    let is_its = |item: &Item| item.get("hash").is_some_and(|found| found.as_b().unwrap().as_ref() == hash.as_slice());
    world.items(EVENTS).await.iter().any(is_its)
}

#[tokio::test]
async fn computed_bodies_do_not_take_a_genuine_deliverys_place() {
    let (world, receiver) = wrong_key().await;
    let genuine = sample("scalev", "order.created.2026", |_| ());
    let earlier = with_body(&genuine, r#"{"event":"order.created","unique_id":"earlier"}"#.to_owned());
    assert_eq!(status(&receiver, &earlier).await, 401);
    // One body for each remainder of its hash, by which slots were chosen before.
    let slot = |body: &[u8]| u16::from_be_bytes(Sha256::digest(body)[..2].try_into().unwrap()) % SLOTS;
    let mut computed: Vec<Option<String>> = vec![None; usize::from(SLOTS)];
    for number in 0.. {
        let body = format!(r#"{{"event":"order.created","unique_id":"forged-{number}"}}"#);
        computed[usize::from(slot(body.as_bytes()))].get_or_insert(body);
        if computed.iter().all(Option::is_some) {
            break;
        }
    }
    for body in computed.into_iter().flatten() {
        world.time.advance(REFILL_MS);
        assert_eq!(status(&receiver, &with_body(&genuine, body)).await, 401);
    }
    world.time.advance(REFILL_MS);
    assert_eq!(status(&receiver, &genuine).await, 401);
    assert!(waits(&world, &genuine).await, "it has a slot during the flood");
    assert!(waits(&world, &earlier).await, "what came before the flood is still there");
    assert!(world.items(EVENTS).await.len() <= usize::from(SLOTS));
}

#[tokio::test]
async fn a_senders_flood_leaves_another_senders_delivery_its_place() {
    let (world, receiver) = wrong_key().await;
    let genuine = sample("scalev", "order.created.2026", |_| ());
    for number in 0..500 {
        let forged = with_body(&genuine, format!(r#"{{"event":"order.created","unique_id":"{number}"}}"#));
        assert_eq!(status(&receiver, &from(forged, &format!("203.0.113.{}", number % 256))).await, 401);
    }
    let flood = world.items(EVENTS).await.len();
    assert!(flood > 0 && flood <= 20, "{flood}");
    assert_eq!(status(&receiver, &from(genuine.clone(), "198.51.100.7")).await, 401);
    assert!(waits(&world, &genuine).await);
    // From everywhere at once it is more, but not much.
    for number in 0..2_000_u32 {
        let forged = with_body(&genuine, format!(r#"{{"event":"order.created","unique_id":"all-{number}"}}"#));
        let [_, _, a, b] = number.to_be_bytes();
        assert_eq!(status(&receiver, &from(forged, &format!("10.{a}.{b}.1"))).await, 401);
    }
    let flood = world.items(EVENTS).await.len();
    assert!(flood <= 40, "{flood}");
}

#[tokio::test]
async fn a_known_name_has_the_secret_fetched_as_often_as_an_unknown_one() {
    for provider in PROVIDERS {
        for case in cases(provider.name) {
            let genuine = sample(provider.name, &case, |_| ());
            let bare = |event: &Value| {
                let mut event = event.clone();
                let source = event["rawPath"].as_str().unwrap().split('/').nth(1).unwrap().to_owned();
                event["rawPath"] = format!("/{source}").into();
                (event["rawQueryString"], event["headers"]) = ("".into(), serde_json::json!({}));
                event
            };
            let garbled = |event: &Value| {
                let mut event = event.clone();
                event["rawQueryString"] =
                    event["rawQueryString"].as_str().unwrap_or_default().replace("sign=", "sign=x").into();
                event["headers"].as_object_mut().unwrap().values_mut().for_each(|value| *value = "!".into());
                event
            };
            let changes: [&dyn Fn(&Value) -> Value; 2] = [&bare, &garbled];
            for change in changes {
                let known = change(&genuine);
                let mut unknown = known.clone();
                let path = known["rawPath"].as_str().unwrap();
                let name = path.split('/').nth(1).unwrap();
                unknown["rawPath"] = path.replacen(name, "nobody", 1).into();
                let mut fetches = Vec::new();
                for event in [&known, &unknown] {
                    let world = world().await;
                    let receiver = world.receiver(provider);
                    if status(&receiver, event).await == 401 {
                        fetches.push(world.secret.fetches.load(Ordering::SeqCst));
                    }
                }
                assert!(fetches.len() < 2 || fetches[0] == fetches[1], "{} {case} {path}: {fetches:?}", provider.name);
            }
        }
    }
}

/// Short waits are over at once and move the time; longer ones are deadlines.
#[derive(Debug)]
struct ShortWaits(Arc<Time>);

impl AsyncSleep for ShortWaits {
    fn sleep(&self, duration: Duration) -> Sleep {
        if duration >= Duration::from_millis(200) {
            return LongDeadline.sleep(duration);
        }
        self.0.advance(duration.as_millis().try_into().unwrap());
        Sleep::new(std::future::ready(()))
    }
}

#[tokio::test]
async fn a_refusal_takes_the_same_time_whether_anything_is_written_or_not() {
    let world = world().await;
    world.secret.set(Some(secret_of("scalev")));
    // Every call takes seven milliseconds.
    let time = Arc::clone(&world.time);
    let slow = BeforeCalls(move |_: &[u8]| {
        time.advance(7);
        Ok(())
    });
    let client = aws_sdk_dynamodb::Client::from_conf(world.dynamodb.config().to_builder().interceptor(slow).build());
    let config = ReceiverConfig {
        events_table: EVENTS.to_owned(),
        secret_id: "secret".to_owned(),
        body_limit_bytes: 1024 * 1024,
    };
    let clock = Clock::new(world.clock().time_source(), SharedAsyncSleep::new(ShortWaits(Arc::clone(&world.time))));
    let receiver = Receiver::new(&SCALEV, config, client, world.secrets_manager(), clock);
    let genuine = sample("scalev", "order.created.2026", |_| ());
    let forged = |path: &str, number: usize| {
        let mut event = with_body(&genuine, format!(r#"{{"event":"order.created","unique_id":"{number:04}"}}"#));
        event["rawPath"] = path.into();
        event
    };
    let mut took = Vec::new();
    // The unknown names' budget is spent, the known one's is not, then it is too; the last one is there already.
    for (path, number) in (0..60)
        .map(|number| ("/nobody", number))
        .chain((100..160).map(|number| ("/main", number)))
        .chain([("/main", 100)])
    {
        let before_ms = world.now_ms();
        assert_eq!(status(&receiver, &forged(path, number)).await, 401);
        took.push(world.now_ms() - before_ms);
    }
    assert!(took.iter().all(|took| *took == 14), "{took:?}");
}

#[tokio::test]
async fn a_provider_that_nobody_set_up_costs_few_fetches() {
    for secret in [Some(""), Some("no secret"), None] {
        let world = world().await;
        world.secret.set(Some(secret_of("scalev")));
        let receiver = world.receiver(&SCALEV);
        world.secret.set(secret.map(str::to_owned));
        let event = sample("scalev", "order.created.2026", |_| ());
        for _ in 0..500 {
            assert_eq!(status(&receiver, &event).await, 503);
        }
        let fetches = world.secret.fetches.load(Ordering::SeqCst);
        assert!((2..=11).contains(&fetches), "{secret:?}: {fetches}");
        world.time.advance(60_000);
        for _ in 0..500 {
            assert_eq!(status(&receiver, &event).await, 503);
        }
        assert!(world.secret.fetches.load(Ordering::SeqCst) <= fetches + 12);
        // Once it is set up, the next fetch that is allowed finds it.
        world.secret.set(Some(secret_of("scalev")));
        world.time.advance(5_000);
        assert_eq!(status(&receiver, &event).await, 200);
    }
}

#[tokio::test]
async fn whatever_a_body_says_its_row_fits_into_an_item() {
    let world = world().await;
    let receiver = world.receiver(&SCALEV);
    let noise: String = random(5).take(600_000).map(|byte| char::from(b'a' + byte % 26)).collect();
    let copies: Vec<String> = (0..3_000)
        .map(|number| format!(r#""{}{number}":"s3cr3t-s3cr3t-s3cr3t""#, &noise[number..number + 200]))
        .collect();
    for (member, unique_id) in [
        (format!(r#""id":"{noise}""#), "alias"),
        (format!(r#""id":"1","secret_slug":"s3cr3t-s3cr3t-s3cr3t",{}"#, copies.join(",")), "cut"),
    ] {
        let body = format!(
            r#"{{"event":"order.updated","unique_id":"{unique_id}","data":{{"order_id":"{unique_id}",{member}}}}}"#
        );
        let event = sample("scalev", "order.created.2026", |event| event["body"] = body.into());
        for _ in 0..2 {
            assert_eq!(status(&receiver, &event).await, 200, "{unique_id}");
        }
        assert_eq!(world.names(&format!("scalev/main/{unique_id}")).await.len(), 1);
    }
    // A header that is kept and that no signature covers.
    let event = sample("scalev", "order.created.2026", |event| {
        event["body"] = r#"{"event":"order.updated","unique_id":"header","data":{"order_id":"header"}}"#.into();
        event["headers"]["x-scalev-app-id"] = noise.clone().into();
    });
    assert_eq!(status(&receiver, &event).await, 200);
    assert_eq!(world.names("scalev/main/header").await.len(), 1);
    let item = world.items(EVENTS).await.into_iter().find(|item| item.contains_key("alias")).unwrap();
    assert_eq!(text_of(&item, "alias"), format!("~h{}", hex::encode(Sha256::digest(&noise))));
}
