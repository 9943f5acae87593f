//! Facts over real histories: the same in any order, implied by what is later, and announced once for each change.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use webhook::event::Event;
use webhook::facts::announced::{Announced, FactChange, Joining, join};
use webhook::facts::{FactName, FactValue, Facts};
use webhook::personal::without_personal;
use webhook::view::View;

use crate::view_properties::{HISTORIES, joined, shuffled};
use crate::{cases, snapshots};

/// A later state and one that it implies.
const IMPLIED: &[(FactName, FactName)] = &[
    (FactName::Authorized, FactName::Placed),
    (FactName::Paid, FactName::Authorized),
    (FactName::Refunded, FactName::Paid),
    (FactName::Cancelled, FactName::Placed),
    (FactName::Shipped, FactName::Placed),
    (FactName::Delivered, FactName::Shipped),
    (FactName::ReturnRequested, FactName::Placed),
    (FactName::Returned, FactName::ReturnRequested),
    (FactName::Completed, FactName::Placed),
];

fn contradictions(facts: &Facts) -> Vec<String> {
    let broken = IMPLIED.iter().filter(|(later, earlier)| facts.holds(*later) && !facts.holds(*earlier));
    let mut broken: Vec<_> = broken.map(|(later, earlier)| format!("{later:?} without {earlier:?}")).collect();
    if facts.holds(FactName::Paid) && facts.holds(FactName::PaymentFailed) {
        broken.push("paid, and every attempt failed".to_owned());
    }
    broken
}

fn joining(event: &Event) -> Joining {
    Joining { id: event.id.clone(), is_replay: event.replay, is_disowned: false, view: View::of(event) }
}

/// Joins events in batches, and returns the end and all changes in their order.
fn announce(events: &[Event], batch: usize) -> (View, Announced, Vec<FactChange>) {
    let (mut view, mut announced, mut changes) = (View::default(), Announced::default(), Vec::new());
    for batch in events.chunks(batch) {
        let batch: Vec<Joining> = batch.iter().map(joining).collect();
        let joined = join(view, Some(announced), &batch, |_| ());
        assert!(joined.changes.iter().all(|change| batch.iter().any(|event| event.id == change.announcement.cause)));
        changes.extend(joined.changes);
        (view, announced) = (joined.view, joined.announced);
        assert_eq!(announced.facts(), Facts::of(&view));
    }
    (view, announced, changes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_final_facts_do_not_depend_on_the_order_of_deliveries((which, events) in shuffled(), batch in 1..5_usize) {
        let (view, announced, changes) = announce(&events, batch);
        prop_assert_eq!(announced.facts(), Facts::of(&joined(&HISTORIES[which])));
        prop_assert_eq!(view, joined(&HISTORIES[which]));
        let mut values: BTreeMap<FactName, Vec<(u64, FactValue)>> = BTreeMap::new();
        for change in changes {
            let so_far = values.entry(change.fact).or_default();
            let former = so_far.last().map_or(FactValue::No, |(_, value)| *value);
            prop_assert_eq!(change.announcement.former, former);
            prop_assert_ne!(change.announcement.value, former);
            so_far.push((change.announcement.number, change.announcement.value));
        }
        for (fact, values) in values {
            let numbers: Vec<u64> = values.iter().map(|(number, _)| *number).collect();
            let expected: Vec<u64> = (1..).take(numbers.len()).collect();
            prop_assert_eq!(numbers, expected, "{:?}", fact);
        }
    }

    #[test]
    fn later_states_imply_earlier_ones_at_every_step((_, events) in shuffled()) {
        let mut view = View::default();
        for event in &events {
            view.merge(View::of(event));
            prop_assert_eq!(contradictions(&Facts::of(&view)), Vec::<String>::new());
        }
    }

    #[test]
    fn later_states_imply_earlier_ones_in_any_view(order in any_order()) {
        prop_assert_eq!(contradictions(&Facts::of(&view_of(&order))), Vec::<String>::new());
    }

    #[test]
    fn forgetting_a_buyer_changes_no_fact((_, events) in shuffled(), order in any_order()) {
        for view in [joined(&events), view_of(&order)] {
            prop_assert_eq!(Facts::of(&without_personal(view.clone())), Facts::of(&view));
        }
    }
}

fn view_of(order: &Value) -> View {
    View::of(
        &serde_json::from_value(json!({
            "specversion": "1.0", "id": "a/b/o/c/d", "source": "/hookmill/shopline/tw", "type": "order.updated",
            "subject": "o", "datacontenttype": "application/json", "dataschema": "urn:hookmill:event:1",
            "providerevent": "x", "mappingversion": 1, "receivedtime": "2026-01-01T00:00:00Z", "sequence": "1",
            "data": order,
        }))
        .unwrap(),
    )
}

/// Orders in all states, those included that no provider sends.
fn any_order() -> impl Strategy<Value = Value> {
    let order = prop::sample::select(vec![
        "none",
        "draft",
        "flagged",
        "pending",
        "confirmed",
        "shipped",
        "completed",
        "returning",
        "returned",
        "cancelled",
        "closed",
        "deleted",
        "unknown",
    ]);
    let payment = prop::sample::select(vec![
        "pending",
        "authorized",
        "paid",
        "settled",
        "conflict",
        "refunding",
        "refunded",
        "partially_refunded",
        "failed",
        "expired",
        "voided",
        "unknown",
    ]);
    let parcel = prop::sample::select(vec![
        "pending",
        "preparing",
        "shipped",
        "arrived",
        "delivered",
        "returning",
        "returned",
        "failed",
        "cancelled",
        "unknown",
    ]);
    let returned = prop::sample::select(vec!["requested", "accepted", "rejected", "completed", "cancelled"]);
    let refund = prop::option::of(prop::sample::select(vec!["0", "5.5", "20", "-1"]));
    (
        order,
        prop::collection::vec((payment, prop::collection::vec(refund, 0..3)), 0..3),
        prop::collection::vec((parcel, any::<bool>(), any::<bool>()), 0..3),
        prop::collection::vec((returned, parcel_back()), 0..2),
    )
        .prop_map(|(order, payments, parcels, returns)| order_of(order, &payments, &parcels, &returns))
}

fn parcel_back() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["pending", "shipped", "delivered", "returned", "failed", "cancelled"])
}

