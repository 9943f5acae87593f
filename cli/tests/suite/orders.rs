//! One order with its timeline, and lists.

use crate::harness::{START_MS, world, world_in_text};
use hookmill::Exit;
use serde_json::{Value, json};
use webhook::providers::{SCALAPAY, SCALEV};

fn same(body: &str) -> String {
    body.to_owned()
}

fn marked(shown: &Value, mark: &str) -> Vec<String> {
    let events = shown["events"].as_array().unwrap();
    let marked = events.iter().filter(|event| event[mark] == true);
    marked.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn late_and_superseded_events_are_marked() {
    let world = world().await;
    // Paid before it was created: the creation comes late.
    let (charged, _) = world.keep(&SCALAPAY, "charged.after_created", START_MS, same).await;
    let (created, _) = world.keep(&SCALAPAY, "created", START_MS + 1, same).await;
    for key in [&charged, &created] {
        world.join(key).await;
    }
    let shown = world.lines(&["orders", "show", &charged.pk]).await.remove(0);
    let types: Vec<&str> = shown["events"].as_array().unwrap().iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["payment.captured", "payment.created"], "{shown}");
    assert_eq!(shown["summary"]["payment_state"], "paid");
    assert_eq!(shown["current"], true);
    assert_eq!(marked(&shown, "late"), ["payment.created"]);
    let by_event = world.lines(&["orders", "show", &created.id()]).await.remove(0);
    assert_eq!(by_event["order"], json!(charged.pk));
}

#[tokio::test]
async fn superseded_events_set_no_fields() {
    let world = world().await;
    let (first, _) = world.keep(&SCALEV, "order.status_changed.2026", START_MS, same).await;
    // The same change, sent again and a little later.
    let (second, _) = world
        .keep(&SCALEV, "order.status_changed.2026", START_MS + 1, |body| {
            let body = regex_free_replace(body, "unique_id", "event_LATER");
            regex_free_replace(&body, "timestamp", "2027-01-01T00:00:00.000000Z")
        })
        .await;
    assert_ne!(first, second);
    world.join(&second).await;
    let shown = world.lines(&["orders", "show", &first.pk]).await.remove(0);
    assert_eq!(marked(&shown, "superseded").len(), 1, "{shown}");
    assert_eq!(shown["current"], true, "a superseded event need not have been joined");
}

/// Gives the first string member of this name another value.
fn regex_free_replace(body: &str, name: &str, value: &str) -> String {
    let begin = format!("\"{name}\":\"");
    let at = body.find(&begin).unwrap() + begin.len();
    let end = at + body[at..].find('"').unwrap();
    format!("{}{value}{}", &body[..at], &body[end..])
}

#[tokio::test]
async fn a_view_that_lacks_an_event_is_reported() {
    let world = world_in_text().await;
    let (created, _) = world.keep(&SCALEV, "order.created.2026", START_MS, same).await;
    assert_eq!(world.run(&["orders", "show", &created.pk]).await, Exit::Problems);
    let text = String::from_utf8(world.results()).unwrap();
    assert!(text.contains("notjoined") && text.contains("not what its events tell"), "{text}");
    world.join(&created).await;
    assert_eq!(world.run(&["orders", "show", &created.pk, "--view"]).await, Exit::Ok);
    let text = String::from_utf8(world.results()).unwrap();
    assert!(!text.contains("notjoined") && text.contains("168724"), "{text}");
}

#[tokio::test]
async fn orders_are_listed_by_page_and_source() {
    let world = world().await;
    for number in 0..7 {
        let token = format!("TOKEN{number}");
        let (key, _) = world.keep(&SCALAPAY, "created", START_MS, |body| body.replace("21KLT3YDWT", &token)).await;
        world.join(&key).await;
    }
    let (key, _) = world.keep(&SCALEV, "order.created.2026", START_MS, same).await;
    world.join(&key).await;
    let of_scalev = world.lines(&["orders", "list", "--source", "scalev/main"]).await;
    assert_eq!(of_scalev.len(), 1);
    assert_eq!((&of_scalev[0]["order"], &of_scalev[0]["order_state"]), (&json!(key.pk), &json!("pending")));
    let mut orders = Vec::new();
    while orders.len() < 7 {
        let mut line = vec!["orders", "list", "--provider", "scalapay", "--limit", "3"];
        let last: Option<String> = orders.last().cloned();
        if let Some(last) = &last {
            line.extend(["--after", last]);
        }
        let page = world.lines(&line).await;
        assert!(!page.is_empty() && page.len() <= 3);
        orders.extend(page.iter().map(|order| order["order"].as_str().unwrap().to_owned()));
    }
    orders.sort();
    orders.dedup();
    assert_eq!(orders.len(), 7);
}
