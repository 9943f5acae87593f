//! A relay that does not run is noticed by what it did not send.

use std::sync::Arc;

use crate::harness::*;
use crate::sweep::{Stream, id, receive, sources};
use aws_sdk_dynamodb::types::AttributeValue;
use edge::keep::item::{DISOWNED_AT, ERASED_AT};
use edge::relay::backlog::{Backlog, LATE_MS};
use webhook::providers::SCALEV;

const MINUTE_MS: i64 = 60 * 1_000;

/// The id of the oldest late event.
async fn late(world: &World, deadline_ms: i64) -> Option<String> {
    let backlog = Backlog::new(world.dynamodb.clone(), EVENTS.to_owned(), world.hasty_clock());
    backlog.oldest_late(&sources(), deadline_ms).await.unwrap().map(|entry| entry.key.id())
}

#[tokio::test]
async fn an_event_is_late_after_minutes_and_until_it_is_sent() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let (receiver, mut stream) = (world.receiver(&SCALEV), Stream::default());
    assert_eq!(late(&world, i64::MAX).await, None);
    // As long as the relay runs nothing is late, whatever the time of the hour is.
    for number in 0..30 {
        receive(&receiver, number).await;
        stream.look(&world).await;
        stream.hand_over(&world, &queues).await;
        world.time.advance(3 * MINUTE_MS);
        assert_eq!(late(&world, i64::MAX).await, None);
    }
    // It stops: the first event that it did not send is late within five minutes, and stays so.
    receive(&receiver, 30).await;
    let first = world.items(EVENTS).await.iter().map(|item| (text_of(item, "received_at"), id(item))).max().unwrap().1;
    world.time.advance(LATE_MS);
    assert_eq!(late(&world, i64::MAX).await, None);
    world.time.advance(1);
    assert_eq!(late(&world, i64::MAX).await, Some(first.clone()));
    for number in 31..60 {
        receive(&receiver, number).await;
        world.time.advance(30 * MINUTE_MS);
        assert_eq!(late(&world, i64::MAX).await, Some(first.clone()));
    }
    stream.look(&world).await;
    stream.hand_over(&world, &queues).await;
    assert_eq!(late(&world, i64::MAX).await, None);
}

#[tokio::test]
async fn a_search_that_is_cut_short_goes_on_where_it_was() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let (receiver, mut stream) = (world.receiver(&SCALEV), Stream::default());
    assert_eq!(late(&world, i64::MAX).await, None);
    for number in 0..6 {
        receive(&receiver, number).await;
        world.time.advance(20 * MINUTE_MS);
    }
    stream.look(&world).await;
    stream.hand_over(&world, &queues).await;
    receive(&receiver, 6).await;
    world.time.advance(LATE_MS + 1);
    // Each look has time for one slot of six and then one, and none of them is looked at twice.
    for _ in 0..6 {
        assert_eq!(late(&world, 0).await, None);
    }
    assert!(late(&world, 0).await.is_some());
}

#[tokio::test]
async fn what_was_erased_or_disowned_before_it_was_sent_is_not_late() {
    for gone in [ERASED_AT, DISOWNED_AT] {
        let world = world().await;
        let receiver = world.receiver(&SCALEV);
        receive(&receiver, 0).await;
        world.time.advance(LATE_MS + 1);
        assert!(late(&world, i64::MAX).await.is_some());
        let item = world.items(EVENTS).await.remove(0);
        let update = world.dynamodb.update_item().table_name(EVENTS).update_expression("SET #gone = :at");
        let update = update.expression_attribute_names("#gone", gone);
        let update = update.expression_attribute_values(":at", AttributeValue::S("2026-01-01T00:00:00Z".to_owned()));
        update.key("pk", item["pk"].clone()).key("sk", item["sk"].clone()).send().await.unwrap();
        assert_eq!(late(&world, i64::MAX).await, None, "{gone}");
    }
}