type AnyPayment = (&'static str, Vec<Option<&'static str>>);

fn order_of(order: &str, payments: &[AnyPayment], parcels: &[(&str, bool, bool)], returns: &[(&str, &str)]) -> Value {
    let status = |state: &str| json!({"state": state, "word": state});
    let at = |has: bool| if has { json!("2026-01-01T00:00:00Z") } else { Value::Null };
    let refund = |(number, amount): (usize, &Option<&str>)| json!({"id": number.to_string(), "amount": amount.map(|amount| json!({"amount": amount, "currency": "EUR"}))});
    let payment = |(number, (state, refunds)): (usize, &AnyPayment)| {
        let refunds: Vec<Value> = refunds.iter().enumerate().map(refund).collect();
        json!({"id": number.to_string(), "status": status(state), "refunds": refunds})
    };
    let parcel = |(number, (state, left, arrived)): (usize, &(&str, bool, bool))| {
        let (left, arrived) = (at(*left), at(*arrived));
        json!({"id": number.to_string(), "status": status(state), "shipped_at": left, "delivered_at": arrived})
    };
    let returned = |(number, (state, parcel)): (usize, &(&str, &str))| {
        let parcel = json!({"id": number.to_string(), "status": status(parcel)});
        json!({"id": number.to_string(), "status": status(state), "fulfillments": [parcel]})
    };
    let order_status = if order == "none" { Value::Null } else { status(order) };
    json!({
        "kind": "order", "status": order_status,
        "payments": payments.iter().enumerate().map(payment).collect::<Vec<_>>(),
        "fulfillments": parcels.iter().enumerate().map(parcel).collect::<Vec<_>>(),
        "returns": returns.iter().enumerate().map(returned).collect::<Vec<_>>(),
    })
}

fn line(label: &str, view: &View) -> String {
    let mut line = format!("{label}:");
    for (fact, value) in Facts::of(view).iter().filter(|(_, value)| value.holds()) {
        write!(line, " {}", fact.name()).unwrap();
        value.sum().into_iter().for_each(|sum| write!(line, "={sum}").unwrap());
    }
    line + "\n"
}

/// The facts of each sample alone, and of each order with all its samples and snapshots.
#[test]
fn facts_of_the_samples_are_as_recorded() {
    let mut facts = String::new();
    for case in cases::all() {
        let view = View::of(&case.provider.read(&case.row()));
        if !view.is_empty() {
            facts += &line(&format!("{}/{}", case.provider.name, case.name), &view);
        }
    }
    for answer in snapshots::all() {
        facts += &line(&answer.label, &View::of(&answer.event()));
    }
    for history in HISTORIES.iter() {
        let subject = history[0].id.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        facts += &line(&format!("order {subject}"), &joined(history));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/facts.golden");
    if cases::updating() {
        fs::write(&path, &facts).unwrap();
    }
    let recorded = fs::read_to_string(&path).unwrap_or_default();
    let difference = cases::first_difference(&recorded, &facts);
    assert_eq!(difference, None, "UPDATE_READINGS=1 rewrites the facts of the samples");
}
