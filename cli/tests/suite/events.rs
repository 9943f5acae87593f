//! Lists in time's order, single events, and following.

use crate::harness::{START_MS, World, world, world_in_text};
use hookmill::Exit;
use hookmill::stack::following::Following;
use hookmill::stack::sources::SourceName;
use serde_json::{Value, json};
use webhook::providers::{SCALAPAY, SCALEV};

const HOUR_MS: i64 = 60 * 60 * 1_000;

fn same(body: &str) -> String {
    body.to_owned()
}

fn ids(lines: &[Value]) -> Vec<String> {
    lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
}

/// `count` payments, an hour apart, spread over all partitions of the time index.
async fn payments(world: &World, count: i64) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        let token = format!("TOKEN{number}");
        let (key, _) = world
            .keep(&SCALAPAY, "created", START_MS + number * HOUR_MS, |body| body.replace("21KLT3YDWT", &token))
            .await;
        ids.push(key.id());
    }
    ids
}

#[tokio::test]
async fn partitions_are_merged_in_times_order() {
    let world = world().await;
    let ids_by_time = payments(&world, 30).await;
    let list = ["events", "list", "--source", "scalapay/it"];
    let oldest_first = world.lines(&[&list[..], &["--oldest-first"]].concat()).await;
    assert_eq!(ids(&oldest_first), ids_by_time);
    let newest = world.lines(&[&list[..], &["--limit", "2"]].concat()).await;
    assert_eq!(ids(&newest), [ids_by_time[29].clone(), ids_by_time[28].clone()]);
    assert!(world.notes().contains(&format!("--after '{}'", ids_by_time[28])));
    assert_eq!(newest[0]["type"], "payment.created");
}

#[tokio::test]
async fn pages_join_without_gap_or_repeat() {
    let world = world().await;
    let mut expected = payments(&world, 23).await;
    // Two of one millisecond: where one page ends between them, the next begins between them.
    let (key, _) = world.keep(&SCALAPAY, "authorized", START_MS, same).await;
    expected.insert(0, key.id());
    let mut paged = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut line = vec!["events", "list", "--source", "scalapay/it", "--limit", "5", "--oldest-first"];
        if let Some(after) = &after {
            line.extend(["--after", after]);
        }
        let page = ids(&world.lines(&line).await);
        after = page.last().cloned();
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    paged[..2].sort();
    expected[..2].sort();
    assert_eq!(paged, expected);
}

#[tokio::test]
async fn ranges_include_their_beginning_and_not_their_end() {
    let world = world().await;
    let ids_by_time = payments(&world, 4).await;
    let line = ["events", "list", "--source", "scalapay/it", "--oldest-first"];
    let range = ["--from", "2026-01-01T01:00", "--to", "2026-01-01T03:00"];
    assert_eq!(ids(&world.lines(&[&line[..], &range].concat()).await), ids_by_time[1..3]);
    assert!(world.lines(&[&line[..], &["--from", "2027-01-01"]].concat()).await.is_empty());
    assert!(world.notes().contains("No such event was received since 2027-01-01"));
    assert!(world.lines(&["events", "list", "--source", "scalapay/fr"]).await.is_empty());
    let backwards = [&line[..], &["--from", "2026-01-02", "--to", "2026-01-01"]].concat();
    assert_eq!(world.run(&backwards).await, Exit::Usage);
}

