//! Each duty, through whole runs.

use edge::keep::memory::Memory;
use edge::keep::store::Store;
use edge::keep::time_index::{SourceId, TimeIndex};
use platforms::Settings;
use platforms::platform::Platform;
use serde_json::{Value, json};
use watch::finding::{FindingKind, WatchFinding};
use watch::learn::Learner;
use watch::{Report, WatchCall};

use crate::ground::*;
use crate::harness::*;
use crate::server::{CREDENTIAL, Server, account, status as answer};

fn of_kind(report: &Report, kind: FindingKind) -> Vec<&WatchFinding> {
    report.findings.iter().filter(|finding| finding.kind == kind).collect()
}

fn words(report: &Report, kind: FindingKind) -> Vec<&str> {
    of_kind(report, kind).into_iter().map(|finding| finding.word.as_str()).collect()
}

#[tokio::test]
async fn an_empty_stack_has_nothing_to_find() {
    let ground = Ground::new().await;
    let first = ground.run().await.unwrap();
    assert!(first.hourly && first.findings.is_empty() && first.sources == 0);
    // The rest of the hour is for silence alone.
    assert!(!ground.run().await.unwrap().hourly);
    ground.world.time.advance(HOUR_MS);
    assert!(ground.run().await.unwrap().hourly);
    let items = ground.world.items(EVENTS).await;
    assert!(!items.is_empty());
    assert!(items.iter().all(|item| text_of(item, "kind") == "watch" && item.get("bucket").is_none()));
}

#[tokio::test]
async fn a_source_that_falls_silent_is_told_until_it_speaks() {
    let ground = Ground::new().await;
    let receiver = ground.put_scalev(1);
    // Ten days with an event every hour, the watch looking on.
    for hour in 0..240 {
        ground.receive(&receiver, hour, json!({})).await;
        if hour % 24 == 23 {
            assert_eq!(words(&ground.run_hourly().await, FindingKind::Silence), [""; 0]);
        }
        ground.world.time.advance(HOUR_MS);
    }
    assert!(ground.run_hourly().await.findings.is_empty());
    ground.world.time.advance(7 * HOUR_MS);
    let report = ground.run().await.unwrap();
    let found = of_kind(&report, FindingKind::Silence);
    assert_eq!((found.len(), found[0].source.as_str()), (1, "main"));
    assert!(
        found[0].message.contains("8 h ago")
            && found[0].next.contains("hookmill subscriptions check --source scalev/main")
            && found[0].next.contains("hookmill quarantine list --source scalev/main")
    );
    ground.receive(&receiver, 240, json!({})).await;
    assert!(ground.run().await.unwrap().findings.is_empty());
    // A source that is taken out of the secret is expected to say nothing.
    ground.world.time.advance(48 * HOUR_MS);
    ground.put_secret("scalev", Some(json!({"sources": {}})));
    let report = ground.run_hourly().await;
    assert_eq!((report.sources, report.findings.len()), (0, 0));
}

#[tokio::test]
async fn a_changed_shape_is_told_once_by_the_fields_name() {
    let ground = Ground::new().await;
    let receiver = ground.put_scalev(1);
    let usual = json!({"status": "pending", "customer": {"name": "Example Buyer", "phone": "15550100"}});
    let mut number = 0;
    let mut hour = async |data: &Value, count: usize| {
        for _ in 0..count {
            ground.receive(&receiver, number, data.clone()).await;
            number += 1;
        }
        ground.world.time.advance(HOUR_MS);
        ground.run_hourly().await
    };
    for _ in 0..3 {
        assert_eq!(hour(&usual, 20).await.findings, []);
    }
    let mut with_more = usual.clone();
    with_more["gift"] = json!({"buyer@example.com": {"text": "for you"}});
    let report = hour(&with_more, 5).await;
    let found = of_kind(&report, FindingKind::Drift);
    assert_eq!(found.iter().map(|finding| finding.word.as_str()).collect::<Vec<_>>(), ["new_field"]);
    assert!(found[0].message.ends_with("scalev/main: order.updated has a field that no body had before: data.gift"));
    assert_eq!(hour(&with_more, 5).await.findings, []);
    let report = hour(&json!({"status": "pending"}), 12).await;
    assert_eq!(words(&report, FindingKind::Drift), ["gone_field"]);
    assert!(of_kind(&report, FindingKind::Drift)[0].message.ends_with("data.customer"));
    // No value, and no key that is one, is in anything that is remembered.
    for item in ground.world.items(EVENTS).await.iter().filter(|item| text_of(item, "kind") == "watch") {
        let state = item.get("state").and_then(|state| state.as_b().ok());
        let state = state.map(|state| edge::keep::compression::decompress(state.as_ref()).unwrap()).unwrap_or_default();
        let state = String::from_utf8(state).unwrap();
        assert!(
            ["Example Buyer", "15550100", "buyer@example.com", "for you"].iter().all(|value| !state.contains(value))
        );
    }
}

