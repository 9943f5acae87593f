//! Situations from public material in which an earlier mapping said something untrue, or less than the body says.

use serde_json::{Value, json};
use webhook::view::View;

use crate::cases::one;

fn event(provider: &str, case: &str) -> Value {
    let case = one(provider, case);
    serde_json::to_value(case.provider.read(&case.row())).unwrap()
}

fn view(provider: &str, cases: &[&str]) -> View {
    let mut view = View::default();
    for case in cases {
        let case = one(provider, case);
        view.merge(View::of(&case.provider.read(&case.row())));
    }
    view
}

fn summary(provider: &str, cases: &[&str]) -> Value {
    serde_json::to_value(view(provider, cases).summary()).unwrap()
}

/// Provider, case, a place in the event, and the JSON that is there.
const SAID: &[(&str, &str, &str, &str)] = &[
    ("scalapay", "created.reference_in_details", "/data/payments/0/merchant_reference", r#""SHOP-ORDER-9""#),
    ("scalapay", "created.reference_in_details.missing", "/data/payments/0/merchant_reference", r#""SHOP-ORDER-10""#),
    ("scalev", "checkout_intent.abandoned.bundle", "/data/lines/0/bundle_id", r#""55""#),
    ("scalev", "checkout_intent.abandoned.bundle", "/data/lines/0/quantity", r#"1"#),
    ("scalev", "checkout_intent.abandoned.bundle", "/data/lines/1/variant_id", r#""101""#),
    ("scalev", "payment.received.customer", "/data/customer/email", r#""buyer@example.com""#),
    ("scalev", "order.created.app_one", "/app", r#""app_T2_ONE""#),
    ("scalev", "order.created.app_two", "/app", r#""app_T2_TWO""#),
    ("scalev", "order.updated.decimal_text", "/data/quantity", r#"2"#),
    ("scalev", "order.updated.decimal_text", "/data/weight_grams", r#"1000"#),
    ("scalev", "order.updated.decimal_text", "/data/lines/0/weight_grams", r#"500"#),
    ("scalev", "order.updated.decimal_text", "/unreadfields", "null"),
    ("selldone", "OnlineOrder.CheckoutOrder.business_flag", "/data/billing_address/tax_id", r#""EXAMPLE-TAX-1""#),
    ("selldone", "OnlineOrder.CheckoutOrder.business_flag", "/data/billing_address/is_business", r#"true"#),
    ("selldone", "OnlineOrder.CheckoutOrder.business_flag", "/data/billing_address/company", "null"),
    ("selldone", "OnlineOrder.CheckoutOrder.business_flag", "/unreadfields", "null"),
    ("selldone", "OnlineOrder.OrderConfirm.partly", "/data/lines/0/confirmed", r#"true"#),
    ("selldone", "OnlineOrder.OrderConfirm.partly", "/data/lines/1/confirmed", r#"false"#),
    ("selldone", "OnlineOrder.OrderConfirm.adjusted", "/data/lines/0/quantity", r#"3"#),
    ("selldone", "OnlineOrder.OrderConfirm.adjusted", "/data/lines/0/ordered_quantity", r#""5""#),
    ("selldone", "OnlineOrder.OrderConfirm.adjusted", "/data/lines/1/quantity", r#"2"#),
    ("selldone", "OnlineOrder.OrderConfirm.adjusted", "/data/lines/2/quantity", r#"4"#),
    ("selldone", "FulfillmentOrder.CheckoutOrder.paid", "/data/status/state", r#""pending""#),
    ("selldone", "FulfillmentOrder.CheckoutOrder.paid", "/data/payments/0/status/state", r#""paid""#),
    ("selldone", "FulfillmentOrder.CheckoutOrder.paid", "/data/payments/0/paid_at", r#""2026-05-01T10:05:00Z""#),
    ("selldone", "OnlineOrder.PaymentOrder.fractional", "/data/lines/0/exact_quantity", r#""2.5""#),
    ("selldone", "OnlineOrder.PaymentOrder.fractional", "/data/lines/0/quantity", "null"),
    ("selldone", "OnlineOrder.PaymentOrder.fractional", "/data/lines/1/quantity", r#"1"#),
    ("selldone", "OnlineOrder.PaymentOrder.fractional", "/data/lines/1/ordered_quantity", r#""1.125""#),
    ("selldone", "Inventory.EditProduct.fractional", "/data/exact_quantity", r#""12.75""#),
    ("selldone", "OnlineOrder.ToCustomer.refunded", "/data/payments/0/amount/amount", r#""35.5""#),
    ("selldone", "OnlineOrder.ToCustomer.refunded", "/data/payments/0/refunds/1/amount/amount", r#""2.25""#),
    (
        "shopline",
        "order.combine_orders.combined.new",
        "/data/references/combined_from_order_ids",
        r#""69b94b5266b99d1cc7a00061,69b94b5266b99d1cc7a00062""#,
    ),
    (
        "shopline",
        "order.update.combined_away.new",
        "/data/references/combined_to_order_id",
        r#""69b94b5266b99d1cc7a00006""#,
    ),
    ("shopline", "order.create.exchange.new", "/data/references/return_from_order_id", r#""69b94b5266b99d1cc7a00064""#),
    ("shopline", "user.update.phones.new", "/data/phone", r#""0900000002""#),
    ("shopline", "order.create.pickup_store.new", "/data/fulfillments/0/pickup/code", r#""873020""#),
    ("shopline", "order.create.pickup_store.new", "/data/fulfillments/0/pickup/name", r#""測試門市""#),
    ("shopline", "order.create.pickup_store.new", "/data/fulfillments/0/pickup/address", r#""測試縣測試路1號""#),
    ("shopline", "order.create.pickup_store.new", "/data/fulfillments/0/tracking_number", r#""70000000001""#),
    ("shopline", "order.create.variation_data.new", "/data/lines/0/sku", r#""BH0100""#),
    ("shopline", "order.create.variation_data.new", "/data/lines/0/gtin", r#""213350843886""#),
    ("shopline", "order.create.variation_data.new", "/data/lines/0/variant", r#""白 / XL""#),
    ("shopline", "order_delivery.update.return_parcel.new", "/data/return_id", r#""69b94b5266b99d1cc7a00073""#),
    ("shopline", "return_order.complete.refund_amount.new", "/data/refunds/0/amount/amount", r#""270""#),
    ("shopline", "pos_return_order.create.exchange.new", "/data/order_id", r#""69b94b5266b99d1cc7a00242""#),
    ("shopline", "pos_return_order.create.exchange.new", "/data/status/state", r#""completed""#),
    ("shopline", "order.update.goods.new", "/data/totals/credit/amount", r#""50""#),
    ("shopline", "order.update.goods.new", "/data/totals/points/amount", r#""20""#),
    ("shopline", "order.update.goods.new", "/data/discounts/0/code", r#""SPRING50""#),
    ("shopline", "order.update.goods.new", "/data/discounts/0/amount/amount", r#""50""#),
    ("shopline", "order.update.goods.new", "/data/discounts/1/name", r#""店長折扣""#),
    ("shopline", "order.update.goods.new", "/data/invoices/0/number", r#""AB00000001""#),
    ("shopline", "order.update.goods.new", "/data/invoices/0/status", r#""cancel""#),
    ("shopline", "order.update.goods.new", "/data/lines/0/contents/1/sku", r#""CUP""#),
    ("shopline", "order.update.goods.new", "/data/lines/0/contents/1/quantity", "2"),
    ("shopline", "order.update.goods.new", "/data/lines/0/stock_location", r#""A-12-3""#),
    ("shopline", "order.update.goods.new", "/data/lines/0/weight_grams", "1250"),
    ("shopline", "order.update.goods.new", "/data/lines/0/net_total/amount", r#""800""#),
    ("shopline", "order.update.goods.new", "/data/lines/1/kind", r#""Gift""#),
    ("shopline", "order.update.goods.new", "/data/lines/1/is_preorder", "true"),
    ("shopline", "order.update.goods.new", "/data/lines/1/contents/0/quantity", "10"),
    ("shopline", "order.update.parts.new", "/data/fulfillments/0/scheduled_date", r#""2026-04-04""#),
    ("shopline", "order.update.parts.new", "/data/fulfillments/0/time_slot", r#""14:00 - 18:00""#),
    ("shopline", "order.update.parts.new", "/data/fulfillments/0/notes", r#""易碎""#),
    ("shopline", "order.update.parts.new", "/data/customer/is_guest", "true"),
    ("shopline", "order.update.parts.new", "/data/store", r#""台北店""#),
    ("shopline", "order.update.parts.new", "/unreadfields", "null"),
    ("shopline", "member_point.create.new", "/data/points_change", "-20"),
    ("shopline", "member_point.create.new", "/data/points_balance", "120"),
    ("shopline", "user_credit.create.new", "/data/credit_change", "50"),
    ("shopline", "user_credit.create.new", "/data/id", r#""63f2c0a7b1d4e2000c9a7f35""#),
    ("shopline", "user_credit.update.full.new", "/data/credit_balance", "300"),
    ("shopline", "return_order.create.full.new", "/data/credit/amount", r#""50""#),
    ("shopline", "return_order.create.full.new", "/data/lines/0/inspections/0/status", r#""rejected""#),
    ("shopline", "return_order.create.full.new", "/data/fulfillments/0/tracking_number", r#""90000000001""#),
    ("shopline", "return_order.create.full.new", "/data/customer/email", r#""buyer@example.com""#),
    ("shopline", "product.update.unlimited.new", "/data/is_unlimited", "true"),
    ("shopline", "product.update.unlimited.new", "/data/quantity", "null"),
    ("shopline", "order.update.without_id.new", "/changedshape", "true"),
    ("scalapay", "charged.without_token", "/changedshape", "true"),
    ("scalapay", "charged.total_as_object", "/data/amount/currency", r#""EUR""#),
    ("scalapay", "charged", "/changedshape", "null"),
    ("scalev", "order.created.without_id", "/changedshape", "true"),
    ("scalev", "business.test_event.2025", "/changedshape", "null"),
    ("scalev", "order.spam_created.2026", "/data/status/state", r#""flagged""#),
    ("scalev", "order.spam_created.2026", "/data/status/word", r#""pending""#),
    ("scalev", "order.status_changed.shipped_rts", "/type", r#""order.returning""#),
    ("scalev", "order.status_changed.shipped_rts", "/data/status/state", r#""returning""#),
    ("scalev", "order.status_changed.rts", "/data/status/state", r#""returned""#),
    ("scalev", "order.updated.marketplace", "/data/channel", r#""tokopedia""#),
    ("scalev", "order.updated.marketplace", "/data/references/external_id", r#""INV/20260401/MPL/1""#),
    ("scalev", "order.updated.marketplace", "/data/discounts/0/code", r#""HEMAT10""#),
    ("scalev", "order.updated.marketplace", "/data/totals/platform_fee/amount", r#""1500""#),
    ("scalev", "order.updated.marketplace", "/data/sender/name", r#""Toko Contoh""#),
    ("scalev", "order.updated.marketplace", "/data/lines/0/variant", r#""Merah / M""#),
    ("scalev", "order.updated.marketplace", "/data/lines/0/line_total/amount", r#""100000""#),
    ("scalev", "order.updated.marketplace", "/data/lines/0/unit_cost/amount", r#""20000""#),
    ("scalev", "order.updated.marketplace", "/data/fulfillments/0/is_pickup", "true"),
    ("selldone", "OnlineOrder.PaymentOrder.without_id", "/changedshape", "true"),
    ("selldone", "OnlineOrder.CheckoutOrder.discounts", "/data/lines/0/unit_discount/amount", r#""2""#),
    ("selldone", "OnlineOrder.CheckoutOrder.discounts", "/data/lines/0/discount", "null"),
    ("selldone", "OnlineOrder.CheckoutOrder.discounts", "/data/lines/0/offer_discount/amount", r#""10""#),
    ("selldone", "OnlineOrder.CheckoutOrder.discounts", "/data/lines/0/tax/amount", r#""1.2""#),
    ("selldone", "OnlineOrder.CheckoutOrder.discounts", "/data/discounts/0/code", r#""SUMMER5""#),
    ("selldone", "OnlineOrder.CheckoutOrder.discounts", "/data/returns/0/lines/0/id", r#""11""#),
    ("selldone", "OnlineOrder.CheckoutOrder.discounts", "/data/fulfillments/0/time_slot", r#""09:00-12:00""#),
    ("selldone", "AvocadoOrder.PaymentOrder.refused_line", "/data/lines/0/confirmed", "true"),
    ("selldone", "AvocadoOrder.PaymentOrder.refused_line", "/data/lines/1/confirmed", "false"),
    ("selldone", "AvocadoOrder.PaymentOrder.refused_line", "/data/lines/2/confirmed", "null"),
    ("selldone", "AvocadoOrder.PaymentOrder.refused_line", "/data/payments/0/gateway_reference", r#""trk_1""#),
];

#[test]
fn events_say_what_the_bodies_say() {
    let mut wrong = Vec::new();
    for (provider, case, place, said) in SAID {
        let event = event(provider, case);
        let found = event.pointer(place).cloned().unwrap_or_default();
        let said: Value = serde_json::from_str(said).unwrap();
        if found != said {
            wrong.push(format!("{provider}/{case} {place}: {found}, not {said}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_secret_is_kept_wherever_it_is() {
    for (provider, case, secrets) in [
        ("scalev", "order.created.message_variables", &["T2slugAAAA_aaaa-BBBB1111cccc2222dddd3333"][..]),
        ("scalev", "checkout_intent.abandoned.bundle", &["cip_T2"]),
        ("selldone", "OnlineOrder.CheckoutOrder.discounts", &["SECRET-LICENCE-CODE-1"]),
        ("shopline", "order_payment.update.pay_token.new", &["PLACEHOLDER-PAY-TOKEN", "PLACEHOLDER-PAY-URL", "400000"]),
        ("shopline", "order.update.pay_token.new", &["PLACEHOLDER-PAY-TOKEN", "PLACEHOLDER-PAY-URL"]),
    ] {
        let row = one(provider, case).row();
        let body = String::from_utf8(row.body).unwrap();
        assert!(secrets.iter().all(|secret| !body.contains(secret)), "{case}: {body}");
        assert!(webhook::json::parse(body.as_bytes()).is_ok(), "{case}");
    }
}

#[test]
fn of_two_statuses_of_one_instant_the_further_one_counts() {
    for pair in ["a", "b", "c"] {
        let cases =
            [format!("order.status_changed.tie.pending.{pair}"), format!("order.status_changed.tie.confirmed.{pair}")];
        for cases in [[&cases[0], &cases[1]], [&cases[1], &cases[0]]] {
            assert_eq!(summary("scalev", &cases.map(String::as_str))["order_state"], "confirmed", "{pair}");
        }
    }
}

#[test]
fn refunds_are_counted_with_their_amounts() {
    let refunded = |provider, cases: &[&str]| summary(provider, cases)["refunded"].clone();
    assert_eq!(refunded("selldone", &["OnlineOrder.ToCustomer.refunded"]), json!({"amount": "12.25"}));
    let returned = ["return_order.create.refund_amount.new", "return_order.complete.refund_amount.new"];
    assert_eq!(refunded("shopline", &returned[..1]), "nothing");
    assert_eq!(refunded("shopline", &returned), json!({"amount": "270"}));
    let payment = ["order_payment.complete.partially_refunded.new", "order_payment.update.partially_refunded.new"];
    for cases in [payment, [payment[1], payment[0]]] {
        let summary = summary("shopline", &cases);
        assert_eq!(
            (&summary["payment_state"], &summary["refunded"]),
            (&json!("partially_refunded"), &json!("unknown"))
        );
    }
}

#[test]
fn a_parcel_that_comes_back_does_not_reopen_the_order() {
    let mut cases = ["delivered.new", "return_parcel.new", "return_parcel_again.new"]
        .map(|case| format!("order_delivery.update.{case}"));
    for _ in 0..3 {
        cases.rotate_left(1);
        let names: Vec<&str> = cases.iter().map(String::as_str).collect();
        assert_eq!(summary("shopline", &names)["fulfillment_state"], "delivered", "{names:?}");
    }
}

#[test]
fn a_payments_buyer_is_the_orders() {
    let view = view("scalev", &["payment.received.customer"]).render();
    assert_eq!(view.pointer("/order/customer/email"), Some(&json!("buyer@example.com")));
    assert_eq!(view.pointer("/payments/~/customer"), None);
}

/// The view of some bodies of one provider, each as if its base case had had it.
fn view_of(provider: &str, base: &str, bodies: &[String]) -> View {
    let base = one(provider, base);
    let mut view = View::default();
    for body in bodies {
        view.merge(View::of(&base.provider.read(&base.with_body(body.clone().into_bytes()).row())));
    }
    view
}

#[test]
fn of_two_events_of_one_instant_each_axis_has_its_further_status() {
    let time =
        r#""timestamp":"2026-09-15T10:00:00Z","data":{"order_id":"260915TIE","last_updated_at":"2026-09-15T10:00:00Z""#;
    for number in 0..12 {
        let settled = format!(
            r#"{{"event":"payment.received","unique_id":"event_s{number}",{time},"payment_status":"settled","settled_time":"2026-09-15T10:00:00Z","gross_revenue":"50000.00"}}}}"#
        );
        let paid = format!(
            r#"{{"event":"order.updated","unique_id":"event_p{number}",{time},"status":"pending","payment_status":"paid","settled_time":null}}}}"#
        );
        let confirmed = format!(
            r#"{{"event":"order.status_changed","unique_id":"event_c{number}",{time},"status":"confirmed"}}}}"#
        );
        let view = view_of("scalev", "order.created.2026", &[paid, confirmed, settled]);
        let summary = serde_json::to_value(view.summary()).unwrap();
        assert_eq!((&summary["payment_state"], &summary["order_state"]), (&json!("settled"), &json!("confirmed")));
        assert_eq!(view.render().pointer("/payments/~/status_times/settled"), Some(&json!("2026-09-15T10:00:00Z")));
    }
}

#[test]
fn an_order_without_a_row_time_does_not_win_by_its_finer_clock() {
    let event = |id: &str, time: &str, data: &str| {
        let head = format!(r#""event":"order.status_changed","unique_id":"{id}","timestamp":"{time}""#);
        format!(r#"{{{head},"data":{{"order_id":"260915FINE",{data}}}}}"#)
    };
    let early = event("event_e", "2026-09-15T10:00:00.300000Z", r#""status":"pending""#);
    let row_time = r#""status":"confirmed","last_updated_at":"2026-09-15T10:00:00Z""#;
    let late = event("event_l", "2026-09-15T10:00:00.900000Z", row_time);
    let view = view_of("scalev", "order.created.2026", &[late, early]);
    assert_eq!(serde_json::to_value(view.summary()).unwrap()["order_state"], "confirmed");
}

#[test]
fn an_old_copy_of_a_payment_in_its_order_does_not_undo_the_payments_own_event() {
    let envelope = |topic: &str, number: u8, ts: &str, resource: &str| {
        let head = format!(r#""topic":"{topic}","merchant_id":"5fc5ea00c43d7f001003999d","trace_id":"t{number}""#);
        format!(r#"{{{head},"ts":"{ts}","event":"x","resource":{resource}}}"#)
    };
    let payment = |status: &str, at: &str| format!(r#""_id":"p1","status":"{status}","updated_at":"{at}""#);
    let refunded = payment("refunded", "2026-04-01T02:00:07Z");
    let refund =
        envelope("order_payment/refund", 1, "1775008807000000001", &format!(r#"{{"order_id":"o1",{refunded}}}"#));
    let paid = payment("completed", "2026-04-01T02:00:05Z");
    let order = format!(r#"{{"_id":"o1","updated_at":"2026-04-01T02:00:10Z","order_payment":{{{paid}}}}}"#);
    let order = envelope("order/update", 2, "1775008810000000001", &order);
    for bodies in [[refund.clone(), order.clone()], [order, refund]] {
        let view = view_of("shopline", "order.create.new", &bodies);
        assert_eq!(serde_json::to_value(view.summary()).unwrap()["payment_state"], "refunded");
    }
}

#[test]
fn a_retry_that_is_written_otherwise_is_a_repeat() {
    let case = one("scalev", "order.created.2026");
    let body: Value = serde_json::from_slice(&case.delivery.body).unwrap();
    // Sorted, and indented.
    let again = case.with_body(serde_json::to_vec_pretty(&body).unwrap());
    assert_ne!(again.delivery.body, case.delivery.body);
    let (first, retry) = (case.claim(), again.claim());
    assert_eq!((&first.subject, &first.identity), (&retry.subject, &retry.identity));
    let kept = |content| webhook::claim::Existing { content, signed_at: None, received_ms: 0 };
    assert_eq!(retry.decide(&kept(first.content), 1), webhook::claim::Decision::Repeat);
    // A row of before is kept under the hash of its bytes.
    assert_eq!(first.decide(&kept(first.bytes.unwrap()), 1), webhook::claim::Decision::Repeat);
    let other = case.with_body(case.delivery.body.iter().copied().chain(*b" ").collect());
    assert_eq!(other.claim().decide(&kept(first.content), 1), webhook::claim::Decision::Repeat);
    let mut body = body;
    body["data"]["status"] = json!("closed");
    let changed = case.with_body(serde_json::to_vec(&body).unwrap()).claim();
    assert!(matches!(changed.decide(&kept(first.content), 1), webhook::claim::Decision::KeepAs(_)));
}

#[test]
fn half_a_character_leaves_a_mark_and_what_stands_for_it() {
    let body = r#"{"event":"order.updated","unique_id":"e","timestamp":"2026-09-15T10:00:00Z","data":{"order_id":"1","notes":"a\ud83db"}}"#;
    let case = one("scalev", "order.created.2026").with_body(body.as_bytes().to_vec());
    let event = serde_json::to_value(case.provider.read(&case.row())).unwrap();
    assert_eq!((&event["unreadfields"], &event["data"]["notes"]), (&json!("data.notes"), &json!("a\u{fffd}b")));
}

#[test]
fn the_currency_is_that_of_all_amounts_that_name_one() {
    let envelope = |lines: &str| {
        let head = r#""topic":"order/update","merchant_id":"5fc5ea00c43d7f001003999d","trace_id":"t","ts":"1775008807000000001","event":"x""#;
        format!(r#"{{{head},"resource":{{"_id":"o2","subtotal_items":[{lines}]}}}}"#)
    };
    let line = |currency: &str| format!(r#"{{"_id":"l","item_price":{{"dollars":5,"currency_iso":"{currency}"}}}}"#);
    let currency = |lines: &str| {
        let view = view_of("shopline", "order.create.new", &[envelope(lines)]);
        serde_json::to_value(view.summary()).unwrap()["currency"].clone()
    };
    assert_eq!(currency(&line("TWD")), "TWD");
    assert_eq!(currency(&format!("{},{}", line("TWD"), line("USD"))), Value::Null);
}
