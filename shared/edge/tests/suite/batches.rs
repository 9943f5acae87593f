//! Batches that come again: too slow, too large, refused in part, or the end of the function.

use std::sync::Arc;

use edge::aws::config::RELAY_TIMEOUT_MS;
use serde_json::{Value, json};
use webhook::providers::SCALEV;

use crate::harness::*;
use crate::relay::{DECISIVE, PARKED, USERS, relay, relay_within, send_batch};
use crate::sweep::sweep;

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

/// A batch may have a hundred, which take a minute without optimisation.
const LARGEST_BODIES: usize = 30;

#[tokio::test]
async fn what_was_sent_of_a_batch_is_not_sent_again_when_it_comes_again() {
    // By the relay's clock, the events may be an hour old or yet to come.
    for passed_ms in [0, 60 * MINUTE_MS, -60 * MINUTE_MS] {
        let (world, queues) = (world().await, Arc::new(Queues::default()));
        let records = orders(&world, 30).await;
        world.time.advance(passed_ms);
        // One order's event is not taken for twenty minutes: longer than a queue drops repeats.
        *queues.refuse.lock().unwrap() =
            Some(|_, body, _| Ok(body.contains("/O7/").then_some(("ServiceUnavailable", false))));
        for _ in 0..4 {
            let error = send_batch(&relay(&world, &queues), &records).await.unwrap_err();
            assert!(error.starts_with("1 events did not reach the first queue"), "{error}");
            assert_eq!((ids(&queues, DECISIVE).len(), ids(&queues, USERS).len()), (29, 29), "{passed_ms}");
            world.time.advance(5 * MINUTE_MS);
        }
        *queues.refuse.lock().unwrap() = None;
        send_batch(&relay(&world, &queues), &records).await.unwrap();
        // Even a batch that got through may come again.
        send_batch(&relay(&world, &queues), &records).await.unwrap();
        for url in [DECISIVE, USERS] {
            let ids = ids(&queues, url);
            assert_eq!((ids.len(), distinct(&ids)), (30, 30), "{passed_ms}");
        }
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

/// The relay's log has what an attempt sent before it ended without an answer; otherwise the sweeper would send it again.
#[tokio::test]
async fn what_was_sent_before_the_function_ended_is_not_swept() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    // The first event of the sweep is another than that of the batch.
    let records = orders(&world, 40).await;
    let (never, records) = records.split_first().unwrap();
    *queues.refuse.lock().unwrap() = Some(|url, body, _| {
        assert!(url == PARKED || !body.contains("/O27/"), "the function ends here");
        Ok(None)
    });
    world.time.advance(16 * MINUTE_MS);
    let mut is_done = false;
    for _ in 0..10 {
        let (relay, records) = (relay(&world, &queues), records.to_vec());
        is_done |= tokio::spawn(async move { send_batch(&relay, &records).await }).await.is_ok();
        world.time.advance(MINUTE_MS);
    }
    assert!(is_done);
    let before = ids(&queues, DECISIVE).len();
    world.time.advance(30 * 60 * MINUTE_MS);
    assert_eq!(sweep(&world, &queues).await.unwrap().sent, 1);
    let after = ids(&queues, DECISIVE).split_off(before);
    assert_eq!(after.len(), 1, "{after:?}");
    let id = |name: &str| never["dynamodb"]["NewImage"][name]["S"].as_str().unwrap().to_owned();
    assert_eq!(after[0], format!("{}/{}", id("pk"), id("sk")));
}

/// Nobody knows how old it is, so it must not be tried as long as it is young.
#[tokio::test]
async fn an_event_without_a_time_that_ends_the_function_is_found_and_parked() {
    for order in ["O57", "O0"] {
        let (world, queues) = (world().await, Arc::new(Queues::default()));
        let mut records = orders(&world, 100).await;
        for record in &mut records {
            let pk = record["dynamodb"]["NewImage"]["pk"]["S"].as_str().unwrap();
            if pk.ends_with(&format!("/{order}")) {
                record["dynamodb"]["NewImage"]["received_at"] = json!({"S": "never"});
            }
        }
        *queues.refuse.lock().unwrap() = Some(|url, body, _| {
            assert!(url == PARKED || !(body.contains("/O57/") || body.contains("/O0/")), "the function ends here");
            Ok(None)
        });
        world.time.advance(16 * MINUTE_MS);
        let mut attempts = 0;
        loop {
            let (relay, records) = (relay(&world, &queues), records.clone());
            if let Ok(answer) = tokio::spawn(async move { send_batch(&relay, &records).await }).await {
                answer.unwrap();
                break;
            }
            attempts += 1;
            assert!(attempts < 20, "it never gets through");
            world.time.advance(MINUTE_MS);
        }
        assert_eq!(distinct(&ids(&queues, DECISIVE)), 98);
        assert_eq!(distinct(&ids(&queues, PARKED)), 2);
    }
}

/// One order's large events fill what is sent together, and the first of them is refused for what it is.
#[tokio::test]
async fn an_order_whose_event_is_refused_does_not_hold_the_others_up() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let receiver = world.receiver(&SCALEV);
    let large = async |order: &str, number: usize| {
        let data = json!({"order_id": order, "unknown": "x".repeat(1_000_000)});
        let body = json!({"event": "order.updated", "unique_id": format!("{order}-{number}"), "data": data});
        let event = sample("scalev", "order.created.2026", |event| event["body"] = body.to_string().into());
        assert_eq!(status(&receiver, &event).await, 200);
    };
    for number in 0..12 {
        large("A", number).await;
    }
    for order in ["B", "C"] {
        large(order, 0).await;
    }
    let mut items = world.items(EVENTS).await;
    items.retain(|item| text_of(item, "kind") == "event");
    let records: Vec<Value> = items.iter().map(inserted).collect();
    *queues.refuse.lock().unwrap() =
        Some(|url, body, _| Ok((url == DECISIVE && body.contains("/A/")).then_some(("InvalidMessageContents", true))));
    let error = send_batch(&relay(&world, &queues), &records).await.unwrap_err();
    assert!(error.starts_with("12 events did not reach the first queue"), "{error}");
    assert_eq!(ids(&queues, DECISIVE).len(), 2);
}

/// Several times what is sent together, of a body that does not compress: its chunks are read for each event.
#[tokio::test]
async fn a_batch_of_the_largest_bodies_gets_through() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let receiver = world.receiver(&SCALEV);
    let text: String = random(1).take(500_000).map(|byte| format!("{byte:02x}")).collect();
    let data = json!({"order_id": "O", "unknown": text});
    let body = json!({"event": "order.updated", "unique_id": "e", "data": data}).to_string();
    let event = sample("scalev", "order.created.2026", |event| event["body"] = body.into());
    assert_eq!(status(&receiver, &event).await, 200);
    let items = world.items(EVENTS).await;
    let record = items.iter().find(|item| text_of(item, "kind") == "event").map(inserted).unwrap();
    assert!(record["dynamodb"]["NewImage"].get("body").is_none());
    let records = (0..LARGEST_BODIES).map(|number| {
        let mut record = record.clone();
        record["dynamodb"]["NewImage"]["pk"] = json!({"S": format!("scalev/main/O{number}")});
        record
    });
    send_batch(&relay(&world, &queues), &records.collect::<Vec<_>>()).await.unwrap();
    for url in [DECISIVE, USERS] {
        let ids = ids(&queues, url);
        assert_eq!((ids.len(), distinct(&ids)), (LARGEST_BODIES, LARGEST_BODIES));
    }
}