#[tokio::test]
async fn a_changed_shape_is_told_whatever_fails_after_it() {
    let ground = Ground::new().await;
    let receiver = ground.put_scalev(1);
    for hour in 0..3 {
        for number in 0..20 {
            ground.receive(&receiver, hour * 20 + number, json!({"status": "pending"})).await;
        }
        ground.world.time.advance(HOUR_MS);
        assert!(ground.run_hourly().await.findings.is_empty());
    }
    for number in 60..65 {
        ground.receive(&receiver, number, json!({"status": "pending", "gift": true})).await;
    }
    ground.world.time.advance(HOUR_MS);
    let dynamodb = &ground.world.dynamodb;
    // What is remembered of a source cannot be put; shapes are remembered.
    let forgets_sources = BeforeCalls(|body: &[u8]| {
        let body = String::from_utf8_lossy(body);
        let is_source = body.contains("\"source/scalev/main\"") && body.contains("\"state\"");
        if is_source { Err("the process died".into()) } else { Ok(()) }
    });
    let dying = dynamodb.config().to_builder().interceptor(forgets_sources).build();
    let memory = Memory::new(aws_sdk_dynamodb::Client::from_conf(dying), EVENTS.to_owned());
    let (store, index) =
        (Store::new(dynamodb.clone(), EVENTS.to_owned()), TimeIndex::new(dynamodb.clone(), EVENTS.to_owned()));
    let learner = Learner::new(store, index, memory, ground.world.clock());
    let source = SourceId { provider: "scalev".to_owned(), source: "main".to_owned() };
    let mut findings = Vec::new();
    assert!(learner.learn(&source, &[], i64::MAX, &mut findings).await.is_err());
    assert_eq!(findings.iter().map(|finding| finding.word.as_str()).collect::<Vec<_>>(), ["new_field"]);
    // The shape was taken in, so the next run has nothing to tell of it.
    assert!(ground.run_hourly().await.findings.is_empty());
}

#[tokio::test]
async fn an_old_key_in_use_is_told_until_it_is_not() {
    let ground = Ground::new().await;
    let receiver = ground.put_scalev(2);
    ground.receive(&receiver, 1, json!({})).await;
    ground.world.time.advance(HOUR_MS);
    let report = ground.run_hourly().await;
    assert_eq!(words(&report, FindingKind::OldKeys), ["old_key"]);
    let next = &of_kind(&report, FindingKind::OldKeys)[0].next;
    assert!(next.contains("`hookmill sources rotate scalev/main --finish`"), "{next}");
    // The shop has changed its key, and a day is over.
    for number in 2..30 {
        ground.receive_under_new_key(&receiver, number).await;
        ground.world.time.advance(HOUR_MS);
    }
    assert_eq!(words(&ground.run_hourly().await, FindingKind::OldKeys), [""; 0]);
    // With one key only there is nothing to say.
    let ground = Ground::new().await;
    let receiver = ground.put_scalev(1);
    ground.receive(&receiver, 1, json!({})).await;
    ground.world.time.advance(HOUR_MS);
    assert_eq!(ground.run_hourly().await.findings, []);
}

