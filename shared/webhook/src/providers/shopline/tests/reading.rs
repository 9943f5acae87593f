use super::*;
use crate::keep::claim::EventKey;

fn read_at(body: &str, signed_at: Option<&str>) -> Json {
    let claim = claimed(body);
    let event = SHOPLINE.read(&Row {
        key: EventKey::of("shopline", "tw", &claim),
        received_ms: 1_700_000_000_000,
        body: body.as_bytes().to_vec(),
        hash: Sha256::digest(body.as_bytes()).into(),
        headers: BTreeMap::new(),
        signed_at: signed_at.map(str::to_owned),
        mark: None,
    });
    serde_json::to_value(&event).unwrap()
}

fn read_body(body: &str) -> Json {
    read_at(body, None)
}

#[track_caller]
fn check_place(body: &str, signed_at: Option<&str>, start: &str) {
    let event = read_at(body, signed_at);
    let sequence = event["sequence"].as_str().unwrap().replace(&format!("{:020}", 0), "0");
    assert!(sequence.starts_with(start), "{body}: {sequence}");
}

/// Without any time the status goes before the arrival.
fn ranked(rank: u16) -> String {
    format!("2.{rank:020}.01700000000000000000.00000.")
}

#[test]
fn positions_follow_the_best_time_in_the_body() {
    let updated = json!({"_id": "o1", "status": "pending", "updated_at": "2023-04-03T04:20:00.1Z"});
    let temp = event("order/update", &json!({"_id": "o1", "status": "temp"}));
    // The last digits of ts would not survive a float.
    let noticed = traced("order/update", &updated, "t", "1680495600100820201");
    check_place(&noticed, Some("1618994178"), "3.01680495600100820201.0.00002");
    let changed = event("order/update", &updated);
    check_place(&changed, Some("1618994178"), "3.01680495600100000000.0.00002");
    check_place(&temp, Some("1618994178"), "3.01618994178000000000.0.00001");
    check_place(&temp, Some("1618994178123"), "3.01618994178123000000.0.00001");
    check_place(&temp, Some("soon"), &ranked(1));
    check_place(&temp, None, &ranked(1));
    // A ts in another unit is not believed.
    let milliseconds = temp.replacen('{', "{\"ts\":\"1680495600100\",", 1);
    check_place(&milliseconds, None, &ranked(1));
    assert_eq!(read_body(&milliseconds)["unreadfields"], "ts");
    assert_eq!(read_body(&noticed)["time"], "2023-04-03T04:20:00.100820201Z");
    assert_eq!(read_body(&changed)["time"], "2023-04-03T04:20:00.1Z");
    assert_eq!(read_at(&temp, Some("1618994178")).get("time"), None);
}

#[test]
fn at_one_instant_the_status_ranks() {
    for (topic, resource, rank) in [
        ("order/cancel", json!({"status": "cancelled"}), 5),
        ("order/remove", json!({}), 6),
        ("order/update", json!({"status": "unheard_of"}), 0),
        ("order_payment/update", json!({"status": "failed"}), 2),
        ("order_payment/refund", json!({"status": "refunded"}), 7),
        ("order_delivery/update", json!({"status": "returned"}), 7),
        ("order_delivery/update", json!({"delivery_status": "request_accepted"}), 2),
        ("return_order/complete", json!({}), 2),
        ("user/sign_in", json!({"status": "active"}), 0),
    ] {
        check_place(&event(topic, &resource), Some("1618994178"), &format!("3.01618994178000000000.0.{rank:05}."));
        let without = if rank == 0 { "1.01700000000000000000.0.00000.".to_owned() } else { ranked(rank) };
        check_place(&event(topic, &resource), None, &without);
    }
}