#[tokio::test]
async fn types_and_marks_choose() {
    let world = world().await;
    world.keep(&SCALAPAY, "created", START_MS, same).await;
    world.keep(&SCALAPAY, "disputed", START_MS + 1, same).await;
    world.keep(&SCALAPAY, "created", START_MS + 2, |body| body.replace("40.7,", "40.8,")).await;
    let chosen = async |flags: &[&str]| {
        let line = [&["events", "list", "--source", "scalapay/it", "--oldest-first"], flags].concat();
        let lines = world.lines(&line).await;
        lines.iter().map(|line| (line["type"].clone(), line["marks"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(chosen(&["--type", "payment.*"]).await.len(), 2);
    assert_eq!(chosen(&["--revision"]).await, [(json!("payment.created"), json!(["revision"]))]);
    assert_eq!(chosen(&["--unrecognised"]).await, [(json!("other"), json!(["unrecognised"]))]);
    assert_eq!(chosen(&["--unrecognised", "--revision"]).await.len(), 2);
    assert_eq!(chosen(&["--conflict"]).await, []);
}

#[tokio::test]
async fn an_event_is_shown_with_all_that_is_kept_of_it() {
    let world = world().await;
    let (first, _) = world.keep(&SCALEV, "order.created.2026", START_MS, same).await;
    let (second, _) = world.keep(&SCALEV, "order.status_changed.shipped", START_MS + 1, same).await;
    let shown = world.lines(&["events", "show", &first.id(), "--fields"]).await.remove(0);
    assert_eq!(shown["event"]["type"], "order.created");
    assert_eq!(shown["delivery"]["key"], "not known: the secret cannot be read");
    assert!(shown["delivery"]["cut"].as_array().unwrap().contains(&json!("data.secret_slug")), "{}", shown["delivery"]);
    assert!(shown["delivery"]["headers"]["x-scalev-hmac-sha256"].is_string());
    assert_eq!((&shown["order"]["place"], &shown["order"]["of"]), (&json!(1), &json!(2)));
    assert_eq!(shown["order"]["after"]["id"], json!(second.id()));
    let fields = shown["fields"].as_array().unwrap();
    let number = fields.iter().find(|origin| origin["field"] == "data.status.word").unwrap();
    assert_eq!(number["from"], json!(["data.status"]));

    world.results();
    assert_eq!(world.run(&["events", "show", &first.id(), "--raw"]).await, Exit::Ok);
    let stored = world.context.store().await.unwrap().load(&first).await.unwrap().unwrap();
    assert_eq!(world.results(), stored.row.body);
}

#[tokio::test]
async fn text_says_the_same() {
    let world = world_in_text().await;
    let (key, _) = world.keep(&SCALEV, "order.created.2026", START_MS, same).await;
    world.run(&["events", "show", &key.id()]).await;
    let text = String::from_utf8(world.results()).unwrap();
    assert!(text.starts_with(&key.id()) && text.contains("order.created") && text.contains("1 of 1"), "{text}");
    world.run(&["events", "list", "--source", "scalev/main"]).await;
    let text = String::from_utf8(world.results()).unwrap();
    assert_eq!(text.lines().next().unwrap(), "received                  type           marks  event");
}

#[tokio::test]
async fn what_cannot_be_shown_is_reported() {
    let world = world().await;
    for (line, exit) in [
        (&["events", "show", "scalev/main/1/order.created/none"][..], Exit::NotFound),
        (&["events", "show", "order.created"], Exit::Usage),
        (&["events", "show", "nobody/main/1/order.created/none"], Exit::Usage),
        (&["events", "list", "--source", "scalev/main", "--after", "scalev/main/1/x/y"], Exit::NotFound),
        (&["orders", "show", "scalev/main/none"], Exit::NotFound),
        (&["orders", "show", "scalev"], Exit::Usage),
        (&["orders", "list", "--after", "a/b"], Exit::Usage),
    ] {
        assert_eq!(world.run(line).await, exit, "{line:?}");
        let failure: Value = serde_json::from_str(&world.notes()).unwrap();
        assert_eq!(failure["exit"], exit.code());
    }
}

#[tokio::test]
async fn a_tail_prints_late_rows_and_none_twice() {
    let world = world().await;
    let sources: Vec<SourceName> = vec!["scalapay/it".parse().unwrap()];
    let mut tail = Following::new(START_MS, 60_000);
    let keep = async |token: &str, received_ms| {
        world.keep(&SCALAPAY, "created", received_ms, |body| body.replace("21KLT3YDWT", token)).await.0
    };
    let look = async |tail: &mut Following| {
        let fresh = tail.look(&world.context, &sources, usize::MAX).await.unwrap();
        fresh.iter().for_each(|entry| tail.done(entry));
        fresh.into_iter().map(|entry| entry.key).collect::<Vec<_>>()
    };
    let (early, later) = (keep("A", START_MS + 1_000).await, keep("B", START_MS + 100_000).await);
    assert_eq!(look(&mut tail).await, [early, later]);
    assert_eq!(look(&mut tail).await, []);
    // It was received before the one above, but its row shows up after it.
    let late = keep("C", START_MS + 90_000).await;
    assert_eq!(look(&mut tail).await, [late]);
    // What appears late is looked for again if printing failed.
    let untold = keep("D", START_MS + 101_000).await;
    let fresh = tail.look(&world.context, &sources, usize::MAX).await.unwrap();
    assert_eq!(fresh.len(), 1);
    assert_eq!(look(&mut tail).await, [untold]);
    // Earlier than the window, which is stated.
    keep("E", START_MS + 2_000).await;
    assert_eq!(look(&mut tail).await, []);
}
