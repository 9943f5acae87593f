//! Reconciles a provider's orders with what is kept: what is missing is reported, fetched and joined, exactly once.

use std::cell::Cell;

use serde_json::{Value, json};
use webhook::claim::EventKey;
use webhook::providers::{SCALAPAY, SCALEV, SELLDONE, SHOPLINE};

use crate::harness::{START_MS, World, world_in_text};
use crate::provider::server::{Reply, Server, file, ok, status};
use crate::provider::{assert_clean, furnish, world_with};
use hookmill::Exit;

const SINCE: [&str; 2] = ["--from", "2020-01-01"];

/// An order as SHOPLINE's API returns it.
fn order(id: &str, word: &str, updated_at: &str) -> Value {
    let mut order: Value = serde_json::from_slice(&file("shopline/order.json")).unwrap();
    (order["id"], order["status"], order["updated_at"]) = (json!(id), json!(word), json!(updated_at));
    order["order_payment"]["updated_at"] = json!(updated_at);
    order
}

fn page(orders: &[Value]) -> Reply {
    status(200, &json!({"items": orders}).to_string())
}

/// A webhook of an order, of the form that has a time.
async fn webhook(world: &World, id: &str, word: &str, updated_at: &str) -> EventKey {
    let nanoseconds = updated_at.parse::<jiff::Timestamp>().unwrap().as_nanosecond();
    let change = |body: &str| {
        let mut body: Value = serde_json::from_str(body).unwrap();
        (body["resource"]["_id"], body["resource"]["status"]) = (json!(id), json!(word));
        (body["resource"]["updated_at"], body["ts"]) = (json!(updated_at), json!(nanoseconds.to_string()));
        body["trace_id"] = json!(format!("{id}-{word}-{updated_at}"));
        body.to_string()
    };
    let (key, _) = world.keep(&SHOPLINE, "order.update.new", START_MS, change).await;
    key
}

fn ends(lines: &[Value], name: &str) -> Vec<String> {
    let orders = lines.iter().filter(|line| line.get("compared").is_none());
    orders
        .map(|line| format!("{} {}", line["standing"].as_str().unwrap(), line[name].as_str().unwrap_or("–")))
        .collect()
}

/// Joins every event of an order, in any order: the views must not show it.
async fn state_of(world: &World, pk: &str) -> Value {
    let shown = world.lines(&["orders", "show", pk]).await.remove(0);
    for event in shown["events"].as_array().unwrap().iter().rev() {
        world.join(&EventKey::from_id(event["id"].as_str().unwrap()).unwrap()).await;
    }
    let shown = world.lines(&["orders", "show", pk, "--view"]).await.remove(0);
    assert_eq!(shown["current"], true);
    shown
}

const RECONCILE: [&str; 3] = ["reconcile", "--source", "shopline/tw"];

#[tokio::test]
async fn what_is_missing_or_behind_is_reported_kept_and_then_equal() {
    let orders = [
        order("a", "completed", "2026-01-05T00:00:00Z"),
        order("b", "confirmed", "2026-01-04T00:00:00Z"),
        order("c", "pending", "2026-01-03T00:00:00Z"),
        order("d", "pending", "2026-01-02T00:00:00Z"),
    ];
    let pages = [page(&orders[..2]), page(&orders[2..]), page(&[])];
    let (world, server) = world_with(pages.iter().cycle().take(9).cloned().collect()).await;
    webhook(&world, "b", "confirmed", "2026-01-04T00:00:00Z").await;
    webhook(&world, "c", "temp", "2026-01-02T00:00:00Z").await;
    webhook(&world, "d", "confirmed", "2026-01-06T00:00:00Z").await;

    let dry = world.lines(&[&RECONCILE[..], &SINCE].concat()).await;
    assert_eq!(ends(&dry, "kept"), ["missing –", "behind –"]);
    let summary = dry.last().unwrap();
    for (name, count) in [("compared", 4), ("missing", 1), ("behind", 1), ("equal", 1), ("ahead", 1), ("kept", 0)] {
        assert_eq!(summary[name], count, "{name}");
    }
    assert!(world.notes().contains("2 orders would be fetched: add --yes"));
    let listed = world.lines(&["events", "list", "--source", "shopline/tw"]).await;
    assert_eq!(listed.len(), 3, "a dry run keeps nothing");

    let wet = world.lines(&[&RECONCILE[..], &SINCE, &["--yes"]].concat()).await;
    assert_eq!(ends(&wet, "kept"), ["missing new", "behind new"]);
    let again = world.lines(&[&RECONCILE[..], &SINCE, &["--yes"]].concat()).await;
    assert_eq!((again.len(), &again[0]["equal"], &again[0]["kept"]), (1, &json!(3), &json!(0)));
    assert!(server.lines()[0].starts_with("GET /v1/orders/search?updated_after=2020-01-01%2000%3A00%3A00"));

    let listed = world.lines(&["events", "list", "--source", "shopline/tw", "--since", "1h"]).await;
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|line| line["marks"] == json!(["reconcile"]) && line["type"] == "order.updated"));
    let shown = world.lines(&["events", "show", listed[0]["id"].as_str().unwrap()]).await.remove(0);
    assert_eq!(shown["delivery"]["key"], "none: fetched from the provider");
    assert_eq!(shown["event"]["origin"], "reconcile");
}

