//! Views made anew from their events: what live joining makes of them, whatever comes in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use edge::keep::item::{Item, text};
use edge::orders::rebuild::Rebuild;
use edge::{Eraser, Orders, Rebuilder, Views};
use serde_json::{Value, json};
use webhook::claim::EventKey;
use webhook::event::Event;
use webhook::providers::{PROVIDERS, Provider, SCALAPAY, SCALEV};
use webhook::view::View;

use crate::harness::tables::without_announced;
use crate::harness::*;
use crate::orders::{apply, messages, orders, view_config};

/// Rows of the orders table by partition key, to be put back.
pub(crate) async fn views(world: &World) -> Vec<Item> {
    world.items(ORDERS).await
}

pub(crate) fn pk_of(item: &Item) -> String {
    text_of(item, "pk")
}

/// Every partition of a provider's events.
async fn partitions(world: &World, provider: &Provider) -> Vec<String> {
    let mut pks: Vec<String> = world.items(EVENTS).await.iter().map(pk_of).collect();
    pks.retain(|pk| pk.starts_with(provider.name));
    pks.sort();
    pks.dedup();
    pks
}

pub(crate) async fn rebuild_all(world: &World, pks: &[String]) -> Vec<Rebuild> {
    let rebuilder = rebuilder(world);
    let mut rebuilt = Vec::new();
    for pk in pks {
        rebuilt.push(rebuilder.rebuild(pk).await.unwrap());
    }
    rebuilt
}

async fn forget_views(world: &World) {
    for item in views(world).await {
        let request = world.dynamodb.delete_item().table_name(ORDERS).key("pk", text(&pk_of(&item)));
        request.send().await.unwrap();
    }
}

/// An order of its own for every seed, the same one again for the same seed.
fn shuffled<T: Clone>(items: &[T], seed: u64) -> Vec<T> {
    let place = |index: usize| {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        (seed, index).hash(&mut hasher);
        hasher.finish()
    };
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|index| place(*index));
    order.into_iter().map(|index| items[index].clone()).collect()
}

#[tokio::test]
async fn a_rebuilt_view_is_the_joined_one() {
    for provider in PROVIDERS {
        let world = world().await;
        let messages = messages(&world, provider).await;
        let pks = partitions(&world, provider).await;
        for seed in 0..4 {
            forget_views(&world).await;
            for batch in shuffled(&messages, seed).chunks(4) {
                assert_eq!(apply(&orders(&world), batch).await, Vec::<String>::new());
            }
            let joined = views(&world).await;
            assert!(!joined.is_empty());
            let rebuilt = rebuild_all(&world, &pks).await;
            assert!(rebuilt.iter().all(|rebuild| !rebuild.is_change() && rebuild.unreadable.is_empty()));
            assert_eq!(views(&world).await, joined);
            // From nothing it is the same again, to the byte.
            forget_views(&world).await;
            rebuild_all(&world, &pks).await;
            let (rebuilt, joined) = (without_announced(views(&world).await), without_announced(joined));
            assert_eq!(rebuilt, joined, "{} seed {seed}", provider.name);
        }
    }
}

#[tokio::test]
async fn replays_corrections_and_repeats_make_no_difference() {
    for provider in PROVIDERS {
        let world = world().await;
        let messages = messages(&world, provider).await;
        let again = |change: fn(Event) -> Event| {
            let event = |body: &String| change(serde_json::from_str(body).unwrap()).to_json().unwrap();
            messages.iter().map(event).collect::<Vec<_>>()
        };
        let replays = again(|event| Event { replay: true, ..event });
        let corrections = again(Event::into_correction);
        let bare = again(|event| event.into_correction().without_data());
        for bodies in [&messages, &replays, &corrections, &bare, &messages] {
            assert_eq!(apply(&orders(&world), bodies).await, Vec::<String>::new());
        }
        let joined = views(&world).await;
        let rebuilt = rebuild_all(&world, &partitions(&world, provider).await).await;
        assert!(rebuilt.iter().all(|rebuild| !rebuild.is_change()), "{}", provider.name);
        assert_eq!(views(&world).await, joined);
    }
}

pub(crate) fn rebuilder(world: &World) -> Rebuilder {
    Rebuilder::new(view_config(), world.dynamodb.clone())
}

pub(crate) fn table(world: &World) -> Views {
    Views::new(world.dynamodb.clone(), ORDERS.to_owned())
}

