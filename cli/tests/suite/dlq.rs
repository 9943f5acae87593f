//! Dead letters: looked at without a trace, sent back once.

use crate::harness::{START_MS, World, world};
use crate::queues::{ORDERS, ORDERS_DEAD_LETTERS, RELAY_DEAD_LETTERS, WORK, WORK_DEAD_LETTERS};
use edge::aws::queue::{deduplication_of, group_of};
use edge::keep::item::text;
use hookmill::Exit;
use serde_json::{Value, json};
use webhook::claim::EventKey;
use webhook::providers::SCALAPAY;

async fn kept(world: &World, case: &str) -> (EventKey, Value) {
    let (key, _) = world.keep(&SCALAPAY, case, START_MS, str::to_owned).await;
    let event = world.lines(&["events", "show", &key.id()]).await.remove(0)["event"].clone();
    (key, event)
}

fn parked(queue: &str, id: &str) -> String {
    json!({"queue": queue, "id": id, "reason": "AccessDenied: no"}).to_string()
}

#[tokio::test]
async fn letters_are_listed_and_shown_and_let_go() {
    let world = world().await;
    let (key, event) = kept(&world, "created").await;
    let group = group_of(&key.pk);
    world.queues.put(WORK_DEAD_LETTERS, &event.to_string(), &group);
    world.queues.put(RELAY_DEAD_LETTERS, &parked(WORK, &key.id()), "");
    world.queues.put(RELAY_DEAD_LETTERS, "hello", "");
    let lines = world.lines(&["dlq", "list"]).await;
    let listed: Vec<_> = lines.iter().map(|line| (line["queue"].as_str(), line["kind"].as_str())).collect();
    let expected = [("relay", "parked"), ("relay", "unknown"), ("work", "event")];
    assert_eq!(listed, expected.map(|(queue, kind)| (Some(queue), Some(kind))));
    assert_eq!((&lines[0]["reason"], &lines[0]["id"]), (&json!("AccessDenied: no"), &json!(key.id())));
    assert_eq!(lines[2]["since"], "2026-01-01T00:00:00.000Z");
    assert!(world.lines(&["dlq", "list", "--queue", "orders"]).await.is_empty());
    assert!(world.notes().contains("There are no dead letters"));
    let shown = world.lines(&["dlq", "show", lines[2]["letter"].as_str().unwrap()]).await.remove(0);
    assert_eq!(shown["body"], event.to_string());
    assert!(shown["next"].as_str().unwrap().contains("dlq redrive --queue work"));
    assert_eq!(world.run(&["dlq", "show", "nothing"]).await, Exit::NotFound);
    for url in [WORK_DEAD_LETTERS, ORDERS_DEAD_LETTERS, RELAY_DEAD_LETTERS] {
        assert_eq!(world.queues.hidden(url), 0, "{url}");
    }
    assert_eq!(world.queues.calls("DeleteMessageBatch"), 0);
}

#[tokio::test]
async fn letters_go_back_in_their_group_and_are_gone() {
    let world = world().await;
    let (key, event) = kept(&world, "created").await;
    let group = group_of(&key.pk);
    world.queues.put(ORDERS_DEAD_LETTERS, &event.to_string(), &group);
    let due = world.lines(&["dlq", "redrive", "--queue", "orders"]).await;
    assert_eq!((&due[0]["outcome"], &due[0]["to"]), (&json!("due"), &json!("orders")));
    assert!(world.notes().contains("1 would be"));
    assert_eq!((world.queues.taken(ORDERS).len(), world.queues.hidden(ORDERS_DEAD_LETTERS)), (0, 0));
    let sent = world.lines(&["dlq", "redrive", "--queue", "orders", "--yes"]).await;
    assert_eq!(sent[0]["outcome"], "sent");
    let (body, went, deduplication) = world.queues.taken(ORDERS).remove(0);
    assert_eq!((body, went), (event, group));
    assert_ne!(deduplication, deduplication_of(&key.id()));
    assert!(world.queues.taken(ORDERS_DEAD_LETTERS).is_empty());
}

