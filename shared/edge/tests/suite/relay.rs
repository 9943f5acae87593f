//! From the stream to the queues, through failures of either.

use std::sync::Arc;

use crate::harness::*;
use edge::Relay;
use edge::aws::config::{QueueConfig, RELAY_TIMEOUT_MS, RelayConfig};
use serde_json::{Value, json};
use webhook::providers::{PROVIDERS, SCALAPAY, SCALEV, SHOPLINE};

pub(crate) const DECISIVE: &str = "https://queue/orders.fifo";
pub(crate) const USERS: &str = "https://queue/work.fifo";
pub(crate) const PARKED: &str = "https://queue/parked";

pub(crate) fn relay(world: &World, queues: &Arc<Queues>) -> Relay {
    relay_within(world, queues, RELAY_TIMEOUT_MS)
}

fn relay_within(world: &World, queues: &Arc<Queues>, timeout_ms: i64) -> Relay {
    let queue = |url: &str, types: &[&str]| QueueConfig {
        url: url.to_owned(),
        types: types.iter().map(|name| (*name).to_owned()).collect(),
        bodies: false,
    };
    let config = RelayConfig {
        events_table: EVENTS.to_owned(),
        queues: vec![queue(DECISIVE, &["order.*", "payment.*", "fulfillment.*", "return.*"]), queue(USERS, &[])],
        dead_letter_queue_url: PARKED.to_owned(),
        timeout_ms,
    };
    Relay::new(config, world.dynamodb.clone(), queues.client(), world.hasty_clock())
}

pub(crate) async fn send_batch(relay: &Relay, records: &[Value]) -> Result<(), String> {
    let batch = serde_json::from_value(json!({"Records": records})).unwrap();
    relay.relay(batch).await.map_err(|error| error.to_string())
}

/// A table with all samples of a provider, and its stream's records.
async fn kept(world: &World, provider: &'static webhook::providers::Provider) -> Vec<Value> {
    let receiver = world.receiver(provider);
    for case in cases(provider.name) {
        status(&receiver, &sample(provider.name, &case, |_| ())).await;
    }
    world.items(EVENTS).await.iter().map(inserted).collect()
}

#[tokio::test]
async fn every_kept_event_goes_to_every_queue_that_takes_it() {
    for provider in PROVIDERS {
        let (world, queues) = (world().await, Arc::new(Queues::default()));
        let records = kept(&world, provider).await;
        send_batch(&relay(&world, &queues), &records).await.unwrap();
        let taken = queues.bodies(USERS);
        assert_eq!(taken.len(), records.len());
        let of_orders = |event: &&Value| {
            let family = event["type"].as_str().unwrap().split('.').next().unwrap();
            ["order", "payment", "fulfillment", "return"].contains(&family)
        };
        assert_eq!(queues.bodies(DECISIVE).len(), taken.iter().filter(of_orders).count());
        assert!(taken.iter().all(|event| event["specversion"] == "1.0" && event["data"].is_object()));
    }
}

#[tokio::test]
async fn a_queue_that_asks_for_bodies_gets_them_redacted_and_the_others_do_not() {
    for provider in PROVIDERS {
        let (world, queues) = (world().await, Arc::new(Queues::default()));
        let records = kept(&world, provider).await;
        let config = RelayConfig {
            events_table: EVENTS.to_owned(),
            queues: vec![
                QueueConfig { url: DECISIVE.to_owned(), types: Vec::new(), bodies: false },
                QueueConfig { url: USERS.to_owned(), types: Vec::new(), bodies: true },
            ],
            dead_letter_queue_url: PARKED.to_owned(),
            timeout_ms: RELAY_TIMEOUT_MS,
        };
        let relay = Relay::new(config, world.dynamodb.clone(), queues.client(), world.hasty_clock());
        send_batch(&relay, &records).await.unwrap();
        let bodies = queues.bodies(USERS);
        assert_eq!(bodies.len(), records.len());
        assert!(queues.bodies(DECISIVE).iter().all(|event| event.get("body").is_none()));
        for event in &bodies {
            let body = event["body"].as_str().unwrap();
            assert!(event.get("bodyref").is_none() && !body.is_empty(), "{}", event["id"]);
            let secret =
                ["EXAMPLE_SECRET_SLUG", "EXAMPLE-AVOCADO-HASH", "SECRET-LICENCE-CODE-1", "PLACEHOLDER-PAY-TOKEN"];
            assert!(secret.iter().all(|secret| !body.contains(secret)), "{}", event["id"]);
        }
        // What has no shape of ours has its payload the same way.
        assert!(bodies.iter().any(|event| event["type"] == "other" && event["body"].is_string()));
    }
}

