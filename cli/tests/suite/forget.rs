//! Personal data is erased, the state of orders stays.

use aws_sdk_dynamodb::types::AttributeValue;
use hookmill::Exit;
use serde_json::json;
use webhook::claim::EventKey;
use webhook::providers::SCALAPAY;

use crate::harness::{START_MS, Scratch, World, world, world_in_text, world_with_secrets};
use crate::replay::two_orders;

/// Two orders with buyers of their own, joined; the ids of their events.
async fn two_buyers(world: &World) -> Vec<String> {
    let ids = two_orders(world).await;
    for id in &ids {
        world.join(&EventKey::from_id(id).unwrap()).await;
    }
    ids
}

/// The buyer that the sample names.
async fn email_of(world: &World, id: &str) -> String {
    let shown = world.lines(&["events", "show", id]).await.remove(0);
    shown["event"]["data"]["customer"]["email"].as_str().unwrap().to_owned()
}

/// Everything in both tables, compressed values undone.
async fn everything(world: &World) -> String {
    let mut said = String::new();
    for table in ["EventsTable", "OrdersTable"] {
        for item in world.context.dynamodb().scan().table_name(table).send().await.unwrap().items.unwrap() {
            for value in item.values() {
                let plain =
                    value.as_b().ok().and_then(|bytes| edge::keep::compression::decompress(bytes.as_ref()).ok());
                said += &plain.map_or_else(|| format!("{value:?}"), |plain| String::from_utf8(plain).unwrap());
            }
        }
    }
    said
}

#[tokio::test]
async fn a_person_is_found_and_erased() {
    let world = world().await;
    let ids = two_buyers(&world).await;
    let email = email_of(&world, &ids[0]).await;
    assert!(everything(&world).await.contains(&email));
    let before = world.lines(&["orders", "show", "scalapay/it/A"]).await.remove(0);
    let shouted = email.to_uppercase();
    let line = ["forget", "person", "--source", "scalapay/it", "--email", &shouted];
    let dry = world.lines(&line).await;
    assert_eq!(dry[0], json!({"order": "scalapay/it/A", "events": 1, "fields": ["customer.email"]}));
    assert_eq!(dry.iter().filter(|line| line["outcome"] == "would_erase").count(), 2);
    assert_eq!(dry.last().unwrap(), &json!({"orders": 2, "events": 6, "refused": 0, "failed": 0}));
    let notes = world.notes();
    assert!(notes.contains("6 events of scalapay/it were searched. Of this person: 2 orders and subjects"), "{notes}");
    assert!(notes.contains("Nothing was erased: add --yes") && notes.contains("backups (35 days)"), "{notes}");
    assert!(!notes.to_lowercase().contains(&email));
    let file = Scratch::new("person");
    let done = world.lines(&[&line[..], &["--yes", "--run-file", file.path()]].concat()).await;
    assert_eq!(done.last().unwrap()["events"], 6);
    assert!(!everything(&world).await.contains(&email));
    assert!(!std::fs::read_to_string(file.path()).unwrap().to_lowercase().contains(&email));
    // The order's state is unchanged, and every tool reports the events as erased.
    let after = world.lines(&["orders", "show", "scalapay/it/A"]).await.remove(0);
    assert_eq!((&after["summary"], &after["current"]), (&before["summary"], &json!(true)));
    let shown = world.lines(&["events", "show", &ids[0]]).await.remove(0);
    assert_eq!(shown["marks"], json!(["erased"]));
    assert!(shown["delivery"]["erased"].is_string() && shown["delivery"]["body_bytes"].is_null());
    assert_eq!(shown["type"], "payment.created");
    assert_eq!(world.run(&["events", "show", &ids[0], "--raw"]).await, Exit::NotFound);
    assert_eq!(world.run(&["replay", &ids[0]]).await, Exit::Problems);
    assert!(world.notes().contains("cannot be replayed: it was erased"));
    let listed = world.lines(&["events", "list", "--source", "scalapay/it"]).await;
    assert!(listed.iter().all(|line| line["marks"] == json!(["erased"]) && line["type"] != "other"));
    // A rebuild does not rewind, and there is nothing left to find.
    let same = world.lines(&["orders", "rebuild", "--source", "scalapay/it"]).await;
    assert_eq!(same.last().unwrap()["same"], 2);
    assert_eq!(world.lines(&line).await.len(), 0);
    assert!(world.lines(&["forget", "person", "--resume", file.path(), "--yes"]).await.is_empty());
}

