//! The parts of a view that facts are made of. Only what stays of a view when its buyer is forgotten is looked at, so
//! that forgetting changes no fact.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::facts::name::FactValue;
use crate::read::event::UNNAMED;
use crate::read::money::Amount;
use crate::read::status::{FulfillmentState, OrderState, PaymentState, ReturnState};
use crate::view::{FULFILLMENT_FOLD, Refunded, View, fold, state_of};

/// Everything in a view that says something of a fact.
pub(super) struct Evidence {
    order: Option<OrderState>,
    payments: Vec<PaymentState>,
    /// A payment is known, and its state is not.
    has_open_attempt: bool,
    parcels: Vec<Parcel>,
    returns: Vec<ReturnState>,
    /// The parcels in which goods come back.
    return_parcels: Vec<FulfillmentState>,
    refunded: Refunded,
}

/// A parcel of the order's goods.
struct Parcel {
    state: FulfillmentState,
    /// It has a time at which it was handed to the carrier.
    has_left: bool,
    /// It has a time at which the buyer got it.
    has_arrived: bool,
}

impl Evidence {
    pub(super) fn of(view: &View) -> Self {
        Evidence {
            order: view.state("order/status"),
            payments: view.entity_states("payments").collect(),
            has_open_attempt: has_stateless(view, "payments"),
            parcels: parcels(view),
            returns: view.entity_states("returns").collect(),
            return_parcels: view.entity_states("return_fulfillments").collect(),
            refunded: view.refunded(),
        }
    }

    /// A word that no table has is a state of an order that exists.
    pub(super) fn is_placed(&self) -> bool {
        self.order.is_some_and(|state| !matches!(state, OrderState::Draft | OrderState::Flagged))
    }

    pub(super) fn is_held(&self) -> bool {
        self.order == Some(OrderState::Flagged)
    }

    pub(super) fn is_authorized(&self) -> bool {
        self.payments.contains(&PaymentState::Authorized)
    }

    pub(super) fn is_paid(&self) -> bool {
        self.payments.iter().any(|state| state.is_received())
    }

    pub(super) fn has_only_failed(&self) -> bool {
        let failed =
            |state: &PaymentState| matches!(state, PaymentState::Failed | PaymentState::Expired | PaymentState::Voided);
        !self.payments.is_empty() && !self.has_open_attempt && self.payments.iter().all(failed)
    }

    /// Shops remove finished orders for tidiness, and others to be rid of them: the parcels show which.
    pub(super) fn is_cancelled(&self) -> bool {
        match self.order {
            Some(OrderState::Cancelled) => true,
            Some(OrderState::Deleted) => !self.is_shipped(),
            Some(_) | None => false,
        }
    }

    pub(super) fn is_shipped(&self) -> bool {
        let by_order = matches!(self.order, Some(OrderState::Shipped | OrderState::Returning | OrderState::Returned));
        by_order || self.parcels.iter().any(Parcel::is_shipped)
    }

    /// As the order's summary has it, which waits for every parcel that is under way.
    pub(super) fn is_delivered(&self) -> bool {
        let furthest = self.parcels.iter().map(Parcel::furthest);
        fold(FULFILLMENT_FOLD, furthest) == Some(FulfillmentState::Delivered)
    }

    /// A parcel that goes back to its sender comes back unasked.
    pub(super) fn is_coming_back(&self) -> bool {
        let open = |state: &ReturnState| matches!(state, ReturnState::Requested | ReturnState::Accepted);
        let under_way = |state: &FulfillmentState| {
            !matches!(state, FulfillmentState::Failed | FulfillmentState::Cancelled | FulfillmentState::Unknown)
        };
        self.order == Some(OrderState::Returning)
            || self.has_parcel(FulfillmentState::Returning)
            || self.returns.iter().any(open)
            || self.return_parcels.iter().any(under_way)
    }

    pub(super) fn is_back(&self) -> bool {
        let arrived =
            |state: &FulfillmentState| matches!(state, FulfillmentState::Delivered | FulfillmentState::Returned);
        self.order == Some(OrderState::Returned)
            || self.has_parcel(FulfillmentState::Returned)
            || self.returns.contains(&ReturnState::Completed)
            || self.return_parcels.iter().any(arrived)
    }

    pub(super) fn refunded(&self) -> FactValue {
        let is_said = self.payments.iter().any(|state| state.is_given_back());
        match self.refunded {
            Refunded::Unknown => FactValue::UnknownSum,
            Refunded::Amount(sum) if sum != Amount::ZERO => FactValue::Sum(sum),
            // Nothing was given back yet, or nobody says how much.
            Refunded::Amount(_) | Refunded::Nothing if is_said => FactValue::UnknownSum,
            Refunded::Amount(_) | Refunded::Nothing => FactValue::No,
        }
    }

    fn has_parcel(&self, state: FulfillmentState) -> bool {
        self.parcels.iter().any(|parcel| parcel.state == state)
    }

    pub(super) fn is_completed(&self) -> bool {
        self.order == Some(OrderState::Completed)
    }
}

impl Parcel {
    fn is_shipped(&self) -> bool {
        match self.state {
            FulfillmentState::Shipped
            | FulfillmentState::Arrived
            | FulfillmentState::Returning
            | FulfillmentState::Delivered
            | FulfillmentState::Returned => true,
            // Neither word says how far it came: its time does.
            FulfillmentState::Failed | FulfillmentState::Unknown => self.has_left || self.has_arrived,
            FulfillmentState::Pending
            | FulfillmentState::Preparing
            | FulfillmentState::Ready
            | FulfillmentState::Cancelled => false,
        }
    }

    /// Its state, or that it was delivered, if that was before it went back.
    fn furthest(&self) -> FulfillmentState {
        match self.state {
            FulfillmentState::Returning | FulfillmentState::Returned | FulfillmentState::Unknown
                if self.has_arrived =>
            {
                FulfillmentState::Delivered
            }
            state => state,
        }
    }
}

fn parcels(view: &View) -> Vec<Parcel> {
    let parcel = |(id, status): (&str, &Value)| {
        let state = state_of(status)?;
        let has = |time: &str| view.value(&format!("fulfillments/{id}/{time}")).is_some();
        Some(Parcel { state, has_left: has("shipped_at"), has_arrived: has("delivered_at") })
    };
    view.statuses("fulfillments").filter_map(parcel).collect()
}

/// Returns whether an entity with an id has no status.
fn has_stateless(view: &View, kind: &str) -> bool {
    let id = |path: &str| path.strip_prefix(kind)?.strip_prefix('/')?.split('/').next().map(str::to_owned);
    let ids: BTreeSet<String> = view.registers().filter_map(|(path, _)| id(path)).collect();
    ids.iter().any(|id| id != UNNAMED && view.value(&format!("{kind}/{id}/status")).is_none())
}