#[tokio::test]
async fn a_body_without_the_id_that_it_always_has_is_counted_as_a_changed_shape() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let records = kept(&world, &SCALAPAY).await;
    send_batch(&relay(&world, &queues), &records).await.unwrap();
    let taken = queues.bodies(USERS);
    let marked: Vec<_> = taken.iter().filter(|event| event["changedshape"] == true).collect();
    assert_eq!(marked.len(), 1, "{marked:?}");
    assert_eq!((&marked[0]["type"], &marked[0]["subject"]), (&json!("payment.captured"), &json!("~")));
}

#[tokio::test]
async fn a_call_has_one_message_a_group_and_keeps_to_the_limits() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let records = kept(&world, &SHOPLINE).await;
    send_batch(&relay(&world, &queues), &records).await.unwrap();
    for call in queues.calls.lock().unwrap().iter() {
        let entries = call["Entries"].as_array().unwrap();
        let mut groups: Vec<_> = entries.iter().map(|entry| entry["MessageGroupId"].as_str().unwrap()).collect();
        groups.sort_unstable();
        groups.dedup();
        assert_eq!(groups.len(), entries.len());
        assert!(entries.len() <= 10);
        let bytes: usize = entries.iter().map(|entry| entry["MessageBody"].as_str().unwrap().len()).sum();
        assert!(bytes <= 1024 * 1024);
        assert!(entries.iter().all(|entry| entry["MessageDeduplicationId"].as_str().unwrap().len() == 64));
    }
}

#[tokio::test]
async fn order_within_a_group_survives_partial_failures() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let records = kept(&world, &SCALAPAY).await;
    // Every third call loses whatever has to do with refunds or charges.
    *queues.refuse.lock().unwrap() = Some(|_, body, call| {
        let unlucky = call % 3 == 1 && (body.contains("refunded") || body.contains("charged"));
        Ok(unlucky.then_some(("ServiceUnavailable", false)))
    });
    send_batch(&relay(&world, &queues), &records).await.unwrap();
    let in_order = |events: &[Value]| -> Vec<(String, String)> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for event in events {
            pairs.push((event["subject"].as_str().unwrap().to_owned(), event["id"].as_str().unwrap().to_owned()));
        }
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        pairs
    };
    let image = |record: &Value, name: &str| record["dynamodb"]["NewImage"][name]["S"].as_str().unwrap().to_owned();
    let expected: Vec<_> =
        records.iter().map(|record| format!("{}/{}", image(record, "pk"), image(record, "sk"))).collect();
    let sent: Vec<_> = in_order(&queues.bodies(USERS)).into_iter().map(|(_, id)| id).collect();
    // Both are sorted by subject and otherwise in keeping order.
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn the_decisive_queue_fails_the_batch_and_another_is_parked() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let records = kept(&world, &SCALEV).await;
    *queues.refuse.lock().unwrap() = Some(|url, _, _| if url == DECISIVE { Err(()) } else { Ok(None) });
    let error = send_batch(&relay(&world, &queues), &records).await.unwrap_err();
    assert!(error.contains("did not reach the first queue"), "{error}");
    *queues.refuse.lock().unwrap() = Some(|url, _, _| if url == USERS { Err(()) } else { Ok(None) });
    send_batch(&relay(&world, &queues), &records).await.unwrap();
    let parked = queues.bodies(PARKED);
    assert_eq!(parked.len(), records.len());
    assert!(
        parked
            .iter()
            .all(|message| message["queue"] == USERS && message["id"].as_str().unwrap().starts_with("scalev/"))
    );
    *queues.refuse.lock().unwrap() = Some(|url, _, _| if url == DECISIVE { Ok(None) } else { Err(()) });
    let error = send_batch(&relay(&world, &queues), &records).await.unwrap_err();
    assert!(error.contains("could not be parked"), "{error}");
}

#[tokio::test]
async fn content_that_a_queue_refuses_goes_out_bare() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let records = kept(&world, &SCALEV).await;
    *queues.refuse.lock().unwrap() =
        Some(|_, body, _| Ok(body.contains("Amazing Product").then_some(("InvalidMessageContents", true))));
    send_batch(&relay(&world, &queues), &records).await.unwrap();
    let taken = queues.bodies(USERS);
    assert_eq!(taken.len(), records.len());
    let bare: Vec<_> = taken.iter().filter(|event| event["dataref"].is_string()).collect();
    assert!(!bare.is_empty() && bare.iter().all(|event| event["data"].is_null() && event["dataref"] == event["id"]));
}

