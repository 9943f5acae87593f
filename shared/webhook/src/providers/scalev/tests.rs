//! The traps of this provider's bodies.

use std::collections::BTreeMap;

use super::*;
use crate::keep::claim::EventKey;
use crate::keep::row::Row;
use crate::read::event::Event;
use crate::read::status::PaymentState;
use crate::receive::request::Delivery;
use crate::receive::secret::Secret;
use crate::receive::signature::admit;
use crate::receive::source::{Merchants, Source};
use base64::Engine;

fn claim_of(body: &str, app: Option<&str>) -> Claim {
    let key = Secret::new("a signing secret");
    let digest = base64::engine::general_purpose::STANDARD.encode(key.hmac(&[body.as_bytes()]));
    let headers = [(SIGNATURE, Some(digest.as_str())), (APP_ID, app)];
    let headers = headers.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    let delivery = Delivery { headers: headers.collect(), query: String::new(), url_token: None, body: body.into() };
    let source = Source {
        name: "main".to_owned(),
        scheme: SchemeName::Signed,
        signing_keys: vec![key],
        url_tokens: Vec::new(),
        merchants: Merchants::Any,
        several_merchants: app.is_some(),
    };
    SCALEV.claim_of(&admit(&SCALEV.admission, &source, &delivery).unwrap())
}

fn event_of(body: &str) -> Event {
    let row = Row {
        key: EventKey { pk: "scalev/main/s".to_owned(), sk: "w/i".to_owned() },
        received_ms: 0,
        body: body.into(),
        hash: [0; 32],
        headers: BTreeMap::new(),
        signed_at: None,
        mark: None,
    };
    SCALEV.read(&row)
}

