//! Disowned events count nowhere, and what is genuine is kept again.

use edge::keep::item::Item;
use edge::keep::store::Store;
use edge::orders::disowning::{Disowner, Disowning};
use edge::{Eraser, Rebuilder, Views};
use serde_json::{Value, json};
use webhook::claim::EventKey;
use webhook::providers::{Provider, SCALAPAY, SCALEV};

use crate::harness::tables::without_announced;
use crate::harness::*;
use crate::orders::{apply, orders, view_config};

const PK: &str = "scalapay/it/21KLT3YDWT";
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

pub(crate) fn disowner(world: &World) -> Disowner {
    Disowner::new(view_config(), world.dynamodb.clone(), world.clock())
}

/// Everything that one key of these tests let in at a time or later.
pub(crate) fn since(fingerprint: &str, from_ms: i64) -> Disowning {
    Disowning { fingerprint: fingerprint.to_owned(), from_ms, to_ms: i64::MAX, undo: false }
}

/// The events' rows, the earliest first.
pub(crate) async fn rows(world: &World) -> Vec<Item> {
    let mut rows: Vec<Item> =
        world.items(EVENTS).await.into_iter().filter(|item| text_of(item, "kind") == "event").collect();
    rows.sort_by_key(|item| (text_of(item, "received_at"), text_of(item, "sk")));
    rows
}

/// An event as the relay sends it.
pub(crate) async fn message(world: &World, item: &Item) -> String {
    let key = EventKey { pk: text_of(item, "pk"), sk: text_of(item, "sk") };
    let store = Store::new(world.dynamodb.clone(), EVENTS.to_owned());
    let stored = store.load(&key).await.unwrap().unwrap();
    Provider::of(&key).unwrap().read(&stored.row).to_json().unwrap()
}

async fn rendered(world: &World, pk: &str) -> Option<Value> {
    let view = Views::new(world.dynamodb.clone(), ORDERS.to_owned()).view(pk).await.unwrap();
    view.filter(|view| !view.is_empty()).map(|view| view.render())
}

/// Three events of one order, a day apart; their messages.
pub(crate) async fn three_days(world: &World) -> Vec<String> {
    let receiver = world.receiver(&SCALAPAY);
    for case in ["created", "authorized", "charged"] {
        let of_one_order = |event: &mut Value| {
            event["body"] = event["body"].as_str().unwrap().replace("E1KLSVMATB", "21KLT3YDWT").into();
        };
        assert_eq!(status(&receiver, &sample("scalapay", case, of_one_order)).await, 200);
        world.time.advance(DAY_MS);
    }
    let mut messages = Vec::new();
    for item in rows(world).await.iter().filter(|item| text_of(item, "pk") == PK) {
        messages.push(message(world, item).await);
    }
    assert_eq!(messages.len(), 3);
    messages
}

#[tokio::test]
async fn a_view_is_made_without_what_is_disowned_and_stays_so() {
    let world = world().await;
    let messages = three_days(&world).await;
    apply(&orders(&world), &messages[..2]).await;
    let genuine = rendered(&world, PK).await.unwrap();
    apply(&orders(&world), &messages[2..]).await;
    let forged = rendered(&world, PK).await.unwrap();
    assert_ne!(genuine, forged);
    let fingerprint = text_of(&rows(&world).await[0], "fingerprint");
    let what = since(&fingerprint, START_MS + 2 * DAY_MS);
    let planned = disowner(&world).survey(PK, &what).await.unwrap();
    assert_eq!((planned.events.len(), planned.others, planned.view_changed), (1, 2, None));
    assert_eq!(rendered(&world, PK).await.unwrap(), forged);
    let done = disowner(&world).disown(PK, &what).await.unwrap();
    assert_eq!((done.events.len(), done.view_changed), (1, Some(true)));
    assert_eq!(rendered(&world, PK).await.unwrap(), genuine);
    // A message that comes late, or back from a dead letter queue.
    assert!(apply(&orders(&world), &messages).await.is_empty());
    assert_eq!(rendered(&world, PK).await.unwrap(), genuine);
    let again = disowner(&world).disown(PK, &what).await.unwrap();
    assert_eq!((again.events.len(), again.done_before, again.view_changed), (0, 1, Some(false)));
    let reader = edge::Reader::new(view_config(), world.dynamodb.clone());
    let ask = async |name: &str, value: &str| {
        reader.answer(serde_json::from_value(json!({name: value, "body": true})).unwrap()).await
    };
    let id = done.events[0].id();
    assert!(ask("id", &id).await.unwrap_err().to_string().starts_with("it was disowned on 2026-01-04T"));
    assert_eq!(ask("order", PK).await.unwrap()["events"].as_array().unwrap().len(), 2);
    let back = disowner(&world).disown(PK, &Disowning { undo: true, ..what }).await.unwrap();
    assert_eq!((back.events.len(), back.view_changed), (1, Some(true)));
    assert_eq!(rendered(&world, PK).await.unwrap(), forged);
    assert!(ask("id", &id).await.is_ok());
    assert!(rows(&world).await.iter().all(|item| !item.contains_key("disowned_at")));
}