/// A queue with a lower limit refuses whole calls: the message at fault is found, and goes out bare.
#[tokio::test]
async fn a_call_refused_for_one_message_is_taken_apart() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let records = kept(&world, &SCALEV).await;
    *queues.refuse_calls.lock().unwrap() = Some(("AWS.SimpleQueueService.BatchRequestTooLong", 2_500));
    send_batch(&relay(&world, &queues), &records).await.unwrap();
    let taken = queues.bodies(USERS);
    assert_eq!(taken.len(), records.len());
    let bare = taken.iter().filter(|event| event["dataref"].is_string()).count();
    assert!(bare > 0 && bare < taken.len(), "{bare} of {}", taken.len());
}

#[tokio::test]
async fn no_record_holds_the_others_up() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let mut records = kept(&world, &SCALEV).await;
    let image = |changes: Value| {
        let mut record = records[0].clone();
        for (name, value) in changes.as_object().unwrap() {
            record["dynamodb"]["NewImage"][name] = value.clone();
        }
        record
    };
    let key = |name: &str| json!({"S": name});
    let damaged = [
        image(json!({"sk": key("order.created/1"), "body": {"B": "AAAA"}})),
        image(json!({"sk": key("order.created/2"), "hash": {"B": "AAAA"}})),
        image(json!({"sk": key("order.created/3"), "body": {"N": "1"}})),
        image(json!({"pk": key("nobody/main/1"), "sk": key("order.created/4")})),
        image(json!({"sk": key("order.created/5"), "received_at": key("never")})),
        // A reference that DynamoDB itself refuses to look up.
        image(json!({"sk": key("order.created/6"), "body": json!({"NULL": true}), "body_of": key("")})),
    ];
    let whole = records.len();
    records.extend(damaged);
    records.push(json!({"eventName": "REMOVE"}));
    records.push(json!({"eventName": "INSERT", "dynamodb": {"NewImage": {"kind": {"S": "event"}}}}));
    send_batch(&relay(&world, &queues), &records).await.unwrap();
    let taken = queues.bodies(USERS);
    assert_eq!(taken.len(), whole + 6);
    let unreadable = |event: &&Value| event["unreadable"].is_string();
    assert!(taken.iter().filter(unreadable).count() >= 6);
    assert!(taken.iter().filter(unreadable).all(|event| event["type"] == "other"));
}

/// It is not damaged: once the relay is of the same build, it goes out as what it is.
#[tokio::test]
async fn a_body_of_a_later_build_waits_for_that_build() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let mut records = kept(&world, &SCALEV).await;
    let frame = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, of_a_later_build(b"{}"));
    records.last_mut().unwrap()["dynamodb"]["NewImage"]["body"] = json!({"B": frame});
    let error = send_batch(&relay(&world, &queues), &records).await.unwrap_err();
    assert_eq!(error, "a body cannot be fetched");
    assert!(queues.bodies(USERS).iter().all(|event| event["unreadable"].is_null()));
}

#[tokio::test]
async fn an_event_over_the_limit_goes_out_with_a_reference() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let lines: Vec<_> =
        (0..4_000).map(|number| json!({"variant_sku": number, "product_name": "x".repeat(180)})).collect();
    let body = json!({"event": "order.updated", "unique_id": "e", "data": {"order_id": "O", "orderlines": lines}});
    let receiver = world.receiver(&SCALEV);
    let event = sample("scalev", "order.created.2026", |event| event["body"] = body.to_string().into());
    assert_eq!(status(&receiver, &event).await, 200);
    let large = json!({"event": "order.updated", "unique_id": "f", "data": {"order_id": "O", "notes": "\u{1}".repeat(170_000)}});
    let event = sample("scalev", "order.created.2026", |event| event["body"] = large.to_string().into());
    assert_eq!(status(&receiver, &event).await, 200);
    let records: Vec<_> = world.items(EVENTS).await.iter().map(inserted).collect();
    send_batch(&relay(&world, &queues), &records).await.unwrap();
    let taken = queues.bodies(USERS);
    assert_eq!(taken.len(), 2);
    for call in queues.calls.lock().unwrap().iter() {
        let bytes = |entry: &Value| entry["MessageBody"].as_str().unwrap().len();
        assert!(call["Entries"].as_array().unwrap().iter().map(bytes).sum::<usize>() <= 1024 * 1024);
    }
}