#[test]
fn an_order_has_one_name_with_and_without_its_id() {
    for (body, app, subject, word, identity) in [
        (r#"{"event":"order.deleted","unique_id":"e1","data":{"order_id":"O"}}"#, None, "O", "order.deleted", "e1"),
        (
            r#"{"event":"order.deleted","unique_id":"e2","data":{"order_id":"O","id":7}}"#,
            None,
            "O",
            "order.deleted",
            "e2",
        ),
        // One id printed for two events.
        (r#"{"event":"order.updated","unique_id":"e1","data":{"order_id":"O"}}"#, None, "O", "order.updated", "e1"),
        (
            r#"{"event":"payment.received","unique_id":"e3","data":{"order_id":"O"}}"#,
            Some("a"),
            "~:O",
            "payment.received",
            "e3",
        ),
        (
            r#"{"event":"order.created","unique_id":"e4","data":{"order_id":"O","business":{"client_id":"b"}}}"#,
            Some("a"),
            "b:O",
            "order.created",
            "e4",
        ),
        (
            r#"{"event":"checkout_intent.completed","unique_id":"e5","data":{"id":"c","order_id":"O"}}"#,
            None,
            "c",
            "checkout_intent.completed",
            "e5",
        ),
        (r#"{"event":"business.test_event","unique_id":"e6","data":{}}"#, None, "~", "business.test_event", "e6"),
        (r#"{"unique_id":"e7","data":[]}"#, None, "~", "~", "e7"),
        (r#"{"event":"store.updated","unique_id":"e8","data":{"id":5}}"#, None, "5", "store.updated", "e8"),
        (r#"{"event":"store.updated","unique_id":"e9","data":{"id":5}}"#, Some("a"), "5", "store.updated", "e9"),
    ] {
        let claim = claim_of(body, app);
        assert_eq!(claim.subject.to_string(), subject, "{body}");
        assert_eq!((claim.word.to_string(), claim.identity.to_string()), (word.to_owned(), identity.to_owned()));
        assert_eq!(claim.strength, Strength::Strong, "{body}");
    }
    let both = r#"{"event":"order.deleted","unique_id":"e","data":{"order_id":"O","id":7}}"#;
    assert_eq!(claim_of(both, None).alias.as_deref(), Some("7"));
}

#[test]
fn without_an_id_the_bytes_are_the_name() {
    let body = r#"{"event":"business.test_event","timestamp":"2025-01-01T00:00:00.000000Z","data":{}}"#;
    let claim = claim_of(body, None);
    assert_eq!(claim.identity, Part::hash(&claim.content));
    assert_eq!(claim.strength, Strength::Horizon(72 * HOUR_MS));
    assert_ne!(claim.identity, claim_of(&body.replace("2025", "2026"), None).identity);
    let event = event_of(body);
    assert_eq!((event.event_type, event.test, event.data), (EventType::Ping, true, Some(Data::Other {})));
}

#[test]
fn a_status_decides_the_type() {
    for (event, member, expected, unrecognised) in [
        ("order.status_changed", r#""status":"in_process""#, EventType::OrderProcessing, false),
        ("order.status_changed", r#""status":"on_hold""#, EventType::OrderUpdated, false),
        ("order.status_changed", r#""x":1"#, EventType::OrderUpdated, false),
        ("order.created", r#""status":"shipped""#, EventType::OrderCreated, false),
        ("payment.received", r#""payment_status":"settled""#, EventType::PaymentSettled, false),
        ("payment.failed", r#""payment_status":"conflict""#, EventType::PaymentConflict, false),
        ("payment.received", r#""payment_status":"refunded""#, EventType::PaymentUpdated, false),
        ("shipment.status.updated", r#""status":"shipped""#, EventType::Other, true),
    ] {
        let read = event_of(&format!(r#"{{"event":"{event}","data":{{{member}}}}}"#));
        assert_eq!((read.event_type, read.unrecognised), (expected, unrecognised), "{event} {member}");
    }
    let read = event_of(r#"{"event":"order.status_changed","data":{"status":"on_hold"}}"#);
    let Some(Data::Order(order)) = read.data else { panic!() };
    let unknown = Status { state: OrderState::Unknown, word: "on_hold".to_owned() };
    assert_eq!((order.status, order.fulfillments), (Presence::Value(unknown), Vec::new()));
}

#[test]
fn payment_status_is_trusted_over_its_times() {
    let times = r#""unpaid_time":"2025-01-28T16:27:46Z","paid_time":"2025-01-28T16:27:14Z","settled_time":null"#;
    for (word, state, has_paid_at) in [("paid", PaymentState::Paid, true), ("unpaid", PaymentState::Pending, false)] {
        let body = format!(
            r#"{{"event":"order.payment_status_changed","data":{{"order_id":"O","id":7,"payment_status":"{word}",{times}}}}}"#
        );
        let Some(Data::Payment(payment)) = event_of(&body).data else { panic!() };
        assert_eq!(payment.status.value().unwrap().state, state);
        assert_eq!(payment.paid_at.value().is_some(), has_paid_at);
        assert_eq!(payment.order_alias_id, Presence::Value("7".to_owned()));
        let entered: Vec<_> =
            payment.status_times.iter().map(|(word, time)| (word.as_str(), time.value().is_some())).collect();
        assert_eq!(entered, [("paid", true), ("settled", false), ("unpaid", true)]);
    }
}

#[test]
fn the_order_counts_before_the_event() {
    let order = r#"{"event":"order.updated","timestamp":"2025-01-01T00:00:09.5Z","data":{"last_updated_at":"2025-01-01T00:00:01Z"}}"#;
    let bare = r#"{"event":"order.updated","timestamp":"2025-01-01T00:00:02Z","data":{}}"#;
    let cart = r#"{"event":"checkout_intent.abandoned","timestamp":"2025-01-01T00:00:09Z","data":{"occurred_at":"2025-01-01T00:00:03Z","last_sequence":99999}}"#;
    let untold = r#"{"event":"order.updated","data":{}}"#;
    let sequences = [untold, order, bare, cart].map(|body| event_of(body).sequence);
    assert!(sequences.is_sorted(), "{sequences:#?}");
    assert!(sequences[3].contains(".65535."), "{}", sequences[3]);
}

#[test]
fn a_status_is_in_every_table_that_says_something_of_it() {
    let words = |known: Vec<&'static str>| known.into_iter().collect::<std::collections::BTreeSet<_>>();
    let states = words(ORDER_STATES.iter().map(|(word, _)| *word).collect());
    assert_eq!(words(STATUS_EVENTS.iter().map(|(word, _)| *word).collect()), states, "a type for each status");
    let parcels = words(FULFILLMENT_STATES.iter().map(|(word, _)| *word).chain(["draft", "closed"]).collect());
    assert_eq!(parcels, states, "the state of the parcel for each status, but for those that say nothing of it");
    let payments = words(PAYMENT_STATES.iter().map(|(word, _)| *word).collect());
    assert_eq!(words(PAYMENT_EVENTS.iter().map(|(word, _)| *word).collect()), payments);
}
