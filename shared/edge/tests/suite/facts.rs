//! From the orders queue to FactsQueue: what is announced is what the stored view says, whatever dies in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use edge::keep::item::{bytes, text};
use edge::orders::disowning::Disowning;
use edge::orders::views::KeptView;
use edge::{Eraser, FactsConfig, Orders, Rebuilder, Views};
use serde_json::{Value, json};
use webhook::event::Event;
use webhook::facts::Facts;
use webhook::providers::{PROVIDERS, SCALAPAY, SCALEV};
use webhook::view::View;

use crate::disowning::{disowner, rows, since, three_days};
use crate::harness::*;
use crate::orders::{apply, messages, orders, view_config};

const FACTS: &str = "https://queue/facts.fifo";
const PAYMENT: &str = "scalapay/it/31KLT4ZEXU";

fn announcing(world: &World, queues: &Arc<Queues>, facts: &[&str]) -> Orders {
    let facts = facts.iter().map(|name| (*name).to_owned()).collect();
    let orders = Orders::new(view_config(), world.dynamodb.clone(), world.hasty_clock());
    orders.with_facts(FactsConfig { queue_url: FACTS.to_owned(), facts }, queues.client())
}

fn views(world: &World) -> Views {
    Views::new(world.dynamodb.clone(), ORDERS.to_owned())
}

async fn kept(world: &World, pk: &str) -> KeptView {
    views(world).kept(pk).await.unwrap()
}

/// The payment's events in the order of its life, made of the samples' first one.
async fn life(world: &World, statuses: &[&str]) -> Vec<String> {
    let messages = messages(world, &SCALAPAY).await;
    let first = messages.iter().map(|body| serde_json::from_str::<Value>(body).unwrap()).next().unwrap();
    let event = |(number, status): (usize, &&str)| {
        let mut event = first.clone();
        let id = format!("{PAYMENT}/{status}/{number}");
        event["id"] = json!(id);
        event["subject"] = json!("31KLT4ZEXU");
        event["order"] = json!(PAYMENT);
        event["sequence"] = json!(format!("2.{number}"));
        event["type"] = json!("payment.updated");
        event["data"] = json!({"kind": "payment", "id": "p", "merchant_reference": "M-1",
            "status": {"state": status, "word": status}, "customer": {"name": "Example Person"}});
        event.to_string()
    };
    statuses.iter().enumerate().map(event).collect()
}

fn ids(queues: &Queues) -> Vec<String> {
    queues.bodies(FACTS).iter().map(|fact| fact["id"].as_str().unwrap().to_owned()).collect()
}

fn of_payment(changes: &[&str]) -> Vec<String> {
    changes.iter().map(|change| format!("{PAYMENT};{change}")).collect()
}

/// The invariants of everything that was sent and is stored.
async fn check(world: &World, queues: &Queues) {
    let mut changes: BTreeMap<(String, String), BTreeMap<u64, Value>> = BTreeMap::new();
    for fact in queues.bodies(FACTS) {
        let place = (fact["order"].as_str().unwrap().to_owned(), fact["type"].as_str().unwrap().to_owned());
        let value = if fact["value"].is_null() { fact["holds"].clone() } else { fact["value"].clone() };
        let number = fact["number"].as_u64().unwrap();
        let of_fact = changes.entry(place).or_default();
        assert_eq!(of_fact.entry(number).or_insert(value.clone()), &value, "one id, two values: {fact}");
    }
    for ((order, fact), values) in &changes {
        let numbers: Vec<u64> = values.keys().copied().collect();
        assert_eq!(numbers, (1..).take(numbers.len()).collect::<Vec<u64>>(), "{order} {fact}");
        let values: Vec<&Value> = values.values().collect();
        assert!(values.windows(2).all(|pair| pair[0] != pair[1]), "{order} {fact}: {values:?}");
        assert_ne!(values[0], &json!(false), "{order} {fact}");
    }
    for row in world.items(ORDERS).await {
        let pk = text_of(&row, "pk");
        let kept = kept(world, &pk).await;
        let announced = kept.announced.unwrap();
        assert_eq!(announced.facts(), Facts::of(&kept.view), "{pk}");
        for (fact, value) in announced.facts().iter() {
            let sent = changes.get(&(pk.clone(), format!("fact.{}", fact.name())));
            let last = sent.and_then(|values| values.values().last().cloned()).unwrap_or(json!(false));
            assert_eq!(last, Value::from(value), "{pk} {fact:?}");
        }
    }
}

