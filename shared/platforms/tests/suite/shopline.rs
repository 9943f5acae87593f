//! SHOPLINE.

use platforms::address::WebhookAddress;
use platforms::order::{Cursor, Refunds, Window};
use platforms::providers::{SHOPLINE, Shopline};
use platforms::subscription::Activity;
use platforms::{Cause, Raw};

use crate::server::{CREDENTIAL, Reply, Server, file, ok, status};

fn start(replies: Vec<Reply>) -> (Server, Shopline) {
    let server = Server::start(replies);
    let shopline = Shopline::new(&server.account(&SHOPLINE), server.settings()).unwrap();
    (server, shopline)
}

#[tokio::test]
async fn a_webhook_is_read_with_every_documented_field() {
    let (server, shopline) = start(vec![ok("shopline/webhook.json")]);
    let webhook = shopline.webhook("5f8e5dc08a8bb70a5c9cd93c").await.unwrap();
    assert_eq!(webhook.id, "5f8e5dc08a8bb70a5c9cd93c");
    assert_eq!(webhook.format.as_deref(), Some("json"));
    assert_eq!(webhook.address, Some(WebhookAddress::new("http://abc.com/webhooks")));
    assert_eq!(webhook.activity, Activity::Active);
    assert_eq!(webhook.merchant.as_deref(), Some("5e840cae77cb07003243f7c7"));
    assert_eq!(webhook.created_at.unwrap().to_string(), "2020-10-20T03:50:00.323Z");
    assert_eq!(webhook.updated_at.unwrap().to_string(), "2020-10-23T08:43:00.369Z");
    assert_eq!(webhook.topics, ["order/create"]);
    assert_eq!((webhook.version, webhook.failures), (None, None));
    assert_eq!(webhook.raw, Raw::new(file("shopline/webhook.json")));

    let asked = server.asked().remove(0);
    assert_eq!(asked.line, "GET /v1/webhooks/5f8e5dc08a8bb70a5c9cd93c");
    assert_eq!(asked.headers["authorization"], format!("Bearer {CREDENTIAL}"));
    // The handle of the shop, which the account of these tests calls 1.
    assert_eq!(asked.headers["user-agent"], "1");
    assert_eq!(asked.headers["accept"], "application/json");
}

#[tokio::test]
async fn all_pages_of_webhooks_are_read() {
    let (server, shopline) = start(vec![ok("shopline/webhooks.page1.json"), ok("shopline/webhooks.page2.json")]);
    let webhooks = shopline.webhooks().await.unwrap();
    let found: Vec<_> = webhooks.iter().map(|one| (&one.id[22..], one.topics.len(), &one.activity)).collect();
    let removed = Activity::Inactive("removed".to_owned());
    assert_eq!(found, [("3c", 1, &Activity::Active), ("3d", 1, &removed), ("3e", 2, &Activity::Active)]);
    assert_eq!(server.lines(), ["GET /v1/webhooks?page=1&per_page=24", "GET /v1/webhooks?page=2&per_page=24"]);
}

#[tokio::test]
async fn pages_that_do_not_end_are_left() {
    let (_server, shopline) = start(vec![ok("shopline/webhooks.page1.json"); 3]);
    let error = shopline.webhooks().await.unwrap_err();
    assert_eq!(error.cause, Cause::Form { missing: "an end of its pages" });
}