/// Joins a message before one of the calls of a client, counted from 0.
fn between(
    world: &World,
    at: usize,
    calls: Arc<AtomicUsize>,
    (item, body): (Item, String),
) -> impl Fn(&[u8]) -> Result<(), Failure> + use<> {
    let (others, clock) = (world.dynamodb.clone(), world.clock());
    move |_| {
        if calls.fetch_add(1, Ordering::SeqCst) == at {
            let orders = Orders::new(view_config(), others.clone(), clock.clone());
            let (client, item, body) = (others.clone(), item.clone(), body.clone());
            // The hook cannot wait, so a thread of its own does.
            let joined = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    // As every live event: kept first, joined later.
                    client.put_item().table_name(EVENTS).set_item(Some(item)).send().await.unwrap();
                    apply(&orders, &[body]).await
                })
            });
            assert_eq!(joined.join().unwrap(), Vec::<String>::new());
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_joined_at_any_step_is_not_lost() {
    let mut races = 0;
    for at in 0..12 {
        let world = world().await;
        let messages = messages(&world, &SCALAPAY).await;
        let of_order = |body: &&String| body.contains("\"scalapay/it/21KLT3YDWT/");
        let order: Vec<String> = messages.iter().filter(of_order).cloned().collect();
        assert!(order.len() >= 4);
        let pk = "scalapay/it/21KLT3YDWT";
        apply(&orders(&world), &order).await;
        let whole = table(&world).view(pk).await.unwrap().unwrap();
        forget_views(&world).await;
        // All but one are joined; a wrong register makes the rebuild write.
        let mut wrong: Event = serde_json::from_str(&order[0]).unwrap();
        wrong.sequence = format!("9{}", &wrong.sequence[1..]);
        apply(&orders(&world), &order[1..]).await;
        apply(&orders(&world), &[wrong.to_json().unwrap()]).await;
        let calls = Arc::new(AtomicUsize::new(0));
        let between = BeforeCalls(between(&world, at, Arc::clone(&calls), one_more(pk)));
        let config = world.dynamodb.config().to_builder().interceptor(between).build();
        let client = aws_sdk_dynamodb::Client::from_conf(config);
        let rebuilding = Rebuilder::new(view_config(), client);
        let rebuilt = rebuilding.rebuild(pk).await.unwrap();
        assert!(rebuilt.is_change());
        let made = calls.load(Ordering::SeqCst);
        let stands = table(&world).view(pk).await.unwrap().unwrap();
        if at < made {
            races += 1;
            let told = |view: &View| view.render()["payments"]["21KLT3YDWT"]["capture_status"].clone();
            assert_eq!(told(&stands), "told in between", "at call {at} of {made}");
        }
        let mut expected = stands.clone();
        assert!(!expected.merge(whole), "at call {at} of {made} something was lost");
        assert!(!stands.registers().any(|(_, register)| register.sequence.starts_with('9')));
    }
    assert!(races >= 3, "only {races} steps had something in between");
}

/// One more event of an order: its row and its message.
fn one_more(pk: &str) -> (Item, String) {
    let sk = "refunded/told-in-between";
    let body = json!({
        "status": "refunded", "orderToken": pk.rsplit('/').next().unwrap(),
        "captureStatus": "told in between",
    });
    let key = EventKey { pk: pk.to_owned(), sk: sk.to_owned() };
    let row = edge::keep::item::StoredRow {
        row: webhook::row::Row {
            key,
            received_ms: START_MS + 5,
            body: Vec::new(),
            hash: [9; 32],
            headers: std::collections::BTreeMap::new(),
            signed_at: None,
            mark: None,
        },
        body: edge::keep::item::KeptBody::Inline(
            edge::keep::compression::compress(body.to_string().as_bytes()).unwrap(),
        ),
        content: [9; 32],
        claim_version: 1,
        fingerprint: String::new(),
        redacted: Vec::new(),
        alias: None,
        admitted_ms: None,
        disowned_at: None,
    };
    let read = SCALAPAY.read(&webhook::row::Row { body: body.to_string().into_bytes(), ..row.row.clone() });
    (row.to_item(), read.to_json().unwrap())
}

#[tokio::test]
async fn another_mapping_makes_another_view() {
    let world = world().await;
    let messages = messages(&world, &SCALEV).await;
    apply(&orders(&world), &messages).await;
    let mended = Provider { mapping_version: SCALEV.mapping_version + 1, ..SCALEV };
    let mapping: &'static [&'static Provider] = Box::leak(Box::new([&*Box::leak(Box::new(mended))]));
    let of_mended = rebuilder(&world).with_mapping(mapping);
    let pks = partitions(&world, &SCALEV).await;
    let mut changed = 0;
    for pk in &pks {
        let surveyed = of_mended.survey(pk).await.unwrap();
        let rebuilt = of_mended.rebuild(pk).await.unwrap();
        assert_eq!(surveyed, rebuilt);
        changed += usize::from(rebuilt.is_change());
        assert!(!of_mended.rebuild(pk).await.unwrap().is_change());
    }
    assert!(changed > 3);
    // The older mapping's messages, which come late, change nothing any more.
    let before = views(&world).await;
    apply(&orders(&world), &messages).await;
    assert_eq!(views(&world).await, before);
}

