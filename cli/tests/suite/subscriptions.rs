//! Webhooks listed, made, changed, removed and checked, at a provider on this machine.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{HOOKMILL, World, world, world_in_text};
use crate::provider::server::{Reply, Server, file, ok, status};
use crate::provider::{TOKEN, assert_clean, furnish, world_with};
use hookmill::Exit;

/// A stack whose provider answers with what is made of the address of SHOPLINE's source.
async fn shop(text: bool, replies: impl FnOnce(&str) -> Vec<Reply>) -> (World, Server, String) {
    let world = if text { world_in_text().await } else { world().await };
    // The tests' endpoint has no TLS, as a local stack's, so function URLs are reached by path.
    let base = world.context.reachable("https://shopline.lambda-url.us-east-1.on.aws/");
    assert!(base.starts_with("http://127.0.0.1:") && base.ends_with("/_aws/lambda-url/shopline/"), "{base}");
    let address = format!("{base}tw/{TOKEN}");
    let server = Server::start(replies(&address));
    furnish(&world, &server);
    (world, server, address)
}

fn none() -> Reply {
    status(200, r#"{"items":[],"pagination":{"total_pages":1}}"#)
}

/// A SHOPLINE webhook to our address.
fn ours(address: &str, topics: &[&str], state: &str) -> Value {
    json!({"id": "5f8e", "format": "json", "address": address, "status": state, "topics": topics})
}

fn list_of(webhooks: &[Value]) -> Reply {
    status(200, &json!({"items": webhooks, "pagination": {"total_pages": 1}}).to_string())
}

async fn outputs(world: &World, line: &[&str]) -> (Exit, String, String) {
    let exit = world.run(line).await;
    let (results, notes) = (String::from_utf8(world.results()).unwrap(), world.notes());
    assert_clean(&results);
    assert_clean(&notes);
    (exit, results, notes)
}

#[tokio::test]
async fn a_webhook_is_shown_with_every_documented_field() {
    let (world, server) = world_with(vec![
        ok("shopline/webhook.json"),
        ok("shopline/webhooks.page1.json"),
        ok("shopline/webhooks.page2.json"),
    ])
    .await;
    let (exit, results, _) =
        outputs(&world, &["subscriptions", "get", "5f8e5dc08a8bb70a5c9cd93c", "--source", "shopline/tw"]).await;
    assert_eq!(exit, Exit::Ok);
    let expected = json!({
        "source": "shopline/tw", "id": "5f8e5dc08a8bb70a5c9cd93c", "format": "json",
        "address": "http://abc.com/webhooks", "ours": false, "status": "active", "topics": ["order/create"],
        "merchant_id": "5e840cae77cb07003243f7c7", "created_at": "2020-10-20T03:50:00.323Z",
        "updated_at": "2020-10-23T08:43:00.369Z",
    });
    assert_eq!(serde_json::from_str::<Value>(&results).unwrap(), expected);
    let (_, results, _) = outputs(&world, &["subscriptions", "list", "--source", "shopline/tw"]).await;
    assert_eq!(results.lines().count(), 3);
    assert_eq!(server.lines()[0], "GET /v1/webhooks/5f8e5dc08a8bb70a5c9cd93c");
}

#[tokio::test]
async fn text_says_the_same() {
    let replies =
        |address: &str| vec![list_of(&[ours(address, &["order/create"], "active")]), ok("shopline/webhook.json")];
    let (world, _server, _) = shop(true, replies).await;
    let (_, results, _) = outputs(&world, &["subscriptions", "list", "--source", "shopline/tw"]).await;
    assert!(results.contains("ours     http://127.0.0.1:") && results.contains("/_aws/…"), "{results}");
    let (_, results, _) = outputs(&world, &["subscriptions", "get", "5f8e", "--source", "shopline/tw"]).await;
    for expected in
        ["format    json", "merchant  5e840cae77cb07003243f7c7", "not this source's", "created   2020-10-20"]
    {
        assert!(results.contains(expected), "{expected}: {results}");
    }
}

#[tokio::test]
async fn what_does_not_come_yet_is_registered_with_our_url() {
    let replies = |address: &str| {
        let there = [ours(address, &["order/create"], "active"), ours(address, &["order/cancel"], "removed")];
        vec![list_of(&there), status(200, &there[0].to_string())]
    };
    let (world, server, address) = shop(false, replies).await;
    let (exit, results, notes) = outputs(&world, &["subscriptions", "create", "--source", "shopline/tw"]).await;
    assert_eq!((exit, results.lines().count()), (Exit::Ok, 1));
    assert!(notes.contains("already: order/create."), "{notes}");
    let asked = server.asked();
    assert_eq!(asked[1].line, "POST /v1/webhooks");
    let body: Value = serde_json::from_str(&asked[1].body).unwrap();
    assert_eq!(body["address"], address);
    let topics = body["topics"].as_array().unwrap();
    assert!(topics.contains(&json!("order/cancel")) && !topics.contains(&json!("order/create")), "{topics:?}");
    assert!(topics.contains(&json!("order_payment/refund")) && topics.len() > 20);
}

#[tokio::test]
async fn creating_twice_makes_nothing_twice() {
    let there = |address: &str| vec![list_of(&[ours(address, &["order/create"], "active")])];
    let (world, server, _) = shop(false, there).await;
    let line = ["subscriptions", "create", "--source", "shopline/tw", "--topic", "order/create"];
    let (exit, results, notes) = outputs(&world, &line).await;
    assert_eq!((exit, results.as_str(), server.lines().len()), (Exit::Ok, "", 1));
    assert!(notes.contains("Nothing is left to create"), "{notes}");
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_reported() {
    let (world, server) = world_with(vec![none(), Reply::Close]).await;
    let line = ["subscriptions", "create", "--source", "shopline/tw", "--topic", "order/create", "--topic", "x/y"];
    let line = [&line[..], &["--unknown-topics"]].concat();
    let (exit, _, notes) = outputs(&world, &line).await;
    assert_eq!((exit, server.lines().len()), (Exit::Service, 2));
    assert!(notes.contains("unrecognised"), "{notes}");
    assert!(notes.contains(&format!("{HOOKMILL} subscriptions list --source shopline/tw")), "{notes}");
}

#[tokio::test]
async fn a_topic_that_no_mapping_knows_is_refused_with_the_nearest() {
    let (world, server) = world_with(vec![none()]).await;
    let create = ["subscriptions", "create", "--source", "shopline/tw", "--topic", "order/craete"];
    let update = ["subscriptions", "update", "5f8e", "--source", "shopline/tw", "--topic", "order/craete"];
    let (exit, _, notes) = outputs(&world, &create).await;
    assert_eq!((exit, notes.contains("The nearest is order/create.")), (Exit::Usage, true), "{notes}");
    assert_eq!(outputs(&world, &update).await.0, Exit::Usage);
    assert!(server.lines().is_empty());
}

#[tokio::test]
async fn what_would_be_created_is_shown_first() {
    let two = status(200, r#"{"webhooks":[],"total":0}"#);
    let (world, server) = world_with(vec![none(), two]).await;
    let line = ["subscriptions", "create", "--source", "shopline/tw", "--dry-run"];
    let (exit, results, notes) = outputs(&world, &line).await;
    assert_eq!((exit, results.lines().count(), notes.contains("Nothing was created")), (Exit::Ok, 1, true), "{notes}");
    let planned: Value = serde_json::from_str(&results).unwrap();
    assert_eq!((&planned["status"], &planned["ours"]), (&json!("planned"), &json!(true)));
    assert!(planned["topics"].as_array().unwrap().len() > 20);
    // A provider with one topic a webhook needs several.
    let topics = ["--topic", "OnlineOrder", "--topic", "PosOrder"];
    let line = [&["subscriptions", "create", "--source", "selldone/main", "--dry-run"], &topics[..]].concat();
    assert_eq!(outputs(&world, &line).await.1.lines().count(), 2);
    let asked = server.lines();
    assert!(asked.len() == 2 && asked.iter().all(|line| line.starts_with("GET ")), "{asked:?}");
}

#[tokio::test]
async fn that_there_is_no_api_is_said_before_a_credential_is_asked_for() {
    // Neither an account nor a secret is there.
    let world = world().await;
    for platform in platforms::PLATFORMS.into_iter().filter(|platform| platform.by_hand.is_some()) {
        let source = format!("{}/it", platform.name);
        let (exit, _, notes) = outputs(&world, &["subscriptions", "create", "--source", &source]).await;
        assert_eq!((exit, notes.contains("has no API for webhooks")), (Exit::Usage, true), "{notes}");
        assert!(!notes.contains("accounts set"), "{notes}");
    }
}

#[tokio::test]
async fn of_several_the_created_ones_are_listed() {
    let there = status(200, r#"{"webhooks":[],"total":0}"#);
    let (world, _server) = world_with(vec![there, ok("selldone/webhook.created.json"), status(422, "{}")]).await;
    let line =
        ["subscriptions", "create", "--source", "selldone/main", "--topic", "OnlineOrder", "--topic", "PosOrder"];
    let (exit, results, notes) = outputs(&world, &line).await;
    assert_eq!((exit, results.lines().count()), (Exit::Usage, 1));
    assert!(notes.contains("for PosOrder (1 were created before it)"), "{notes}");
}

#[tokio::test]
async fn changes_are_shown_first_and_made_with_yes() {
    let other = json!({"id": "5f8e", "address": "https://old.example/tw/3f9c-secret", "status": "active", "topics": ["order/create"]});
    let one = status(200, &other.to_string());
    let replies = |address: &str| {
        let changed = status(200, &ours(address, &["order/create"], "active").to_string());
        vec![one.clone(), one.clone(), changed, one.clone(), one.clone(), status(200, "")]
    };
    let (world, server, _) = shop(false, replies).await;
    let update = ["subscriptions", "update", "5f8e", "--source", "shopline/tw"];
    let (_, results, notes) = outputs(&world, &update).await;
    let change: Value = serde_json::from_str(&results).unwrap();
    assert_eq!(
        (&change["done"], &change["before"]["ours"], &change["after"]["ours"]),
        (&json!(false), &json!(false), &json!(true))
    );
    assert_eq!(change["before"]["address"], "https://old.example/tw/…");
    assert!(notes.contains("add --yes"));
    outputs(&world, &[&update[..], &["--yes"]].concat()).await;
    let delete = ["subscriptions", "delete", "5f8e", "--source", "shopline/tw"];
    assert!(outputs(&world, &delete).await.2.contains("Nothing was removed"));
    assert_eq!(outputs(&world, &[&delete[..], &["--yes"]].concat()).await.0, Exit::Ok);
    let asked = server.asked();
    let lines: Vec<&str> = asked.iter().map(|asked| asked.line.as_str()).collect();
    let (get, put, del) = ("GET /v1/webhooks/5f8e", "PUT /v1/webhooks/5f8e", "DELETE /v1/webhooks/5f8e");
    assert_eq!(lines, [get, get, put, get, get, del]);
    assert!(asked[2].body.contains(TOKEN) && asked[2].body.contains("order/create"));
}

#[tokio::test]
async fn a_check_reports_faults_and_their_severity() {
    let replies = |address: &str| {
        let address = address.replace("shopline/tw", "selldone/main");
        let wrong = json!([{"id": 7, "url": address, "type": "OnlineOrder", "fails": 63}]);
        vec![status(200, &json!({"webhooks": wrong, "total": 1}).to_string())]
    };
    let (world, _server, _) = shop(false, replies).await;
    let (exit, results, _) = outputs(&world, &["subscriptions", "check", "--source", "selldone/main"]).await;
    let found: Vec<Value> = results.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let words: Vec<_> =
        found.iter().map(|line| (line["severity"].as_str().unwrap(), line["finding"].as_str().unwrap())).collect();
    assert_eq!(words, [("warning", "near_failure_limit"), ("warning", "topics_missing")]);
    assert!(found.iter().all(|line| line["next"].as_str().unwrap().contains("hookmill")));
    assert_eq!(exit, Exit::Problems);
}

#[tokio::test]
async fn a_check_of_all_goes_on_after_a_source_that_fails() {
    let all = (platforms::providers::SHOPLINE.topics)();
    // In the order of the providers' names: Selldone is asked first, and refuses.
    let replies = |address: &str| vec![status(401, "{}"), list_of(&[ours(address, &all, "active")])];
    let (world, _server, _) = shop(false, replies).await;
    let (exit, results, notes) = outputs(&world, &["subscriptions", "check"]).await;
    assert_eq!(exit, Exit::Deployment);
    let found: Vec<Value> = results.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found.len(), 1, "{results}");
    assert_eq!((&found[0]["source"], &found[0]["finding"]), (&json!("selldone/main"), &json!("unchecked")));
    assert!(notes.contains("scalapay/it cannot be checked") && notes.contains("Partner Portal"), "{notes}");
}

#[tokio::test]
async fn a_check_that_finds_nothing_ends_well() {
    let all = (platforms::providers::SHOPLINE.topics)();
    let (world, _server, _) = shop(false, |address| vec![list_of(&[ours(address, &all, "active")])]).await;
    let (exit, results, notes) = outputs(&world, &["subscriptions", "check", "--source", "shopline/tw"]).await;
    assert_eq!((exit, results.as_str()), (Exit::Ok, ""));
    assert!(notes.contains("all is as it should be"), "{notes}");
}

#[tokio::test]
async fn manual_steps_are_shown() {
    let (world, server) = world_with(vec![]).await;
    for line in [
        &["subscriptions", "list", "--source", "scalapay/it"][..],
        &["subscriptions", "get", "7", "--source", "scalev/main"],
        &["subscriptions", "create", "--source", "scalapay/it"],
        &["subscriptions", "update", "7", "--source", "scalev/main"],
        &["subscriptions", "delete", "7", "--source", "scalapay/it", "--yes"],
        &["subscriptions", "check", "--source", "scalev/main"],
    ] {
        let (exit, _, notes) = outputs(&world, line).await;
        assert_eq!(exit, Exit::Usage, "{line:?}");
        assert!(notes.contains("Partner Portal") || notes.contains("dashboard"), "{notes}");
    }
    assert!(server.lines().is_empty());
}

#[tokio::test]
async fn each_failure_has_its_exit_and_its_next_step() {
    let html = status(200, "<html>No</html>");
    for (reply, exit, next) in [
        (status(401, "{}"), Exit::Deployment, "credential"),
        (status(403, "{}"), Exit::Deployment, "permission"),
        (status(404, "{}"), Exit::NotFound, "Check the id"),
        (status(410, "{}"), Exit::NotFound, "another way"),
        (
            Reply::Answer(429, &[("retry-after", "3600")], file("shopline/error.429.json")),
            Exit::Service,
            "3600 seconds",
        ),
        (status(500, "{}"), Exit::Service, "Try again later"),
        (html, Exit::Service, "base_url"),
        (status(200, ""), Exit::Service, "base_url"),
        (Reply::Close, Exit::Service, "Try again later"),
        (status(422, r#"{"message":"no"}"#), Exit::Usage, "Fix what the provider reported"),
    ] {
        let (mut world, _server) = world_with(vec![reply; 4]).await;
        let waits = Arc::clone(&world.without_pauses());
        let (actual, _, notes) = outputs(&world, &["subscriptions", "get", "1", "--source", "shopline/tw"]).await;
        let failure: Value = serde_json::from_str(&notes).unwrap();
        assert_eq!((actual, &failure["exit"]), (exit, &json!(exit.code())), "{notes}");
        assert!(failure["next"].as_str().unwrap().contains(next), "{notes}");
        drop(waits);
    }
}

#[tokio::test]
async fn without_an_account_the_next_step_is_shown() {
    let world = world().await;
    let server = Server::start(vec![]);
    furnish(&world, &server);
    for (secret, error) in [
        (r#"{"accounts": {}}"#, "no account"),
        ("", "no account"),
        (r#"{"accounts": {"shopline/tw": {"token": "q8Vq2b7xGkP4mZ1sW0"}}}"#, "no \\\"handle\\\""),
        ("{", "not JSON"),
    ] {
        world.queues.secret("AccountsSecret", secret);
        let (exit, _, notes) = outputs(&world, &["subscriptions", "list", "--source", "shopline/tw"]).await;
        assert!(exit == Exit::Deployment && notes.contains(error), "{secret}: {notes}");
        assert!(notes.contains(&format!("{HOOKMILL} accounts set")), "{notes}");
    }
}