/// Records of events of their own: each of another order, received now.
async fn orders(world: &World, count: usize) -> Vec<Value> {
    let receiver = world.receiver(&SCALEV);
    for number in 0..count {
        let data = json!({"order_id": format!("O{number}"), "status": "pending"});
        let body = json!({"event": "order.created", "unique_id": format!("e{number}."), "data": data}).to_string();
        let event = sample("scalev", "order.created.2026", |event| event["body"] = body.into());
        assert_eq!(status(&receiver, &event).await, 200);
    }
    let items = world.items(EVENTS).await;
    items.iter().filter(|item| text_of(item, "kind") == "event").map(inserted).collect()
}

fn ids(queues: &Arc<Queues>, url: &str) -> Vec<String> {
    queues.bodies(url).iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

fn distinct(ids: &[String]) -> usize {
    ids.iter().collect::<std::collections::BTreeSet<_>>().len()
}

const MINUTE_MS: i64 = 60_000;

#[tokio::test]
async fn what_was_sent_of_a_batch_is_not_sent_again_when_it_comes_again() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let records = orders(&world, 30).await;
    // One order's event is not taken for twenty minutes: longer than a queue drops repeats.
    *queues.refuse.lock().unwrap() =
        Some(|_, body, _| Ok(body.contains("/O7/").then_some(("ServiceUnavailable", false))));
    for _ in 0..4 {
        let error = send_batch(&relay(&world, &queues), &records).await.unwrap_err();
        assert!(error.starts_with("1 events did not reach the first queue"), "{error}");
        assert_eq!((ids(&queues, DECISIVE).len(), ids(&queues, USERS).len()), (29, 29));
        world.time.advance(5 * MINUTE_MS);
    }
    *queues.refuse.lock().unwrap() = None;
    send_batch(&relay(&world, &queues), &records).await.unwrap();
    // Even a batch that got through may come again.
    send_batch(&relay(&world, &queues), &records).await.unwrap();
    for url in [DECISIVE, USERS] {
        let ids = ids(&queues, url);
        assert_eq!((ids.len(), distinct(&ids)), (30, 30));
    }
}

#[tokio::test]
async fn a_batch_that_takes_longer_than_an_invocation_gets_through() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let records = orders(&world, 100).await;
    *queues.takes_ms.lock().unwrap() = Some((Arc::clone(&world.time), |url| if url == DECISIVE { 6_000 } else { 1 }));
    let mut attempts = 0;
    while send_batch(&relay(&world, &queues), &records).await.is_err() {
        attempts += 1;
        assert!(attempts < 10, "it never gets through");
        world.time.advance(MINUTE_MS);
    }
    let ids = ids(&queues, DECISIVE);
    assert_eq!((ids.len(), distinct(&ids)), (100, 100));
}

/// Otherwise a queue's outage would end the function each time, and look like an event that does.
#[tokio::test]
async fn an_attempt_ends_within_a_shorter_timeout_too() {
    for timeout_ms in [10_000, 30_000, RELAY_TIMEOUT_MS, 900_000] {
        let (world, queues) = (world().await, Arc::new(Queues::default()));
        let records = orders(&world, 100).await;
        let pace: fn(&str) -> i64 = |url| if url == PARKED { 100 } else { 1_000 };
        *queues.takes_ms.lock().unwrap() = Some((Arc::clone(&world.time), pace));
        let started_ms = world.now_ms();
        let is_whole = send_batch(&relay_within(&world, &queues, timeout_ms), &records).await.is_ok();
        let took_ms = world.now_ms() - started_ms;
        assert!(took_ms * 10 < timeout_ms * 9, "{took_ms} of {timeout_ms}");
        assert!(distinct(&ids(&queues, DECISIVE)) >= if is_whole { 100 } else { 40 }, "{timeout_ms}");
    }
}

#[tokio::test]
async fn a_users_queue_never_sets_the_pace() {
    for (takes_ms, refuses) in [(8_000, true), (8_000, false), (1, true)] {
        let (world, queues) = (world().await, Arc::new(Queues::default()));
        let records = orders(&world, 200).await;
        let pace: fn(&str) -> i64 = match takes_ms {
            8_000 => |url| if url == USERS { 8_000 } else { 5 },
            _ => |_| 5,
        };
        *queues.takes_ms.lock().unwrap() = Some((Arc::clone(&world.time), pace));
        if refuses {
            *queues.refuse.lock().unwrap() = Some(|url, _, _| if url == USERS { Err(()) } else { Ok(None) });
        }
        let (relay, started_ms) = (relay(&world, &queues), world.now_ms());
        for batch in records.chunks(10) {
            send_batch(&relay, batch).await.unwrap();
        }
        let took_ms = world.now_ms() - started_ms;
        assert!(took_ms < 20_000, "{takes_ms} {refuses}: {took_ms}");
        assert_eq!(distinct(&ids(&queues, DECISIVE)), 200);
        // Nothing is lost: it is there or parked.
        assert_eq!(distinct(&[ids(&queues, USERS), ids(&queues, PARKED)].concat()), 200);
    }
}

