//! Events onto queues again: under their ids, in their order, once.

use std::cell::Cell;

use crate::harness::{HOOKMILL, START_MS, Scratch, World, world, world_in_text};
use crate::queues::{ORDERS, WORK};
use edge::aws::queue::{deduplication_of, group_of};
use hookmill::Exit;
use hookmill::commands::Command;
use serde_json::{Value, json};
use webhook::providers::{SCALAPAY, SCALEV};

fn same(body: &str) -> String {
    body.to_owned()
}

/// Two orders of three events each, received in turns.
pub(crate) async fn two_orders(world: &World) -> Vec<String> {
    let mut ids = Vec::new();
    for (number, (case, token)) in [
        ("created", "A"),
        ("created", "B"),
        ("authorized", "A"),
        ("authorized", "B"),
        ("charged", "A"),
        ("charged", "B"),
    ]
    .into_iter()
    .enumerate()
    {
        let ours = |body: &str| {
            let body =
                ["21KLT3YDWT", "E1KLSVMATB"].iter().fold(body.to_owned(), |body, known| body.replace(known, token));
            assert!(body.contains(&format!("\"{token}\"")), "{case}: {body}");
            body
        };
        let received_ms = START_MS + i64::try_from(number).unwrap();
        ids.push(world.keep(&SCALAPAY, case, received_ms, ours).await.0.id());
    }
    ids
}

const OF_SOURCE: [&str; 3] = ["replay", "--source", "scalapay/it"];

#[tokio::test]
async fn without_yes_it_only_counts() {
    let world = world().await;
    two_orders(&world).await;
    world.keep(&SCALAPAY, "disputed", START_MS + 100, same).await;
    let lines = world.lines(&[&OF_SOURCE[..], &["--queue", "work", "--queue", "orders"]].concat()).await;
    let count =
        |queue: &str, event_type: &str, events: usize| json!({"queue": queue, "type": event_type, "events": events});
    assert_eq!(
        lines,
        [
            count("work", "other", 1),
            count("work", "payment.authorized", 2),
            count("work", "payment.captured", 2),
            count("work", "payment.created", 2),
            count("orders", "payment.authorized", 2),
            count("orders", "payment.captured", 2),
            count("orders", "payment.created", 2),
        ]
    );
    assert!(world.notes().contains("Nothing was sent. 13 would be: add --yes"));
    assert_eq!(world.queues.calls("SendMessageBatch"), 0);
    let chosen = world.lines(&[&OF_SOURCE[..], &["--type", "payment.captured", "--to", "2026-01-02"]].concat()).await;
    assert_eq!(chosen, [count("work", "payment.captured", 2)]);
    assert!(world.lines(&[&OF_SOURCE[..], &["--from", "2027-01-01"]].concat()).await.is_empty());
    world.lines(&[&OF_SOURCE[..], &["--queue", "orders", "--unrecognised"]].concat()).await;
    assert!(world.notes().contains("1 event is left out: the orders queue does not take such a type"));
}

