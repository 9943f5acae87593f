//! The traps of this provider's bodies.

use std::collections::BTreeMap;

use super::*;
use crate::keep::claim::EventKey;
use crate::keep::row::Row;
use crate::read::event::Event;
use crate::read::status::{FulfillmentState, OrderState, PaymentState, ReturnState, Status};
use crate::receive::request::Delivery;
use crate::receive::secret::Secret;
use crate::receive::signature::admit;
use crate::receive::source::{Merchants, Source};

fn name_of(body: &str) -> (String, String, String) {
    let token = Secret::new("a token of 128 random bits");
    let delivery =
        Delivery { headers: BTreeMap::new(), query: String::new(), url_token: Some(token.clone()), body: body.into() };
    let source = Source {
        name: "main".to_owned(),
        scheme: SchemeName::UrlToken,
        signing_keys: Vec::new(),
        url_tokens: vec![token],
        merchants: Merchants::Any,
        several_merchants: false,
    };
    let claim = SELLDONE.claim_of(&admit(&SELLDONE.admission, &source, &delivery).unwrap());
    assert_eq!(claim.strength, Strength::Horizon(72 * HOUR_MS));
    let identity = claim.identity.to_string().replace(&hex::encode(claim.content), "HASH");
    (claim.subject.to_string(), claim.word.to_string(), identity)
}

fn event_of(body: &str) -> Event {
    let row = Row {
        key: EventKey { pk: "selldone/main/s".to_owned(), sk: "w/i".to_owned() },
        received_ms: 0,
        body: body.into(),
        hash: [0; 32],
        headers: BTreeMap::new(),
        signed_at: None,
        mark: None,
    };
    SELLDONE.read(&row)
}