#[tokio::test]
async fn what_is_announced_is_what_the_stored_view_says() {
    for provider in PROVIDERS {
        let (world, queues) = (world().await, Arc::new(Queues::default()));
        let messages = messages(&world, provider).await;
        let orders = announcing(&world, &queues, &[]);
        for batch in messages.chunks(3) {
            assert_eq!(apply(&orders, batch).await, Vec::<String>::new());
            check(&world, &queues).await;
        }
        let once: BTreeSet<String> = ids(&queues).into_iter().collect();
        assert_eq!(once.len(), ids(&queues).len(), "each change was sent once");
        assert!(once.len() > 10, "{}: {once:?}", provider.name);
        // What comes again changes nothing: what it caused may go out again, under the same ids.
        for batch in messages.chunks(4) {
            apply(&orders, batch).await;
        }
        assert_eq!(ids(&queues).into_iter().collect::<BTreeSet<_>>(), once);
        check(&world, &queues).await;
        let known: BTreeSet<String> =
            messages.iter().map(|body| serde_json::from_str::<Event>(body).unwrap().id).collect();
        for fact in queues.bodies(FACTS) {
            assert!(known.contains(fact["because"].as_str().unwrap()), "{fact}");
            assert_eq!(fact["order"].as_str().unwrap(), fact["id"].as_str().unwrap().split(';').next().unwrap());
            assert!(fact["data"]["order"].is_object(), "{fact}");
        }
    }
}

#[tokio::test]
async fn what_was_written_and_not_sent_is_sent_when_its_event_comes_again() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let life = life(&world, &["authorized", "expired"]).await;
    let orders = announcing(&world, &queues, &[]);
    *queues.refuse.lock().unwrap() = Some(|_, _, _| Err(()));
    assert_eq!(apply(&orders, &life[..1]).await, ["0"], "it is not acknowledged");
    assert!(kept(&world, PAYMENT).await.announced.unwrap().facts().holds(webhook::facts::FactName::Authorized));
    *queues.refuse.lock().unwrap() = None;
    // The next event takes the facts back in the same batch: both changes go out, in their order.
    assert_eq!(apply(&orders, &life).await, Vec::<String>::new());
    let both = ["placed;1", "authorized;1", "placed;2", "authorized;2", "payment_failed;1"];
    assert_eq!(ids(&queues), of_payment(&both));
    check(&world, &queues).await;
}

#[tokio::test]
async fn nothing_is_written_over_what_could_not_be_sent() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let life = life(&world, &["authorized", "expired"]).await;
    let orders = announcing(&world, &queues, &[]);
    *queues.refuse.lock().unwrap() = Some(|_, _, _| Err(()));
    for _ in 0..2 {
        assert_eq!(apply(&orders, &life).await, ["0", "1"]);
        *queues.refuse.lock().unwrap() = Some(|_, _, _| Err(()));
    }
    *queues.refuse.lock().unwrap() = None;
    assert_eq!(apply(&orders, &life).await, Vec::<String>::new());
    assert_eq!(ids(&queues), of_payment(&["payment_failed;1"]), "what a batch does and undoes is not announced");
}

#[tokio::test]
async fn only_the_order_whose_facts_were_not_sent_comes_again() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let messages = messages(&world, &SCALEV).await;
    let of_order = |pk: &str| -> Vec<String> {
        messages.iter().filter(|body| body.contains(&format!("\"{pk}/"))).cloned().collect()
    };
    let first = of_order("scalev/main/250130JQHFZG");
    let batch = [first.clone(), of_order("scalev/main/250202HKLMQW")].concat();
    let of_first = first.len();
    *queues.refuse.lock().unwrap() = Some(|_, body, _| Ok(body.contains("250130JQHFZG").then_some(("Busy", false))));
    let failed = apply(&announcing(&world, &queues, &[]), &batch).await;
    assert_eq!(failed, (0..of_first).map(|index| index.to_string()).collect::<Vec<_>>());
    *queues.refuse.lock().unwrap() = None;
    assert_eq!(apply(&announcing(&world, &queues, &[]), &batch).await, Vec::<String>::new());
    check(&world, &queues).await;
}

