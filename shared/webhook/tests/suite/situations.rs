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
fn no_secret_is_kept_wherever_it_stands() {
    for (provider, case, secrets) in [
        ("scalev", "order.created.message_variables", &["T2slugAAAA_aaaa-BBBB1111cccc2222dddd3333"][..]),
        ("scalev", "checkout_intent.abandoned.bundle", &["cip_T2"]),
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