fn order_of(event: &str, action: &str, basket: &str) -> Order {
    let body = format!(r#"{{"event":"{event}","action":"{action}","shop":{{"id":1}},"basket":{{{basket}}}}}"#);
    let Some(Data::Order(order)) = event_of(&body).data else { panic!("{body}") };
    *order
}

#[test]
fn names_distinguish_what_ids_do_not() {
    let schematic = r#"{"event":"OnlineOrder","action":"CheckoutOrder","shop":{"id":1},"basket":"Order object"}"#;
    for (body, subject, word, identity) in [
        (
            r#"{"event":"OnlineOrder","action":"CheckoutOrder","shop":{"id":1},"basket":{"id":9}}"#,
            "1:OnlineOrder:9",
            "OnlineOrder:CheckoutOrder",
            "~",
        ),
        (
            r#"{"event":"PosOrder","action":"CheckoutOrder","shop":{"id":1},"basket":{"id":9}}"#,
            "1:PosOrder:9",
            "PosOrder:CheckoutOrder",
            "~",
        ),
        (
            r#"{"event":"OnlineOrder","action":"SentOrder","shop":{"id":1},"basket":{"id":9,"updated_at":"t1"}}"#,
            "1:OnlineOrder:9",
            "OnlineOrder:SentOrder",
            "t1",
        ),
        (
            r#"{"event":"OnlineOrder","action":"SentOrder","shop":{"id":1},"basket":{"id":9}}"#,
            "1:OnlineOrder:9",
            "OnlineOrder:SentOrder",
            "HASH",
        ),
        (
            r#"{"event":"OnlineOrder","action":"ReturnOrder","shop":{"id":1},"basket":{"id":9,"updated_at":"t1"}}"#,
            "1:OnlineOrder:9",
            "OnlineOrder:ReturnOrder",
            "t1:HASH",
        ),
        (
            r#"{"event":"FulfillmentOrder","action":"CancelProduct","shop":{"id":1},"basket":{"id":9}}"#,
            "1:FulfillmentOrder:9",
            "FulfillmentOrder:CancelProduct",
            "~:HASH",
        ),
        (schematic, "1:OnlineOrder:~", "OnlineOrder:CheckoutOrder", "HASH"),
        (
            r#"{"event":"Inventory","action":"EditVariant","shop":{"id":1},"product":{"id":3,"updated_at":"p"},"variant":{"id":4,"updated_at":"v"}}"#,
            "1:Inventory:3",
            "Inventory:EditVariant",
            "4:v:HASH",
        ),
        (
            r#"{"event":"Inventory","action":"EditProduct","shop":{"id":1},"product":{"id":3,"updated_at":"p"},"variant":null}"#,
            "1:Inventory:3",
            "Inventory:EditProduct",
            "~:p:HASH",
        ),
        (r#"{"event":"Register","shop":{"id":1},"customer":{"id":5}}"#, "1:Customer:5", "Register", "HASH"),
        (
            r#"{"event":"GiftCard","action":"CheckoutOrder","shop":{"id":1},"basket":{"id":9},"customer":{"id":5}}"#,
            "1:GiftCard:9",
            "GiftCard:CheckoutOrder",
            "HASH",
        ),
        (r#"{"event":"Rating","shop":{"id":1},"product":{"id":3}}"#, "1:Inventory:3", "Rating", "HASH"),
        (r#"{"event":"Rating","shop":{"id":1},"basket":"x"}"#, "1", "Rating", "HASH"),
        (r#"{"event":"Rating"}"#, "~", "Rating", "HASH"),
    ] {
        let expected = (subject.to_owned(), word.to_owned(), identity.to_owned());
        assert_eq!(name_of(body), expected, "{body}");
    }
    let event = event_of(schematic);
    assert_eq!((event.data, event.unreadfields.as_deref()), (Some(Data::Other {}), Some("basket")));
}

#[test]
fn states_go_back_by_time_and_without_it_by_step() {
    let sequence = |action: &str, updated_at: &str| {
        let basket = format!(r#"{{"id":9,"updated_at":{updated_at}}}"#);
        event_of(&format!(r#"{{"event":"OnlineOrder","action":"{action}","basket":{basket}}}"#)).sequence
    };
    let ordered = [
        sequence("CancelProduct", "null"),
        sequence("CheckoutOrder", "null"),
        sequence("ReturnOrder", "null"),
        sequence("SentOrder", r#""2024-08-22T10:15:30.000000Z""#),
        sequence("DeliveryCanceled", r#""2024-08-24T12:00:00.000000Z""#),
        sequence("PreparingOrder", r#""2024-08-26T09:30:00.000000Z""#),
        sequence("SentOrder", r#""2024-08-26T09:30:00.000000Z""#),
    ];
    assert!(ordered.is_sorted(), "{ordered:#?}");
}

#[test]
fn actions_say_more_than_states() {
    for (action, basket, parcel, paid) in [
        (
            "ToCustomer",
            r#""delivery_state":"SentOrder","status":"COD""#,
            FulfillmentState::Delivered,
            PaymentState::Pending,
        ),
        (
            "DeliveryCanceled",
            r#""delivery_state":"PreparingOrder","status":"Payed""#,
            FulfillmentState::Cancelled,
            PaymentState::Paid,
        ),
        ("SentOrder", r#""status":"Reserved""#, FulfillmentState::Shipped, PaymentState::Pending),
        (
            "PaymentOrder",
            r#""delivery_state":"ToCustomer","status":"COD""#,
            FulfillmentState::Delivered,
            PaymentState::Paid,
        ),
        ("PaymentOrder", r#""delivery_state":"CheckQueue""#, FulfillmentState::Pending, PaymentState::Paid),
        ("SentOrder", r#""delivery_state":"Lost","status":"Owed""#, FulfillmentState::Unknown, PaymentState::Unknown),
    ] {
        let order = order_of("OnlineOrder", action, basket);
        assert_eq!(order.fulfillments[0].status.value().unwrap().state, parcel, "{action} {basket}");
        assert_eq!(order.payments[0].status.value().unwrap().state, paid, "{action} {basket}");
    }
    let asked = order_of("OnlineOrder", "ReturnOrder", r#""basket_item_returns":[]"#).returns;
    assert_eq!(asked[0].status.value().unwrap().state, ReturnState::Requested);
    let rejected = order_of("OnlineOrder", "CancelProduct", r#""status":"Payed","reject":"PricingFault""#);
    let status = Status { state: OrderState::Cancelled, word: "PricingFault".to_owned() };
    assert_eq!(rejected.status, Presence::Value(status));
}

#[test]
fn a_paid_order_is_the_shops_when_the_shop_confirms_it() {
    for (event, basket, state, word) in [
        ("OnlineOrder", r#""status":"Payed","delivery_state":"CheckQueue""#, OrderState::Pending, "CheckQueue"),
        ("OnlineOrder", r#""status":"COD","delivery_state":"CheckQueue""#, OrderState::Pending, "CheckQueue"),
        ("OnlineOrder", r#""status":"Payed","delivery_state":"SentOrder""#, OrderState::Confirmed, "Payed"),
        (
            "OnlineOrder",
            r#""status":"Reserved","delivery_state":"OrderConfirm""#,
            OrderState::Confirmed,
            "OrderConfirm",
        ),
        ("OnlineOrder", r#""status":"Payed","delivery_state":"Lost""#, OrderState::Confirmed, "Payed"),
        ("OnlineOrder", r#""status":"Canceled","delivery_state":"SentOrder""#, OrderState::Cancelled, "Canceled"),
        ("OnlineOrder", r#""status":"Owed","delivery_state":"SentOrder""#, OrderState::Unknown, "Owed"),
        ("PosOrder", r#""status":"Payed""#, OrderState::Confirmed, "Payed"),
        ("FulfillmentOrder", r#""status":"ACCEPT","delivery_state":"CheckQueue""#, OrderState::Confirmed, "ACCEPT"),
    ] {
        let status = order_of(event, "PaymentOrder", basket).status;
        assert_eq!(status, Presence::Value(Status { state, word: word.to_owned() }), "{event} {basket}");
    }
}

#[test]
fn odd_types_are_no_trouble() {
    for odd in ["null", "[]", "{}", "[35.6,139.7]", r#"{"note":"x"}"#, r#""text""#, "7", "true"] {
        let body = format!(
            r#"{{"event":"OnlineOrder","action":"CheckoutOrder","shop":{{"id":1}},"user":null,"basket":{{
            "id":9,"receiver_info":{{"name":"N","location":{odd},"message":{odd},"pickup":{odd}}},"code":{odd},
            "meta":{odd},"chat":{odd},"items":[{{"id":1,"message":{odd},"preferences":{odd},"tax":{odd}}}]}}}}"#
        );
        let event = event_of(&body);
        assert_eq!((event.event_type, event.unreadfields), (EventType::OrderCreated, None), "{odd}");
        let Some(Data::Order(order)) = event.data else { panic!() };
        assert_eq!(order.shipping_address.value().unwrap().name, Presence::Value("N".to_owned()));
    }
}

#[test]
fn only_a_quote_has_a_final_price() {
    for (event, subtotal, total) in [("OnlineOrder", Some("75.5"), None), ("AvocadoOrder", None, Some("75.5"))] {
        let totals = order_of(event, "CheckoutOrder", r#""price":75.50,"currency":"USD""#).totals;
        let text = |money: Presence<crate::read::money::Money>| money.value().map(|money| money.amount.to_string());
        assert_eq!((text(totals.subtotal).as_deref(), text(totals.total).as_deref()), (subtotal, total), "{event}");
    }
}

#[test]
fn an_order_of_another_shop_is_noted() {
    for (shop_id, noted) in [("1", None), ("\"1\"", None), ("null", None), ("2", Some("basket.shop_id"))] {
        let body = format!(r#"{{"event":"PosOrder","shop":{{"id":1}},"basket":{{"id":9,"shop_id":{shop_id}}}}}"#);
        assert_eq!(event_of(&body).unreadfields.as_deref(), noted, "{shop_id}");
    }
}