#[tokio::test]
async fn the_value_need_not_stand_on_the_command_line() {
    let world = world().await;
    two_buyers(&world).await;
    for (line, expected) in [
        (&["--email"][..], "an e-mail address has an @"),
        (&["--phone", "123"], "8 digits"),
        (&["--customer-id"], "is empty"),
        (&[], "not said whom"),
        (&["--email", "--value-env", "HOOKMILL_NO_SUCH_VARIABLE"], "is not set"),
    ] {
        let exit = world.run(&[&["forget", "person", "--source", "scalapay/it"], line].concat()).await;
        let notes = world.notes();
        assert!(exit == Exit::Usage && notes.contains(expected), "{line:?}: {notes}");
    }
    assert_eq!(world.run(&["forget"]).await, Exit::Usage);
}

#[tokio::test]
async fn refused_deliveries_that_speak_of_the_person_go_too() {
    let world = world().await;
    let ids = two_buyers(&world).await;
    let email = email_of(&world, &ids[0]).await;
    for (slot, body) in [("0001", format!("{{\"email\":\"{email}\"}}")), ("0002", "{}".to_owned())] {
        let item = edge::keep::item::Item::from([
            ("pk".to_owned(), edge::keep::item::text("refused/scalapay/it")),
            ("sk".to_owned(), edge::keep::item::text(slot)),
            ("kind".to_owned(), edge::keep::item::text("refused")),
            ("reason".to_owned(), edge::keep::item::text("mismatch")),
            ("received_at".to_owned(), edge::keep::item::text("2026-01-01T00:00:00.000Z")),
            ("expires".to_owned(), AttributeValue::N("4102444800".to_owned())),
            ("hash".to_owned(), edge::keep::item::bytes(vec![1; 32])),
            ("body".to_owned(), edge::keep::item::bytes(edge::keep::compression::compress(body.as_bytes()).unwrap())),
        ]);
        world.context.dynamodb().put_item().table_name("EventsTable").set_item(Some(item)).send().await.unwrap();
    }
    let file = Scratch::new("refused");
    let line = ["forget", "person", "--source", "scalapay/it", "--email", &email, "--yes", "--run-file", file.path()];
    assert_eq!(world.lines(&line).await.last().unwrap()["refused"], 1);
    let items = world.context.dynamodb().scan().table_name("EventsTable").send().await.unwrap().items.unwrap();
    let left = items.iter().filter(|item| item["kind"].as_s().unwrap() == "refused");
    assert_eq!(left.map(|item| item["sk"].as_s().unwrap().as_str()).collect::<Vec<_>>(), ["0002"]);
}

