//! When a fact became true, where the provider reports it.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::facts::name::FactName;
use crate::keep::claim::Part;
use crate::read::status::{FulfillmentState, OrderState, PaymentState};
use crate::view::{View, state_of};

/// Returns the provider's time of a fact that holds; `None` where it reports none.
pub fn time_of(view: &View, fact: FactName) -> Option<Timestamp> {
    match fact {
        FactName::Placed => time(view, "order/created_at"),
        FactName::Flagged | FactName::PaymentFailed => None,
        FactName::Authorized => entered(view, "payments", PaymentState::Authorized).min(),
        FactName::Paid => of_received(view, "paid_at")
            .min()
            .or_else(|| of_received(view, "processed_at").min())
            .or_else(|| entered(view, "payments", PaymentState::Paid).min()),
        FactName::Cancelled => time(view, "order/cancelled_at")
            .or_else(|| order_entered(view, &[OrderState::Cancelled, OrderState::Deleted])),
        FactName::Shipped => times(view, "fulfillments/", "/shipped_at")
            .min()
            .or_else(|| entered(view, "fulfillments", FulfillmentState::Shipped).min())
            .or_else(|| order_entered(view, &[OrderState::Shipped])),
        FactName::Delivered => times(view, "fulfillments/", "/delivered_at")
            .max()
            .or_else(|| entered(view, "fulfillments", FulfillmentState::Delivered).max()),
        FactName::ReturnRequested => {
            times(view, "returns/", "/created_at").min().or_else(|| order_entered(view, &[OrderState::Returning]))
        }
        FactName::Returned => times(view, "fulfillments/", "/returned_at")
            .max()
            .or_else(|| times(view, "return_fulfillments/", "/delivered_at").max())
            .or_else(|| order_entered(view, &[OrderState::Returned])),
        FactName::Refunded => {
            times(view, "payments/", "/refunded_at").chain(times(view, "returns/", "/refunded_at")).max()
        }
        FactName::Completed => order_entered(view, &[OrderState::Completed]),
    }
}

fn time(view: &View, path: &str) -> Option<Timestamp> {
    view.value(path)?.as_str()?.parse().ok()
}

/// The times of all registers that begin and end like this.
fn times<'v>(view: &'v View, first: &'v str, last: &'v str) -> impl Iterator<Item = Timestamp> + 'v {
    let matching = view.registers().filter(move |(path, _)| path.starts_with(first) && path.ends_with(last));
    matching.filter_map(|(_, register)| register.value.as_str()?.parse().ok())
}

/// A field of the payments of which money was received.
fn of_received(view: &View, field: &str) -> impl Iterator<Item = Timestamp> {
    let received = |status: &Value| state_of(status).is_some_and(PaymentState::is_received);
    let payments = view.statuses("payments").filter(move |(_, status)| received(status));
    payments.filter_map(move |(id, _)| time(view, &format!("payments/{id}/{field}")))
}

/// When the entities that are in a state entered it: by the status's own word, at the entity or its order.
fn entered<'v, T: for<'de> Deserialize<'de> + PartialEq>(
    view: &'v View,
    kind: &'v str,
    state: T,
) -> impl Iterator<Item = Timestamp> {
    let entities = view.statuses(kind).filter(move |(_, status)| state_of(status).as_ref() == Some(&state));
    entities.filter_map(move |(id, status)| {
        let word = Part::one(status.get("word")?.as_str()?);
        time(view, &format!("{kind}/{id}/status_times/{word}"))
            .or_else(|| time(view, &format!("order/status_times/{word}")))
    })
}

fn order_entered(view: &View, states: &[OrderState]) -> Option<Timestamp> {
    let status = view.value("order/status")?;
    state_of(status).filter(|state| states.contains(state))?;
    time(view, &format!("order/status_times/{}", Part::one(status.get("word")?.as_str()?)))
}
