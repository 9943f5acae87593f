//! Refused deliveries: which would pass now, and those that pass kept as of when they came.

use crate::harness::{KEY, START_MS, World, sample, world_with_secrets};
use edge::receive::http::Arrived;
use edge::receive::quarantine::{Quarantine, Quarantined};
use hookmill::Exit;
use serde_json::{Value, json};
use webhook::providers::{Provider, SCALEV, SELLDONE};
use webhook::secret::{QuarantineKey, Secret};
use webhook::signature::Refusal;
use webhook::signing::sign;
use webhook::source::Sources;

fn key() -> QuarantineKey {
    QuarantineKey::new(std::array::from_fn(|at| u8::try_from(at).unwrap()))
}

/// A provider's secret with one source, and the key for the quarantine.
fn secret(source: &str, scheme: &str, key_or_token: &str) -> Value {
    let entry = json!({
        "scheme": scheme, "signing_keys": [key_or_token], "url_tokens": [key_or_token], "merchants": "any",
    });
    json!({"sources": {source: entry}, "quarantine_key": key().to_text()})
}

/// Refuses a sample as its receiver would, under a key that it had not.
async fn refuse(world: &World, provider: &'static Provider, case: &str, refusal: Refusal, received_ms: i64) -> Vec<u8> {
    let mut found = sample(provider, case);
    sign(
        &provider.admission,
        provider.admission.schemes[0].0,
        &Secret::new(KEY),
        &mut found.delivery,
        received_ms,
        false,
    )
    .unwrap();
    let body = found.delivery.body.clone();
    let arrived = Arrived { source: found.source.source, delivery: found.delivery, network: None };
    let clock = world.context.clock.clone();
    let quarantine = Quarantine::new(world.context.dynamodb(), "EventsTable".to_owned(), provider, clock);
    let secret = json!({"sources": {}, "quarantine_key": key().to_text()}).to_string();
    let sources = Sources::parse(&provider.admission, &secret).unwrap();
    let kept = quarantine.keep(&arrived, refusal, &sources, received_ms).await.unwrap();
    assert_eq!(kept, Quarantined::Kept, "{case}");
    body
}

async fn rows(world: &World, kind: &str) -> usize {
    let items = world.context.dynamodb().scan().table_name("EventsTable").send().await.unwrap().items.unwrap();
    items.iter().filter(|item| item["kind"].as_s().unwrap() == kind).count()
}

#[tokio::test]
async fn what_a_wrong_key_refused_is_kept_as_of_when_it_came() {
    let world = world_with_secrets().await;
    world.vault.put("ScalevSecret", &secret("main", "signed", "the wrong key, mistyped"));
    for (case, at) in [("order.created.2026", 0), ("order.status_changed.2026", 5_000), ("order.deleted.2026", 9_000)] {
        refuse(&world, &SCALEV, case, Refusal::Mismatch, START_MS + at).await;
    }
    let list = ["quarantine", "list", "--source", "scalev/main"];
    let lines = world.lines(&list).await;
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line["passes"] == false && line["now"] == "mismatch"), "{lines:?}");
    assert_eq!(lines[0]["received"], "2026-01-01T00:00:00.000Z");
    assert_eq!(lines[0]["kept"], "sealed", "its body has a secret");
    // The key is put right.
    world.vault.put("ScalevSecret", &secret("main", "signed", KEY));
    let lines = world.lines(&list).await;
    assert!(lines.iter().all(|line| line["passes"] == true), "{lines:?}");
    let due = world.lines(&["quarantine", "admit", "--source", "scalev/main"]).await;
    assert!(due.iter().all(|line| line["outcome"] == "due" && line.get("freed").is_none()), "{due:?}");
    assert_eq!((rows(&world, "event").await, rows(&world, "refused").await), (0, 3));
    let kept = world.lines(&["quarantine", "admit", "--yes"]).await;
    assert_eq!(kept.iter().map(|line| &line["outcome"]).collect::<Vec<_>>(), ["new", "new", "new"]);
    assert!(kept.iter().all(|line| line["freed"] == true), "{kept:?}");
    assert_eq!(
        kept.iter().map(|line| &line["id"]).collect::<Vec<_>>(),
        due.iter().map(|line| &line["id"]).collect::<Vec<_>>()
    );
    assert_eq!((rows(&world, "event").await, rows(&world, "refused").await), (3, 0));
    let events = world.lines(&["events", "list", "--source", "scalev/main", "--oldest-first"]).await;
    let received: Vec<_> = events.iter().map(|event| event["received"].as_str().unwrap()).collect();
    assert_eq!(received, ["2026-01-01T00:00:00.000Z", "2026-01-01T00:00:05.000Z", "2026-01-01T00:00:09.000Z"]);
    // A provider's later retry is a repeat.
    let again = world.keep(&SCALEV, "order.created.2026", START_MS + 60_000, str::to_owned).await;
    assert_eq!(again.1, edge::keep::store::Kept::Repeat);
}