#[tokio::test]
async fn late_webhooks_double_nothing_and_later_ones_win() {
    let (world, _server) = world_with(vec![page(&[order("a", "confirmed", "2026-01-05T00:00:00Z")]), page(&[])]).await;
    // The shop's webhooks have times, as another order of it shows.
    webhook(&world, "b", "confirmed", "2026-01-04T00:00:00Z").await;
    world.lines(&[&RECONCILE[..], &SINCE, &["--yes"]].concat()).await;
    let state = |shown: &Value| shown["summary"]["order_state"].clone();
    assert_eq!(state(&state_of(&world, "shopline/tw/a").await), "confirmed");
    webhook(&world, "a", "pending", "2026-01-03T00:00:00Z").await;
    let late = state_of(&world, "shopline/tw/a").await;
    assert_eq!((state(&late), late["events"].as_array().unwrap().len()), (json!("confirmed"), 2));
    webhook(&world, "a", "completed", "2026-01-06T00:00:00Z").await;
    let later = state_of(&world, "shopline/tw/a").await;
    assert_eq!(state(&later), "completed");
    assert_eq!(later["view"]["order"]["number"], "20210126080841ba2", "what no webhook contained is still there");
}

#[tokio::test]
async fn snapshots_without_webhook_times_do_not_override_webhooks() {
    let (world, _server) = world_with(vec![page(&[order("a", "confirmed", "2026-01-05T00:00:00Z")]), page(&[])]).await;
    let old = |word: &'static str| {
        move |body: &str| {
            let mut body: Value = serde_json::from_str(body).unwrap();
            (body["resource"]["_id"], body["resource"]["status"]) = (json!("a"), json!(word));
            body.to_string()
        }
    };
    world.lines(&[&RECONCILE[..], &SINCE, &["--yes"]].concat()).await;
    world.keep(&SHOPLINE, "order.pending.old", START_MS, old("pending")).await;
    assert_eq!(state_of(&world, "shopline/tw/a").await["summary"]["order_state"], "confirmed");
    world.keep(&SHOPLINE, "order.complete.old", START_MS, old("completed")).await;
    assert_eq!(state_of(&world, "shopline/tw/a").await["summary"]["order_state"], "completed");
}

#[tokio::test]
async fn an_interruption_by_the_provider_keeps_what_was_kept_and_goes_on() {
    let (first, second) =
        (order("a", "pending", "2026-01-05T00:00:00Z"), order("b", "pending", "2026-01-04T00:00:00Z"));
    let mut replies = vec![page(std::slice::from_ref(&first))];
    replies.extend(vec![status(500, "{}"); 4]);
    replies.extend([page(&[first]), page(&[second]), page(&[])]);
    let (mut world, _server) = world_with(replies).await;
    world.without_pauses();
    let line = [&RECONCILE[..], &SINCE, &["--yes"]].concat();
    assert_eq!(world.run(&line).await, Exit::Service);
    let printed = String::from_utf8(world.results()).unwrap();
    let lines: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((ends(&lines, "kept"), &lines[1]["complete"]), (vec!["missing new".to_owned()], &json!(false)));
    let notes = world.notes();
    assert!(notes.contains("keeps nothing twice") && notes.contains("after 4 attempts"), "{notes}");
    assert_clean(&notes);
    let rest = world.lines(&line).await;
    assert_eq!((ends(&rest, "kept"), &rest[1]["equal"]), (vec!["missing new".to_owned()], &json!(1)));
}