#[tokio::test]
async fn what_is_old_goes_and_what_is_young_stays() {
    let world = world_in_text().await;
    let ids = two_buyers(&world).await;
    let now_ms = world.context.clock.now_ms();
    let young = world.keep(&SCALAPAY, "refunded", now_ms - 1_000, |body| body.replace("21KLT3YDWT", "A")).await.0;
    assert!(now_ms > START_MS + 86_400_000, "the samples are older than a day");
    let file = Scratch::new("old");
    let line = ["forget", "--older-than", "1d", "--source", "scalapay/it"];
    assert_eq!(world.run(&line).await, Exit::Ok);
    let printed = String::from_utf8(world.results()).unwrap();
    assert!(printed.contains("would erase   scalapay/it/A  3 events, 1 younger\n"), "{printed}");
    assert_eq!(world.run(&[&line[..], &["--yes", "--run-file", file.path()]].concat()).await, Exit::Ok);
    let printed = String::from_utf8(world.results()).unwrap();
    assert!(printed.ends_with("6 events of 2 orders and subjects erased\n"), "{printed}");
    let store = world.context.store().await.unwrap();
    let body = async |key: &EventKey| store.load(key).await.unwrap().unwrap().row.body.len();
    assert_eq!(body(&EventKey::from_id(&ids[0]).unwrap()).await, 0);
    assert!(body(&young).await > 0);
    let recorded = std::fs::read_to_string(file.path()).unwrap();
    assert!(recorded.contains("\"before_ms\":") && recorded.contains(r#"{"done":"scalapay/it/A"}"#), "{recorded}");
}

/// Copies everything of a source to another name, as if it had been received there.
async fn copied(world: &World, to: &str) {
    let client = world.context.dynamodb();
    for mut item in client.scan().table_name("EventsTable").send().await.unwrap().items.unwrap() {
        for name in ["pk", "bucket"] {
            let renamed = item[name].as_s().unwrap().replacen("scalapay/it", to, 1);
            item.insert(name.to_owned(), edge::keep::item::text(&renamed));
        }
        client.put_item().table_name("EventsTable").set_item(Some(item)).send().await.unwrap();
    }
}

#[tokio::test]
async fn by_age_sources_that_were_removed_are_not_left_out() {
    let world = world_with_secrets().await;
    two_buyers(&world).await;
    // The secrets know no source at all, and this build knows no provider of that name.
    copied(&world, "scalapay/gone").await;
    let line = ["forget", "--older-than", "1d"];
    let dry = world.lines(&line).await;
    assert_eq!(dry.last().unwrap(), &json!({"orders": 4, "events": 12, "refused": 0, "failed": 0}));
    let notes = world.notes();
    assert!(notes.contains("removed ones too: scalapay/gone, scalapay/it"), "{notes}");
    copied(&world, "nobody/it").await;
    let file = Scratch::new("removed");
    let exit = world.run(&[&line[..], &["--yes", "--run-file", file.path()]].concat()).await;
    let notes = world.notes();
    assert!(exit == Exit::Problems && notes.contains("Nothing was erased of nobody/it:"), "{notes}");
    let items = world.context.dynamodb().scan().table_name("EventsTable").send().await.unwrap().items.unwrap();
    let left = items.iter().filter(|item| item.contains_key("body")).map(|item| item["pk"].as_s().unwrap());
    assert!(left.clone().all(|pk| pk.starts_with("nobody/")) && left.count() > 0);
    let only = world.lines(&["forget", "--older-than", "1d", "--provider", "scalapay"]).await;
    assert_eq!(only.last().unwrap()["events"], 0);
}

/// A body in chunks whose row never came.
async fn orphan(world: &World, order: &str, body: &str) -> String {
    let compressed = edge::keep::compression::compress_body("scalapay", body.as_bytes()).unwrap();
    let id = format!("chunk/abcd/scalapay/it/{order}/created/~");
    let item = edge::keep::item::Item::from([
        ("pk".to_owned(), edge::keep::item::text(&format!("{id}/0"))),
        ("sk".to_owned(), edge::keep::item::text("~")),
        ("kind".to_owned(), edge::keep::item::text("chunk")),
        ("received_at".to_owned(), edge::keep::item::text("2026-01-01T00:00:00.000Z")),
        ("bucket".to_owned(), edge::keep::item::text("chunk/scalapay/it")),
        ("body".to_owned(), edge::keep::item::bytes(compressed)),
    ]);
    world.context.dynamodb().put_item().table_name("EventsTable").set_item(Some(item)).send().await.unwrap();
    id
}

#[tokio::test]
async fn bodies_that_no_event_owns_are_found_and_erased() {
    for (line, gone) in [
        (&["forget", "person", "--source", "scalapay/it", "--email", "Eve@example.com"][..], &["E"][..]),
        (&["forget", "person", "--source", "scalapay/it", "--customer-id", "nobody"], &[]),
        (&["forget", "order", "scalapay/it/F"], &["F"]),
        (&["forget", "--older-than", "1d", "--source", "scalapay/it"], &["E", "F"]),
        (&["forget", "--older-than", "3650d", "--source", "scalapay/it"], &[]),
    ] {
        let world = world().await;
        world.keep(&SCALAPAY, "created", START_MS, |body| body.replace("21KLT3YDWT", "F")).await;
        // The row of F's event has its body in itself.
        let eve = orphan(&world, "E", r#"{"orderDetails":{"consumer":{"email":"eve@example.com"}}}"#).await;
        let other = orphan(&world, "F", r#"{"orderDetails":{"consumer":{"email":"bob@example.com"}}}"#).await;
        let dry = world.lines(line).await;
        assert_eq!(
            dry.last().map_or(&json!(null), |totals| &totals["orphans"]).as_u64().unwrap_or(0),
            u64::try_from(gone.len()).unwrap()
        );
        let file = Scratch::new("orphans");
        world.lines(&[line, &["--yes", "--run-file", file.path()]].concat()).await;
        for (id, order) in [(&eve, "E"), (&other, "F")] {
            let get = world.context.dynamodb().get_item().table_name("EventsTable");
            let get = get.key("pk", edge::keep::item::text(&format!("{id}/0"))).key("sk", edge::keep::item::text("~"));
            let is_left = get.send().await.unwrap().item.is_some();
            assert_eq!(is_left, !gone.contains(&order), "{line:?} {order}");
        }
    }
}
