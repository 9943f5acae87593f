//! Scalev.

use platforms::Cause;
use platforms::account::Account;
use platforms::order::Refunds;
use platforms::providers::{SCALEV, Scalev};

use crate::server::{Reply, Server, file, ok, status};

const ID: &str = "0196f2a4-7c1e-7b52-9f63-2f6d1c0f8a11";

fn start(replies: Vec<Reply>) -> (Server, Scalev) {
    let server = Server::start(replies);
    let account = Account { shop: None, ..server.account(&SCALEV) };
    let scalev = Scalev::new(&account, server.settings()).unwrap();
    (server, scalev)
}

#[tokio::test]
async fn an_order_is_found_however_it_is_wrapped() {
    let (server, scalev) = start(vec![ok("scalev/order.plain.json"), ok("scalev/order.in_data.json")]);
    let plain = scalev.order(ID).await.unwrap();
    assert_eq!(plain.id.as_deref(), Some("250130JQHFZG"));
    assert_eq!(plain.alias.as_deref(), Some(ID));
    assert_eq!(plain.updated_at.unwrap().to_string(), "2025-01-29T20:28:08Z");
    assert_eq!(plain.refunds, Refunds::Unknown);
    assert_eq!(plain.raw.bytes(), file("scalev/order.plain.json").trim_ascii_end());
    let wrapped = scalev.order(ID).await.unwrap();
    assert_eq!((&wrapped.id, &wrapped.alias), (&plain.id, &plain.alias));
    assert!(wrapped.raw.bytes().starts_with(b"{"));
    assert_eq!(server.lines(), [format!("GET /v3/orders/{ID}"), format!("GET /v3/orders/{ID}")]);
}

#[tokio::test]
async fn an_order_is_found_by_its_number_alone() {
    let (server, scalev) =
        start(vec![ok("scalev/orders.found.json"), status(200, r#"{"data":[]}"#), status(200, "{}")]);
    let found = scalev.order_by_number("250130JQHFZG").await.unwrap().unwrap();
    assert_eq!((found.id.as_deref(), found.alias.as_deref()), (Some("250130JQHFZG"), Some(ID)));
    assert_eq!(scalev.order_by_number("250130JQHFZG").await.unwrap(), None);
    assert!(matches!(scalev.order(ID).await.unwrap_err().cause, Cause::Form { .. }));
    assert_eq!(server.lines()[0], "GET /v3/orders?search_field=order_id&search=250130JQHFZG");
}

#[tokio::test]
async fn the_business_is_named_if_it_is_in_the_answer() {
    let server = Server::start(vec![ok("scalev/order.plain.json")]);
    let scalev = Scalev::new(&server.account(&SCALEV), server.settings()).unwrap();
    scalev.order(ID).await.unwrap();
    assert_eq!(server.lines(), [format!("GET /v3/orders/{ID}?b_uid=1")]);
}

#[tokio::test]
async fn its_errors_are_read() {
    let answered = |status, name| Reply::Answer(status, &[], file(name));
    let plain = Reply::Answer(429, &[("x-ratelimit-reset", "120")], b"Too Many Requests".to_vec());
    let (_server, scalev) =
        start(vec![answered(401, "scalev/error.401.json"), answered(403, "scalev/error.403.json"), plain]);
    let error = scalev.order(ID).await.unwrap_err();
    assert_eq!((error.cause, error.said.as_deref()), (Cause::Unauthorized { status: 401 }, Some("Invalid API key")));
    let error = scalev.order(ID).await.unwrap_err();
    assert_eq!((error.cause, error.said.as_deref()), (Cause::Unauthorized { status: 403 }, Some("Forbidden")));
    // A longer wait than is waited: it is reported and not waited.
    let retry_after = Some(std::time::Duration::from_secs(120));
    let error = scalev.order(ID).await.unwrap_err();
    assert_eq!((error.cause, error.attempts), (Cause::RateLimited { retry_after }, 1));
}

#[tokio::test]
async fn webhooks_are_set_up_by_hand() {
    let server = Server::start(Vec::new());
    let client = server.account(&SCALEV).client(server.settings()).unwrap();
    let error = client.subscriptions().await.unwrap_err();
    assert!(error.to_string().contains("Settings > Developers > Webhooks"), "{error}");
    assert!(server.lines().is_empty());
}