#[tokio::test]
async fn payments_get_the_amounts_of_their_refunds() {
    let token = "21KLT3YDWT";
    let payment = String::from_utf8(file("scalapay/payment.charged.json")).unwrap().replace("71KH916VPE", token);
    let payment = payment.replace("merchantOrder-1234-updated", "merchantOrder-1234");
    let nothing = r#"{"items":[],"hasMore":false}"#;
    let rows = String::from_utf8(file("scalapay/payout_refunds.page0.json")).unwrap();
    let rows = rows.replace("6VPE", "YDWT").replace("\"hasMore\": true", "\"hasMore\": false");
    let payouts = r#"{"items":[{"merchantPayoutToken":"P1"}],"hasMore":false}"#;
    let once = [status(200, nothing), status(200, payouts), status(200, &rows), status(200, &payment)];
    let (world, server) = world_with(once.iter().cycle().take(12).cloned().collect()).await;
    let same = str::to_owned;
    world.keep(&SCALAPAY, "created", START_MS, same).await;
    world.keep(&SCALAPAY, "refunded", START_MS + 1, same).await;
    let pk = format!("scalapay/it/{token}");
    let refunded = async || state_of(&world, &pk).await["summary"]["refunded"].clone();
    assert_eq!(refunded().await, "unknown");

    let line = ["reconcile", "--source", "scalapay/it", "--from", "2026-01-01", "--yes"];
    let printed = world.lines(&line).await;
    assert_eq!((ends(&printed, "kept"), &printed[1]["kept"]), (vec!["behind new".to_owned()], &json!(2)));
    assert!(world.notes().contains("Scalapay lists no payments"));
    assert_eq!(refunded().await, json!({"amount": "20"}));
    let again = world.lines(&line).await;
    assert_eq!((again.len(), &again[0]["equal"]), (1, &json!(1)));
    // By name it is fetched in any case, and not kept a second time.
    let named = world.lines(&["reconcile", "--source", "scalapay/it", "--order", token, "--yes"]).await;
    assert_eq!((ends(&named, "kept"), &named[1]["repeats"]), (vec!["equal repeat".to_owned()], &json!(2)));
    assert_eq!(refunded().await, json!({"amount": "20"}));
    let lines = server.lines();
    assert!(lines[0].starts_with("GET /v1/reporting/refunds?startDate=2026-01-01&endDate="), "{lines:?}");
    assert_eq!(lines[3], format!("GET /v2/payments/{token}"));
}

#[tokio::test]
async fn without_the_reports_amounts_stay_unknown_and_the_rest_goes_on() {
    let (world, _server) = world_with(vec![status(403, "{}"), ok("scalapay/payment.charged.json")]).await;
    let line = ["reconcile", "--source", "scalapay/it", "--order", "71KH916VPE", "--yes"];
    assert_eq!(world.run(&line).await, Exit::Problems);
    let notes = world.notes();
    assert!(notes.contains("The amounts of refunds stay unknown"), "{notes}");
    assert!(String::from_utf8(world.results()).unwrap().contains("\"kept\":\"new\""));
}

