//! Events that came by a leaked key count nowhere once disowned, and can be owned again.

use hookmill::Exit;
use serde_json::{Value, json};
use webhook::claim::EventKey;
use webhook::secret::Secret;

use crate::harness::{KEY, Scratch, World, world, world_in_text};
use crate::queues::WORK;
use crate::replay::two_orders;

/// Two orders of three events each, joined; the ids of their events. The last event of each came in one millisecond
/// or later.
async fn joined(world: &World) -> Vec<String> {
    let ids = two_orders(world).await;
    for id in &ids {
        world.join(&EventKey::from_id(id).unwrap()).await;
    }
    ids
}

fn line<'a>(key: &'a str, from: &'a str) -> Vec<&'a str> {
    vec!["disown", "--source", "scalapay/it", "--key", key, "--from", from]
}

/// The time from which on the events count as forged: the last of each order.
const FROM: &str = "2026-01-01T00:00:00.004Z";

async fn states(world: &World) -> Vec<Value> {
    let mut states = Vec::new();
    for order in ["scalapay/it/A", "scalapay/it/B"] {
        states.push(world.lines(&["orders", "show", order]).await.remove(0)["summary"]["payment_state"].clone());
    }
    states
}

#[tokio::test]
async fn a_range_is_disowned_listed_as_such_and_owned_again() {
    let world = world().await;
    let ids = joined(&world).await;
    let key = Secret::new(KEY).fingerprint();
    let command = line(&key, FROM);
    assert_eq!(states(&world).await, ["paid", "paid"]);
    let dry = world.lines(&command).await;
    let a =
        json!({"order": "scalapay/it/A", "outcome": "would_disown", "events": [ids[4]], "done_before": 0, "others": 2});
    assert!(dry.contains(&a), "{dry:?}");
    assert_eq!(dry.last().unwrap(), &json!({"orders": 2, "events": 2, "failed": 0, "unreadable": 0}));
    let notes = world.notes();
    assert!(notes.contains("Nothing was changed: add --yes") && notes.contains("reconcile"), "{notes}");
    assert_eq!(states(&world).await, ["paid", "paid"]);
    let file = Scratch::new("disown");
    let done = world.lines(&[&command[..], &["--yes", "--run-file", file.path()]].concat()).await;
    assert_eq!(done.iter().filter(|line| line["outcome"] == "disowned").count(), 2, "{done:?}");
    assert_eq!(states(&world).await, ["authorized", "authorized"]);
    let listed = world.lines(&["events", "list", "--source", "scalapay/it", "--from", "2026-01-01"]).await;
    let marked: Vec<&Value> =
        listed.iter().filter(|line| line["marks"].as_array().unwrap().contains(&json!("disowned"))).collect();
    assert_eq!(marked.len(), 2, "{listed:?}");
    assert!(world.lines(&["events", "show", &ids[4]]).await[0]["delivery"]["disowned"].is_string());
    // The order is as its other events say.
    let shown = world.lines(&["orders", "show", "scalapay/it/A"]).await.remove(0);
    assert_eq!(shown["current"], true);
    // Again, there is nothing to do; and nothing of it is planned in a file that exists already.
    let again = world.lines(&[&command[..], &["--yes", "--run-file", Scratch::new("again").path()]].concat()).await;
    assert_eq!(again, [json!({"orders": 0, "events": 0, "failed": 0, "unreadable": 0})]);
    // One order is genuine after all.
    let back = Scratch::new("own");
    let undo = [&command[..], &["--undo", "scalapay/it/B", "--yes", "--run-file", back.path()]].concat();
    let owned = world.lines(&undo).await;
    assert_eq!(owned[0]["outcome"], "owned");
    assert_eq!(owned[0]["events"], json!([ids[5]]));
    assert_eq!(states(&world).await, ["authorized", "paid"]);
}

#[tokio::test]
async fn work_that_was_interrupted_goes_on_from_its_file() {
    let world = world().await;
    joined(&world).await;
    let key = Secret::new(KEY).fingerprint();
    let file = Scratch::new("disown-resume");
    world.lines(&[&line(&key, FROM)[..], &["--yes", "--run-file", file.path()]].concat()).await;
    // As if it had ended before the first order was done, in a file of which the rest is the same.
    let plan: Vec<String> =
        std::fs::read_to_string(file.path()).unwrap().lines().take(3).map(|line| format!("{line}\n")).collect();
    std::fs::write(file.path(), plan.concat()).unwrap();
    assert!(plan[0].contains(&key) && plan[0].contains("from_ms") && plan[0].contains("before_ms"), "{plan:?}");
    let back = Scratch::new("undo");
    world.lines(&[&line(&key, FROM)[..], &["--undo", "--yes", "--run-file", back.path()]].concat()).await;
    assert_eq!(states(&world).await, ["paid", "paid"]);
    assert_eq!(world.run(&["disown", "--undo", "--resume", file.path(), "--yes"]).await, Exit::Usage);
    let notes = world.notes();
    assert!(notes.contains("is of hookmill") && notes.contains("disown --resume"), "{notes}");
    world.lines(&["disown", "--resume", file.path(), "--yes"]).await;
    assert_eq!(states(&world).await, ["authorized", "authorized"]);
}

#[tokio::test]
async fn what_is_disowned_is_sent_nowhere() {
    let world = world().await;
    let ids = joined(&world).await;
    let key = Secret::new(KEY).fingerprint();
    world.lines(&[&line(&key, FROM)[..], &["--yes", "--run-file", Scratch::new("sent").path()]].concat()).await;
    let replayed = ["replay", "--source", "scalapay/it", "--yes", "--run-file"];
    let lines = world.lines(&[&replayed[..], &[Scratch::new("replayed").path()]].concat()).await;
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(world.notes().contains("2 are left out: they were disowned"));
    assert_eq!(world.run(&["replay", &ids[4]]).await, Exit::Problems);
    assert!(world.notes().contains("it was disowned"));
    let reread = world.lines(&["reread", "--source", "scalapay/it"]).await;
    assert_eq!(reread.last().unwrap()["disowned"], 2, "{reread:?}");
    assert!(world.queues.taken(WORK).iter().all(|(body, ..)| body["id"] != json!(ids[4])));
}

#[tokio::test]
async fn it_is_said_what_is_missing_and_a_key_is_not_repeated() {
    let world = world_in_text().await;
    joined(&world).await;
    let key = Secret::new(KEY).fingerprint();
    assert_eq!(world.run(&["disown", "--source", "scalapay/it", "--key", &key]).await, Exit::Usage);
    assert!(world.notes().contains("--from or --since"));
    assert_eq!(world.run(&line("0123456789ab", FROM)).await, Exit::Ok);
    assert!(world.notes().contains("There is no such event"));
    assert_eq!(world.run(&line("a real signing key", FROM)).await, Exit::Usage);
    let said = world.notes();
    assert!(said.contains("12 hex digits") && !said.contains("real"), "{said}");
}
