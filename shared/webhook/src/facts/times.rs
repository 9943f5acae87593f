//! When a fact became true, where the provider reports it.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::facts::name::FactName;
use crate::keep::claim::Part;
use crate::read::status::{FulfillmentState, OrderState, PaymentState};
use crate::view::View;

/// Returns the provider's time of a fact that holds; `None` where it reports none.
pub fn time_of(view: &View, fact: FactName) -> Option<Timestamp> {
    match fact {
        FactName::Placed => time(view, "order/created_at"),
        FactName::Flagged | FactName::PaymentFailed => None,
        FactName::Authorized => entered(view, "payments", &[PaymentState::Authorized]).min(),
        FactName::Paid => {
            let received = [PaymentState::Paid, PaymentState::Settled, PaymentState::PartiallyRefunded];
            let refunded = [PaymentState::Refunding, PaymentState::Refunded];
            let states = [&received[..], &refunded[..]].concat();
            let paid = of_entities(view, "payments", &states, "paid_at").min();
            paid.or_else(|| of_entities(view, "payments", &states, "processed_at").min())
                .or_else(|| entered(view, "payments", &[PaymentState::Paid]).min())
        }
        FactName::Cancelled => time(view, "order/cancelled_at")
            .or_else(|| order_entered(view, &[OrderState::Cancelled, OrderState::Deleted])),
        FactName::Shipped => times(view, "fulfillments/", "/shipped_at")
            .min()
            .or_else(|| entered(view, "fulfillments", &[FulfillmentState::Shipped]).min())
            .or_else(|| order_entered(view, &[OrderState::Shipped])),
        FactName::Delivered => times(view, "fulfillments/", "/delivered_at")
            .max()
            .or_else(|| entered(view, "fulfillments", &[FulfillmentState::Delivered]).max()),
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

/// A field of all entities in one of these states.
fn of_entities<T: for<'de> Deserialize<'de> + PartialEq>(
    view: &View,
    kind: &str,
    states: &[T],
    field: &str,
) -> impl Iterator<Item = Timestamp> {
    let found: Vec<Timestamp> = view
        .statuses(kind)
        .filter(|(_, status)| is_one_of(status, states))
        .filter_map(|(id, _)| time(view, &format!("{kind}/{id}/{field}")))
        .collect();
    found.into_iter()
}

/// When the entities that are in one of these states entered it: by the status's own word, at the entity or its order.
fn entered<T: for<'de> Deserialize<'de> + PartialEq>(
    view: &View,
    kind: &str,
    states: &[T],
) -> impl Iterator<Item = Timestamp> {
    let found: Vec<Timestamp> = view
        .statuses(kind)
        .filter(|(_, status)| is_one_of(status, states))
        .filter_map(|(id, status)| {
            let word = Part::one(status.get("word")?.as_str()?);
            time(view, &format!("{kind}/{id}/status_times/{word}"))
                .or_else(|| time(view, &format!("order/status_times/{word}")))
        })
        .collect();
    found.into_iter()
}

fn order_entered(view: &View, states: &[OrderState]) -> Option<Timestamp> {
    let status = view.value("order/status").filter(|status| is_one_of(status, states))?;
    time(view, &format!("order/status_times/{}", Part::one(status.get("word")?.as_str()?)))
}

fn is_one_of<T: for<'de> Deserialize<'de> + PartialEq>(status: &Value, states: &[T]) -> bool {
    status.get("state").and_then(|state| T::deserialize(state).ok()).is_some_and(|state| states.contains(&state))
}