#[tokio::test]
async fn events_go_out_as_the_relay_sent_them_but_for_the_mark() {
    let world = world().await;
    let ids = two_orders(&world).await;
    let file = Scratch::new("marks");
    let lines = world.lines(&[&OF_SOURCE[..], &["--yes", "--run-file", file.path()]].concat()).await;
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[0], json!({"id": ids[0], "type": "payment.created", "queue": "work", "outcome": "sent"}));
    let taken = world.queues.taken(WORK);
    for order in ["/A/", "/B/"] {
        let of_order = |id: &&String| id.contains(order);
        let came: Vec<String> = world.queues.ids(WORK).into_iter().filter(|id| id.contains(order)).collect();
        assert_eq!(came, ids.iter().filter(of_order).cloned().collect::<Vec<_>>());
    }
    for (body, group, deduplication) in &taken {
        let id = body["id"].as_str().unwrap();
        assert_eq!(body["replay"], true);
        let shown = world.lines(&["events", "show", id]).await.remove(0);
        let mut relayed = shown["event"].clone();
        relayed["replay"] = true.into();
        assert_eq!(*body, relayed);
        let pk = id.split('/').take(3).collect::<Vec<_>>().join("/");
        assert_eq!(*group, group_of(&pk));
        assert_ne!(*deduplication, deduplication_of(id));
    }
    let written = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(written.lines().filter(|line| line.starts_with(r#"{"sent":"#)).count(), 6, "{written}");
    // Another run is not taken for a repeat of this one, but this one again sends nothing.
    let other = Scratch::new("marks-again");
    world.lines(&[&OF_SOURCE[..], &["--yes", "--run-file", other.path()]].concat()).await;
    assert_eq!(world.queues.taken(WORK).len(), 12);
    assert!(world.lines(&["replay", "--resume", file.path(), "--yes"]).await.is_empty());
    assert_eq!(world.queues.taken(WORK).len(), 12);
    assert_eq!(world.run(&[&OF_SOURCE[..], &["--yes", "--run-file", file.path()]].concat()).await, Exit::Usage);
}

#[tokio::test]
async fn a_view_stays_as_it_is() {
    let world = world().await;
    let (created, _) = world.keep(&SCALEV, "order.created.2026", START_MS, same).await;
    let (changed, _) = world.keep(&SCALEV, "order.status_changed.2026", START_MS + 1, same).await;
    // Out of order, and then all of it again.
    world.join(&changed).await;
    world.join(&created).await;
    let item = async || {
        let table = world.context.dynamodb().scan().table_name("OrdersTable").send().await.unwrap();
        table.items.unwrap()
    };
    let before = item().await;
    let file = Scratch::new("view");
    let line = ["replay", "--source", "scalev/main", "--queue", "orders", "--yes", "--run-file", file.path()];
    assert_eq!(world.lines(&line).await.len(), 2);
    let records: Vec<Value> = world
        .queues
        .taken(ORDERS)
        .iter()
        .map(|(body, group, _)| {
            json!({"messageId": "1", "body": body.to_string(), "attributes": {"MessageGroupId": group}})
        })
        .collect();
    assert_eq!(records.len(), 2);
    let batch = serde_json::from_value(json!({"Records": records})).unwrap();
    let failures = world.consumer().await.apply(batch).await;
    assert_eq!(json!(failures)["batchItemFailures"], json!([]));
    assert_eq!(item().await, before);
}

#[tokio::test]
async fn a_group_stops_at_its_first_failure_and_the_run_goes_on_later() {
    let mut world = world().await;
    let pauses = world.without_pauses();
    let ids = two_orders(&world).await;
    let failing = ids[2].clone();
    world.queues.refuse(move |_, body| body.contains(&failing).then_some("InternalError"));
    let file = Scratch::new("groups");
    // Batches of two, so that what comes after the failure is in later ones.
    let line = [&OF_SOURCE[..], &["--yes", "--rate", "2", "--run-file", file.path()]].concat();
    assert_eq!(world.run(&line).await, Exit::Service);
    let printed: Vec<Value> =
        String::from_utf8(world.results()).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let outcome = |id: &String| {
        let line = printed.iter().find(|line| line["id"] == json!(id)).unwrap();
        (line["outcome"].as_str().unwrap(), line["reason"].as_str())
    };
    assert_eq!(outcome(&ids[2]), ("failed", Some("InternalError: no")));
    assert_eq!(outcome(&ids[4]), ("held", Some("an earlier event of its order was not sent")));
    assert_eq!(world.queues.ids(WORK), [0, 1, 3, 5].map(|at: usize| ids[at].clone()));
    let notes = world.notes();
    assert!(notes.contains("4 sent, 1 failed, 1 held, 0 gone"), "{notes}");
    assert!(notes.contains(&format!("To go on: {HOOKMILL} replay --resume {} --yes", file.path())), "{notes}");
    // Two a second: the third batch has to wait for the first two.
    let backoffs = [200, 400, 800, 1_600, 3_200];
    let paced = |pause: &u128| !backoffs.contains(pause) && *pause > 500;
    assert!(pauses.lock().unwrap().iter().map(std::time::Duration::as_millis).any(|pause| paced(&pause)));

    world.queues.accept();
    let left = world.lines(&["replay", "--resume", file.path()]).await;
    assert_eq!(left.iter().map(|line| line["events"].as_u64().unwrap()).sum::<u64>(), 2);
    assert_eq!(world.lines(&["replay", "--resume", file.path(), "--yes"]).await.len(), 2);
    assert_eq!(world.queues.ids(WORK)[4..], [ids[2].clone(), ids[4].clone()]);
}

#[tokio::test]
async fn what_was_sent_and_not_recorded_is_no_second_message_within_five_minutes() {
    let world = world().await;
    let ids = two_orders(&world).await;
    let file = Scratch::new("torn");
    world.lines(&[&OF_SOURCE[..], &["--yes", "--run-file", file.path()]].concat()).await;
    // The process died before the batch was recorded, in the middle of a line.
    let written = std::fs::read_to_string(file.path()).unwrap();
    let planned = written.find("{\"sent\"").unwrap();
    std::fs::write(file.path(), &written[..planned + 9]).unwrap();
    assert_eq!(world.lines(&["replay", "--resume", file.path(), "--yes"]).await.len(), ids.len());
    assert_eq!(world.queues.taken(WORK).len(), ids.len());
}

#[tokio::test]
async fn ctrl_c_ends_between_batches_and_the_run_goes_on() {
    let world = world().await;
    let (key, _) = world.keep(&SCALAPAY, "created", START_MS, same).await;
    let file = Scratch::new("interrupted");
    let id = key.id();
    let line = ["hookmill", "replay", &id, "--yes", "--run-file", file.path()];
    let cli = <hookmill::Cli as clap::Parser>::try_parse_from(line).unwrap();
    let Command::Replay(args) = cli.command else { unreachable!() };
    let stopped = hookmill::commands::replay::replay(&world.context, &args, &Cell::new(true)).await.unwrap_err();
    assert_eq!(stopped.kind, Exit::Interrupted);
    assert!(stopped.next.unwrap().contains(file.path()));
    assert!(world.queues.taken(WORK).is_empty());
    world.lines(&["replay", "--resume", file.path(), "--yes"]).await;
    assert_eq!(world.queues.ids(WORK), [id]);
}

#[tokio::test]
async fn an_event_over_the_limit_goes_out_with_a_reference() {
    let world = world().await;
    let lines: Vec<Value> =
        (0..8_000).map(|number| json!({"variant_sku": number, "product_name": "x".repeat(180)})).collect();
    let body = json!({"event": "order.updated", "unique_id": "e", "data": {"order_id": "O", "orderlines": lines}});
    let (key, _) = world.keep(&SCALEV, "order.created.2026", START_MS, |_| body.to_string()).await;
    let file = Scratch::new("large");
    let id = key.id();
    world.lines(&["replay", &id, "--yes", "--run-file", file.path()]).await;
    let (sent, ..) = world.queues.taken(WORK).remove(0);
    assert_eq!((&sent["dataref"], &sent["replay"]), (&json!(id), &json!(true)));
    assert!(sent.get("data").is_none());
}

#[tokio::test]
async fn a_queue_that_takes_nothing_ends_it() {
    for (code, exit) in [("AccessDenied", Exit::Deployment), ("ServiceUnavailable", Exit::Service)] {
        let mut world = world().await;
        world.without_pauses();
        two_orders(&world).await;
        world.queues.refuse_calls("SendMessageBatch", code);
        let file = Scratch::new(code);
        let line = [&OF_SOURCE[..], &["--yes", "--rate", "1", "--run-file", file.path()]].concat();
        assert_eq!(world.run(&line).await, exit);
        let notes = world.notes();
        assert!(notes.contains(code) && notes.contains(&format!("To go on: {HOOKMILL} replay --resume")), "{notes}");
        // A batch is tried five times; one or two batches are enough.
        assert!(world.queues.calls("SendMessageBatch") <= 10);
    }
}

#[tokio::test]
async fn what_cannot_be_replayed_is_reported() {
    let world = world_in_text().await;
    let (other, _) = world.keep(&SCALAPAY, "disputed", START_MS, same).await;
    let other = other.id();
    for (line, exit, expected) in [
        (&["replay"][..], Exit::Usage, "not said what to replay"),
        (&["replay", "scalapay/it/NONE/created/~"], Exit::NotFound, "no event"),
        (&["replay", "nonsense"], Exit::Usage, "not an event id"),
        (&["replay", &other, "--queue", "orders"], Exit::Problems, "does not take events of type other"),
        (&["replay", &other, "--queue", "extra"], Exit::Deployment, "has no extra queue"),
        (&["replay", &other, "--yes", "--run-file", "/nowhere/at/all"], Exit::Usage, "cannot be made"),
        (&["replay", "--resume", "/nowhere/at/all", "--yes"], Exit::Usage, "cannot be read"),
    ] {
        assert_eq!(world.run(line).await, exit, "{line:?}");
        let notes = world.notes();
        assert!(notes.contains(expected), "{line:?}: {notes}");
    }
    let file = Scratch::new("elsewhere");
    let elsewhere = json!({"replay": {"id": "r", "queues": {"work": "https://elsewhere"}, "events": 0}});
    std::fs::write(file.path(), format!("{elsewhere}\n")).unwrap();
    assert_eq!(world.run(&["replay", "--resume", file.path(), "--yes"]).await, Exit::Usage);
    assert!(world.notes().contains("another stack"));
    assert_eq!(world.queues.calls("SendMessageBatch"), 0);
}

#[tokio::test]
async fn an_orders_events_are_replayed_together() {
    let world = world().await;
    let ids = two_orders(&world).await;
    world.keep(&SCALAPAY, "disputed", START_MS + 100, same).await;
    let plan = world.lines(&["replay", "--order", "scalapay/it/A"]).await;
    let types: Vec<_> = plan.iter().map(|line| (line["type"].as_str().unwrap(), line["events"].clone())).collect();
    assert_eq!(types, ["payment.authorized", "payment.captured", "payment.created"].map(|name| (name, json!(1))));
    let file = Scratch::new("order");
    let twice = ["replay", "--order", "scalapay/it/A", "--order", &ids[2], "--type", "payment.*", "--yes"];
    let sent = world.lines(&[&twice[..], &["--run-file", file.path()]].concat()).await;
    let printed: Vec<&str> = sent.iter().filter_map(|line| line["id"].as_str()).collect();
    assert_eq!(printed, [&ids[0], &ids[2], &ids[4]]);
    assert_eq!(world.queues.taken(WORK).len(), 3);
    for (order, exit) in [("", Exit::Usage), ("scalapay/it/C", Exit::NotFound)] {
        assert_eq!(world.run(&["replay", "--order", order]).await, exit, "{order}");
    }
}