#[tokio::test]
async fn what_the_decisive_queue_refuses_for_good_is_parked_and_the_rest_goes_on() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let records = orders(&world, 20).await;
    *queues.refuse.lock().unwrap() =
        Some(|url, body, _| Ok((url == DECISIVE && body.contains("/O7/")).then_some(("InvalidMessageContents", true))));
    // For a while it may be the queue after all.
    assert!(send_batch(&relay(&world, &queues), &records).await.is_err());
    assert_eq!((ids(&queues, DECISIVE).len(), ids(&queues, PARKED).len()), (19, 0));
    world.time.advance(16 * MINUTE_MS);
    send_batch(&relay(&world, &queues), &records).await.unwrap();
    assert_eq!(ids(&queues, DECISIVE).len(), 19);
    let parked = queues.bodies(PARKED);
    assert_eq!((parked.len(), parked[0]["queue"].as_str().unwrap()), (1, DECISIVE));
    // The other queue takes it, and nothing twice.
    let ids = ids(&queues, USERS);
    assert_eq!((ids.len(), distinct(&ids)), (20, 20));
}

#[tokio::test]
async fn an_event_that_ends_the_function_is_found_and_parked() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let records = orders(&world, 100).await;
    *queues.refuse.lock().unwrap() = Some(|url, body, _| {
        assert!(url == PARKED || !body.contains("/O57/"), "the function ends here");
        Ok(None)
    });
    world.time.advance(16 * MINUTE_MS);
    let mut attempts = 0;
    loop {
        // Without an answer: not even an error.
        let (relay, records) = (relay(&world, &queues), records.clone());
        let ended = tokio::spawn(async move { send_batch(&relay, &records).await }).await;
        if let Ok(answer) = ended {
            answer.unwrap();
            break;
        }
        attempts += 1;
        assert!(attempts < 10, "it never gets through");
        world.time.advance(MINUTE_MS);
    }
    assert_eq!(attempts, 5);
    let parked = ids(&queues, PARKED);
    assert_eq!((parked.len(), distinct(&parked)), (2, 1));
    assert!(parked[0].contains("/O57/"));
    assert_eq!(distinct(&ids(&queues, DECISIVE)), 99);
}

#[tokio::test]
async fn what_is_before_a_body_of_a_later_build_in_its_order_goes_out_once() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let mut records = orders(&world, 20).await;
    let pk = records[4]["dynamodb"]["NewImage"]["pk"].clone();
    records[5]["dynamodb"]["NewImage"]["pk"] = pk;
    let frame = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, of_a_later_build(b"{}"));
    records[5]["dynamodb"]["NewImage"]["body"] = json!({"B": frame});
    for _ in 0..3 {
        assert!(send_batch(&relay(&world, &queues), &records).await.is_err());
        let ids = ids(&queues, DECISIVE);
        assert_eq!((ids.len(), distinct(&ids)), (19, 19));
        world.time.advance(6 * MINUTE_MS);
    }
    send_batch(&relay(&world, &queues), &records).await.unwrap();
    assert_eq!((ids(&queues, DECISIVE).len(), ids(&queues, PARKED).len()), (19, 2));
}

#[tokio::test]
async fn a_body_of_a_later_build_does_not_block_the_shard() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let mut records = orders(&world, 20).await;
    let frame = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, of_a_later_build(b"{}"));
    records[5]["dynamodb"]["NewImage"]["body"] = json!({"B": frame});
    assert!(send_batch(&relay(&world, &queues), &records).await.is_err());
    assert_eq!((ids(&queues, DECISIVE).len(), ids(&queues, PARKED).len()), (19, 0));
    world.time.advance(16 * MINUTE_MS);
    send_batch(&relay(&world, &queues), &records).await.unwrap();
    // What is parked is sent by `hookmill dlq redrive`, which reads the row again.
    assert_eq!((ids(&queues, DECISIVE).len(), ids(&queues, PARKED).len()), (19, 2));
}
