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

pub(crate) fn relay_within(world: &World, queues: &Arc<Queues>, timeout_ms: i64) -> Relay {
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
