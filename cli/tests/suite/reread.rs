//! Readings compared, corrections published.

use edge::aws::queue::{deduplication_of, group_of};
use hookmill::Exit;
use serde_json::{Value, json};
use webhook::claim::EventKey;
use webhook::providers::SCALAPAY;

use crate::harness::{START_MS, Scratch, World, world, world_in_text};
use crate::queues::WORK;
use crate::rebuild::misread;
use crate::replay::two_orders;

const OF_SOURCE: [&str; 3] = ["reread", "--source", "scalapay/it"];

/// The deployed build read totals in the wrong unit, names in capitals, and did not know captures.
async fn older_build(world: &World) {
    let mut readings = world.readings("scalapay/it").await;
    for event in readings.values_mut() {
        event["mappingversion"] = 0.into();
        let sequence = event["sequence"].as_str().unwrap();
        let (rest, hash) = sequence.rsplit_once('.').unwrap();
        let (place, _version) = rest.rsplit_once('.').unwrap();
        event["sequence"] = format!("{place}.00000.{hash}").into();
        if event["type"] == "payment.created" {
            event["data"]["totals"]["total"]["amount"] = "4070".into();
            event["data"]["customer"]["name"] = "NOBODY'S NAME".into();
        }
        if event["type"] == "payment.captured" {
            event["type"] = "other".into();
            event["unrecognised"] = true.into();
        }
    }
    *world.queues.deployed.lock().unwrap() = readings;
}

async fn this_build(world: &World) {
    let readings = world.readings("scalapay/it").await;
    *world.queues.deployed.lock().unwrap() = readings;
}

#[tokio::test]
async fn equal_readings_are_said_to_be_equal() {
    let world = world_in_text().await;
    two_orders(&world).await;
    this_build(&world).await;
    assert_eq!(world.run(&OF_SOURCE).await, Exit::Ok);
    let printed = String::from_utf8(world.results()).unwrap();
    let version = SCALAPAY.mapping_version;
    assert_eq!(printed, format!("All 6 events read the same; mapping versions: scalapay {version}\n"));
}

#[tokio::test]
async fn differences_are_listed_by_field_and_buyers_are_not() {
    let world = world().await;
    let ids = two_orders(&world).await;
    older_build(&world).await;
    let lines = world.lines(&OF_SOURCE).await;
    let field = |event_type: &str, field: &str| {
        let found = lines.iter().find(|line| line["type"] == event_type && line["field"] == field);
        found.cloned().unwrap_or_default()
    };
    let total = field("payment.created", "data.totals.total.amount");
    assert_eq!(total["events"], 2);
    assert_eq!(total["examples"][0], json!({"id": ids[0], "old": "4070", "new": "40.7"}));
    let name = field("payment.created", "data.customer.name");
    assert_eq!((&name["examples"][0]["old"], &name["examples"][0]["new"]), (&json!("(a value)"), &json!("(a value)")));
    assert_eq!(field("payment.captured", "type")["examples"][0]["old"], "other");
    let totals = lines.last().unwrap();
    for (count, expected) in [
        ("events", 6),
        ("changed", 4),
        ("type_changes", 2),
        ("sequence_changes", 0),
        ("became_readable", 2),
        ("became_unreadable", 0),
        ("unknown", 0),
    ] {
        assert_eq!(totals[count], expected, "{count}: {totals}");
    }
    assert_eq!(totals["mappings"]["scalapay"], json!([[0, SCALAPAY.mapping_version]]));
    assert!(!format!("{lines:?}").contains("NOBODY"));
    let all = world.lines(&[&OF_SOURCE[..], &["--show-values"]].concat()).await;
    assert!(format!("{all:?}").contains("NOBODY'S NAME"));
    // Chosen by either reading.
    for chosen in ["other", "payment.captured"] {
        let lines = world.lines(&[&OF_SOURCE[..], &["--type", chosen]].concat()).await;
        assert_eq!(lines.last().unwrap()["events"], 2, "{chosen}");
    }
}