#[tokio::test]
async fn an_order_of_which_nothing_is_left_has_no_view_and_gets_none() {
    let world = world().await;
    let messages = three_days(&world).await;
    apply(&orders(&world), &messages[1..]).await;
    let fingerprint = text_of(&rows(&world).await[0], "fingerprint");
    assert_eq!(disowner(&world).disown(PK, &since("another", 0)).await.unwrap().view_changed, Some(false));
    assert!(rendered(&world, PK).await.is_some());
    disowner(&world).disown(PK, &since(&fingerprint, 0)).await.unwrap();
    assert_eq!(rendered(&world, PK).await, None);
    assert!(apply(&orders(&world), &messages).await.is_empty());
    assert_eq!(rendered(&world, PK).await, None);
    let reader = edge::Reader::new(view_config(), world.dynamodb.clone());
    assert!(reader.answer(serde_json::from_value(json!({"order": PK})).unwrap()).await.is_err());
    // Erased, it is still disowned; owned again, its remainder counts.
    let erased = Eraser::new(view_config(), world.dynamodb.clone(), world.clock()).erase(PK, None).await.unwrap();
    assert_eq!(erased.events.len(), 3);
    assert_eq!(rendered(&world, PK).await, None);
    disowner(&world).disown(PK, &Disowning { undo: true, ..since(&fingerprint, 0) }).await.unwrap();
    assert!(rendered(&world, PK).await.is_some());
    let rebuilt = Rebuilder::new(view_config(), world.dynamodb.clone()).survey(PK).await.unwrap();
    assert!(!rebuilt.is_change() && rebuilt.disowned == 0);
}

/// Whoever has a key can make any number of events of one order, and a view has to fit into an item.
#[tokio::test]
async fn a_view_is_no_longer_for_many_disowned_events_than_for_one() {
    let world = world().await;
    let messages = three_days(&world).await;
    apply(&orders(&world), &messages).await;
    let other = sample("scalapay", "created", |event| {
        event["body"] = event["body"].as_str().unwrap().replace("21KLT3YDWT", "OTHER").into();
    });
    assert_eq!(status(&world.receiver(&SCALAPAY), &other).await, 200);
    let what = since(&text_of(&rows(&world).await[0], "fingerprint"), 0);
    let mut views = Vec::new();
    for (pk, count) in [(PK, 3), ("scalapay/it/OTHER", 1)] {
        assert_eq!(disowner(&world).disown(pk, &what).await.unwrap().events.len(), count);
        let item = world.items(ORDERS).await.into_iter().find(|item| text_of(item, "pk") == pk).unwrap();
        views.push(without_announced(vec![item])[0]["view"].clone());
    }
    assert_eq!(views[0], views[1]);
    // In one batch with others, too.
    assert!(apply(&orders(&world), &messages).await.is_empty());
    assert_eq!(rendered(&world, PK).await, None);
}

/// Who had the key may have sent what the provider sends later.
#[tokio::test]
async fn what_comes_again_after_it_was_disowned_is_kept_once_more() {
    for (provider, case, is_nameless) in
        [(&SCALEV, "order.created.2026", false), (&SCALEV, "order.created.2026", true), (&SCALAPAY, "charged", false)]
    {
        let world = world().await;
        let receiver = world.receiver(provider);
        let event = sample(provider.name, case, |event| {
            let mut body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
            if is_nameless {
                body.as_object_mut().unwrap().remove("unique_id");
            }
            event["body"] = body.to_string().into();
        });
        assert_eq!(status(&receiver, &event).await, 200);
        let first = rows(&world).await.remove(0);
        let (pk, sk) = (text_of(&first, "pk"), text_of(&first, "sk"));
        for round in 2..5 {
            let what = since(&text_of(&first, "fingerprint"), 0);
            disowner(&world).disown(&pk, &what).await.unwrap();
            for _ in 0..3 {
                world.time.advance(1_000);
                assert_eq!(status(&receiver, &event).await, 200);
            }
            let names: Vec<String> = rows(&world).await.iter().map(|item| text_of(item, "sk")).collect();
            assert_eq!(names.len(), round, "{case}: {names:?}");
            assert_eq!(names[round - 1], format!("{sk}~{round}"), "{case}");
        }
    }
}

/// Another body under a name that a forged event has: it contradicts nothing that counts.
#[tokio::test]
async fn a_genuine_body_beside_a_disowned_one_is_no_conflict() {
    let world = world().await;
    let receiver = world.receiver(&SCALEV);
    let body = |email: &str| {
        sample("scalev", "order.created.2026", |event| {
            let mut body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
            body["data"]["customer"]["email"] = email.into();
            event["body"] = body.to_string().into();
        })
    };
    assert_eq!(status(&receiver, &body("forged@example.com")).await, 200);
    let first = rows(&world).await.remove(0);
    let pk = text_of(&first, "pk");
    disowner(&world).disown(&pk, &since(&text_of(&first, "fingerprint"), 0)).await.unwrap();
    world.time.advance(1_000);
    for _ in 0..2 {
        assert_eq!(status(&receiver, &body("genuine@example.com")).await, 200);
    }
    let rows = rows(&world).await;
    assert_eq!(rows.len(), 2);
    assert!(text_of(&rows[1], "sk").starts_with(&format!("{}~b", text_of(&first, "sk"))), "{:?}", rows[1]);
    assert_eq!(text_of(&rows[1], "mark"), "");
}

#[tokio::test]
async fn a_disowning_that_dies_anywhere_is_finished_by_the_next() {
    for at in 0.. {
        let world = world().await;
        let messages = three_days(&world).await;
        apply(&orders(&world), &messages[..1]).await;
        let genuine = rendered(&world, PK).await.unwrap();
        apply(&orders(&world), &messages[1..]).await;
        let what = since(&text_of(&rows(&world).await[0], "fingerprint"), START_MS + DAY_MS);
        let client = world.dying_client(at);
        let run = Disowner::new(view_config(), client, world.clock()).disown(PK, &what).await;
        disowner(&world).disown(PK, &what).await.unwrap();
        assert_eq!(rendered(&world, PK).await.unwrap(), genuine, "{at}");
        if run.is_ok() {
            // A look at the view, a query, two rows, and three calls for the view.
            assert_eq!(at, 7);
            break;
        }
    }
}