#[tokio::test]
async fn what_cannot_be_read_keeps_what_the_view_has_of_it() {
    let world = world().await;
    let messages = messages(&world, &SCALAPAY).await;
    apply(&orders(&world), &messages).await;
    let before = views(&world).await;
    let damaged = "scalapay/it/21KLT3YDWT";
    for item in world.items(EVENTS).await.into_iter().filter(|item| pk_of(item) == damaged) {
        let request = world.dynamodb.update_item().table_name(EVENTS).key("pk", text(damaged));
        let request = request.key("sk", text(&text_of(&item, "sk"))).update_expression("SET body = :body");
        let nonsense = AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(*b"nonsense"));
        request.expression_attribute_values(":body", nonsense).send().await.unwrap();
    }
    let rebuilt = rebuilder(&world).rebuild(damaged).await.unwrap();
    assert!(rebuilt.unreadable.len() >= 4 && rebuilt.events.is_empty() && !rebuilt.is_change(), "{rebuilt:?}");
    assert_eq!(views(&world).await, before);
    // Of an order without any event nothing is made.
    let unknown = rebuilder(&world).rebuild("scalapay/it/NOBODY").await.unwrap();
    assert!(!unknown.is_change());
}

#[tokio::test]
async fn a_body_of_a_later_build_is_neither_rebuilt_nor_erased() {
    let world = world().await;
    apply(&orders(&world), &messages(&world, &SCALEV).await).await;
    let before = views(&world).await;
    let item = world.items(EVENTS).await.into_iter().find(|item| item.contains_key("body")).unwrap();
    let frame = AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(of_a_later_build(b"{}")));
    let request = world.dynamodb.update_item().table_name(EVENTS).key("pk", text(&pk_of(&item)));
    let request = request.key("sk", text(&text_of(&item, "sk"))).update_expression("SET body = :body");
    request.expression_attribute_values(":body", frame.clone()).send().await.unwrap();
    let refusals = [
        rebuilder(&world).rebuild(&pk_of(&item)).await.map(drop).unwrap_err(),
        eraser(&world).erase(&pk_of(&item), None).await.map(drop).unwrap_err(),
    ];
    assert!(refusals.iter().all(|error| error.to_string().contains("dictionary 40099")), "{refusals:?}");
    assert_eq!(views(&world).await, before);
    let of_key = |other: &Item| pk_of(other) == pk_of(&item) && text_of(other, "sk") == text_of(&item, "sk");
    assert_eq!(world.items(EVENTS).await.iter().find(|other| of_key(other)).unwrap()["body"], frame);
}

#[tokio::test]
async fn a_view_of_nothing_goes() {
    let world = world().await;
    let messages = messages(&world, &SCALAPAY).await;
    apply(&orders(&world), &messages).await;
    fn silent(kept: webhook::mapping::MappingInput<'_>) -> webhook::mapping::Mapped {
        webhook::mapping::Mapped { event_type: None, data: webhook::event::Data::Other {}, ..(SCALAPAY.mapping)(kept) }
    }
    let mute = Provider { mapping_version: SCALAPAY.mapping_version + 1, mapping: silent, ..SCALAPAY };
    let mapping: &'static [&'static Provider] = Box::leak(Box::new([&*Box::leak(Box::new(mute))]));
    for item in views(&world).await {
        let rebuilt = rebuilder(&world).with_mapping(mapping).rebuild(&pk_of(&item)).await.unwrap();
        assert!(rebuilt.is_change() && rebuilt.joined.is_empty());
    }
    assert!(views(&world).await.is_empty());
}

pub(crate) fn eraser(world: &World) -> Eraser {
    Eraser::new(view_config(), world.dynamodb.clone(), world.clock())
}

/// Everything in both tables as text, compressed values undone.
async fn everything(world: &World) -> String {
    let mut said = String::new();
    for table in [EVENTS, ORDERS] {
        for item in world.items(table).await {
            for (name, value) in item {
                match value {
                    AttributeValue::B(bytes) if name != "hash" && name != "content" => {
                        let plain =
                            edge::keep::compression::decompress(bytes.as_ref()).unwrap_or_else(|_| bytes.into_inner());
                        said.push_str(&String::from_utf8_lossy(&plain));
                    }
                    other => said.push_str(&format!("{other:?}")),
                }
                said.push('\n');
            }
        }
    }
    said
}

