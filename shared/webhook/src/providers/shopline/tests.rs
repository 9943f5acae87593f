use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::*;
use crate::keep::claim::{Decision, Existing, Variant};
use crate::receive::request::Delivery;
use crate::receive::secret::Secret;
use crate::receive::signature::{Refusal, admit};
use crate::receive::source::{Merchants, Source};

mod reading;

const TOKEN: &str = "a-url-token-of-the-tests";

fn source(scheme: SchemeName, key: &str) -> Source {
    Source {
        name: "tw".to_owned(),
        scheme,
        signing_keys: vec![Secret::new(key)],
        url_tokens: vec![Secret::new(TOKEN)],
        merchants: Merchants::Any,
        several_merchants: false,
    }
}

fn by_token(body: &str) -> Delivery {
    Delivery {
        headers: BTreeMap::new(),
        query: String::new(),
        url_token: Some(Secret::new(TOKEN)),
        body: body.as_bytes().to_vec(),
    }
}

fn signed(body: &str, timestamp: &str, sign: &str) -> Delivery {
    Delivery {
        headers: BTreeMap::from([(TIMESTAMP.to_owned(), timestamp.to_owned())]),
        query: format!("sign={sign}"),
        url_token: None,
        body: body.as_bytes().to_vec(),
    }
}

fn claimed(body: &str) -> Claim {
    let source = source(SchemeName::UrlToken, "");
    let delivery = by_token(body);
    SHOPLINE.claim_of(&admit(&SHOPLINE.admission, &source, &delivery).unwrap())
}

/// The claim of a body signed here, which proves nothing about the signature's recipe.
fn claimed_by_app(body: &str, timestamp: &str) -> Claim {
    let key = Secret::new("a-secret-of-the-tests");
    let printed = canonical::candidates(&crate::json::parse(body.as_bytes()).unwrap().root);
    let sign = hex::encode(key.hmac(&[timestamp.as_bytes(), b":", printed[0].as_bytes()]));
    let source = source(SchemeName::Signed, "a-secret-of-the-tests");
    let delivery = signed(body, timestamp, &sign);
    SHOPLINE.claim_of(&admit(&SHOPLINE.admission, &source, &delivery).unwrap())
}

fn event(topic: &str, resource: &Json) -> String {
    json!({"topic": topic, "event": "Any", "merchant_id": "m1", "resource": resource}).to_string()
}

fn traced(topic: &str, resource: &Json, trace_id: &str, ts: &str) -> String {
    json!({"topic": topic, "merchant_id": "m1", "resource": resource, "trace_id": trace_id, "ts": ts}).to_string()
}

#[test]
fn signatures_made_elsewhere_are_admitted() {
    let vectors: Json = serde_json::from_str(include_str!("../../../../../events/signature_vectors.json")).unwrap();
    let vectors = vectors["shopline"].as_array().unwrap();
    assert!(vectors[0]["origin"].as_str().unwrap().starts_with("official"));
    for vector in vectors {
        let text = |name: &str| vector[name].as_str().unwrap();
        let source = source(SchemeName::Signed, text("app_secret"));
        let delivery = signed(text("raw_body"), text("timestamp"), text("sign"));
        let verified = admit(&SHOPLINE.admission, &source, &delivery).unwrap();
        assert_eq!(verified.signed_at(), Some(text("timestamp")));
        let later = signed(text("raw_body"), "1618994179", text("sign"));
        assert_eq!(admit(&SHOPLINE.admission, &source, &later).err(), Some(Refusal::Mismatch));
    }
}

#[test]
fn the_other_product_is_refused() {
    let mut delivery = by_token("{}");
    delivery.headers.insert("x-shopline-topic".to_owned(), "orders/create".to_owned());
    let refused = admit(&SHOPLINE.admission, &source(SchemeName::UrlToken, ""), &delivery).err();
    assert_eq!(refused, Some(Refusal::OtherProduct));
}