#[tokio::test]
async fn webhooks_are_made_changed_and_removed() {
    let (server, shopline) = start(vec![ok("shopline/webhook.json"), ok("shopline/webhook.json"), status(200, "")]);
    let to = WebhookAddress::new("https://a.lambda-url.example/tw/3f9c-secret");
    let topics = ["order/create".to_owned(), "order/update".to_owned()];
    shopline.create(&to, &topics, Some("v0")).await.unwrap();
    shopline.update("5f8e", &to, &topics, None).await.unwrap();
    shopline.delete("5f8e").await.unwrap();
    let asked = server.asked();
    let sent: Vec<_> = asked.iter().map(|asked| (asked.line.as_str(), asked.body.as_str())).collect();
    let body = |more: &str| {
        let address = "https://a.lambda-url.example/tw/3f9c-secret";
        format!(r#"{{"address":"{address}","topics":["order/create","order/update"]{more}}}"#)
    };
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!((sent[0].0, sent[1].0), ("POST /v1/webhooks", "PUT /v1/webhooks/5f8e"));
    assert_eq!(json(sent[0].1), json(&body(r#","webhook_version":"v0""#)));
    assert_eq!(json(sent[1].1), json(&body("")));
    assert_eq!(sent[2], ("DELETE /v1/webhooks/5f8e", ""));
    assert_eq!(asked[0].headers["content-type"], "application/json");
}

#[tokio::test]
async fn an_order_is_kept_byte_for_byte() {
    let (server, shopline) = start(vec![ok("shopline/order.json")]);
    let order = shopline.order("600fce09aa1e7900174b9ba2").await.unwrap();
    assert_eq!(order.id.as_deref(), Some("600fce09aa1e7900174b9ba2"));
    assert_eq!(order.updated_at.unwrap().to_string(), "2021-01-26T08:10:58.448Z");
    assert_eq!(order.refunds, Refunds::Unknown);
    assert_eq!(order.raw.bytes(), file("shopline/order.json"));
    assert!(!format!("{order:?}").contains("order_number"));
    assert_eq!(server.lines(), ["GET /v1/orders/600fce09aa1e7900174b9ba2"]);
}

#[tokio::test]
async fn an_archived_order_is_no_missing_one() {
    let (_server, shopline) = start(vec![status(404, "{}"), status(410, "{}")]);
    assert_eq!(shopline.order("1").await.unwrap_err().cause, Cause::NotFound);
    let error = shopline.order("1").await.unwrap_err();
    assert_eq!(error.cause, Cause::Gone);
    assert!(error.to_string().contains("archived"), "{error}");
}

#[tokio::test]
async fn orders_are_searched_by_time_page_by_page() {
    let replies = ["page1", "page2", "end"].map(|page| ok(&format!("shopline/orders.{page}.json")));
    let (server, shopline) = start(replies.to_vec());
    let before = Some("2021-02-01T08:00:00+08:00".parse().unwrap());
    let window = Window { after: "2021-01-26T00:00:00Z".parse().unwrap(), before };
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let page = shopline.orders(window, cursor.as_ref()).await.unwrap();
        for order in page.items {
            let raw = String::from_utf8(order.raw.into_bytes()).unwrap();
            assert!(raw.starts_with('{') && raw.ends_with('}') && raw.contains("order_payment"), "{raw}");
            ids.push(order.id.unwrap());
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let ends: Vec<_> = ids.iter().map(|id| &id[22..]).collect();
    assert_eq!(ends, ["a4", "a3", "a2"]);
    let start = "GET /v1/orders/search?updated_after=2021-01-26%2000%3A00%3A00&per_page=50";
    let start = format!("{start}&updated_before=2021-02-01%2000%3A00%3A00");
    let then = |id: &str| format!("{start}&previous_id=600fce09aa1e7900174b9b{id}");
    assert_eq!(server.lines(), [start.clone(), then("a3"), then("a2")]);
}

#[tokio::test]
async fn a_cursor_that_does_not_move_is_left() {
    let (_server, shopline) = start(vec![ok("shopline/orders.page2.json")]);
    let window = Window { after: "2021-01-26T00:00:00Z".parse().unwrap(), before: None };
    let cursor = Cursor("600fce09aa1e7900174b9ba2".to_owned());
    let error = shopline.orders(window, Some(&cursor)).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Form { .. }), "{error}");
}

#[tokio::test]
async fn the_providers_words_about_a_limit_are_reported() {
    let limited = Reply::Answer(429, &[], file("shopline/error.429.json"));
    let (_server, shopline) = start(vec![limited; 4]);
    let error = shopline.webhooks().await.unwrap_err();
    let said =
        "shopline: list webhooks: too many calls (429): \"RateLimitExceeded: Too many requests\", after 4 attempts.";
    assert!(error.to_string().starts_with(said), "{error}");
}

#[test]
fn a_merchants_webhook_is_for_no_topic_of_apps() {
    let topics = (SHOPLINE.topics)();
    assert!(topics.contains(&"order/create") && topics.contains(&"user/update"));
    assert!(!topics.iter().any(|topic| topic.starts_with("customer/") || topic.starts_with("app")));
}
