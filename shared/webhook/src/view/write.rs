//! Writes one event into a view.
//!
//! A register's sequence is its event's, but for two things. An entity that has a time of its own is placed at that time:
//! an order that is sent with an old copy of its payment does not undo what the payment's own event said. And at one
//! instant the status that is further on is the later one, for each entity by its own status, before any hash decides.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::keep::claim::Part;
use crate::read::event::{Data, Event, is_nameless};
use crate::read::status::{FulfillmentState, OrderState, PaymentState, ReturnState};
use crate::view::{REGISTER_BYTES_MAX, Register, View, reference};

/// The parcels in which goods come back, which are not the order's.
const RETURNED: &str = "return_fulfillments";

/// The class of sequences that have a time.
const TIMED: &str = "3";

/// The states of each kind, in the order in which one follows the other.
const ORDER_STEPS: &[OrderState] = &[
    OrderState::Draft,
    OrderState::Flagged,
    OrderState::Pending,
    OrderState::Confirmed,
    OrderState::Processing,
    OrderState::Ready,
    OrderState::Shipped,
    OrderState::Completed,
    OrderState::Returning,
    OrderState::Returned,
    OrderState::Cancelled,
    OrderState::Closed,
    OrderState::Deleted,
];
const PAYMENT_STEPS: &[PaymentState] = &[
    PaymentState::Pending,
    PaymentState::Failed,
    PaymentState::Expired,
    PaymentState::Authorized,
    PaymentState::Paid,
    PaymentState::Settled,
    PaymentState::Conflict,
    PaymentState::PartiallyRefunded,
    PaymentState::Refunding,
    PaymentState::Refunded,
    PaymentState::Voided,
];
const FULFILLMENT_STEPS: &[FulfillmentState] = &[
    FulfillmentState::Pending,
    FulfillmentState::Preparing,
    FulfillmentState::Ready,
    FulfillmentState::Shipped,
    FulfillmentState::Arrived,
    FulfillmentState::Delivered,
    FulfillmentState::Returning,
    FulfillmentState::Returned,
    FulfillmentState::Failed,
    FulfillmentState::Cancelled,
];
const RETURN_STEPS: &[ReturnState] = &[
    ReturnState::Requested,
    ReturnState::Accepted,
    ReturnState::Rejected,
    ReturnState::Completed,
    ReturnState::Cancelled,
];

impl View {
    /// Makes the view of one event. Only order, payment, fulfilment and return events say anything here.
    pub fn of(event: &Event) -> Self {
        let mut view = View::default();
        // An event that names no order would join unrelated ones.
        if is_nameless(&event.subject) || !event.event_type.concerns_orders() {
            return view;
        }
        let mut writer = Writer { view: &mut view, event, place: Place::default() };
        match &event.data {
            Some(Data::Order(order)) => writer.order(&to_map(order)),
            Some(Data::Payment(payment)) => writer.entity("payments", &to_map(payment)),
            // A return's parcel is not the order's: it can neither reopen nor fulfil it.
            Some(Data::Fulfillment(parcel)) if parcel.return_id.value().is_some() => {
                writer.entity(RETURNED, &to_map(parcel));
            }
            Some(Data::Fulfillment(fulfillment)) => writer.entity("fulfillments", &to_map(fulfillment)),
            Some(Data::Return(returned)) => writer.entity("returns", &to_map(returned)),
            Some(Data::Customer(_) | Data::Product(_) | Data::Checkout(_) | Data::App(_) | Data::Other {}) | None => {}
        }
        view
    }
}

fn to_map<T: Serialize>(data: &T) -> Map<String, Value> {
    match serde_json::to_value(data) {
        Ok(Value::Object(members)) => members,
        Ok(_) | Err(_) => Map::new(),
    }
}

/// An entity's place among the events of its order.
#[derive(Debug, Clone, Default)]
struct Place {
    /// When it last changed, as far as it says it itself.
    changed: Option<Timestamp>,
    /// The step of its status, from 1; 0 if it has none.
    step: usize,
    /// The sequence of its registers.
    sequence: String,
}

struct Writer<'a> {
    view: &'a mut View,
    event: &'a Event,
    place: Place,
}

