//! From the orders queue to the views.

use crate::harness::tables::without_announced;
use crate::harness::*;
use edge::{Orders, ViewConfig};
use serde_json::{Value, json};
use webhook::claim::EventKey;
use webhook::providers::{PROVIDERS, Provider, SCALEV};

pub(crate) fn view_config() -> ViewConfig {
    ViewConfig { events_table: EVENTS.to_owned(), orders_table: ORDERS.to_owned() }
}

pub(crate) fn orders(world: &World) -> Orders {
    Orders::new(view_config(), world.dynamodb.clone(), world.clock())
}

pub(crate) async fn apply(orders: &Orders, bodies: &[String]) -> Vec<String> {
    let records: Vec<_> = bodies
        .iter()
        .enumerate()
        .map(|(index, body)| {
            let event: Value = serde_json::from_str(body).unwrap_or_default();
            let group = event["subject"].as_str().unwrap_or("poison");
            json!({"messageId": index.to_string(), "body": body, "attributes": {"MessageGroupId": group}})
        })
        .collect();
    let failures = json!(orders.apply(serde_json::from_value(json!({"Records": records})).unwrap()).await);
    let failures = failures["batchItemFailures"].as_array().unwrap();
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

/// Every sample of a provider as the relay would send it.
pub(crate) async fn messages(world: &World, provider: &'static Provider) -> Vec<String> {
    let receiver = world.receiver(provider);
    for case in cases(provider.name) {
        status(&receiver, &sample(provider.name, &case, |_| ())).await;
    }
    let store = edge::keep::store::Store::new(world.dynamodb.clone(), EVENTS.to_owned());
    let mut messages = Vec::new();
    for item in world.items(EVENTS).await {
        let key = EventKey { pk: text_of(&item, "pk"), sk: text_of(&item, "sk") };
        let stored = store.load(&key).await.unwrap().unwrap();
        messages.push(provider.read(&stored.row).to_json().unwrap());
    }
    messages
}

#[tokio::test]
async fn views_end_the_same_in_any_order_and_any_number() {
    for provider in PROVIDERS {
        let (once, often) = (world().await, world().await);
        let messages = messages(&once, provider).await;
        assert_eq!(apply(&orders(&once), &messages).await, Vec::<String>::new());
        let mut backwards = messages.clone();
        backwards.reverse();
        for batch in backwards.chunks(3).chain(messages.chunks(7)).chain(backwards.chunks(10)) {
            assert_eq!(apply(&orders(&often), batch).await, Vec::<String>::new());
        }
        let (once, often) = (without_announced(once.items(ORDERS).await), without_announced(often.items(ORDERS).await));
        assert!(!once.is_empty());
        assert_eq!(once, often, "{}", provider.name);
    }
}

#[tokio::test]
async fn what_changes_nothing_writes_nothing() {
    let world = world().await;
    let messages = messages(&world, &SCALEV).await;
    apply(&orders(&world), &messages).await;
    // A write replaces the whole item, and this mark with it.
    for mut item in world.items(ORDERS).await {
        item.insert("untouched".to_owned(), edge::keep::item::text("yes"));
        world.dynamodb.put_item().table_name(ORDERS).set_item(Some(item)).send().await.unwrap();
    }
    let before = world.items(ORDERS).await;
    apply(&orders(&world), &messages).await;
    assert_eq!(world.items(ORDERS).await, before);
}

#[tokio::test]
async fn writers_at_the_same_time_lose_nothing() {
    let world = world().await;
    let messages = messages(&world, &SCALEV).await;
    let (a, b, c) = (orders(&world), orders(&world), orders(&world));
    let halves = messages.split_at(messages.len() / 2);
    let (x, y, z) = tokio::join!(apply(&a, halves.0), apply(&b, halves.1), apply(&c, &messages));
    assert_eq!((x.len(), y.len(), z.len()), (0, 0, 0));
    let together = world.items(ORDERS).await;
    apply(&orders(&world), &messages).await;
    assert_eq!(world.items(ORDERS).await, together);
}

#[tokio::test]
async fn a_message_that_is_no_event_comes_again_and_stops_its_group() {
    let world = world().await;
    let messages = messages(&world, &SCALEV).await;
    let batch = ["not json".to_owned(), messages[0].clone(), "{}".to_owned(), json!({"id": "x"}).to_string()];
    assert_eq!(apply(&orders(&world), &batch).await, ["0", "2", "3"]);
}

#[tokio::test]
async fn an_event_without_data_is_read_from_its_row() {
    let (whole, bare) = (world().await, world().await);
    let messages_whole = messages(&whole, &SCALEV).await;
    let messages_bare: Vec<_> = messages(&bare, &SCALEV)
        .await
        .iter()
        .map(|body| serde_json::from_str::<webhook::event::Event>(body).unwrap().without_data().to_json().unwrap())
        .collect();
    apply(&orders(&whole), &messages_whole).await;
    assert_eq!(apply(&orders(&bare), &messages_bare).await, Vec::<String>::new());
    assert_eq!(whole.items(ORDERS).await, bare.items(ORDERS).await);
}
