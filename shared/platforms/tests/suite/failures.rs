//! Every way in which a call can fail is distinguished; each text says what to do and holds no secret.

use std::time::Duration;

use platforms::account::Account;
use platforms::address::WebhookAddress;
use platforms::providers::{SCALEV, SELLDONE, SHOPLINE, Scalev, Selldone, Shopline};
use platforms::{ApiError, Cause};

use crate::server::{CREDENTIAL, Reply, Server, account, ok, status};

fn is_clean(error: &ApiError) {
    let texts = format!("{error} {error:?}");
    assert!(!texts.contains(CREDENTIAL) && !texts.contains("secret"), "{texts}");
    assert!(error.to_string().ends_with('.'), "{texts}");
}

/// Reads a webhook against these replies.
async fn read(replies: Vec<Reply>) -> (Server, Result<platforms::subscription::Subscription, ApiError>) {
    let server = Server::start(replies);
    let shopline = Shopline::new(&server.account(&SHOPLINE), server.settings()).unwrap();
    let outcome = shopline.webhook("5f8e5dc08a8bb70a5c9cd93c").await;
    if let Err(error) = &outcome {
        is_clean(error);
    }
    (server, outcome)
}

#[tokio::test]
async fn each_failure_is_distinguished() {
    let json = r#"{"error":"No: q8Vq2b7xGkP4mZ1sW0"}"#;
    let refused = |status| Cause::Refused { status };
    let cases: Vec<(Vec<Reply>, Cause, usize)> = vec![
        (vec![status(401, json)], Cause::Unauthorized { status: 401 }, 1),
        (vec![status(403, "<html>no</html>")], Cause::Unauthorized { status: 403 }, 1),
        (vec![status(404, json)], Cause::NotFound, 1),
        (vec![status(410, "")], Cause::Gone, 1),
        (vec![status(422, json)], refused(422), 1),
        (vec![status(302, "")], Cause::Redirected { status: 302 }, 1),
        (vec![status(500, json); 4], Cause::Failing { status: 500 }, 4),
        (vec![status(502, "<html>Bad Gateway</html>"); 4], Cause::Failing { status: 502 }, 4),
        (vec![status(429, json); 4], Cause::RateLimited { retry_after: None }, 4),
        (vec![status(200, "<!doctype html><html></html>")], Cause::NotJson { html: true }, 1),
        (vec![status(200, "OK")], Cause::NotJson { html: false }, 1),
        (vec![status(200, "")], Cause::Empty, 1),
        (vec![status(204, "")], Cause::Empty, 1),
        (vec![status(200, " \r\n")], Cause::Empty, 1),
        (vec![status(200, "{}")], Cause::Form { missing: "\"id\"" }, 1),
        (vec![status(200, "[]")], Cause::Form { missing: "\"id\"" }, 1),
        (vec![status(200, &format!("\"{}\"", "x".repeat(70_000)))], Cause::TooLong { limit: 64 * 1024 }, 1),
        (vec![Reply::Endless], Cause::TooLong { limit: 64 * 1024 }, 1),
    ];
    for (replies, cause, attempts) in cases {
        let (server, outcome) = read(replies).await;
        let error = outcome.unwrap_err();
        assert_eq!(
            (&error.cause, error.attempts, error.may_have_happened),
            (&cause, u32::try_from(attempts).unwrap(), false)
        );
        assert_eq!(server.lines().len(), attempts, "{cause:?}");
    }
}

#[tokio::test]
async fn missing_answers_are_distinguished_too() {
    let (server, outcome) = read(vec![Reply::Silence; 4]).await;
    assert_eq!(outcome.unwrap_err().cause, Cause::TimedOut { limit: Duration::from_millis(400) });
    assert_eq!(server.lines().len(), 4);
    for reply in [Reply::Half, Reply::Close] {
        let (server, outcome) = read(vec![reply; 4]).await;
        assert!(matches!(outcome.unwrap_err().cause, Cause::Disconnected { .. }));
        assert_eq!(server.lines().len(), 4);
    }
    // A port that nobody listens on any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = Server::start(Vec::new()).settings();
    let shopline = Shopline::new(&account(&SHOPLINE, &format!("http://{gone}")), settings).unwrap();
    let error = shopline.webhook("1").await.unwrap_err();
    is_clean(&error);
    assert_eq!(error.attempts, 4);
    let Cause::Connect { why } = &error.cause else { panic!("{error}") };
    assert!(why.to_lowercase().contains("refused"), "{why}");
}