#[tokio::test]
async fn an_interrupted_run_is_run_again() {
    let world = world_with_secrets().await;
    world.vault.put("ScalevSecret", &secret("main", "signed", KEY));
    refuse(&world, &SCALEV, "order.created.2026", Refusal::Mismatch, START_MS).await;
    // What a run left that was killed between keeping and freeing.
    world.keep(&SCALEV, "order.created.2026", START_MS, str::to_owned).await;
    let lines = world.lines(&["quarantine", "admit", "--yes"]).await;
    assert_eq!((&lines[0]["outcome"], &lines[0]["freed"]), (&json!("repeat"), &json!(true)));
    assert_eq!((rows(&world, "event").await, rows(&world, "refused").await), (1, 0));
    assert!(world.lines(&["quarantine", "admit", "--yes"]).await.is_empty());
}

#[tokio::test]
async fn what_still_fails_stays_with_its_reason() {
    let world = world_with_secrets().await;
    world.vault.put("SelldoneSecret", &secret("other", "url_token", KEY));
    refuse(&world, &SELLDONE, "OnlineOrder.PaymentOrder", Refusal::UnknownSource, START_MS).await;
    let line = world.lines(&["quarantine", "list", "--provider", "selldone"]).await.remove(0);
    assert_eq!(
        (&line["source"], &line["named"], &line["now"]),
        (&json!("~"), &json!("main"), &json!("unknown_source"))
    );
    let name = line["name"].as_str().unwrap().to_owned();
    assert_eq!(world.run(&["quarantine", "admit", &name, "--yes"]).await, Exit::Problems);
    let line: Value = serde_json::from_slice(&world.results()).unwrap();
    assert_eq!((&line["outcome"], &line["reason"]), (&json!("refused"), &json!("unknown_source")));
    assert_eq!(rows(&world, "refused").await, 1);
    // The source is made: one named source has what called itself so.
    world.vault.put("SelldoneSecret", &secret("main", "url_token", KEY));
    // The other one is gone, and nothing was ever kept of it.
    assert_eq!(world.run(&["quarantine", "list", "--source", "selldone/other"]).await, Exit::NotFound);
    let lines = world.lines(&["quarantine", "admit", "--source", "selldone/main", "--yes"]).await;
    assert_eq!(lines[0]["outcome"], "new");
    assert_eq!((rows(&world, "event").await, rows(&world, "refused").await), (1, 0));
}

#[tokio::test]
async fn queries_choose() {
    let world = world_with_secrets().await;
    world.vault.put("ScalevSecret", &secret("main", "signed", KEY));
    refuse(&world, &SCALEV, "order.created.2026", Refusal::Mismatch, START_MS).await;
    refuse(&world, &SCALEV, "order.deleted.2026", Refusal::WrongMerchant, START_MS + 60_000).await;
    for (more, count) in [
        (&[][..], 2),
        (&["--reason", "mismatch"], 1),
        (&["--reason", "mismatch", "--reason", "wrong_merchant"], 2),
        (&["--reason", "missing"], 0),
        (&["--from", "2026-01-01T00:00:30"], 1),
        (&["--to", "2026-01-01"], 0),
        (&["--provider", "selldone"], 0),
        (&["--passing"], 2),
    ] {
        let line: Vec<&str> = ["quarantine", "list"].iter().chain(more).copied().collect();
        assert_eq!(world.lines(&line).await.len(), count, "{more:?}");
    }
}