#[tokio::test]
async fn events_that_the_deployed_build_does_not_know_and_versions_that_were_not_raised_are_reported() {
    let world = world().await;
    let ids = two_orders(&world).await;
    this_build(&world).await;
    {
        let mut deployed = world.queues.deployed.lock().unwrap();
        deployed.remove(&ids[5]);
        for event in deployed.values_mut() {
            *event = serde_json::from_str(&event.to_string().replace("40.7", "41")).unwrap();
        }
    }
    let lines = world.lines(&OF_SOURCE).await;
    let totals = lines.last().unwrap();
    assert_eq!((&totals["events"], &totals["unknown"]), (&json!(5), &json!(1)));
    assert!(totals["changed"].as_u64().unwrap() >= 2);
    let notes = world.notes();
    let version = SCALAPAY.mapping_version;
    let same = format!("The mapping version of scalapay is {version} on both sides: raise it");
    assert!(notes.contains(&same), "{notes}");
    assert_eq!(world.run(&OF_SOURCE).await, Exit::Problems);
}

#[tokio::test]
async fn a_plan_never_overwrites_a_file() {
    let world = world().await;
    two_orders(&world).await;
    let plan = plan(&world).await;
    assert_eq!(world.run(&[&OF_SOURCE[..], &["--out", plan.path()]].concat()).await, Exit::Usage);
}

/// A plan against the older build, made while that was deployed.
async fn plan(world: &World) -> Scratch {
    older_build(world).await;
    let file = Scratch::new("plan");
    world.lines(&[&OF_SOURCE[..], &["--out", file.path()]].concat()).await;
    assert!(world.notes().contains("4 events are planned in"));
    file
}

#[tokio::test]
async fn corrections_go_out_once_the_build_is_deployed_and_views_are_mended() {
    let mut world = world().await;
    world.without_pauses();
    let ids = two_orders(&world).await;
    for id in &ids {
        world.join(&EventKey::from_id(id).unwrap()).await;
    }
    let view = async || world.context.views().await.unwrap().view("scalapay/it/A").await.unwrap().unwrap();
    let right = view().await;
    misread(&world, &ids[0], |event| event["data"]["totals"]["total"]["amount"] = "4070".into()).await;
    assert_eq!(view().await.summary().total.unwrap().to_string(), "4070");
    let plan = plan(&world).await;
    let publish = ["reread", "publish", plan.path()];
    let notes = world.notes();
    assert_eq!(world.run(&publish).await, Exit::Problems, "{notes}");
    assert!(world.notes().contains("Deploy this build first"));
    this_build(&world).await;
    let dry = world.lines(&publish).await;
    let count = |event_type: &str| json!({"queue": "work", "type": event_type, "events": 2});
    assert_eq!(dry, [count("payment.captured"), count("payment.created")]);
    assert!(world.notes().contains("4 corrections would be, and 2 orders be rebuilt: add --yes"));
    assert_eq!(world.queues.calls("SendMessageBatch"), 0);
    let file = Scratch::new("corrections");
    let lines = world.lines(&[&publish[..], &["--yes", "--run-file", file.path()]].concat()).await;
    assert_eq!(lines.iter().filter(|line| line["outcome"] == "sent").count(), 4);
    assert_eq!(lines.last().unwrap()["rebuilt"], 1);
    assert_eq!(view().await, right);
    let taken = world.queues.taken(WORK);
    assert_eq!(taken.len(), 4);
    for (body, group, deduplication) in &taken {
        let id = body["correctionof"].as_str().unwrap();
        let correction = format!("{id};v{}", SCALAPAY.mapping_version);
        assert_eq!(body["id"], correction);
        let pk = EventKey::from_id(id).unwrap().pk;
        assert_eq!((group, deduplication), (&group_of(&pk), &deduplication_of(&correction)));
        let shown = world.lines(&["events", "show", body["id"].as_str().unwrap()]).await.remove(0);
        assert_eq!(shown["event"]["data"], body["data"]);
    }
    // Again it sends nothing, and another run of it is dropped by the queue.
    assert_eq!(world.lines(&["reread", "publish", "--resume", file.path(), "--yes"]).await.len(), 1);
    assert_eq!(world.run(&["replay", "--resume", file.path(), "--yes"]).await, Exit::Ok);
    let other = Scratch::new("corrections-again");
    world.lines(&[&publish[..], &["--yes", "--run-file", other.path()]].concat()).await;
    assert_eq!(world.queues.taken(WORK).len(), 4);
    // A correction that the orders function joins late changes nothing.
    let records: Vec<Value> =
        taken.iter().map(|(body, ..)| json!({"messageId": "1", "body": body.to_string()})).collect();
    let batch = serde_json::from_value(json!({"Records": records})).unwrap();
    let failures = world.consumer().await.apply(batch).await;
    assert_eq!(json!(failures)["batchItemFailures"], json!([]));
    assert_eq!(view().await, right);
}

