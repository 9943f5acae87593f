//! A walk over the time index: whole, in order and in bounded memory, whatever its pages split.

use aws_sdk_dynamodb::types::AttributeValue;
use edge::keep::item::{TIME_SHARDS, instant, text, time_bucket};
use edge::keep::time_index::{HELD_MAX, IndexEntry, SourceId, TimeIndex, Walk, WalkOrder};

use crate::harness::*;

const SOURCES: [&str; 2] = ["main", "other"];

fn sources() -> Vec<SourceId> {
    SOURCES.map(|source| SourceId { provider: "scalev".to_owned(), source: source.to_owned() }).to_vec()
}

/// A table whose index has several events in most milliseconds, in every partition of two sources.
async fn index() -> (World, TimeIndex) {
    let world = world().await;
    for number in 0..120_i64 {
        let source = SOURCES[usize::try_from(number).unwrap() % 2];
        let shard = u8::try_from(number / 2 % 3).unwrap() % TIME_SHARDS;
        let put = world.dynamodb.put_item().table_name(EVENTS);
        // Ids that do not sort as they were written.
        let sk = format!("order.created/{:03}", number * 53 % 120);
        let put = put.item("pk", text(&format!("scalev/{source}/{number}"))).item("sk", text(&sk));
        let put = put.item("bucket", text(&time_bucket("scalev", source, shard)));
        let received_at = AttributeValue::S(instant(START_MS + number / 20));
        put.item("received_at", received_at).send().await.unwrap();
    }
    let index = TimeIndex::new(world.dynamodb.clone(), EVENTS.to_owned());
    (world, index)
}

async fn all(mut walk: Walk) -> Vec<IndexEntry> {
    walk.take(usize::MAX).await.unwrap()
}

#[tokio::test]
async fn a_walk_is_whole_and_in_order_whatever_its_pages_split() {
    let (_world, index) = index().await;
    let range = START_MS..START_MS + 6;
    let whole = all(index.walk(&sources(), range.clone(), WalkOrder::OldestFirst)).await;
    assert_eq!(whole.len(), 120);
    assert!(whole.windows(2).all(|pair| pair[0] < pair[1]));
    for page in [1, 2, 3, 7] {
        assert_eq!(
            all(index.walk(&sources(), range.clone(), WalkOrder::OldestFirst).with_page(page)).await,
            whole,
            "{page}"
        );
        let mut newest = all(index.walk(&sources(), range.clone(), WalkOrder::NewestFirst).with_page(page)).await;
        newest.reverse();
        assert_eq!(newest, whole, "{page}");
    }
    let inner = all(index.walk(&sources(), START_MS + 1..START_MS + 3, WalkOrder::OldestFirst)).await;
    assert_eq!(inner, whole[20..60]);
    assert!(all(index.walk(&[], range, WalkOrder::OldestFirst)).await.is_empty());
}

/// Whoever stopped at any entry continues with the next one: none twice, none left out.
#[tokio::test]
async fn a_walk_continues_behind_any_entry() {
    let (_world, index) = index().await;
    let range = START_MS..START_MS + 6;
    let whole = all(index.walk(&sources(), range.clone(), WalkOrder::OldestFirst)).await;
    for page in [1, 4] {
        for (at, last) in whole.iter().enumerate().step_by(7) {
            let mut walk = index.walk(&sources(), range.clone(), WalkOrder::OldestFirst).with_page(page);
            walk.skip_to(last).await.unwrap();
            assert_eq!(all(walk).await, whole[at + 1..], "{page} {at}");
            let mut walk = index.walk(&sources(), range.clone(), WalkOrder::NewestFirst).with_page(page);
            walk.skip_to(last).await.unwrap();
            let mut earlier = all(walk).await;
            earlier.reverse();
            assert_eq!(earlier, whole[..at], "{page} {at}");
        }
    }
}

#[tokio::test]
async fn a_walk_holds_no_more_than_its_pages() {
    let (_world, index) = index().await;
    let mut walk = index.walk(&sources(), START_MS..START_MS + 6, WalkOrder::OldestFirst).with_page(2);
    let mut most = 0;
    while walk.next().await.unwrap().is_some() {
        most = most.max(walk.held());
    }
    // Ten of a source and shard, at most, have one millisecond.
    assert!(most > 0 && most < 120, "{most}");
    let many: Vec<SourceId> =
        (0..10_000).map(|n| SourceId { provider: "scalev".into(), source: n.to_string() }).collect();
    assert_eq!(index.walk(&many, 0..1, WalkOrder::OldestFirst).held(), 0);
    const { assert!(HELD_MAX < 20_000) };
}