#[test]
fn subjects_are_orders_where_an_order_is_named() {
    for (topic, resource, subject) in [
        ("order/create", json!({"_id": "o1"}), "o1"),
        ("order/split_order", json!({"_id": "o1", "order_id": "o0"}), "o1"),
        ("order_payment/complete", json!({"_id": "p1", "order_id": "o1"}), "o1"),
        ("order_payment/complete", json!({"_id": "p1", "order_id": null}), "p1"),
        ("order_delivery/update", json!({"_id": "d1", "order_id": "o1"}), "o1"),
        ("return_order/create", json!({"_id": "r1", "order_id": "o1"}), "o1"),
        ("pos_return_order/create", json!({"_id": "r1"}), "r1"),
        ("invoice/create", json!({"_id": "i1", "order_id": "o1"}), "o1"),
        ("category/create", json!({"id": "c1"}), "c1"),
        ("user/create", json!({"_id": "u1"}), "u1"),
        ("webhook/verification", json!({}), "~"),
        ("webhook/verification", json!([]), "~"),
    ] {
        let body = event(topic, &resource);
        assert_eq!(claimed(&body).subject.to_string(), subject, "{body}");
        // An app serves several merchants, so its subjects begin with the merchant.
        assert_eq!(claimed_by_app(&body, "1618994178").subject.to_string(), format!("m1:{subject}"), "{body}");
    }
}

#[test]
fn a_trace_id_names_an_event() {
    let (one, two) = (json!({"_id": "o1", "total": 1}), json!({"_id": "o1", "total": 2}));
    let bodies = [
        traced("order/create", &one, "t1", "1680495048530128777"),
        traced("order/update", &two, "t2", "1680495600100820201"),
        traced("order/update", &one, "t3", "1680495900100632992"),
        traced("order/cancel", &one, "t4", "1680496000100632992"),
    ];
    let claims = bodies.map(|body| claimed(&body));
    let names: Vec<_> = claims.iter().map(|claim| format!("{}/{}", claim.word, claim.identity)).collect();
    assert_eq!(names, ["order%2Fcreate/t1", "order%2Fupdate/t2", "order%2Fupdate/t3", "order%2Fcancel/t4"]);
    assert!(claims.iter().all(|claim| claim.strength == Strength::Strong));

    // Keys in another order, white space and escapes are the same event; another amount is a contradiction.
    let again = "{ \"ts\":\"1680495048530128777\",\"resource\":{\"total\":1,\"_id\":\"\\u006f1\"},\n\
                 \"trace_id\":\"t1\",\"topic\":\"order/create\",\"merchant_id\":\"m1\"}";
    let standing = Existing { content: claims[0].content, signed_at: None, received_ms: 0 };
    assert_eq!(claimed(again).decide(&standing, 1), Decision::Repeat);
    let other = claimed(&again.replace("\"total\":1", "\"total\":1.5"));
    assert_eq!(other.identity, claims[0].identity);
    assert_eq!(other.decide(&standing, 1), Decision::KeepAs(Variant::Body(other.content)));
}

#[test]
fn without_a_trace_id_the_body_names_an_event_for_a_while() {
    let (one, two) = (json!({"_id": "o1", "total": 1}), json!({"_id": "o1", "total": 2}));
    let bodies = [("order/create", &one), ("order/update", &two), ("order/update", &one), ("order/cancel", &one)];
    let claims = bodies.map(|(topic, resource)| claimed(&event(topic, resource)));
    let names: std::collections::BTreeSet<_> = claims.iter().map(|claim| (&claim.word, &claim.identity)).collect();
    assert_eq!(names.len(), 4);
    assert!(claims.iter().all(|claim| claim.strength == Strength::Horizon(48 * HOUR_MS)));

    let spaced = claimed(&event("order/cancel", &one).replace(':', ": "));
    assert_eq!((&spaced.identity, &spaced.content), (&claims[3].identity, &claims[3].content));
    // Back to an earlier state, days later: the same bytes, another event.
    let standing = Existing { content: claims[2].content, signed_at: None, received_ms: 0 };
    assert_eq!(claims[2].decide(&standing, 48 * HOUR_MS + 1), Decision::LaterGeneration);
    let by_app = claimed_by_app(&event("order/update", &one), "1618994178");
    assert_eq!(by_app.strength, Strength::SignedTime("1618994178".to_owned()));
}

#[test]
fn a_body_with_a_key_twice_is_named_by_its_bytes() {
    let bodies = [r#"{"topic":"tag/create","a":1,"a":2}"#, r#"{"topic":"tag/create","a":2,"a":1}"#];
    let claims = bodies.map(claimed);
    assert_ne!(claims[0].identity, claims[1].identity);
    assert_eq!(claims[0].content, <[u8; 32]>::from(Sha256::digest(bodies[0])));
}