#[tokio::test]
async fn orders_of_every_provider_are_kept_under_their_webhooks_subjects() {
    for (replies, line, pk) in [
        (
            vec![ok("scalev/orders.found.json")],
            ["reconcile", "--source", "scalev/main", "--order", "250130JQHFZG", "--yes"],
            "scalev/main/250130JQHFZG",
        ),
        (
            vec![ok("selldone/order.json")],
            ["reconcile", "--source", "selldone/main", "--order", "9019", "--yes"],
            "selldone/main/1:OnlineOrder:9019",
        ),
        (
            vec![ok("selldone/order.json")],
            ["reconcile", "--source", "selldone/main", "--order", "PosOrder:9019", "--yes"],
            "selldone/main/1:PosOrder:9019",
        ),
        (
            vec![ok("shopline/order.json")],
            ["reconcile", "--source", "shopline/tw", "--order", "600fce09aa1e7900174b9ba2", "--yes"],
            "shopline/tw/600fce09aa1e7900174b9ba2",
        ),
    ] {
        let (world, _server) = world_with(replies).await;
        let printed = world.lines(&line).await;
        assert_eq!(printed[0]["order"], pk);
        let event = printed[0]["events"][0].as_str().unwrap().to_owned();
        let key = EventKey::from_id(&event).unwrap();
        let stored = world.context.store().await.unwrap().load(&key).await.unwrap().unwrap();
        assert!(key.is_snapshot() && !stored.row.body.is_empty());
        assert!(!String::from_utf8_lossy(&stored.row.body).contains("EXAMPLE_SECRET_SLUG"));
        assert_eq!(stored.redacted.is_empty(), !pk.starts_with("scalev"), "{pk}");
    }
}

#[tokio::test]
async fn what_webhooks_brought_is_read_back_one_by_one_where_nothing_is_listed() {
    let (world, server) = world_with(vec![ok("scalev/orders.found.json"), status(404, "{}")]).await;
    let same = str::to_owned;
    world.keep(&SCALEV, "order.created.2026", START_MS, same).await;
    world.keep(&SCALEV, "order.status_changed.shipped", START_MS + 1, same).await;
    world.keep(&SCALEV, "business.test_event.2026", START_MS + 2, same).await;
    world.keep(&SCALEV, "order.created.2026", START_MS + 3, |body| body.replace("250130JQHFZG", "250130GONE00")).await;
    let printed = world.lines(&["reconcile", "--source", "scalev/main", "--from", "2026-01-01"]).await;
    assert_eq!(ends(&printed, "order"), ["gone scalev/main/250130GONE00"]);
    assert_eq!((&printed[1]["compared"], &printed[1]["ahead"], &printed[1]["gone"]), (&json!(1), &json!(1), &json!(1)));
    let lines = server.lines();
    assert_eq!(lines.len(), 2, "each order is read once, and what is none is not: {lines:?}");
}

