//! Rebuilds views from their events.

use std::cell::Cell;

use edge::keep::item::text;
use hookmill::Exit;
use hookmill::work::journal::Journal;
use hookmill::work::rebuilding::{Telling, rebuild_all};
use serde_json::{Value, json};
use webhook::claim::EventKey;
use webhook::event::Event;

use crate::harness::tables::without_announced;
use crate::harness::{Scratch, World, world, world_in_text};
use crate::replay::two_orders;

/// Two orders whose events are joined; the ids of their events.
async fn joined(world: &World) -> Vec<String> {
    let ids = two_orders(world).await;
    for id in &ids {
        world.join(&EventKey::from_id(id).unwrap()).await;
    }
    ids
}

async fn views(world: &World) -> Vec<edge::keep::item::Item> {
    let mut items = world.context.dynamodb().scan().table_name("OrdersTable").send().await.unwrap().items.unwrap();
    items.sort_by_key(|item| item["pk"].as_s().unwrap().clone());
    items
}

/// Joins an event that never was: an older mapping read its time as one far ahead.
pub(crate) async fn misread(world: &World, id: &str, change: impl Fn(&mut Value)) {
    let key = EventKey::from_id(id).unwrap();
    let stored = world.context.store().await.unwrap().load(&key).await.unwrap().unwrap();
    let provider = webhook::providers::Provider::of(&key).unwrap();
    let mut event = json!(provider.read(&stored.row));
    event["mappingversion"] = 0.into();
    event["sequence"] = format!("3.{:020}.{:020}.00000.00000.00", u64::MAX, 0).into();
    change(&mut event);
    let event: Event = serde_json::from_value(event).unwrap();
    let batch = json!({"Records": [{"messageId": "1", "body": event.to_json().unwrap()}]});
    let failures = world.consumer().await.apply(serde_json::from_value(batch).unwrap()).await;
    assert_eq!(json!(failures)["batchItemFailures"], json!([]));
}

#[tokio::test]
async fn a_misread_far_future_is_mended_and_nothing_else_is_written() {
    let world = world().await;
    let ids = joined(&world).await;
    let right = views(&world).await;
    assert_eq!(right.len(), 2);
    let same = world.lines(&["orders", "rebuild", "--source", "scalapay/it"]).await;
    assert_eq!(same, [json!({"orders": 2, "same": 2, "would_change": 0, "rebuilt": 0, "failed": 0, "unreadable": 0})]);
    misread(&world, &ids[0], |event| event["data"]["totals"]["total"]["amount"] = "1000000".into()).await;
    let wrong = views(&world).await;
    assert_ne!(wrong, right);
    let line = ["orders", "rebuild", "--source", "scalapay/it"];
    let dry = world.lines(&[&line[..], &["--diff"]].concat()).await;
    assert_eq!((dry[0]["order"].as_str(), dry[0]["outcome"].as_str()), (Some("scalapay/it/A"), Some("would_change")));
    let total = dry[0]["diff"].as_array().unwrap().iter().find(|field| field["field"] == "order/totals/total").unwrap();
    assert_eq!((&total["old"]["amount"], &total["new"]["amount"]), (&json!("1000000"), &json!("40.7")));
    let email = dry[0]["diff"].as_array().unwrap().iter().find(|field| field["field"] == "order/customer/email");
    assert_eq!(email.unwrap()["new"], "(a value)");
    assert!(world.notes().contains("Nothing was written. 1 would be: add --yes"));
    assert_eq!(views(&world).await, wrong);
    let file = Scratch::new("rebuild");
    let done = world.lines(&[&line[..], &["--yes", "--run-file", file.path()]].concat()).await;
    assert_eq!((done[0]["outcome"].as_str(), done[1]["rebuilt"].as_u64()), (Some("rebuilt"), Some(1)));
    // A fact that was announced of the misread event is corrected, and names another cause than one never misread.
    assert_eq!(without_announced(views(&world).await), without_announced(right));
    // What is done is not done again.
    assert!(world.lines(&["orders", "rebuild", "--resume", file.path(), "--yes"]).await.is_empty());
    assert!(world.notes().contains("No order is left to be rebuilt"));
    assert_eq!(world.run(&["forget", "order", "--resume", file.path()]).await, Exit::Usage);
}

#[tokio::test]
async fn what_was_not_begun_when_it_is_to_end_stays_undone() {
    let world = world().await;
    two_orders(&world).await;
    let orders = ["scalapay/it/A", "scalapay/it/B"].map(str::to_owned).to_vec();
    let mut journal = Journal::planned(&world.context, "reread publish", orders, Default::default()).await.unwrap();
    let stop = Cell::new(true);
    let rebuilder = world.context.rebuilder().await.unwrap();
    let stopped = rebuild_all(&world.context, &rebuilder, &mut journal, true, Telling::default(), &stop).await;
    assert_eq!(stopped.unwrap_err().kind, Exit::Interrupted);
    assert!(views(&world).await.is_empty());
    stop.set(false);
    rebuild_all(&world.context, &rebuilder, &mut journal, true, Telling::default(), &stop).await.unwrap();
    assert_eq!(views(&world).await.len(), 2);
}

#[tokio::test]
async fn orders_are_chosen_by_id_by_range_or_all() {
    let world = world().await;
    let ids = joined(&world).await;
    let orders = async |more: &[&str]| {
        let lines = world.lines(&[&["orders", "rebuild"], more].concat()).await;
        lines.last().map_or(json!(0), |line| line["orders"].clone())
    };
    assert_eq!(orders(&[&ids[0], "scalapay/it/A"]).await, 1);
    assert_eq!(orders(&["--source", "scalapay/it", "--to", "2026-01-01T00:00:00.001Z"]).await, 1);
    assert_eq!(orders(&["--source", "scalapay/it", "--from", "2027-01-01"]).await, 0);
    assert_eq!(world.run(&["orders", "rebuild"]).await, Exit::Usage);
    assert_eq!(world.run(&["orders", "rebuild", "nonsense"]).await, Exit::Usage);
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_stays() {
    let world = world_in_text().await;
    let ids = joined(&world).await;
    let right = views(&world).await;
    let key = EventKey::from_id(&ids[4]).unwrap();
    let update = world.context.dynamodb().update_item().table_name("EventsTable").key("pk", text(&key.pk));
    update.key("sk", text(&key.sk)).update_expression("REMOVE body").send().await.unwrap();
    let file = Scratch::new("unreadable");
    let line = ["orders", "rebuild", "scalapay/it/A", "scalapay/it/B", "--yes", "--run-file", file.path()];
    assert_eq!(world.run(&line).await, Exit::Problems);
    let printed = String::from_utf8(world.results()).unwrap();
    assert!(printed.contains(&format!("unreadable  {}: its body is no longer kept", ids[4])), "{printed}");
    assert!(printed.ends_with("2 orders, 2 as their events tell, 1 event cannot be read\n"), "{printed}");
    assert_eq!(views(&world).await, right);
}
