//! A damaged row is one line that names it and says why, in every command; every other row goes on.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use edge::keep::item::{Item, text};
use hookmill::Exit;
use serde_json::Value;
use webhook::claim::EventKey;

use crate::failures::answering;
use crate::harness::{Scratch, World, world, world_in_text};
use crate::provider::server::{file, status};
use crate::provider::world_with;
use crate::queues::WORK;
use crate::replay::two_orders;

/// A change that damages a row, and what is then said of it.
type Damage = (fn(&mut Item), &'static str);

const DAMAGES: [Damage; 3] = [
    (
        |item| {
            let mut frame = item["body"].as_b().unwrap().as_ref().to_vec();
            let end = frame.len() - 8;
            frame[end..].fill(0xff);
            item.insert("body".to_owned(), AttributeValue::B(Blob::new(frame)));
        },
        "",
    ),
    (
        |item| {
            item.remove("body");
            item.insert("chunks".to_owned(), AttributeValue::N("1".to_owned()));
            item.insert("chunks_of".to_owned(), text("nowhere"));
        },
        "the chunk is missing",
    ),
    (
        |item| {
            item.insert("hash".to_owned(), text("no bytes"));
        },
        "the item's attribute hash is missing or not of its form",
    ),
];

async fn damage(world: &World, id: &str, change: fn(&mut Item)) {
    let key = EventKey::from_id(id).unwrap();
    let mut item = world.context.store().await.unwrap().item(&key).await.unwrap().unwrap();
    change(&mut item);
    let put = world.context.dynamodb().put_item().table_name("EventsTable").set_item(Some(item));
    put.send().await.unwrap();
}

/// Carries a command out that ends with some rows unread, and returns the lines that it printed.
async fn partial(world: &World, line: &[&str], id: &str, reason: &str) -> Vec<Value> {
    world.results();
    world.notes();
    let exit = world.run(line).await;
    let (results, notes) = (String::from_utf8(world.results()).unwrap(), world.notes());
    assert_eq!(exit, Exit::Problems, "{line:?}: {notes}");
    let reports = |text: &str| text.lines().any(|line| line.contains(id) && line.contains(reason));
    assert!(reports(&notes) || reports(&results), "{line:?}: {notes}{results}");
    results.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const OF_SOURCE: [&str; 2] = ["--source", "scalapay/it"];

#[tokio::test]
async fn a_damaged_row_is_one_line_and_every_other_row_goes_on() {
    for (change, reason) in DAMAGES {
        let world = world().await;
        let ids = two_orders(&world).await;
        let email = {
            let shown = world.lines(&["events", "show", &ids[0]]).await.remove(0);
            shown["event"]["data"]["customer"]["email"].as_str().unwrap().to_owned()
        };
        let damaged = ids[2].as_str();
        damage(&world, damaged, change).await;
        let said = async |line: &[&str]| partial(&world, line, damaged, reason).await;

        let listed = said(&[&["events", "list"], &OF_SOURCE[..]].concat()).await;
        assert_eq!(listed.len(), 6);
        assert_eq!(listed.iter().filter(|line| line.get("damage").is_some()).count(), 1);
        let chosen = said(&[&["events", "list", "--type", "payment.created"], &OF_SOURCE[..]].concat()).await;
        assert_eq!(chosen.len(), 2);
        let tail = [&["events", "tail", "--since", "9000d", "--every", "1s", "--count", "6"], &OF_SOURCE[..]].concat();
        assert_eq!(said(&tail).await.len(), 6);
        assert_eq!(said(&["events", "show", damaged]).await.len(), 1);
        assert_eq!(said(&["events", "show", damaged, "--raw"]).await.len(), 0);
        let shown = said(&["orders", "show", "scalapay/it/A"]).await;
        assert_eq!(shown[0]["events"].as_array().unwrap().len(), 3);

        let planned = said(&[&["replay"], &OF_SOURCE[..]].concat()).await;
        assert_eq!(planned.iter().map(|line| line["events"].as_u64().unwrap()).sum::<u64>(), 5);
        said(&["replay", damaged]).await;
        let file = Scratch::new("damaged");
        let sent = [&["replay", "--yes", "--run-file", file.path()], &OF_SOURCE[..]].concat();
        assert_eq!(said(&sent).await.len(), 5);
        assert_eq!(world.queues.taken(WORK).len(), 5);

        let rebuilt = said(&[&["orders", "rebuild"], &OF_SOURCE[..]].concat()).await;
        assert_eq!(rebuilt.last().unwrap()["orders"], 2);
        let found = said(&[&["forget", "person", "--email", &email], &OF_SOURCE[..]].concat()).await;
        assert_eq!(found[0]["events"], 1);
        let other = found.iter().find(|line| line["order"] == "scalapay/it/B" && line.get("outcome").is_some());
        assert_eq!(other.unwrap()["outcome"], "would_erase", "{found:?}");

        let target = answering(200, "Ok").await;
        let position = Scratch::new("position");
        let forward = ["forward", "--to", &target, "--once", "--from", "2026-01-01", "--position", position.path()];
        let forwarded = said(&[&forward[..], &OF_SOURCE].concat()).await;
        let outcomes = |outcome: &str| forwarded.iter().filter(|line| line["outcome"] == outcome).count();
        assert_eq!((outcomes("forwarded"), outcomes("unsendable")), (5, 1), "{forwarded:?}");
        // It is passed: the next run does not meet it again.
        let forward = ["forward", "--to", &target, "--once", "--position", position.path()];
        assert_eq!(world.run(&[&forward[..], &OF_SOURCE].concat()).await, Exit::Ok, "{}", world.notes());
        let _ = std::fs::remove_file(format!("{}.lock", position.path()));
    }
}

#[tokio::test]
async fn a_comparison_goes_on_behind_a_damaged_row() {
    for (change, reason) in DAMAGES {
        let world = world().await;
        let ids = two_orders(&world).await;
        *world.queues.deployed.lock().unwrap() = world.readings("scalapay/it").await;
        damage(&world, &ids[2], change).await;
        let lines = partial(&world, &[&["reread"], &OF_SOURCE[..]].concat(), &ids[2], reason).await;
        assert_eq!(lines.last().unwrap()["events"], 5);
    }
}

#[tokio::test]
async fn reconcile_goes_on_behind_a_damaged_row() {
    for (change, reason) in DAMAGES {
        let payment = |token: &str| {
            let payment = String::from_utf8(file("scalapay/payment.charged.json")).unwrap();
            status(200, &payment.replace("71KH916VPE", token))
        };
        let nothing = status(200, r#"{"items":[],"hasMore":false}"#);
        let (world, _server) = world_with(vec![nothing.clone(), nothing, payment("A"), payment("B")]).await;
        let ids = two_orders(&world).await;
        damage(&world, &ids[2], change).await;
        let line = ["reconcile", "--source", "scalapay/it", "--from", "2026-01-01", "--to", "2026-01-02"];
        let lines = partial(&world, &line, &ids[2], reason).await;
        assert_eq!(lines.last().unwrap()["compared"], 2, "{lines:?}");
    }
}

#[tokio::test]
async fn text_names_the_row_and_the_reason() {
    let world = world_in_text().await;
    let ids = two_orders(&world).await;
    damage(&world, &ids[2], DAMAGES[1].0).await;
    assert_eq!(world.run(&[&["events", "list"], &OF_SOURCE[..]].concat()).await, Exit::Problems);
    let note = format!("The row of {} cannot be read: the chunk is missing\n", ids[2]);
    assert_eq!(world.notes(), note);
    assert_eq!(String::from_utf8(world.results()).unwrap().lines().count(), 7);
}
