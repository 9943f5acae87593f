//! Ids as they are typed: whole, shortened, wrong.

use hookmill::Exit;
use serde_json::Value;
use webhook::providers::SCALEV;

use crate::harness::{START_MS, Scratch, World, world, world_with_secrets};

async fn error(world: &World, line: &[&str]) -> (Exit, Value) {
    let exit = world.run(line).await;
    (exit, serde_json::from_str(world.notes().lines().last().unwrap()).unwrap())
}

fn text(failure: &Value, name: &str) -> String {
    failure[name].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn any_unique_beginning_is_an_id() {
    let world = world().await;
    let (key, _) = world.keep(&SCALEV, "order.created.2026", START_MS, str::to_owned).await;
    world.join(&key).await;
    let id = key.id();
    let (first, last) = (&id[..id.len() - 10], &id[id.len() - 6..]);
    let gap = format!("{}…{last}", &id[..20]);
    for typed in [id.as_str(), first, &id[..14], gap.as_str(), &format!("{id};v1")] {
        let shown = world.lines(&["events", "show", typed]).await;
        assert_eq!(shown[0]["id"].as_str(), Some(id.as_str()), "{typed}");
    }
    let order = key.pk.clone();
    for typed in [order.as_str(), &order[..14], first, &format!("{}…", &order[..13])] {
        let shown = world.lines(&["orders", "show", typed]).await;
        assert_eq!(shown[0]["order"].as_str(), Some(order.as_str()), "{typed}");
    }
    let rebuilt = world.lines(&["orders", "rebuild", &order[..14]]).await;
    let totals = rebuilt.last().unwrap();
    assert_eq!((&totals["orders"], &totals["same"]), (&1.into(), &1.into()), "{rebuilt:?}");
}

#[tokio::test]
async fn a_beginning_of_several_ids_names_them() {
    let world = world().await;
    let (one, _) = world.keep(&SCALEV, "order.created.2026", START_MS, str::to_owned).await;
    let (two, _) = world.keep(&SCALEV, "order.payment_status_changed.2026", START_MS + 1, str::to_owned).await;
    let (exit, failure) = error(&world, &["events", "show", "scalev/main/2"]).await;
    assert_eq!(exit, Exit::Usage);
    assert_eq!(text(&failure, "error"), "scalev/main/2 fits more than one event");
    assert!(text(&failure, "next").contains(&one.id()) && text(&failure, "next").contains(&two.id()), "{failure}");
}

#[tokio::test]
async fn what_names_nothing_is_reported_as_such() {
    let world = world().await;
    let (key, _) = world.keep(&SCALEV, "order.created.2026", START_MS, str::to_owned).await;
    let long = format!("scalev/main/{}", "1".repeat(5_000));
    let version = format!("{};v99", key.id());
    for (line, exit, message) in [
        (&["events", "show", &long][..], Exit::Usage, "is too long for an id: 5012 bytes"),
        (&["orders", "show", &long], Exit::Usage, "is too long for an id: 5012 bytes"),
        (&["replay", &long], Exit::Usage, "is too long for an id: 5012 bytes"),
        (&["events", "show", &version], Exit::NotFound, "there is no correction"),
        (&["events", "show", "scalev/main"], Exit::Usage, "scalev/main is not an event id"),
        (&["events", "show", "scalev/main/1/order.created/x"], Exit::NotFound, "is kept"),
        (&["orders", "show", "scalev/main/1"], Exit::NotFound, "no order scalev/main/1 is kept"),
        (&["orders", "rebuild", "scalev/main/1"], Exit::NotFound, "no order scalev/main/1 is kept"),
    ] {
        let (ended, failure) = error(&world, line).await;
        assert_eq!(ended, exit, "{failure}");
        assert!(text(&failure, "error").contains(message), "{failure}");
        assert!(text(&failure, "error").len() < 300 && text(&failure, "next").contains("hookmill"), "{failure}");
    }
}

#[tokio::test]
async fn an_unknown_order_leaves_no_record_of_its_erasure() {
    let world = world_with_secrets().await;
    let file = Scratch::new("erasure");
    let line = ["forget", "order", "scalev/main/nobodys", "--yes", "--run-file", file.path()];
    let (exit, failure) = error(&world, &line).await;
    assert_eq!((exit, text(&failure, "error").as_str()), (Exit::NotFound, "no order scalev/main/nobodys is kept"));
    assert!(!std::path::Path::new(file.path()).exists());
}

#[tokio::test]
async fn forwarding_once_to_a_dead_target_ends() {
    let mut world = world().await;
    world.without_pauses();
    world.keep(&SCALEV, "order.created.2026", START_MS, str::to_owned).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (to, file) = (format!("localhost:{}", free.port()), Scratch::new("position"));
    let line = ["forward", "--once", "--source", "scalev/main", "--from", "1970-01-01", "--to", &to];
    let (exit, failure) = error(&world, &[&line[..], &["--position", file.path()]].concat()).await;
    assert_eq!(exit, Exit::Service);
    assert!(text(&failure, "error").contains("no connection, tried 4 times"), "{failure}");
    assert!(text(&failure, "next").contains("same command again"), "{failure}");
}