#[tokio::test]
async fn selldones_other_kinds_are_read_beside_its_list() {
    let empty = status(200, r#"{"orders":[],"total":0}"#);
    let mut replies = vec![empty; 5];
    replies.push(ok("selldone/order.json"));
    let (world, server) = world_with(replies).await;
    world.keep(&SELLDONE, "PosOrder.CheckoutOrder", START_MS, str::to_owned).await;
    world.keep(&SELLDONE, "OnlineOrder.CheckoutOrder", START_MS, str::to_owned).await;
    world.keep(&SELLDONE, "Register", START_MS, str::to_owned).await;
    world.run(&["reconcile", "--source", "selldone/main", "--from", "2026-01-01"]).await;
    let lines = server.lines();
    assert!(lines[0].starts_with("GET /shops/1/process-center/baskets-PHYSICAL?"), "{lines:?}");
    assert_eq!(lines[5..], ["GET /shops/1/process-center/pos-baskets/9019"]);
}

#[tokio::test]
async fn a_large_order_goes_into_chunks_and_an_odd_one_is_flagged() {
    let mut large = order("a", "pending", "2026-01-05T00:00:00Z");
    // Noise, which does not shrink to what one item holds.
    let noise = (0..60_000_u64).map(|number| {
        format!(
            "{:016x}",
            (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
        )
    });
    large["order_remarks"] = json!(noise.collect::<String>());
    let (world, _server) = world_with(vec![page(&[large]), page(&[])]).await;
    let printed = world.lines(&[&RECONCILE[..], &SINCE, &["--yes"]].concat()).await;
    let key = EventKey::from_id(printed[0]["events"][0].as_str().unwrap()).unwrap();
    let stored = world.context.store().await.unwrap().load(&key).await.unwrap().unwrap();
    assert!(matches!(stored.body, edge::keep::item::KeptBody::Chunks { .. }) && stored.row.body.len() > 900_000);

    let (world, _server) = world_with(vec![status(200, r#"{"what":"is this"}"#)]).await;
    let line = [&RECONCILE[..], &["--order", "x", "--yes"]].concat();
    assert_eq!(world.run(&line).await, Exit::Problems);
    let printed = String::from_utf8(world.results()).unwrap();
    assert!(printed.contains("\"unrecognised\":true") && printed.contains("\"kept\":\"new\""), "{printed}");
}

#[tokio::test]
async fn what_cannot_be_compared_is_reported() {
    let (world, server) = world_with(vec![status(410, "{}")]).await;
    for (line, exit, expected) in [
        (vec![], Exit::Usage, "no orders were selected"),
        (vec!["--from", "2026-02-01", "--to", "2026-01-01"], Exit::Usage, "is empty"),
        (vec!["--order", "600f"], Exit::NotFound, ""),
    ] {
        assert_eq!(world.run(&[&RECONCILE[..], &line].concat()).await, exit, "{line:?}");
        let notes = world.notes();
        assert!(notes.contains(expected), "{notes}");
    }
    assert_eq!(server.lines().len(), 1);
    let line = ["reconcile", "--source", "selldone/main", "--order", "NoOrder:1"];
    assert_eq!(world.run(&line).await, Exit::Usage);
    assert!(world.notes().contains("PosOrder"));
    let line = ["reconcile", "--source", "shopline/hk", "--order", "1"];
    assert_eq!(world.run(&line).await, Exit::Deployment);
    assert!(world.notes().contains("is not set up"));
}

#[tokio::test]
async fn text_has_the_counts() {
    let world = world_in_text().await;
    let server = Server::start(vec![page(&[order("a", "pending", "2026-01-05T00:00:00Z")]), page(&[])]);
    furnish(&world, &server);
    assert_eq!(world.run(&[&RECONCILE[..], &SINCE].concat()).await, Exit::Problems);
    let text = String::from_utf8(world.results()).unwrap();
    assert!(text.contains("missing   2026-01-05T00:00:00Z  –     shopline/tw/a"), "{text}");
    assert!(text.ends_with("1 compared: 1 missing\n"), "{text}");
}

#[tokio::test]
async fn a_list_that_does_not_end_is_no_whole_one() {
    let order: Value = serde_json::from_slice(&file("selldone/order.json")).unwrap();
    let same = status(200, &json!({"orders": [order]}).to_string());
    let (world, server) = world_with(vec![same.clone(), same.clone(), same]).await;
    let line = ["reconcile", "--source", "selldone/main", "--from", "2020-01-01"];
    assert_eq!(world.run(&line).await, Exit::Service);
    let notes = world.notes();
    assert!(notes.contains("an end of its pages"), "{notes}");
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn ctrl_c_ends_between_orders_and_reports_progress() {
    let orders = ["a", "b"].map(|id| order(id, "pending", "2026-01-05T00:00:00Z"));
    let (world, _server) = world_with(vec![page(&orders), page(&orders), page(&[])]).await;
    let line = [&["hookmill"], &RECONCILE[..], &SINCE, &["--yes"]].concat();
    let cli = <hookmill::Cli as clap::Parser>::try_parse_from(&line).unwrap();
    let hookmill::commands::Command::Reconcile(args) = cli.command else { panic!("another command") };
    let outcome = hookmill::commands::reconcile::reconcile(&world.context, &args, &Cell::new(true)).await;
    assert_eq!(outcome.unwrap_err().kind, Exit::Interrupted);
    let printed: Value = serde_json::from_slice(&world.results()).unwrap();
    assert_eq!((&printed["kept"], &printed["complete"]), (&json!(0), &json!(false)));
    let rest = world.lines(&line[1..]).await;
    assert_eq!((&rest[2]["kept"], &rest[2]["complete"]), (&json!(2), &json!(true)));
}