#[tokio::test]
async fn what_passes_is_waited_out() {
    let (server, outcome) = read(vec![
        status(500, "{}"),
        Reply::Close,
        Reply::Answer(429, &[("retry-after", "7")], Vec::new()),
        ok("shopline/webhook.json"),
    ])
    .await;
    assert_eq!(outcome.unwrap().id, "5f8e5dc08a8bb70a5c9cd93c");
    // Twice as long each time, but as long as the provider asks.
    assert_eq!(server.waits(), [500, 1_000, 7_000]);
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_reported_instead() {
    let (server, outcome) = read(vec![Reply::Answer(429, &[("retry-after", "300")], Vec::new())]).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.cause, Cause::RateLimited { retry_after: Some(Duration::from_secs(300)) });
    assert!(error.next_step().contains("300 seconds"), "{error}");
    assert_eq!((error.attempts, server.waits().len()), (1, 0));
}

#[tokio::test]
async fn the_last_call_of_a_period_holds_the_next_one_back() {
    let server = Server::start(vec![
        Reply::Answer(
            200,
            &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "4")],
            br#"{"order_id":"1"}"#.to_vec(),
        ),
        status(200, r#"{"order_id":"1"}"#),
    ]);
    let scalev = Scalev::new(&server.account(&SCALEV), server.settings()).unwrap();
    scalev.order("1").await.unwrap();
    assert!(server.waits().is_empty());
    scalev.order("1").await.unwrap();
    assert_eq!(server.waits(), [4_000]);
}

#[tokio::test]
async fn published_limits_are_kept() {
    let server = Server::start(vec![ok("shopline/webhook.json"); 21]);
    let shopline = Shopline::new(&server.account(&SHOPLINE), server.settings()).unwrap();
    for _ in 0..21 {
        shopline.webhook("1").await.unwrap();
    }
    // Twenty in a second: the clock of these tests does not run between waits.
    assert_eq!(server.waits(), [1_000]);
}

#[tokio::test]
async fn a_creation_is_tried_once_and_may_have_happened() {
    let to = WebhookAddress::new("https://a.example/tw/secret");
    for (reply, uncertain) in [
        (Reply::Silence, true),
        (Reply::Close, true),
        (Reply::Half, true),
        (status(500, "{}"), true),
        (status(502, "<html>"), true),
        (status(200, ""), true),
        (status(200, "<html>"), true),
        (status(200, "{}"), true),
        (status(429, "{}"), false),
        (status(401, "{}"), false),
        (status(422, "{}"), false),
    ] {
        let server = Server::start(vec![reply]);
        let shopline = Shopline::new(&server.account(&SHOPLINE), server.settings()).unwrap();
        let error = shopline.create(&to, &["order/create".to_owned()], None).await.unwrap_err();
        is_clean(&error);
        assert_eq!((error.attempts, error.may_have_happened), (1, uncertain), "{error}");
        assert_eq!(error.to_string().contains("may have happened"), uncertain, "{error}");
        assert_eq!((server.lines().len(), server.waits().len()), (1, 0));
    }
}

#[tokio::test]
async fn a_removal_that_was_cut_off_has_happened_when_it_is_gone() {
    let delete = async |replies| {
        let server = Server::start(replies);
        let selldone = Selldone::new(&server.account(&SELLDONE), server.settings()).unwrap();
        selldone.delete("7").await
    };
    assert_eq!(delete(vec![Reply::Close, status(404, "{}")]).await, Ok(()));
    assert_eq!(delete(vec![status(404, "{}")]).await.unwrap_err().cause, Cause::NotFound);
    // A refusal has done nothing.
    assert_eq!(delete(vec![status(429, "{}"), status(404, "{}")]).await.unwrap_err().cause, Cause::NotFound);
    assert!(delete(vec![status(500, "{}"); 4]).await.unwrap_err().may_have_happened);
    assert_eq!(delete(vec![status(204, "")]).await, Ok(()));
    assert_eq!(delete(vec![status(200, "deleted")]).await, Ok(()));
}

#[tokio::test]
async fn ids_and_names_that_cannot_be_sent_are_not() {
    let server = Server::start(Vec::new());
    let shopline = Shopline::new(&server.account(&SHOPLINE), server.settings()).unwrap();
    for id in ["", ".", ".."] {
        let error = shopline.webhook(id).await.unwrap_err();
        assert!(matches!(error.cause, Cause::Argument { .. }), "{error}");
    }
    let account = Account { shop: Some("a\r\nb".to_owned()), ..server.account(&SHOPLINE) };
    assert!(matches!(Shopline::new(&account, server.settings()).unwrap_err().cause, Cause::Argument { .. }));
    assert!(server.lines().is_empty());
}
