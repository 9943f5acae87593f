//! An order as its view has it now, in the shape in which events describe orders.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::facts::name::FactName;
use crate::facts::table::Facts;
use crate::read::event::UNNAMED;
use crate::read::money::Amount;
use crate::read::order::{Fulfillment, Order, Payment, Return};
use crate::read::status::{FulfillmentState, OrderState, PaymentState};
use crate::view::{Refunded, View};

/// An order as it is known now: what a usual consumer needs of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurrentOrder {
    /// All facts that hold.
    #[serde(default)]
    #[schemars(with = "Vec<FactName>")]
    pub facts: Vec<String>,
    /// Its states and sums.
    #[serde(default)]
    pub summary: OrderSummary,
    /// All that is known of it, with its payments, fulfilments and returns.
    #[serde(default)]
    pub order: Box<Order>,
}

/// The three axes and the sums of an order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OrderSummary {
    /// The order's state; null if only its payment is known.
    pub order_state: Option<OrderState>,
    /// The state of its payments together.
    pub payment_state: Option<PaymentState>,
    /// The state of its fulfilments together.
    pub fulfillment_state: Option<FulfillmentState>,
    /// The sum that the buyer pays, as given.
    pub total: Option<Amount>,
    /// The currency, as given.
    pub currency: Option<String>,
    /// The refunded sum, `unknown` if an amount of it is not known, null if nothing was refunded.
    pub refunded: Option<String>,
}

/// Makes the current order of a view. The flag says whether something was left out: a value that was too large for the
/// view.
pub(super) fn current_order(view: &View, facts: &Facts) -> (CurrentOrder, bool) {
    let mut rendered = members(view.render());
    let mut is_incomplete = false;
    let mut list = |kind: &str| -> Vec<Map<String, Value>> {
        let entities = members(rendered.remove(kind).unwrap_or_default());
        // What an order says of its payment without naming it is the same money as the named one, unless it is the later
        // truth.
        let counts = entities.keys().all(|id| id == UNNAMED) || view.statuses(kind).any(|(id, _)| id == UNNAMED);
        entities.into_iter().filter(|(id, _)| counts || id != UNNAMED).map(|(_, entity)| members(entity)).collect()
    };
    let (payments, fulfillments, returns) = (list("payments"), list("fulfillments"), list("returns"));
    let back = list("return_fulfillments");
    let mut order: Order = read(members(rendered.remove("order").unwrap_or_default()), &mut is_incomplete);
    order.payments = payments.into_iter().map(|payment| read_payment(payment, &mut is_incomplete)).collect();
    order.fulfillments = fulfillments.into_iter().map(|parcel| read(parcel, &mut is_incomplete)).collect();
    order.returns = returns.into_iter().map(|returned| read_return(returned, &mut is_incomplete)).collect();
    add_parcels_back(&mut order.returns, back, &mut is_incomplete);
    let current = CurrentOrder {
        facts: facts.iter().filter(|(_, value)| value.holds()).map(|(fact, _)| fact.name().to_owned()).collect(),
        summary: OrderSummary::of(view),
        order: Box::new(order),
    };
    (current, is_incomplete)
}

impl OrderSummary {
    fn of(view: &View) -> Self {
        let summary = view.summary();
        OrderSummary {
            order_state: summary.order_state,
            payment_state: summary.payment_state,
            fulfillment_state: summary.fulfillment_state,
            total: summary.total,
            currency: summary.currency,
            refunded: match summary.refunded {
                Refunded::Nothing => None,
                Refunded::Unknown => Some("unknown".to_owned()),
                Refunded::Amount(sum) => Some(sum.to_string()),
            },
        }
    }
}

fn read_payment(mut payment: Map<String, Value>, is_incomplete: &mut bool) -> Payment {
    let refunds = refunds(&mut payment, is_incomplete);
    Payment { refunds, ..read(payment, is_incomplete) }
}

fn read_return(mut returned: Map<String, Value>, is_incomplete: &mut bool) -> Return {
    let refunds = refunds(&mut returned, is_incomplete);
    Return { refunds, ..read(returned, is_incomplete) }
}

fn refunds<T: DeserializeOwned + Default>(entity: &mut Map<String, Value>, is_incomplete: &mut bool) -> Vec<T> {
    let refunds = members(entity.remove("refunds").unwrap_or_default());
    refunds.into_iter().map(|(_, refund)| read(members(refund), is_incomplete)).collect()
}

/// Puts the parcels in which goods come back under their returns; one whose return is not known has one of its own.
fn add_parcels_back(returns: &mut Vec<Return>, parcels: Vec<Map<String, Value>>, is_incomplete: &mut bool) {
    for parcel in parcels {
        let parcel: Fulfillment = read(parcel, is_incomplete);
        let of = parcel.return_id.value().cloned();
        match returns.iter_mut().find(|returned| returned.id == of) {
            Some(returned) => returned.fulfillments.push(parcel),
            None => returns.push(Return { id: of, fulfillments: vec![parcel], ..Return::default() }),
        }
    }
}

/// Reads a record. A member that is not of its form is left out: it stayed in its event, being too large.
fn read<T: DeserializeOwned + Default>(record: Map<String, Value>, is_incomplete: &mut bool) -> T {
    if let Ok(whole) = T::deserialize(Value::Object(record.clone())) {
        return whole;
    }
    *is_incomplete = true;
    let is_readable = |name: &str, value: &Value| {
        T::deserialize(Value::Object(Map::from_iter([(name.to_owned(), value.clone())]))).is_ok()
    };
    let readable = record.into_iter().filter(|(name, value)| is_readable(name, value)).collect();
    T::deserialize(Value::Object(readable)).unwrap_or_default()
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