impl Writer<'_> {
    fn order(&mut self, order: &Map<String, Value>) {
        self.place = Place::of(self.event, None, step_of("order", order).unwrap_or(0));
        for (name, value) in order {
            match (name.as_str(), value) {
                ("payments" | "fulfillments" | "returns", Value::Array(entities)) => {
                    entities.iter().filter_map(Value::as_object).for_each(|entity| self.entity(name, entity));
                }
                _ => self.field("order", name, value),
            }
        }
    }

    fn entity(&mut self, parent: &str, entity: &Map<String, Value>) {
        let path = format!("{parent}/{}", Part::of(&[entity.get("id").and_then(Value::as_str)]));
        let changed = entity.get("updated_at").and_then(Value::as_str).and_then(|time| time.parse().ok());
        // A refund has no status: its payment's is its own.
        let outer_step = if parent.ends_with("/refunds") { self.place.step } else { 0 };
        let step = step_of(parent, entity).unwrap_or(outer_step);
        let place = Place::of(self.event, changed.or(self.place.changed), step);
        let outer = std::mem::replace(&mut self.place, place);
        for (name, value) in entity {
            match (name.as_str(), value) {
                ("refunds", Value::Array(refunds)) => {
                    let parent = format!("{path}/refunds");
                    refunds.iter().filter_map(Value::as_object).for_each(|refund| self.entity(&parent, refund));
                }
                ("fulfillments", Value::Array(parcels)) => {
                    parcels.iter().filter_map(Value::as_object).for_each(|parcel| self.entity(RETURNED, parcel));
                }
                // Who pays or returns is the order's buyer, whether an order's event names them or only such a one.
                ("customer", _) if matches!(parent, "payments" | "returns") => self.field("order", name, value),
                // Scalapay gives the currency once: an event that leaves it out does not take it away.
                ("amount", Value::Object(money))
                    if parent == "payments" && money.get("currency").is_some_and(Value::is_null) =>
                {
                    let path = format!("{path}/amount");
                    money.get("amount").into_iter().for_each(|amount| self.set(&path, "amount", amount));
                }
                _ => self.field(&path, name, value),
            }
        }
        self.place = outer;
    }

    fn field(&mut self, parent: &str, name: &str, value: &Value) {
        match (name, value) {
            // Groups of fields that each have their own register.
            ("totals" | "status_times" | "references" | "customer", Value::Object(members)) => {
                let parent = format!("{parent}/{name}");
                members.iter().for_each(|(name, value)| self.set(&parent, &Part::one(name).to_string(), value));
            }
            _ => self.set(parent, name, value),
        }
    }

    fn set(&mut self, parent: &str, name: &str, value: &Value) {
        // A correction is its event under a better mapping: the sequence says which is the better.
        let id = self.event.correctionof.as_ref().unwrap_or(&self.event.id);
        let too_large = value.to_string().len() > REGISTER_BYTES_MAX;
        let value = if too_large { reference(id) } else { value.clone() };
        let register = Register { value, sequence: self.place.sequence.clone(), event: id.clone() };
        self.view.registers.insert(format!("{parent}/{name}"), register);
    }
}

impl Place {
    fn of(event: &Event, changed: Option<Timestamp>, step: usize) -> Self {
        Place { changed, step, sequence: sequence(&event.sequence, changed, step) }
    }
}

/// Returns an event's sequence at an entity's own time and with its status's own step.
fn sequence(of_event: &str, changed: Option<Timestamp>, step: usize) -> String {
    let fields: Vec<&str> = of_event.split('.').collect();
    let &[TIMED, version, event, rank, mapping, hash] = fields.as_slice() else { return of_event.to_owned() };
    let own = changed.and_then(|time| u64::try_from(time.as_nanosecond()).ok());
    // Of one state of an entity the event that came last is the one with the most to say of it.
    let (version, event) = match own {
        Some(own) => (format!("{own:020}"), version),
        None => (version.to_owned(), event),
    };
    let rank = step * RANKS_A_STEP + rank.parse::<usize>().unwrap_or(0).min(RANKS_A_STEP - 1);
    format!("{TIMED}.{version}.{event}.{rank:05}.{mapping}.{hash}")
}

/// The events' own ranks, which are the order within one step.
const RANKS_A_STEP: usize = 1_000;

/// The step of an entity's status; `None` if it has none.
fn step_of(kind: &str, entity: &Map<String, Value>) -> Option<usize> {
    let state = entity.get("status")?.get("state")?;
    Some(match kind {
        "order" => step(ORDER_STEPS, state),
        "payments" => step(PAYMENT_STEPS, state),
        "fulfillments" | RETURNED => step(FULFILLMENT_STEPS, state),
        "returns" => step(RETURN_STEPS, state),
        _ => return None,
    })
}

fn step<T: for<'de> Deserialize<'de> + PartialEq>(steps: &[T], state: &Value) -> usize {
    let state = T::deserialize(state).ok();
    steps.iter().position(|known| Some(known) == state.as_ref()).map_or(0, |place| place + 1)
}