#[tokio::test]
async fn what_was_never_relayed_is_sent_and_a_removed_source_too() {
    let ground = Ground::new().await;
    let receiver = ground.put_scalev(1);
    ground.run_hourly().await;
    ground.receive_unrelayed(&receiver, 1).await;
    ground.put_secret("scalev", Some(json!({"sources": {}})));
    ground.world.time.advance(28 * HOUR_MS);
    // While a secret cannot be read, no source may be overlooked: the sweep waits, and somebody hears of it.
    ground.put_secret("selldone", None);
    let error = ground.run().await.unwrap_err();
    assert_eq!(error.to_string(), "duties of the watch failed: sources, sweep");
    assert!(ground.queues.bodies(WORK).is_empty());
    ground.put_secret("selldone", Some(json!({"sources": {}})));
    let swept = ground.run_hourly().await.swept.unwrap();
    assert_eq!((swept.sent, ground.queues.bodies(WORK).len()), (1, 1));
    let swept = ground.run_hourly().await.swept.unwrap();
    assert_eq!((swept.sent, ground.queues.bodies(WORK).len()), (0, 1));
}

#[tokio::test]
async fn a_relay_that_does_not_run_is_reported_within_ten_minutes() {
    let ground = Ground::new().await;
    let receiver = ground.put_scalev(1);
    ground.receive(&receiver, 1, json!({})).await;
    ground.run_hourly().await;
    let run_ms = 5 * 60 * 1_000;
    // The worst moment to receive an event is that of a run.
    ground.receive_unrelayed(&receiver, 2).await;
    assert_eq!(ground.run().await.unwrap().findings, []);
    ground.world.time.advance(run_ms);
    let report = ground.run().await.unwrap();
    let found = of_kind(&report, FindingKind::Unrelayed);
    assert_eq!((found.len(), found[0].source.as_str(), found[0].word.as_str()), (1, "main", "late"));
    assert!(found[0].message.contains("scalev/main/") && found[0].next.contains("hookmill doctor --only mappings"));
    // It is reported as long as that is so.
    ground.world.time.advance(run_ms);
    assert_eq!(words(&ground.run().await.unwrap(), FindingKind::Unrelayed), ["late"]);
    ground.relay().await;
    assert_eq!(ground.run().await.unwrap().findings, []);
}

#[tokio::test]
async fn a_secret_that_could_not_be_read_is_read_again_at_the_next_run() {
    let ground = Ground::new().await;
    let receiver = ground.put_scalev(1);
    ground.run_hourly().await;
    ground.receive_unrelayed(&receiver, 1).await;
    ground.world.time.advance(28 * HOUR_MS);
    ground.put_secret("selldone", None);
    assert_eq!(ground.run().await.unwrap_err().to_string(), "duties of the watch failed: sources, sweep");
    ground.put_secret("selldone", Some(json!({"sources": {}})));
    // The hour is not over, so that is all that is done again.
    let report = ground.run().await.unwrap();
    assert_eq!((report.hourly, report.swept.unwrap().sent), (false, 1));
}

fn webhooks(entries: &[(&str, &str, &str, &[&str])]) -> String {
    let item = |(id, address, status, topics): &(&str, &str, &str, &[&str])| json!({"id": id, "address": address, "status": status, "topics": topics});
    let items: Vec<Value> = entries.iter().map(item).collect();
    json!({"items": items, "pagination": {"total_pages": 1}}).to_string()
}