#[tokio::test]
async fn a_view_that_is_older_than_announcing_is_adopted_silently() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let life = life(&world, &["paid", "refunded"]).await;
    apply(&orders(&world), &life[..1]).await;
    forget_announced(&world).await;
    let orders = announcing(&world, &queues, &[]);
    assert_eq!(apply(&orders, &life[..1]).await, Vec::<String>::new());
    assert_eq!(ids(&queues), Vec::<String>::new());
    assert_eq!(kept(&world, PAYMENT).await.announced, None, "nothing changed, so nothing is written");
    apply(&orders, &life[1..]).await;
    assert_eq!(ids(&queues), of_payment(&["refunded;1"]));
}

/// Makes rows as a build before announcing wrote them.
async fn forget_announced(world: &World) {
    for mut row in world.items(ORDERS).await {
        let view = kept(world, &text_of(&row, "pk")).await.view;
        let json = serde_json::to_vec(&view).unwrap();
        row.insert("view".to_owned(), bytes(edge::keep::compression::compress_view(&json).unwrap()));
        row.insert("etag".to_owned(), text("of an older build"));
        world.dynamodb.put_item().table_name(ORDERS).set_item(Some(row)).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_rebuild_leaves_its_changes_to_the_next_message() {
    for is_older in [false, true] {
        let (world, queues) = (world().await, Arc::new(Queues::default()));
        let all = messages(&world, &SCALAPAY).await;
        let pk = "scalapay/it/21KLT3YDWT";
        let mut of_order: Vec<Event> = all.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
        of_order.retain(|event: &Event| event.order.as_deref() == Some(pk));
        of_order.sort_by(|a, b| a.sequence.cmp(&b.sequence));
        let bodies: Vec<String> = of_order.iter().map(|event| event.to_json().unwrap()).collect();
        let orders = announcing(&world, &queues, &[]);
        apply(&orders, &bodies[..1]).await;
        if is_older {
            forget_announced(&world).await;
        }
        let sent = ids(&queues).len();
        let rebuilder = Rebuilder::new(view_config(), world.dynamodb.clone());
        let rebuild = rebuilder.rebuild(pk).await.unwrap();
        assert!(rebuild.is_change());
        assert_eq!(ids(&queues).len(), sent, "a rebuild sends nothing");
        let reminder = rebuild.reminder().unwrap().to_json().unwrap();
        assert_eq!(apply(&orders, &[reminder]).await, Vec::<String>::new());
        assert!(ids(&queues).contains(&format!("{pk};refunded;1")), "{:?}", ids(&queues));
        assert_eq!(rebuilder.rebuild(pk).await.unwrap().reminder(), None);
        check(&world, &queues).await;
    }
}

#[tokio::test]
async fn a_replay_announces_nothing_again() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let life = life(&world, &["authorized", "paid"]).await;
    let orders = announcing(&world, &queues, &[]);
    apply(&orders, &life).await;
    let sent = ids(&queues);
    let replays: Vec<String> = life
        .iter()
        .map(|body| Event { replay: true, ..serde_json::from_str(body).unwrap() }.to_json().unwrap())
        .collect();
    assert_eq!(apply(&orders, &replays).await, Vec::<String>::new());
    assert_eq!(ids(&queues), sent);
}

#[tokio::test]
async fn a_forgotten_orders_facts_have_nothing_of_the_buyer() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let all = messages(&world, &SCALEV).await;
    let orders = announcing(&world, &queues, &[]);
    apply(&orders, &all).await;
    let pk = "scalev/main/250130JQHFZG";
    let sent = queues.bodies(FACTS).len();
    assert!(queues.bodies(FACTS).iter().any(|fact| fact.to_string().contains("buyer@example.com")));
    let eraser = Eraser::new(view_config(), world.dynamodb.clone(), world.clock());
    eraser.erase(pk, None).await.unwrap();
    let of_order: Vec<String> = all.iter().filter(|body| body.contains(&format!("\"{pk}/"))).cloned().collect();
    apply(&orders, &of_order).await;
    let later = &queues.bodies(FACTS)[sent..];
    assert!(!later.is_empty());
    for fact in later {
        let text = fact.to_string();
        assert!(!text.contains("buyer@example.com") && !text.contains("Example Person"), "{text}");
    }
    check(&world, &queues).await;
}

