//! The calls that several providers have, whichever it is.

use platforms::address::WebhookAddress;
use platforms::check::check;
use platforms::order::OrderName;
use platforms::providers::{SCALAPAY, SELLDONE, SHOPLINE};
use platforms::{Cause, PLATFORMS};

use crate::server::{Reply, Server, account, ok, status};

#[tokio::test]
async fn partly_created_subscriptions_are_reported() {
    let server = Server::start(vec![ok("selldone/webhook.created.json"), Reply::Close]);
    let client = server.account(&SELLDONE).client(server.settings()).unwrap();
    let topics = ["OnlineOrder", "PosOrder", "Inventory"].map(str::to_owned);
    let created = client.subscribe(&WebhookAddress::new("https://a.example/main/secret"), &topics).await;
    assert_eq!(created.done.len(), 1);
    let (topic, error) = created.failed.unwrap();
    assert_eq!((topic.as_str(), error.may_have_happened), ("PosOrder", true));
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn what_a_provider_lacks_is_found_another_way_or_refused() {
    let server = Server::start(vec![ok("selldone/webhooks.json"), ok("selldone/webhooks.json")]);
    let client = server.account(&SELLDONE).client(server.settings()).unwrap();
    assert_eq!(client.subscription("8").await.unwrap().topics, ["Inventory"]);
    assert_eq!(client.subscription("80").await.unwrap_err().cause, Cause::NotFound);
    let error = client.resubscribe("8", &WebhookAddress::new("https://a.example/x"), &[]).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Argument { .. }));

    let client = server.account(&SCALAPAY).client(server.settings()).unwrap();
    let error = client.delete("8").await.unwrap_err();
    assert!(matches!(error.cause, Cause::NotOffered { .. }), "{error}");
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn a_list_is_checked_against_what_we_handle() {
    let server = Server::start(vec![ok("selldone/webhooks.json")]);
    let client = server.account(&SELLDONE).client(server.settings()).unwrap();
    let list = client.subscriptions().await.unwrap();
    let ours = WebhookAddress::new("https://a.lambda-url.example/main/3f9c-secret");
    let findings = check(&ours, &(client.platform().topics)(), &list);
    let words: Vec<_> = findings.iter().map(|finding| finding.word()).collect();
    assert_eq!(words, ["near_failure_limit", "inactive", "topics_missing"]);
    let missing = findings[2].message();
    assert!(missing.contains("PosOrder") && !missing.contains("Inventory"), "{missing}");
}

#[tokio::test]
async fn orders_are_read_whichever_it_is() {
    let server = Server::start(vec![ok("shopline/order.json"), status(200, r#"{"data":[]}"#)]);
    let order = OrderName { id: "600fce09aa1e7900174b9ba2".to_owned(), kind: None };
    let client = server.account(&SHOPLINE).client(server.settings()).unwrap();
    assert!(client.order(&order).await.is_ok());
    for platform in PLATFORMS {
        let client = server.account(platform).client(server.settings()).unwrap();
        assert_eq!(client.platform().name, platform.name);
    }
}

#[tokio::test]
async fn production_is_called_over_tls() {
    for platform in PLATFORMS {
        // Made, not called: the certificates of this machine are loaded.
        assert!(account(platform, platform.base_url).client(platforms::Settings::default()).is_ok());
    }
}