#[tokio::test]
async fn nothing_of_the_buyer_is_left_and_nothing_rewinds() {
    for provider in PROVIDERS {
        let world = world().await;
        let messages = messages(&world, provider).await;
        apply(&orders(&world), &messages).await;
        let pks = partitions(&world, provider).await;
        let mut summaries = Vec::new();
        for pk in &pks {
            summaries.push(table(&world).view(pk).await.unwrap().map(|view| view.summary()));
        }
        let mut personal: Vec<String> = Vec::new();
        for event in &messages {
            let event: Value = serde_json::from_str(event).unwrap();
            for place in ["customer", "shipping_address", "billing_address"] {
                let told = event["data"][place].as_object().into_iter().flatten();
                let told = told.filter(|(name, _)| ["name", "email", "phone", "line1"].contains(&name.as_str()));
                personal.extend(told.filter_map(|(_, value)| Some(value.as_str()?.to_owned())));
            }
        }
        personal.retain(|value| value.len() > 6);
        let before = everything(&world).await;
        assert!(!personal.is_empty() && personal.iter().any(|value| before.contains(value)), "{}", provider.name);
        for pk in &pks {
            let surveyed = eraser(&world).survey(pk, None).await.unwrap();
            let erased = eraser(&world).erase(pk, None).await.unwrap();
            assert_eq!(surveyed.events.len(), erased.events.len());
            assert!(erased.unreadable.is_empty() && !erased.events.is_empty());
        }
        let after = everything(&world).await;
        for value in &personal {
            assert!(!after.contains(value), "{}: {value} is still there", provider.name);
        }
        for (pk, summary) in pks.iter().zip(&summaries) {
            assert_eq!(table(&world).view(pk).await.unwrap().map(|view| view.summary()), *summary, "{pk}");
        }
        // Messages that were on their way bring nothing back; again there is nothing to erase.
        let tables = views(&world).await;
        assert_eq!(apply(&orders(&world), &messages).await, Vec::<String>::new());
        assert_eq!(views(&world).await, tables, "{}", provider.name);
        for pk in &pks {
            let again = eraser(&world).erase(pk, None).await.unwrap();
            assert_eq!((again.events.len(), again.view_changed), (0, Some(false)));
        }
        // A redelivery is still a repeat.
        let rows = world.items(EVENTS).await.len();
        let receiver = world.receiver(provider);
        for case in cases(provider.name) {
            assert_eq!(status(&receiver, &sample(provider.name, &case, |_| ())).await, 200);
        }
        assert_eq!(world.items(EVENTS).await.len(), rows, "{}", provider.name);
    }
}

