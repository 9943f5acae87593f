//! Selldone.

use platforms::Cause;
use platforms::address::WebhookAddress;
use platforms::order::{Cursor, Window};
use platforms::providers::{OrderKind, SELLDONE, Selldone};
use platforms::subscription::{Activity, Failures};

use crate::server::{Reply, Server, file, ok, status};

fn start(replies: Vec<Reply>) -> (Server, Selldone) {
    let server = Server::start(replies);
    let selldone = Selldone::new(&server.account(&SELLDONE), server.settings()).unwrap();
    (server, selldone)
}

#[tokio::test]
async fn webhooks_report_how_near_their_end_they_are() {
    let (server, selldone) = start(vec![ok("selldone/webhooks.json")]);
    let webhooks = selldone.webhooks().await.unwrap();
    let fails = |count| Some(Failures { count, limit: 100 });
    let found: Vec<_> = webhooks.iter().map(|one| (one.id.as_str(), one.topics[0].as_str(), one.failures)).collect();
    assert_eq!(found, [("7", "OnlineOrder", fails(0)), ("8", "Inventory", fails(63)), ("9", "PosOrder", fails(100))]);
    assert_eq!(webhooks[1].activity, Activity::Active);
    assert_eq!(webhooks[2].activity, Activity::Inactive("100 fails".to_owned()));
    let debug = format!("{webhooks:?}");
    assert!(!debug.contains("secret") && debug.contains("https://a.lambda-url.example/main/…"), "{debug}");
    assert_eq!(server.lines(), ["GET /shops/1/webhooks"]);
}

#[tokio::test]
async fn what_the_list_leaves_out_is_unknown() {
    let (_server, selldone) = start(vec![
        status(200, r#"{"webhooks":[{"id":7}]}"#),
        status(200, r#"{"webhooks":[{"id":7}],"total":2}"#),
        status(200, r#"{"webhooks":{}}"#),
    ]);
    let webhook = selldone.webhooks().await.unwrap().remove(0);
    assert_eq!((webhook.address, webhook.activity, webhook.failures), (None, Activity::Unknown, None));
    assert!(matches!(selldone.webhooks().await.unwrap_err().cause, Cause::Form { .. }));
    assert!(matches!(selldone.webhooks().await.unwrap_err().cause, Cause::Form { .. }));
}

#[tokio::test]
async fn webhooks_are_made_changed_and_removed() {
    let created = ok("selldone/webhook.created.json");
    let (server, selldone) = start(vec![created.clone(), created, status(200, r#"{"success":true}"#)]);
    let to = WebhookAddress::new("https://a.lambda-url.example/main/3f9c-secret");
    assert_eq!(selldone.create(&to, "OnlineOrder").await.unwrap().id, "10");
    selldone.update("10", &to, "PosOrder").await.unwrap();
    selldone.delete("10").await.unwrap();

    let asked = server.asked();
    let lines: Vec<_> = asked.iter().map(|asked| asked.line.as_str()).collect();
    assert_eq!(lines, ["POST /shops/1/webhooks", "PUT /shops/1/webhooks/10", "DELETE /shops/1/webhooks/10",]);
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let url = "https://a.lambda-url.example/main/3f9c-secret";
    assert_eq!(json(&asked[0].body), serde_json::json!({"url": url, "type": "OnlineOrder"}));
}

#[tokio::test]
async fn an_error_under_a_status_of_success_is_an_error() {
    let (_server, selldone) = start(vec![
        ok("selldone/error.in_200.json"),
        status(200, r#"{"error":true,"error_msg":"Invalid url","code":12}"#),
        status(200, r#"{"success":false}"#),
    ]);
    let error = selldone.webhooks().await.unwrap_err();
    assert_eq!(error.cause, Cause::Unauthorized { status: 403 });
    assert_eq!(error.said.as_deref(), Some("403: You do not have access to this shop."));
    let to = WebhookAddress::new("nonsense");
    let error = selldone.create(&to, "OnlineOrder").await.unwrap_err();
    assert_eq!((error.cause, error.may_have_happened), (Cause::Refused { status: 200 }, false));
    assert!(matches!(selldone.create(&to, "OnlineOrder").await.unwrap_err().cause, Cause::Form { .. }));
}

#[tokio::test]
async fn an_order_is_found_alone_or_as_a_member() {
    let order = String::from_utf8(file("selldone/order.json")).unwrap();
    let within = format!(r#"{{"basket":{}}}"#, order.trim());
    let (server, selldone) =
        start(vec![status(200, &order), status(200, &within), status(200, r#"{"basket":{"id":1}}"#)]);
    for kind in [OrderKind::Online, OrderKind::Till] {
        let read = selldone.order(kind, "9019").await.unwrap();
        assert_eq!(read.id.as_deref(), Some("9019"));
        assert_eq!(read.updated_at.unwrap().to_string(), "2024-08-31T16:40:08Z");
        assert_eq!(read.raw.bytes(), order.trim().as_bytes());
    }
    let error = selldone.order(OrderKind::Dropship, "9019").await.unwrap_err();
    assert!(matches!(error.cause, Cause::Form { .. }), "{error}");
    let path = "GET /shops/1/process-center";
    let lines = ["baskets", "pos-baskets", "dropshipping-baskets"].map(|kind| format!("{path}/{kind}/9019"));
    assert_eq!(server.lines(), lines);
    assert_eq!(OrderKind::of_event("AvocadoOrder"), Some(OrderKind::Quote));
    assert_eq!(OrderKind::of_event("Inventory"), None);
}

#[tokio::test]
async fn orders_are_listed_by_time_page_by_page() {
    let (server, selldone) = start(vec![ok("selldone/orders.page1.json"), ok("selldone/orders.page2.json")]);
    let window = Window {
        after: "2024-08-31T00:00:00Z".parse().unwrap(),
        before: Some("2024-09-30T00:00:00Z".parse().unwrap()),
    };
    let first = selldone.orders("physical", window, None).await.unwrap();
    let ids: Vec<_> = first.items.iter().map(|order| order.id.as_deref().unwrap()).collect();
    assert_eq!((ids, first.next.clone()), (vec!["9019", "9020"], Some(Cursor("2".to_owned()))));
    let second = selldone.orders("physical", window, first.next.as_ref()).await.unwrap();
    // Its only order changed after the window.
    assert_eq!((second.items.len(), second.next), (0, None));
    let lines = server.lines();
    let path = "GET /shops/1/process-center/baskets-PHYSICAL?offset=2&limit=250&sortBy=reserved_at&sortDesc=false";
    let start = format!("{path}&updated_at=1725062400&statuses%5B%5D=Open&statuses%5B%5D=Reserved");
    assert!(lines[1].starts_with(&start), "{}", lines[1]);
    assert!(lines[1].ends_with("&with%5B%5D=products&with%5B%5D=payment"), "{}", lines[1]);
    let error = selldone.orders("physical", window, Some(&Cursor("x".to_owned()))).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Argument { .. }));
}