#[tokio::test]
async fn what_reads_otherwise_than_planned_is_left_out() {
    let mut world = world().await;
    world.without_pauses();
    let ids = two_orders(&world).await;
    let plan = plan(&world).await;
    this_build(&world).await;
    let text = std::fs::read_to_string(plan.path()).unwrap();
    let reading = |line: &str| serde_json::from_str::<Value>(line).unwrap()["correct"]["new"]["reading"].clone();
    let last = text.lines().rev().nth(1).unwrap();
    std::fs::write(plan.path(), text.replace(reading(last).as_str().unwrap(), "another")).unwrap();
    let file = Scratch::new("changed");
    let line = ["reread", "publish", plan.path(), "--yes", "--run-file", file.path()];
    let lines = world.lines(&line).await;
    let changed: Vec<_> = lines.iter().filter(|line| line["outcome"] == "changed").map(|line| &line["id"]).collect();
    assert_eq!(changed, [&json!(ids[5])]);
    assert_eq!(world.queues.taken(WORK).len(), 3);
}

#[tokio::test]
async fn a_mapping_whose_version_was_not_raised_is_refused() {
    let world = world().await;
    two_orders(&world).await;
    let plan = plan(&world).await;
    this_build(&world).await;
    let text = std::fs::read_to_string(plan.path()).unwrap();
    let version = SCALAPAY.mapping_version;
    let of = |version: u32| format!("\"mapping\":{version}");
    let not_raised = format!("version was not raised: {version}, and now {version}");
    let this_build_has = format!("this build has {version}");
    for (wrong, expected) in [
        (text.replace(&of(0), &of(version)), not_raised.as_str()),
        (text.replace(&of(version), &of(7)), &this_build_has),
        (text.lines().take(2).map(|line| format!("{line}\n")).collect(), "not a whole plan"),
        (text.replace("EventsTable", "OtherTable"), "another stack"),
        (text.replace("correct", "incorrect"), "is not a plan's"),
    ] {
        std::fs::write(plan.path(), wrong).unwrap();
        assert_eq!(world.run(&["reread", "publish", plan.path()]).await, Exit::Usage, "{expected}");
        let notes = world.notes();
        assert!(notes.contains(expected), "{expected}: {notes}");
    }
}

#[tokio::test]
async fn erased_events_are_distinguished() {
    let world = world().await;
    two_orders(&world).await;
    world.keep(&SCALAPAY, "disputed", START_MS + 100, str::to_owned).await;
    this_build(&world).await;
    let file = Scratch::new("forget");
    world.lines(&["forget", "order", "scalapay/it/A", "--yes", "--run-file", file.path()]).await;
    let lines = world.lines(&OF_SOURCE).await;
    let totals = lines.last().unwrap();
    assert_eq!((&totals["events"], &totals["erased"], &totals["changed"]), (&json!(4), &json!(3), &json!(0)));
    let replayed = world.lines(&["replay", "--source", "scalapay/it"]).await;
    assert_eq!(replayed.iter().map(|line| line["events"].as_u64().unwrap()).sum::<u64>(), 4);
    assert!(world.notes().contains("3 events are left out: no body is kept any more"));
}