#[tokio::test]
async fn an_erasure_that_dies_anywhere_is_finished_by_the_next() {
    let world = world().await;
    let receiver = world.receiver(&SCALEV);
    // A body that needs chunks, of a text that does not compress.
    let long: String = (0..60_000_u64).map(|n| format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let event = sample("scalev", "order.created.2026", |event| {
        let body = event["body"].as_str().unwrap().to_owned();
        let at = body.find('{').unwrap() + 1;
        event["body"] = format!("{}\"padding\":\"{long}\",{}", &body[..at], &body[at..]).into();
    });
    assert_eq!(status(&receiver, &event).await, 200);
    let rows = world.items(EVENTS).await;
    let chunks = rows.iter().filter(|item| text_of(item, "kind") == "chunk").count();
    assert!(chunks >= 2, "{chunks}");
    let pk = rows.iter().map(pk_of).find(|pk| pk.starts_with("scalev/")).unwrap();
    rebuild_all(&world, std::slice::from_ref(&pk)).await;
    for at in 0.. {
        let client = world.dying_client(at);
        let erased = Eraser::new(view_config(), client, world.clock()).erase(&pk, None).await;
        if erased.is_ok() {
            // The last run finds the row erased: a look at the view, a query, its chunks, and three calls for the view.
            assert_eq!(at, 2 + chunks + 3);
            break;
        }
    }
    assert!(!world.items(EVENTS).await.iter().any(|item| text_of(item, "kind") == "chunk"));
    let view = table(&world).view(&pk).await.unwrap().unwrap();
    assert_eq!(view.render()["order"]["customer"]["name"], Value::Null);
    assert!(view.summary().total.is_some());
}

#[tokio::test]
async fn a_body_that_a_younger_event_refers_to_stays_until_that_one_is_old() {
    let world = world().await;
    let receiver = world.receiver(&SCALAPAY);
    let signed_at = |ms: i64| {
        sample("scalapay", "charged", |event| event["headers"]["x-scalapay-timestamp"] = ms.to_string().into())
    };
    assert_eq!(status(&receiver, &signed_at(START_MS)).await, 200);
    world.time.advance(1_000_000);
    assert_eq!(status(&receiver, &signed_at(START_MS + 1_000_000)).await, 200);
    let rows = world.items(EVENTS).await;
    assert_eq!(rows.len(), 2);
    let pk = pk_of(&rows[0]);
    let half = eraser(&world).erase(&pk, Some(START_MS + 500_000)).await.unwrap();
    assert_eq!((half.events.len(), half.shared, half.younger), (0, 1, 1));
    let whole = eraser(&world).erase(&pk, Some(START_MS + 2_000_000)).await.unwrap();
    assert_eq!((whole.events.len(), whole.shared, whole.unreadable.len()), (2, 0, 0));
    assert!(world.items(EVENTS).await.iter().all(|item| item.contains_key("residue") && !item.contains_key("body_of")));
    // Once more under a new signed time: the body that it would refer to is gone, so it has its own.
    world.time.advance(1_000_000);
    assert_eq!(status(&receiver, &signed_at(START_MS + 2_000_000)).await, 200);
    let with_body = world.items(EVENTS).await.into_iter().filter(|item| item.contains_key("body")).count();
    assert_eq!(with_body, 1);
}

#[tokio::test]
async fn the_reader_tells_corrections_and_what_was_erased() {
    let world = world().await;
    let messages = messages(&world, &SCALAPAY).await;
    let event: Event = serde_json::from_str(&messages[0]).unwrap();
    let reader = edge::Reader::new(view_config(), world.dynamodb.clone());
    let ask = async |id: &str| reader.answer(serde_json::from_value(json!({"id": id})).unwrap()).await;
    let corrected = format!("{};v{}", event.id, event.mappingversion);
    let correction = ask(&corrected).await.unwrap();
    assert_eq!(correction, json!(event.clone().into_correction()));
    assert_eq!(ask(&event.id).await.unwrap(), json!(event));
    let pk = EventKey::from_id(&event.id).unwrap().pk;
    let with_body = async |name: &str, value: &str| {
        reader.answer(serde_json::from_value(json!({name: value, "body": true})).unwrap()).await
    };
    let whole = with_body("id", &event.id).await.unwrap();
    let body: Value = serde_json::from_str(whole["body"].as_str().unwrap()).unwrap();
    assert!(body["orderToken"].is_string() && whole["data"].is_object(), "{whole}");
    assert_eq!(with_body("id", &corrected).await.unwrap()["body"], whole["body"]);
    eraser(&world).erase(&pk, None).await.unwrap();
    for id in [event.id.clone(), corrected] {
        let told = ask(&id).await.unwrap_err();
        assert!(matches!(told, edge::orders::read::ReadError::Erased(_)), "{told:?}");
        assert!(told.to_string().starts_with("it was erased on 2026-01-01T00:"), "{told}");
    }
    assert!(with_body("id", &event.id).await.is_err());
}

#[tokio::test]
async fn the_reader_hands_over_an_orders_bodies_when_asked() {
    let world = world().await;
    let messages = messages(&world, &SCALAPAY).await;
    apply(&orders(&world), &messages).await;
    let reader = edge::Reader::new(view_config(), world.dynamodb.clone());
    let ask = async |question: Value| reader.answer(serde_json::from_value(question).unwrap()).await.unwrap();
    let pk = "scalapay/it/21KLT3YDWT";
    let plain = ask(json!({"order": pk})).await;
    assert!(plain.get("events").is_none() && plain["summary"].is_object());
    let whole = ask(json!({"order": pk, "body": true})).await;
    assert_eq!((&whole["summary"], &whole["view"]), (&plain["summary"], &plain["view"]));
    let events = whole["events"].as_array().unwrap();
    let of_it = messages.iter().filter(|message| message.contains(&format!("\"id\":\"{pk}/"))).count();
    assert_eq!(events.len(), of_it);
    assert!(events.iter().all(|event| event["body"].as_str().unwrap().contains("21KLT3YDWT")), "{events:?}");
    eraser(&world).erase(pk, None).await.unwrap();
    assert_eq!(ask(json!({"order": pk, "body": true})).await["events"], json!([]));
}