#[tokio::test]
async fn what_a_leaked_key_said_is_taken_back() {
    for all in [false, true] {
        let (world, queues) = (world().await, Arc::new(Queues::default()));
        let orders = announcing(&world, &queues, &[]);
        let messages = three_days(&world).await;
        assert_eq!(apply(&orders, &messages).await, Vec::<String>::new());
        let (pk, day_ms) = ("scalapay/it/21KLT3YDWT", 24 * 60 * 60 * 1_000);
        assert!(ids(&queues).contains(&format!("{pk};paid;1")), "{:?}", ids(&queues));
        let fingerprint = text_of(&rows(&world).await[0], "fingerprint");
        let what = since(&fingerprint, if all { 0 } else { START_MS + 2 * day_ms });
        let disowned = disowner(&world).disown(pk, &what).await.unwrap();
        let reminder = disowned.reminder.unwrap().to_json().unwrap();
        let sent = ids(&queues).len();
        // The function dies before it sends, and the reminder comes again.
        *queues.refuse.lock().unwrap() = Some(|_, _, _| Err(()));
        assert_eq!(apply(&orders, std::slice::from_ref(&reminder)).await, ["0"]);
        *queues.refuse.lock().unwrap() = None;
        assert_eq!(apply(&orders, std::slice::from_ref(&reminder)).await, Vec::<String>::new());
        // A late message repeats nothing that the key said.
        assert_eq!(apply(&orders, &messages[2..]).await, Vec::<String>::new());
        let later = &queues.bodies(FACTS)[sent..];
        let last = later.iter().rfind(|fact| fact["type"] == "fact.paid").unwrap();
        assert_eq!((&last["holds"], &last["number"]), (&json!(false), &json!(2)));
        assert!(last["receivedtime"].as_str().unwrap().starts_with("2026-"), "{last}");
        assert!(later.iter().all(|fact| fact["holds"] == false), "{later:?}");
        check(&world, &queues).await;
        assert_eq!(disowner(&world).disown(pk, &what).await.unwrap().reminder, None);
        let back = disowner(&world).disown(pk, &Disowning { undo: true, ..what }).await.unwrap();
        apply(&orders, &[back.reminder.unwrap().to_json().unwrap()]).await;
        assert!(ids(&queues).contains(&format!("{pk};paid;3")), "{:?}", ids(&queues));
        check(&world, &queues).await;
    }
}

#[tokio::test]
async fn facts_that_are_not_selected_are_recorded_and_not_sent() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let life = life(&world, &["paid", "refunded"]).await;
    assert_eq!(apply(&announcing(&world, &queues, &["paid"]), &life).await, Vec::<String>::new());
    assert_eq!(ids(&queues), of_payment(&["paid;1"]));
    let kept = kept(&world, PAYMENT).await;
    assert_eq!(kept.announced.unwrap().facts(), Facts::of(&kept.view));
}

#[tokio::test]
async fn an_order_that_a_queue_does_not_take_goes_by_reference() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let life = life(&world, &["paid"]).await;
    *queues.refuse_calls.lock().unwrap() = Some(("MessageTooLong", 600));
    assert_eq!(apply(&announcing(&world, &queues, &[]), &life).await, Vec::<String>::new());
    let facts = queues.bodies(FACTS);
    assert_eq!(facts.len(), 3);
    for fact in facts {
        assert!(fact.get("data").is_none() && fact["dataref"] == PAYMENT && fact["holds"] == true, "{fact}");
        assert!(fact.get("reference").is_none(), "a bare message has nothing of the provider's: {fact}");
    }
}

#[tokio::test]
async fn views_of_the_samples_keep_their_write_units() {
    let world = world().await;
    for provider in PROVIDERS {
        let world = World { secret: Arc::default(), ..world.clone() };
        apply(&orders(&world), &messages(&world, provider).await).await;
    }
    let bytes_of = |row: &edge::keep::item::Item, etag: usize, view: &[u8]| {
        let text = |name: &String| row.get(name).and_then(|value| value.as_s().ok()).map_or(0, String::len);
        let others = row.keys().filter(|name| *name != "etag");
        others.map(|name| name.len() + text(name)).sum::<usize>() + "etag".len() + etag + view.len()
    };
    let (mut with, mut without) = (0, 0);
    for row in world.items(ORDERS).await {
        let stored = row.get("view").unwrap().as_b().unwrap().as_ref().to_vec();
        let view: View = serde_json::from_slice(&edge::keep::compression::decompress(&stored).unwrap()).unwrap();
        let bare = edge::keep::compression::compress_view(&serde_json::to_vec(&view).unwrap()).unwrap();
        with += bytes_of(&row, text_of(&row, "etag").len(), &stored).div_ceil(1024);
        // As it was before: an etag of 64 characters, and no record.
        without += bytes_of(&row, 64, &bare).div_ceil(1024);
    }
    assert_eq!(with, without);
}
