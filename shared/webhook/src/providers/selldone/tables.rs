//! Selldone's words and ours.

use crate::read::event::EventType;
use crate::read::status::{FulfillmentState, OrderState, PaymentState, ReturnState, Table};

/// The subject of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventSubject {
    /// An order, under `basket`.
    Order,
    /// A product, under `product` and `variant`.
    Product,
    /// A customer, under `customer`.
    Customer,
}

/// The difference between an order's event and others of its action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    /// It comes once: another body is another snapshot of it.
    OnceAnOrder,
    /// A state can be left and entered again, at another time.
    Version,
    /// Several may come at one time.
    VersionAndBody,
}

/// Part of the claim: a line added here later is a new version of it.
pub(super) const ABOUT: Table<EventSubject> = &[
    ("OnlineOrder", EventSubject::Order),
    ("PosOrder", EventSubject::Order),
    (QUOTE, EventSubject::Order),
    ("HyperOrder", EventSubject::Order),
    (DROPSHIP, EventSubject::Order),
    ("Inventory", EventSubject::Product),
    ("Register", EventSubject::Customer),
    ("Leave", EventSubject::Customer),
];

/// Part of the claim: a line added here later is a new version of it.
pub(super) const IDENTITIES: Table<Identity> = &[
    ("CheckoutOrder", Identity::OnceAnOrder),
    ("PaymentOrder", Identity::OnceAnOrder),
    ("OrderConfirm", Identity::Version),
    ("PreparingOrder", Identity::Version),
    ("SentOrder", Identity::Version),
    ("ToCustomer", Identity::Version),
    ("DeliveryCanceled", Identity::Version),
    ("CancelProduct", Identity::VersionAndBody),
    ("ReturnOrder", Identity::VersionAndBody),
];

/// Orders for which the shop made an offer.
pub(super) const QUOTE: &str = "AvocadoOrder";

/// Orders that another shop sold.
pub(super) const DROPSHIP: &str = "FulfillmentOrder";

/// The shop's answers to a line of a quote.
pub(super) const QUOTED_LINES: Table<Option<bool>> =
    &[("PENDING", None), ("ACCEPTED", Some(true)), ("REJECTED", Some(false))];

/// Our type and the action's place among the steps of an order; what may come at any step has none.
pub(super) const ORDER_ACTIONS: Table<(EventType, Option<u16>)> = &[
    ("CheckoutOrder", (EventType::OrderCreated, Some(1))),
    ("PaymentOrder", (EventType::PaymentCaptured, Some(2))),
    ("OrderConfirm", (EventType::OrderConfirmed, Some(3))),
    ("PreparingOrder", (EventType::FulfillmentPreparing, Some(4))),
    ("SentOrder", (EventType::FulfillmentShipped, Some(5))),
    ("ToCustomer", (EventType::FulfillmentDelivered, Some(6))),
    ("ReturnOrder", (EventType::ReturnRequested, Some(7))),
    ("CancelProduct", (EventType::OrderItemCancelled, None)),
    ("DeliveryCanceled", (EventType::FulfillmentCancelled, None)),
];

/// A change of a variant is a change of its product.
pub(super) const INVENTORY_ACTIONS: Table<EventType> = &[
    ("AddProduct", EventType::ProductCreated),
    ("CloneProduct", EventType::ProductCreated),
    ("EditProduct", EventType::ProductUpdated),
    ("AddVariant", EventType::ProductUpdated),
    ("EditVariant", EventType::ProductUpdated),
    ("DeleteVariant", EventType::ProductUpdated),
    ("DeleteProduct", EventType::ProductRemoved),
];

/// Events about customers have no action.
pub(super) const CUSTOMER_EVENTS: Table<EventType> =
    &[("Register", EventType::CustomerCreated), ("Leave", EventType::CustomerRemoved)];

/// `Payed` is the provider's spelling. The last three are a supplier's answers to a drop-shipping order.
pub(super) const ORDER_STATES: Table<OrderState> = &[
    ("Open", OrderState::Draft),
    ("Reserved", OrderState::Pending),
    ("Payed", OrderState::Confirmed),
    ("Paid", OrderState::Confirmed),
    ("COD", OrderState::Confirmed),
    ("Canceled", OrderState::Cancelled),
    ("PENDING", OrderState::Pending),
    ("ACCEPT", OrderState::Confirmed),
    ("REJECT", OrderState::Cancelled),
];

/// The state of a placed order with the shop, by `delivery_state`: after the confirmation the states are the parcel's.
pub(super) const TAKING_UP: Table<OrderState> = &[
    ("CheckQueue", OrderState::Pending),
    ("OrderConfirm", OrderState::Confirmed),
    ("PreparingOrder", OrderState::Confirmed),
    ("SentOrder", OrderState::Confirmed),
    ("ToCustomer", OrderState::Confirmed),
];

/// Cash on delivery is paid late, and then the status changes.
pub(super) const PAYMENT_STATES: Table<PaymentState> = &[
    ("Open", PaymentState::Pending),
    ("Reserved", PaymentState::Pending),
    ("COD", PaymentState::Pending),
    ("Payed", PaymentState::Paid),
    ("Paid", PaymentState::Paid),
    ("Canceled", PaymentState::Voided),
];

/// Actions that say more of the money than a status that does not.
pub(super) const PAYING_ACTIONS: Table<PaymentState> = &[("PaymentOrder", PaymentState::Paid)];

/// `delivery_state`; the actions that lead there have the same names.
pub(super) const DELIVERY_STATES: Table<FulfillmentState> = &[
    ("CheckQueue", FulfillmentState::Pending),
    ("OrderConfirm", FulfillmentState::Pending),
    ("PreparingOrder", FulfillmentState::Preparing),
    ("SentOrder", FulfillmentState::Shipped),
    ("ToCustomer", FulfillmentState::Delivered),
];

/// Actions that say more of the parcel than the state: the state goes back when a delivery is called off.
pub(super) const DELIVERING_ACTIONS: Table<FulfillmentState> =
    &[("ToCustomer", FulfillmentState::Delivered), ("DeliveryCanceled", FulfillmentState::Cancelled)];

/// The state of one item's return.
pub(super) const RETURN_STATES: Table<ReturnState> =
    &[("Pending", ReturnState::Requested), ("Accepted", ReturnState::Accepted), ("Rejected", ReturnState::Rejected)];

/// Actions that say that something comes back.
pub(super) const RETURNING_ACTIONS: Table<ReturnState> = &[("ReturnOrder", ReturnState::Requested)];
