//! Views that their rows cannot hold, or that are damaged.

use aws_sdk_dynamodb::types::AttributeValue;
use edge::keep::item::text;
use serde_json::{Value, json};
use webhook::facts::{FactName, Facts};
use webhook::providers::{SCALAPAY, SCALEV};

use crate::harness::tables::without_announced;
use crate::harness::*;
use crate::orders::{apply, messages, orders};
use crate::rebuild::{eraser, pk_of, rebuild_all, table, views};

/// Messages of an order's payments, each with texts of its own that no compression makes short.
fn large_messages(message: &str, count: usize) -> Vec<String> {
    let text = |seed: u64| random(seed).take(14_000).map(|byte| format!("{byte:02x}")).collect::<String>();
    let numbers = 0..u64::try_from(count).unwrap();
    numbers
        .map(|number| {
            let mut event: Value = serde_json::from_str(message).unwrap();
            event["id"] = json!(format!("scalapay/it/21KLT3YDWT/authorized/large{number}"));
            event["data"]["id"] = json!(format!("p{number}"));
            event["data"]["failure_reason"] = text(number).into();
            event.to_string()
        })
        .collect()
}

#[tokio::test]
async fn a_view_over_the_limit_refers_to_its_events() {
    let world = world().await;
    let messages = messages(&world, &SCALAPAY).await;
    let message = messages.iter().find(|message| message.contains("21KLT3YDWT/authorized")).unwrap();
    let pk = "scalapay/it/21KLT3YDWT";
    for some in large_messages(message, 60).chunks(10) {
        assert_eq!(apply(&orders(&world), some).await, [""; 0]);
    }
    let view = table(&world).view(pk).await.unwrap().unwrap().render();
    let reason = |number: usize| &view["payments"][format!("p{number}")]["failure_reason"];
    let left_out = (0..60).filter(|number| reason(*number)["dataref"].is_string()).count();
    assert!((20..55).contains(&left_out), "{left_out}");
    assert!((0..60).all(|number| reason(number).is_string() || reason(number)["dataref"].is_string()));
    // What is short is whole.
    assert!((0..60).all(|number| view["payments"][format!("p{number}")]["status"]["state"] == "authorized"));
    // It goes on: the next event of the order has its place.
    let mut later: Value = serde_json::from_str(message).unwrap();
    later["sequence"] = json!(format!("3{}", &later["sequence"].as_str().unwrap()[1..]));
    later["data"]["status"] = json!({"state": "paid", "word": "charged"});
    assert_eq!(apply(&orders(&world), &[later.to_string()]).await, [""; 0]);
    let view = table(&world).view(pk).await.unwrap().unwrap().render();
    assert_eq!(view["payments"]["21KLT3YDWT"]["status"]["state"], "paid");
    let kept = table(&world).kept(pk).await.unwrap();
    let announced = kept.announced.unwrap().facts();
    assert!(announced.holds(FactName::Paid) && announced == Facts::of(&kept.view), "{announced:?}");
}

#[tokio::test]
async fn a_damaged_view_is_made_again() {
    let world = world().await;
    let messages = messages(&world, &SCALAPAY).await;
    apply(&orders(&world), &messages).await;
    let before = views(&world).await;
    for damaged in &before {
        let request = world.dynamodb.update_item().table_name(ORDERS).key("pk", text(&pk_of(damaged)));
        let nonsense = AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(*b"nonsense"));
        let request = request.update_expression("SET #view = :view").expression_attribute_names("#view", "view");
        request.expression_attribute_values(":view", nonsense).send().await.unwrap();
    }
    // Nor does it keep anybody from being forgotten.
    assert!(!eraser(&world).survey(&pk_of(&before[0]), None).await.unwrap().events.is_empty());
    rebuild_all(&world, &before.iter().map(pk_of).collect::<Vec<_>>()).await;
    assert_eq!(without_announced(views(&world).await), without_announced(before));
    // The record is lost with the row: what the view says is taken as known.
    let pk = "scalapay/it/21KLT3YDWT";
    assert_eq!(table(&world).kept(pk).await.unwrap().announced, None);
}

/// Thousands of refunds of one payment, of which no row holds all: their sum is not known, and never a wrong one.
#[tokio::test]
async fn a_view_without_a_place_for_every_amount_says_so() {
    let world = world().await;
    let messages = messages(&world, &SCALAPAY).await;
    let message = messages.iter().find(|message| message.contains("21KLT3YDWT/authorized")).unwrap();
    let pk = "scalapay/it/21KLT3YDWT";
    let name = |seed: u64| random(seed).take(30).map(|byte| format!("{byte:02x}")).collect::<String>();
    let refunds = |numbers: std::ops::Range<u64>| {
        let mut event: Value = serde_json::from_str(message).unwrap();
        event["id"] = json!(format!("{pk}/authorized/{}", numbers.start));
        event["sequence"] = json!(format!("{}.{:05}", event["sequence"].as_str().unwrap(), numbers.start));
        let amount = json!({"amount": "1.00", "currency": "EUR"});
        let refund = |number| json!({"id": name(number), "amount": amount});
        event["data"]["refunds"] = numbers.map(refund).collect();
        event.to_string()
    };
    assert_eq!(apply(&orders(&world), &[refunds(0..500)]).await, [""; 0]);
    let refunded =
        async || text_of(&views(&world).await.into_iter().find(|view| pk_of(view) == pk).unwrap(), "refunded");
    assert_eq!(refunded().await, "500");
    for start in (500..10_000).step_by(500) {
        assert_eq!(apply(&orders(&world), &[refunds(start..start + 500)]).await, [""; 0]);
    }
    assert_eq!(refunded().await, "unknown");
    let view = table(&world).view(pk).await.unwrap().unwrap();
    assert_eq!(view.render()["order"]["left_out"], true);
    // What came last is there.
    let last = format!("payments/21KLT3YDWT/refunds/{}/amount", name(9_999));
    assert!(view.registers().any(|(path, _)| path == last), "{last}");
}

/// Names that a sender chooses, as many as are read of a body, each a register of the order's own.
#[tokio::test]
async fn a_view_of_any_number_of_short_values_has_its_place() {
    let world = world().await;
    let messages = messages(&world, &SCALEV).await;
    let message = messages.iter().find(|message| message.contains("/order.created/")).unwrap();
    let name = |seed: u64| random(seed).take(32).map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut event: Value = serde_json::from_str(message).unwrap();
    let pk = event["id"].as_str().unwrap().split('/').take(3).collect::<Vec<_>>().join("/");
    for round in 0..4_u64 {
        let references = (0..4_000).map(|number| (name(round * 4_000 + number), json!(name(number))));
        event["data"]["references"] = Value::Object(references.collect());
        event["id"] = json!(format!("{pk}/order.created/{round}"));
        event["sequence"] = json!(format!("{}{round}", event["sequence"].as_str().unwrap()));
        assert_eq!(apply(&orders(&world), &[event.to_string()]).await, [""; 0]);
    }
    let view = table(&world).view(&pk).await.unwrap().unwrap();
    assert!(view.summary().order_state.is_some());
    assert!((1_000..16_000).contains(&view.registers().count()));
}