#[tokio::test]
async fn a_refused_delivery_is_shown_without_its_secrets() {
    let world = world_with_secrets().await;
    world.vault.put("ScalevSecret", &secret("main", "signed", KEY));
    let body = refuse(&world, &SCALEV, "order.created.2026", Refusal::Mismatch, START_MS).await;
    let slug = serde_json::from_slice::<Value>(&body).unwrap()["data"]["secret_slug"].as_str().unwrap().to_owned();
    let name = world.lines(&["quarantine", "list"]).await[0]["name"].as_str().unwrap().to_owned();
    let shown = world.lines(&["quarantine", "show", &name]).await.remove(0);
    assert_eq!((&shown["passes"], &shown["reason"]), (&json!(true), &json!("mismatch")));
    assert_eq!(shown["fingerprint"], Secret::new(KEY).fingerprint());
    assert!(shown["headers"]["x-scalev-hmac-sha256"].is_string());
    world.run(&["quarantine", "show", &name, "--raw"]).await;
    let raw = String::from_utf8(world.results()).unwrap();
    assert_eq!(raw, String::from_utf8(body).unwrap().replace(&slug, "~cut"));
    assert!(!shown.to_string().contains(&slug) && shown["text"] == raw);
    assert_eq!(world.run(&["quarantine", "show", "scalev/main/9999"]).await, Exit::NotFound);
}

#[tokio::test]
async fn without_the_secret_nothing_is_admitted_and_that_is_reported() {
    let world = world_with_secrets().await;
    refuse(&world, &SCALEV, "order.created.2026", Refusal::Mismatch, START_MS).await;
    world.vault.put_text("ScalevSecret", "no JSON");
    let line = world.lines(&["quarantine", "list", "--source", "scalev/main"]).await.remove(0);
    assert!(line["passes"].is_null() && line["now"].as_str().unwrap().starts_with("not known"), "{line}");
    assert_eq!(world.run(&["quarantine", "admit", "--source", "scalev/main", "--yes"]).await, Exit::Problems);
    assert!(world.notes().contains("the secret of scalev cannot be used"));
    assert_eq!(rows(&world, "refused").await, 1);
}

#[tokio::test]
async fn what_came_before_its_order_was_forgotten_is_not_admitted() {
    let world = world_with_secrets().await;
    world.vault.put("ScalevSecret", &secret("main", "signed", KEY));
    let now_ms = world.context.clock.now_ms();
    let (kept, _) = world.keep(&SCALEV, "order.created.2025", now_ms - 9_000, str::to_owned).await;
    refuse(&world, &SCALEV, "order.status_changed.2026", Refusal::Mismatch, now_ms - 5_000).await;
    let file = crate::harness::Scratch::new("admit");
    // What goes by age says nothing of what came later.
    let old = ["forget", "--older-than", "6s", "--source", "scalev/main", "--yes", "--run-file", file.path()];
    assert_eq!(world.run(&old).await, Exit::Ok);
    let due = world.lines(&["quarantine", "admit", "--source", "scalev/main"]).await;
    assert_eq!(due[0]["outcome"], "due", "{due:?}");
    world.keep(&SCALEV, "order.deleted.2026", now_ms - 1_000, str::to_owned).await;
    let file = crate::harness::Scratch::new("admit");
    assert_eq!(world.run(&["forget", "order", &kept.pk, "--yes", "--run-file", file.path()]).await, Exit::Ok);
    for line in [
        &["quarantine", "admit", "--source", "scalev/main"][..],
        &["quarantine", "admit", "--source", "scalev/main", "--yes"],
    ] {
        let lines = world.lines(line).await;
        let reason = lines[0]["reason"].as_str().unwrap();
        assert!(
            lines[0]["outcome"] == "refused" && reason.contains(&format!("{} was forgotten at ", kept.pk)),
            "{lines:?}"
        );
    }
    assert_eq!((rows(&world, "event").await, rows(&world, "refused").await), (2, 1));
    // What comes after that is new.
    refuse(
        &world,
        &SCALEV,
        "order.payment_status_changed.2026",
        Refusal::Mismatch,
        world.context.clock.now_ms() + 1_000,
    )
    .await;
    let admitted = world.lines(&["quarantine", "admit", "--source", "scalev/main", "--yes"]).await;
    assert_eq!(admitted[1]["outcome"], "new", "{admitted:?}");
}