#[test]
fn money_is_exact_and_its_exponent_the_providers() {
    for (money, expected) in [
        (r#"{"cents":260,"currency_iso":"TWD","dollars":260}"#, json!({"amount":"260","currency":"TWD","exponent":0})),
        (
            r#"{"cents":2849,"currency_iso":"USD","dollars":28.49}"#,
            json!({"amount":"28.49","currency":"USD","exponent":2}),
        ),
        (r#"{"cents":100,"currency_iso":"USD","dollars":1.0}"#, json!({"amount":"1","currency":"USD","exponent":2})),
        (r#"{"cents":0,"currency_iso":"USD","dollars":0}"#, json!({"amount":"0","currency":"USD"})),
        (r#"{"dollars":5}"#, json!({"amount":"5","currency":null})),
        (
            r#"{"cents":261,"currency_iso":"TWD","dollars":260}"#,
            json!({"amount":"260","currency":"TWD","contradicting_smallest_units":"261"}),
        ),
        ("null", json!(null)),
    ] {
        let body = format!(r#"{{"topic":"order/create","resource":{{"_id":"o1","total":{money}}}}}"#);
        assert_eq!(read_body(&body)["data"]["totals"]["total"], expected, "{money}");
    }
    let units_alone = read_body(r#"{"topic":"order/create","resource":{"total":{"cents":260}}}"#);
    assert_eq!(units_alone["unreadfields"], "resource.total");
}

#[track_caller]
fn check_status(topic: &str, resource: &Json, state: &str, word: &str) {
    let event = read_body(&event(topic, resource));
    assert_eq!(event["data"]["status"], json!({"state": state, "word": word}), "{topic} {resource}");
}

#[test]
fn a_status_is_the_resources_or_the_topics() {
    let untold = json!({"payment_status": "pending"});
    let order = json!({"status": "completed", "payment_status": "pending"});
    let delivery = json!({"status": "shipped", "delivery_status": "failed"});
    check_status("order_payment/complete", &order, "paid", "completed");
    check_status("order_payment/complete", &untold, "paid", "order_payment/complete");
    check_status("order_payment/refund", &json!({"status": null}), "refunded", "order_payment/refund");
    check_status("order_payment/update", &json!({"status": "on_hold"}), "unknown", "on_hold");
    check_status("order/cancel", &json!({"status": "canceled"}), "cancelled", "canceled");
    check_status("order/remove", &json!({"status": "removed"}), "deleted", "removed");
    check_status("order_delivery/update", &delivery, "shipped", "shipped");
    let closed = json!({"delivery_status": "store_closed"});
    check_status("order_delivery/status_update", &closed, "failed", "store_closed");
    check_status("return_order/create", &json!({"status": "confirmed"}), "accepted", "confirmed");
    check_status("persistent_cart/abandoned_cart", &json!({}), "abandoned", "abandoned_cart");
    assert_eq!(read_body(&event("order_payment/update", &untold))["data"].get("status"), None);
}

#[test]
fn a_refund_is_read_only_if_the_body_has_one() {
    let amount = json!({"cents": 50, "currency_iso": "TWD", "dollars": 50});
    for (topic, resource, refunds) in [
        ("order_payment/refund", json!({"total": amount}), None),
        ("order_payment/refund", json!({"refund_id": "f1"}), Some(json!([{"id": "f1"}]))),
        ("order_payment/update", json!({"refund_id": "f1"}), None),
    ] {
        let event = read_body(&event(topic, &resource));
        assert_eq!(event["data"].get("refunds"), refunds.as_ref(), "{topic} {resource}");
    }
}

#[test]
fn topics_are_known_or_flagged() {
    for (topic, event_type, kind, unrecognised) in [
        ("customer/new_member", "customer.created", "customer", false),
        ("user/mobile_sign_in", "customer.signed_in", "customer", false),
        ("order/status_notify_customer", "other", "other", false),
        ("payment/update", "other", "other", false),
        ("product_review_comments/create", "other", "other", false),
        ("order/combine_orders", "order.restructured", "order", false),
        ("stock/update", "product.stock_updated", "product", false),
        ("access_token/app_installation_token_revoke", "app.token_revoked", "app", false),
        ("webhook/verification", "other", "other", true),
        ("orders/create", "other", "other", true),
    ] {
        let read = read_body(&event(topic, &json!({"_id": "x1"})));
        assert_eq!((&read["type"], &read["data"]["kind"]), (&json!(event_type), &json!(kind)), "{topic}");
        assert_eq!(read["unrecognised"] == json!(true), unrecognised, "{topic}");
        assert_eq!(read["providerevent"], topic);
    }
    let shapeless = read_body(&event("order/cancel", &json!("o1")));
    assert_eq!((&shapeless["type"], &shapeless["unreadfields"]), (&json!("order.cancelled"), &json!("resource")));
}

#[test]
fn a_buyers_telephone_is_the_confirmed_one_or_the_last() {
    for (resource, phone) in [
        (json!({"mobile_phone": "1", "phones": ["2"]}), json!("1")),
        (json!({"mobile_phone": null, "phones": ["2", "3"]}), json!("3")),
        (json!({"mobile_phone": null, "phone": "4", "phones": ["2", "3"]}), json!("4")),
        (json!({"mobile_phone": null, "phones": []}), json!(null)),
    ] {
        let read = read_body(&event("user/update", &resource));
        assert_eq!(read["data"]["phone"], phone);
        assert!(read["data"].as_object().unwrap().contains_key("phone"));
    }
}
