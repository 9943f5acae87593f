//! Checks a stack of which little can be seen: every check reports that for itself.

use std::collections::BTreeSet;

use hookmill::Exit;
use serde_json::Value;

use crate::failures::answering;
use crate::harness::{World, world, world_at};

async fn looked(world: &World, line: &[&str]) -> (Exit, Vec<Value>) {
    let exit = world.run(line).await;
    let text = String::from_utf8(world.results()).unwrap();
    (exit, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[tokio::test]
async fn what_may_not_be_looked_at_is_unknown_and_says_what_is_needed() {
    let world = world_at(&answering(400, "AccessDeniedException").await, true);
    // These tests' queues are not on AWS, which could refuse the call.
    let all = ["doctor", "--skip", "queues", "--skip", "urls", "--skip", "clock"];
    let (exit, lines) = looked(&world, &all).await;
    // A stack of these tests lacks outputs, which is known; nothing else is.
    assert_eq!(exit, Exit::Problems, "{lines:?}");
    let checks = |state: &str| -> BTreeSet<&str> {
        lines.iter().filter(|line| line["state"] == state).map(|line| line["check"].as_str().unwrap()).collect()
    };
    assert_eq!(checks("problem"), BTreeSet::from(["stack"]));
    for check in ["stack", "tables", "mappings", "functions", "alarms", "secrets", "flow", "quarantine", "events"] {
        assert!(checks("unknown").contains(check), "{check}: {lines:?}");
    }
    let (exit, lines) = looked(&world, &["doctor", "--only", "tables"]).await;
    assert_eq!((exit, lines.len()), (Exit::Deployment, 2));
    assert!(lines.iter().all(|line| line["next"].as_str().unwrap().contains("dynamodb:DescribeTable")), "{lines:?}");
}

#[tokio::test]
async fn tables_and_queues_are_judged_by_what_they_are() {
    let world = world().await;
    let (_, lines) = looked(&world, &["doctor", "--only", "tables"]).await;
    // Whatever a table lacks is reported, and of which table.
    assert!(lines.iter().all(|line| line["about"] == "events" || line["about"] == "orders"), "{lines:?}");
    assert!(lines.iter().all(|line| line["state"] == "ok" || line["message"].is_string()));
    let (exit, lines) = looked(&world, &["doctor", "--only", "self-test"]).await;
    assert_eq!((exit, lines.len()), (Exit::Ok, 1));
}