#[tokio::test]
async fn subscriptions_are_compared_with_what_they_were() {
    // In the URL it is percent-encoded, as the receivers take it.
    const TOKEN: &str = "of/this+test only=token-1";
    const ENCODED: &str = "of%2Fthis%2Btest%20only%3Dtoken-1";
    const OLD_TOKEN: &str = "of-this-test-only-token-0";
    let ground = Ground::new().await;
    let source = json!({"scheme": "url_token", "url_tokens": [TOKEN, OLD_TOKEN], "merchants": "any"});
    ground.put_secret("shopline", Some(json!({"sources": {"tw": source}})));
    let url = format!("https://shopline.example/tw/{ENCODED}");
    let old = format!("https://shopline.example/tw/{OLD_TOKEN}");
    let guess = "https://shopline.example/tw/of-nobody-at-all-00000";
    let both: &[&str] = &["order/create", "order/update"];
    let one: &[&str] = &["order/create"];
    let lists = [
        (webhooks(&[("a", &old, "active", both)]), vec![]),
        (webhooks(&[("a", &url, "active", both)]), vec![]),
        (webhooks(&[("a", &url, "active", one)]), vec!["topics_missing"]),
        (webhooks(&[("a", &url, "inactive", both)]), vec!["inactive"]),
        (webhooks(&[("a", guess, "active", both)]), vec!["missing"]),
        (webhooks(&[]), vec!["missing"]),
    ];
    let mut replies: Vec<_> = lists.iter().map(|(list, _)| answer(200, list)).collect();
    replies.extend([answer(401, "{}"), answer(200, &webhooks(&[("a", &url, "active", one)]))]);
    let server = Server::start(replies);
    let shopline = Platform::named("shopline").unwrap();
    let base = server.account(shopline).base.as_str().to_owned();
    let member = account(shopline, &base).shop.unwrap();
    let entry = json!({"token": CREDENTIAL, "handle": member, "base_url": base});
    ground.put_secret("accounts", Some(json!({"accounts": {"shopline/tw": entry.clone()}})));
    let run = async || ground.watch(server.settings()).run(WatchCall { hourly: true }).await.unwrap();
    for (list, expected) in &lists {
        let report = run().await;
        assert_eq!(words(&report, FindingKind::Subscriptions), *expected, "{list}");
        let told = serde_json::to_string(&report).unwrap();
        assert!(
            !told.contains(TOKEN) && !told.contains(ENCODED) && !told.contains(OLD_TOKEN) && !told.contains(CREDENTIAL),
            "{told}"
        );
    }
    let report = run().await;
    assert_eq!(words(&report, FindingKind::Subscriptions), ["unauthorized"]);
    let next = &of_kind(&report, FindingKind::Subscriptions)[0].next;
    assert!(next.ends_with("hookmill accounts set shopline/tw --credential-env NAME"), "{next}");
    // A topic that was taken out on purpose is missed for a week.
    ground.world.time.advance(8 * 24 * HOUR_MS);
    assert_eq!(words(&run().await, FindingKind::Subscriptions), [""; 0]);
    // An account without a source, and one that cannot be used.
    ground.put_secret("accounts", Some(json!({"accounts": {"shopline/hk": entry, "selldone/main": {}}})));
    let report = ground.watch(Settings::default()).run(WatchCall { hourly: true }).await.unwrap();
    let found = of_kind(&report, FindingKind::Subscriptions);
    assert_eq!(found.iter().map(|finding| finding.word.as_str()).collect::<Vec<_>>(), ["account", "account"]);
    let is_told = |next: &str| found.iter().any(|finding| finding.next.contains(next));
    assert!(is_told("hookmill accounts remove shopline/hk --yes") && is_told("hookmill accounts set selldone/main"));
    ground.put_secret("accounts", Some(json!({"sources": {}})));
    let report = ground.watch(Settings::default()).run(WatchCall { hourly: true }).await.unwrap();
    assert!(
        of_kind(&report, FindingKind::Subscriptions).iter().all(|finding| finding.message.contains("not of the form"))
    );
    assert_eq!(words(&report, FindingKind::Subscriptions), ["account", "account"]);
}

#[tokio::test]
async fn a_source_that_was_there_between_two_looks_is_swept() {
    let ground = Ground::new().await;
    ground.run_hourly().await;
    let receiver = ground.put_scalev(1);
    ground.receive_unrelayed(&receiver, 1).await;
    // Removed before the next look, and another change after that: no version with a stage names it.
    let source = json!({"scheme": "signed", "signing_keys": ["of-this-test-only-the-old-key"], "merchants": "any"});
    ground.put_version("scalev", "1", &json!({"sources": {"main": source}}));
    ground.put_version("scalev", "AWSPREVIOUS", &json!({"sources": {}}));
    ground.put_secret("scalev", Some(json!({"sources": {}})));
    ground.world.time.advance(HOUR_MS);
    assert_eq!(ground.run_hourly().await.sources, 0);
    ground.world.time.advance(28 * HOUR_MS);
    assert_eq!(ground.run_hourly().await.swept.unwrap().sent, 1);
}
