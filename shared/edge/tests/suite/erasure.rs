//! Erasure is exact: nothing younger goes, nothing older stays.

use aws_sdk_dynamodb::types::AttributeValue;
use edge::Views;
use edge::keep::item::{INLINE_BYTES_MAX, Item, KeptBody, StoredRow};
use edge::keep::store::Store;
use edge::keep::time_index::SourceId;
use edge::orders::orphans::{AGE_MS_MIN, Orphans};
use serde_json::{Value, json};
use webhook::claim::EventKey;
use webhook::personal::without_personal;
use webhook::providers::{Provider, SCALAPAY, SCALEV, SELLDONE};

use crate::disowning::{disowner, message, since};
use crate::harness::*;
use crate::orders::{apply, messages, orders};
use crate::rebuild::{eraser, rebuilder};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A JSON body with a member that does not compress, so that it needs chunks.
fn enlarged(body: &str) -> String {
    let long: String = (0..60_000_u64).map(|n| format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let at = body.find('{').unwrap() + 1;
    format!("{}\"padding\":\"{long}\",{}", &body[..at], &body[at..])
}

fn large(event: &mut Value) {
    event["body"] = enlarged(event["body"].as_str().unwrap()).into();
}

/// The events' rows, the earliest first.
async fn rows(world: &World) -> Vec<Item> {
    let mut rows: Vec<Item> =
        world.items(EVENTS).await.into_iter().filter(|item| text_of(item, "kind") == "event").collect();
    rows.sort_by_key(|item| text_of(item, "received_at"));
    rows
}

async fn chunks(world: &World) -> usize {
    world.items(EVENTS).await.iter().filter(|item| text_of(item, "kind") == "chunk").count()
}

async fn body_at(world: &World, item: &Item) -> Vec<u8> {
    let key = EventKey { pk: text_of(item, "pk"), sk: text_of(item, "sk") };
    let store = Store::new(world.dynamodb.clone(), EVENTS.to_owned());
    store.load(&key).await.unwrap().unwrap().row.body
}

/// A Scalev event without an id of its own, so that it is a new one beyond the horizon.
fn nameless() -> Value {
    sample("scalev", "order.created.2026", |event| {
        let body = event["body"].as_str().unwrap();
        let mut json: Value = serde_json::from_str(body).unwrap();
        json.as_object_mut().unwrap().remove("unique_id");
        event["body"] = enlarged(&json.to_string()).into();
    })
}

#[tokio::test]
async fn a_younger_generation_keeps_its_large_body() {
    let world = world().await;
    let receiver = world.receiver(&SCALEV);
    let event = nameless();
    for _ in 0..3 {
        assert_eq!(status(&receiver, &event).await, 200);
        assert_eq!(status(&receiver, &event).await, 200, "a repeat");
        world.time.advance(4 * DAY_MS);
    }
    let before = rows(&world).await;
    assert_eq!(before.iter().map(|item| text_of(item, "sk").contains('~')).collect::<Vec<_>>(), [false, true, true]);
    let (pk, a_body) = (text_of(&before[0], "pk"), chunks(&world).await / 3);
    assert!(a_body >= 2);
    let kept = body_at(&world, &before[0]).await;
    for (days, left) in [(2, 2), (6, 1), (6, 1)] {
        let erased = eraser(&world).erase(&pk, Some(START_MS + days * DAY_MS)).await.unwrap();
        assert_eq!((erased.younger, erased.shared, erased.unreadable.len()), (left, 0, 0));
        assert_eq!(chunks(&world).await, left * a_body);
        for item in &rows(&world).await[3 - left..] {
            assert!(body_at(&world, item).await == kept, "{days} {}", text_of(item, "sk"));
        }
    }
    eraser(&world).erase(&pk, None).await.unwrap();
    assert_eq!(chunks(&world).await, 0);
}

#[tokio::test]
async fn what_is_signed_again_after_an_erasure_keeps_its_large_body() {
    let world = world().await;
    let receiver = world.receiver(&SCALAPAY);
    let signed_at = |ms: i64| {
        sample("scalapay", "charged", |event| {
            large(event);
            event["headers"]["x-scalapay-timestamp"] = ms.to_string().into();
        })
    };
    assert_eq!(status(&receiver, &signed_at(START_MS)).await, 200);
    let pk = text_of(&rows(&world).await[0], "pk");
    eraser(&world).erase(&pk, None).await.unwrap();
    assert_eq!(chunks(&world).await, 0);
    world.time.advance(2 * DAY_MS);
    let again = signed_at(START_MS + 2 * DAY_MS);
    assert_eq!(status(&receiver, &again).await, 200);
    let erased = eraser(&world).erase(&pk, Some(START_MS + DAY_MS)).await.unwrap();
    assert_eq!((erased.events.len(), erased.erased_before, erased.younger), (0, 1, 1));
    assert_eq!(body_at(&world, &rows(&world).await[1]).await, body_of(&again));
}

/// Earlier builds named chunks by an event's first name, so its generations had them together.
#[tokio::test]
async fn chunks_that_two_rows_have_go_with_the_last_of_them() {
    let world = world().await;
    let receiver = world.receiver(&SCALEV);
    assert_eq!(status(&receiver, &nameless()).await, 200);
    let first = rows(&world).await.remove(0);
    let (pk, kept) = (text_of(&first, "pk"), body_at(&world, &first).await);
    let of_one = chunks(&world).await;
    let mut second = first.clone();
    second.insert("sk".to_owned(), AttributeValue::S(format!("{}~2", text_of(&first, "sk"))));
    second.insert("received_at".to_owned(), AttributeValue::S(edge::keep::item::instant(START_MS + 4 * DAY_MS)));
    world.dynamodb.put_item().table_name(EVENTS).set_item(Some(second)).send().await.unwrap();
    for _ in 0..2 {
        eraser(&world).erase(&pk, Some(START_MS + DAY_MS)).await.unwrap();
        let rows = rows(&world).await;
        assert!(rows[0].contains_key("residue") && !rows[1].contains_key("residue"));
        assert!(body_at(&world, &rows[1]).await == kept && kept.len() > INLINE_BYTES_MAX);
        assert_eq!(chunks(&world).await, of_one);
    }
    let whole = eraser(&world).erase(&pk, Some(START_MS + 5 * DAY_MS)).await.unwrap();
    assert_eq!((whole.events.len(), whole.unreadable.len()), (1, 0));
    assert_eq!(chunks(&world).await, 0);
}

/// A client whose puts of events fail, so that only chunks are written.
fn without_rows(world: &World) -> aws_sdk_dynamodb::Client {
    let only_chunks =
        BeforeCalls(|body: &[u8]| match String::from_utf8_lossy(body).contains(r#""kind":{"S":"event"}"#) {
            true => Err("the process died".into()),
            false => Ok(()),
        });
    let config = world.dynamodb.config().to_builder().interceptor(only_chunks);
    let config = config.retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled());
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

#[tokio::test]
async fn chunks_without_a_row_are_found_and_deleted_and_those_with_one_are_not() {
    let world = world().await;
    let (dying, receiver) = (world.receiver_over(&SCALEV, without_rows(&world)), world.receiver(&SCALEV));
    let of_order = |order: &str| {
        sample("scalev", "order.created.2026", |event| {
            let mut json: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
            (json["unique_id"], json["data"]["order_id"]) = (order.into(), order.into());
            event["body"] = enlarged(&json.to_string()).into();
        })
    };
    assert_eq!(status(&dying, &of_order("lost")).await, 503);
    assert_eq!(status(&receiver, &of_order("kept")).await, 200);
    assert_eq!(status(&receiver, &of_order("kept")).await, 200);
    let of_two = chunks(&world).await;
    let orphans = Orphans::new(world.dynamodb.clone(), EVENTS.to_owned(), world.clock());
    let source = SourceId { provider: "scalev".to_owned(), source: "main".to_owned() };
    let found = async |before_ms| orphans.of_source(&source, before_ms).await.unwrap();
    assert_eq!(found(None).await, [], "the row may come yet");
    world.time.advance(AGE_MS_MIN + 1);
    assert_eq!(found(Some(START_MS)).await, [], "younger than what is asked for");
    let only = found(None).await.remove(0);
    assert_eq!(only.owner.pk, "scalev/main/lost");
    assert_eq!(orphans.named(&only.id()).await.unwrap().as_ref(), Some(&only));
    let body = String::from_utf8(orphans.body(&only).await.unwrap().unwrap()).unwrap();
    assert!(body.contains(r#""unique_id":"lost""#) && body.contains("buyer@example.com"));
    // The provider comes again just now: its chunks stay, and it has all of them.
    assert_eq!(status(&receiver, &of_order("lost")).await, 200);
    orphans.delete(&only).await.unwrap();
    assert_eq!(chunks(&world).await, of_two);
    assert_eq!(found(None).await, []);
    // Another one, of which a part is missing.
    assert_eq!(status(&dying, &of_order("half")).await, 503);
    let first = world.items(EVENTS).await.into_iter().find(|item| text_of(item, "pk").contains("/half/")).unwrap();
    let request = world.dynamodb.delete_item().table_name(EVENTS).key("pk", first["pk"].clone());
    request.key("sk", first["sk"].clone()).send().await.unwrap();
    world.time.advance(AGE_MS_MIN + 1);
    let half = found(None).await.remove(0);
    assert_eq!(orphans.body(&half).await.unwrap(), None);
    orphans.delete(&half).await.unwrap();
    assert_eq!(chunks(&world).await, of_two);
    // Chunks that an erasure left because it died are nobody's either.
    let row = rows(&world).await.into_iter().find(|item| text_of(item, "pk").ends_with("/kept")).unwrap();
    let chunk = world.items(EVENTS).await.into_iter().find(|item| text_of(item, "pk").contains("/kept/")).unwrap();
    eraser(&world).erase(&text_of(&row, "pk"), None).await.unwrap();
    world.dynamodb.put_item().table_name(EVENTS).set_item(Some(chunk)).send().await.unwrap();
    assert_eq!(found(None).await.len(), 1);
}

#[tokio::test]
async fn an_older_build_takes_back_nothing_that_a_later_one_understood() {
    let world = world().await;
    apply(&orders(&world), &messages(&world, &SCALAPAY).await).await;
    let later = Provider { mapping_version: SCALAPAY.mapping_version + 1, ..SCALAPAY };
    let mapping: &'static [&'static Provider] = Box::leak(Box::new([&*Box::leak(Box::new(later))]));
    let pk = "scalapay/it/21KLT3YDWT";
    assert!(rebuilder(&world).with_mapping(mapping).rebuild(pk).await.unwrap().is_change());
    let (events, views_before) = (world.items(EVENTS).await, world.items(ORDERS).await);
    let everything = since(&text_of(&events[0], "fingerprint"), 0);
    let refusals = [
        rebuilder(&world).survey(pk).await.map(drop).unwrap_err(),
        rebuilder(&world).rebuild(pk).await.map(drop).unwrap_err(),
        eraser(&world).survey(pk, None).await.map(drop).unwrap_err(),
        eraser(&world).erase(pk, None).await.map(drop).unwrap_err(),
        disowner(&world).survey(pk, &everything).await.map(drop).unwrap_err(),
        disowner(&world).disown(pk, &everything).await.map(drop).unwrap_err(),
    ];
    let reason = format!("mapping {} made the view of {pk}", SCALAPAY.mapping_version + 1);
    assert!(refusals.iter().all(|error| error.to_string().contains(&reason)), "{refusals:?}");
    assert_eq!(world.items(EVENTS).await, events);
    assert_eq!(world.items(ORDERS).await, views_before);
    // The deployment was taken back: the view is this build's again, and can be erased.
    assert!(rebuilder(&world).over_later_mappings(true).rebuild(pk).await.unwrap().is_change());
    assert!(!eraser(&world).erase(pk, None).await.unwrap().events.is_empty());
}

/// A payment with thousands of refunds: not even what remains of the event fits into its row.
#[tokio::test]
async fn an_event_of_any_number_of_refunds_can_be_erased() {
    let world = world().await;
    let event = sample("selldone", "OnlineOrder.ToCustomer.refunded", |event| {
        let mut body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
        let mut noise = random(3).map(|byte| char::from(b"abcdefghijklmnopqrstuvwxyzABCDEF"[usize::from(byte % 32)]));
        let mut refund = || json!({"id": noise.by_ref().take(260).collect::<String>(), "amount": 1});
        body["basket"]["payment"]["refunds"] = (0..3_000).map(|_| refund()).collect();
        event["body"] = body.to_string().into();
    });
    assert_eq!(status(&world.receiver(&SELLDONE), &event).await, 200);
    let row = rows(&world).await.remove(0);
    let pk = text_of(&row, "pk");
    assert!(apply(&orders(&world), &[message(&world, &row).await]).await.is_empty());
    let erased = eraser(&world).erase(&pk, None).await.unwrap();
    assert_eq!((erased.events.len(), erased.unreadable.len()), (1, 0));
    let KeptBody::Erased(left) = StoredRow::from_item(&rows(&world).await[0]).unwrap().body else { panic!() };
    let length = left.remainder.len();
    assert!((INLINE_BYTES_MAX / 2..=INLINE_BYTES_MAX).contains(&length), "{length}");
    let view = Views::new(world.dynamodb.clone(), ORDERS.to_owned()).view(&pk).await.unwrap().unwrap();
    assert!(view == without_personal(view.clone()) && view.summary().order_state.is_some());
}