#[tokio::test]
async fn parked_events_are_loaded_and_sent_to_their_queue() {
    let world = world().await;
    let (key, event) = kept(&world, "created").await;
    world.queues.put(RELAY_DEAD_LETTERS, &parked(WORK, &key.id()), "");
    world.queues.put(RELAY_DEAD_LETTERS, &parked("https://elsewhere", &key.id()), "");
    world.queues.put(RELAY_DEAD_LETTERS, &parked(WORK, "scalapay/it/NONE/created/~"), "");
    world.queues.put(RELAY_DEAD_LETTERS, r#"{"DDBStreamBatchInfo": {}}"#, "");
    // A row of a form that this build does not know: sent, it would go out as one that nobody can read.
    let (unknown, _) = kept(&world, "disputed").await;
    let row = world.context.dynamodb().update_item().table_name("EventsTable").key("pk", text(&unknown.pk));
    row.key("sk", text(&unknown.sk)).update_expression("REMOVE received_at").send().await.unwrap();
    world.queues.put(RELAY_DEAD_LETTERS, &parked(WORK, &unknown.id()), "");
    assert_eq!(world.run(&["dlq", "redrive", "--queue", "relay", "--yes"]).await, Exit::Problems);
    let printed = String::from_utf8(world.results()).unwrap();
    for reason in [
        "has no queue https://elsewhere",
        "no event scalapay/it/NONE",
        "names no events",
        "cannot be read by this build",
    ] {
        assert!(printed.contains(reason), "{printed}");
    }
    let taken = world.queues.taken(WORK);
    assert_eq!(taken.len(), 1);
    assert_eq!((&taken[0].0, &taken[0].1), (&event, &group_of(&key.pk)));
    assert_eq!(world.queues.taken(RELAY_DEAD_LETTERS).len(), 4);
    assert_eq!(world.queues.hidden(RELAY_DEAD_LETTERS), 0);
}

#[tokio::test]
async fn what_cannot_be_sent_stays_and_holds_its_order_back() {
    let mut world = world().await;
    world.without_pauses();
    let (key, first) = kept(&world, "created").await;
    let (_, second) = kept(&world, "disputed").await;
    let group = group_of(&key.pk);
    world.queues.put(WORK_DEAD_LETTERS, &first.to_string(), &group);
    world.queues.put(WORK_DEAD_LETTERS, &second.to_string(), &group);
    world.queues.put(WORK_DEAD_LETTERS, &second.to_string(), "another");
    let refused = first["id"].as_str().unwrap().to_owned();
    world.queues.refuse(move |_, body| body.contains(&refused).then_some("InternalError"));
    assert_eq!(world.run(&["dlq", "redrive", "--queue", "work", "--yes"]).await, Exit::Problems);
    let sent: Vec<String> = world.queues.taken(WORK).into_iter().map(|(_, group, _)| group).collect();
    assert_eq!(sent, ["another"]);
    assert_eq!(world.queues.taken(WORK_DEAD_LETTERS).len(), 2);
    assert_eq!(world.queues.hidden(WORK_DEAD_LETTERS), 0);
    world.queues.accept();
    assert_eq!(world.lines(&["dlq", "redrive", "--queue", "work", "--yes"]).await.len(), 2);
    assert!(world.queues.taken(WORK_DEAD_LETTERS).is_empty());
}

#[tokio::test]
async fn what_was_erased_since_is_deleted_and_not_sent() {
    let world = world().await;
    let (key, event) = kept(&world, "created").await;
    let group = group_of(&key.pk);
    let mut correction = event.clone();
    correction["id"] = format!("{};v2", key.id()).into();
    correction["correctionof"] = key.id().into();
    let (later, _) = world.keep(&SCALAPAY, "refunded", START_MS, |body| body.replace("21KLT3YDWT", "OTHER")).await;
    let later = world.lines(&["events", "show", &later.id()]).await.remove(0)["event"].clone();
    for queue in [WORK_DEAD_LETTERS, ORDERS_DEAD_LETTERS] {
        for event in [&event, &correction, &later] {
            world.queues.put(queue, &event.to_string(), &group);
        }
    }
    let file = crate::harness::Scratch::new("redrive");
    world.lines(&["forget", "order", &key.pk, "--yes", "--run-file", file.path()]).await;
    for (name, queue, dead_letters) in [("work", WORK, WORK_DEAD_LETTERS), ("orders", ORDERS, ORDERS_DEAD_LETTERS)] {
        let outcomes = |lines: Vec<Value>| lines.iter().map(|line| line["outcome"].clone()).collect::<Vec<_>>();
        let due = outcomes(world.lines(&["dlq", "redrive", "--queue", name]).await);
        assert_eq!(due, ["erased", "erased", "due"]);
        assert_eq!(world.queues.taken(dead_letters).len(), 3);
        assert_eq!(world.run(&["dlq", "redrive", "--queue", name, "--yes"]).await, Exit::Ok);
        let sent: Vec<Value> = world.queues.taken(queue).into_iter().map(|(body, ..)| body).collect();
        assert_eq!(sent, std::slice::from_ref(&later));
        assert!(world.queues.taken(dead_letters).is_empty());
    }
    assert!(world.notes().contains("1 sent, 0 kept, 2 deleted"));
}

#[tokio::test]
async fn a_dead_letter_is_named_by_any_unique_beginning_and_an_unknown_one_is_an_error() {
    let world = world().await;
    let (created, event) = kept(&world, "created").await;
    let (disputed, other) = kept(&world, "disputed").await;
    let group = group_of(&created.pk);
    world.queues.put(WORK_DEAD_LETTERS, &event.to_string(), &group);
    world.queues.put(WORK_DEAD_LETTERS, &other.to_string(), "another");
    world.queues.put(RELAY_DEAD_LETTERS, &parked(WORK, &created.id()), "");
    // One event may have a dead letter in two queues.
    let beginning = format!("{}/cre", created.pk);
    assert_eq!(world.lines(&["dlq", "show", &beginning]).await[0]["id"], created.id());
    let shortened = format!("{}/d…{}", disputed.pk, &disputed.sk[disputed.sk.len() - 4..]);
    assert_eq!(world.lines(&["dlq", "show", &shortened]).await[0]["id"], disputed.id());
    assert_eq!(world.run(&["dlq", "show", &created.pk]).await, Exit::Usage);
    let notes = world.notes();
    assert!(notes.contains("fits more than one dead letter") && notes.contains(&disputed.id()), "{notes}");
    for yes in [&[][..], &["--yes"]] {
        // One that is there does not make up for one that is not.
        let line =
            [&["dlq", "redrive", "--queue", "work", "--letter", "nothing", "--letter", &beginning], yes].concat();
        assert_eq!(world.run(&line).await, Exit::NotFound, "{yes:?}");
        assert!(world.notes().contains("no dead letter nothing was found"));
    }
    assert!(world.queues.taken(WORK).is_empty());
    assert!(world.results().is_empty());
    let sent = world.lines(&["dlq", "redrive", "--queue", "work", "--letter", &beginning, "--yes"]).await;
    assert_eq!((sent.len(), &sent[0]["outcome"], &sent[0]["id"]), (1, &json!("sent"), &json!(created.id())));
    assert_eq!(world.queues.taken(WORK).len(), 1);
}

#[tokio::test]
async fn what_was_disowned_since_is_deleted_and_does_not_hold_its_order_up() {
    let world = world().await;
    let (key, event) = kept(&world, "created").await;
    let (later, _) =
        world.keep(&SCALAPAY, "authorized", START_MS + 10, |body| body.replace("E1KLSVMATB", "21KLT3YDWT")).await;
    assert_eq!(later.pk, key.pk);
    let later = world.lines(&["events", "show", &later.id()]).await.remove(0)["event"].clone();
    let fingerprint = webhook::secret::Secret::new(crate::harness::KEY).fingerprint();
    for event in [&event, &later] {
        world.queues.put(ORDERS_DEAD_LETTERS, &event.to_string(), &group_of(&key.pk));
    }
    let parked = json!({"queue": WORK, "id": key.id(), "reason": "a test's"}).to_string();
    world.queues.put(RELAY_DEAD_LETTERS, &parked, "");
    let file = crate::harness::Scratch::new("redrive-disowned");
    let range = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T00:00:00.005Z"];
    let disown = ["disown", "--source", "scalapay/it", "--key", &fingerprint, "--yes", "--run-file", file.path()];
    world.lines(&[&disown[..], &range[..]].concat()).await;
    for (queue, outcomes) in [("orders", vec!["disowned", "sent"]), ("relay", vec!["disowned"])] {
        let mut lines = world.lines(&["dlq", "redrive", "--queue", queue, "--yes"]).await;
        lines.sort_by_key(|line| line["outcome"].to_string());
        assert_eq!(lines.iter().map(|line| line["outcome"].clone()).collect::<Vec<_>>(), outcomes, "{lines:?}");
    }
    // Disowning has the facts of the order announced again; after that comes its other event.
    let sent: Vec<Value> = world.queues.taken(ORDERS).into_iter().map(|(body, ..)| body).collect();
    assert_eq!((sent.len(), &sent[1]), (2, &later), "{sent:?}");
    assert_eq!((&sent[0]["replay"], &sent[0]["dataref"]), (&json!(true), &json!(later["id"])), "{}", sent[0]);
    assert!(world.queues.taken(WORK).is_empty() && world.queues.taken(RELAY_DEAD_LETTERS).is_empty());
}
