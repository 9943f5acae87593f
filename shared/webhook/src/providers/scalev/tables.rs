//! Scalev's words and ours.

use crate::read::event::EventType;
use crate::read::status::{CheckoutState, FulfillmentState, OrderState, PaymentState, Table};

/// What an event's `data` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// An order, whole.
    Order,
    /// An order, of which a status is news.
    Status,
    /// What is left of an order.
    Deleted,
    /// An order's payment.
    Payment,
    /// A cart.
    Intent,
    /// Nothing.
    Empty,
}

/// Where a status is the news, the type is what stands here only for a status that no table has.
pub(super) const EVENTS: Table<(EventType, Shape)> = &[
    ("order.created", (EventType::OrderCreated, Shape::Order)),
    ("order.epayment_created", (EventType::PaymentPending, Shape::Order)),
    ("order.updated", (EventType::OrderUpdated, Shape::Order)),
    ("order.deleted", (EventType::OrderDeleted, Shape::Deleted)),
    ("order.status_changed", (EventType::OrderUpdated, Shape::Status)),
    ("order.payment_status_changed", (EventType::PaymentUpdated, Shape::Payment)),
    ("order.spam_created", (EventType::OrderFlagged, Shape::Order)),
    ("payment.received", (EventType::PaymentUpdated, Shape::Payment)),
    ("payment.failed", (EventType::PaymentUpdated, Shape::Payment)),
    ("checkout_intent.abandoned", (EventType::CheckoutAbandoned, Shape::Intent)),
    ("checkout_intent.completed", (EventType::CheckoutCompleted, Shape::Intent)),
    ("business.test_event", (EventType::Ping, Shape::Empty)),
];

/// The type of a change of an order's status.
pub(super) const STATUS_EVENTS: Table<EventType> = &[
    ("draft", EventType::OrderDraft),
    ("pending", EventType::OrderPending),
    ("confirmed", EventType::OrderConfirmed),
    ("in_process", EventType::OrderProcessing),
    ("ready", EventType::OrderReady),
    ("shipped", EventType::OrderShipped),
    ("completed", EventType::OrderCompleted),
    ("shipped_rts", EventType::OrderReturned),
    ("rts", EventType::OrderReturned),
    ("canceled", EventType::OrderCancelled),
    ("closed", EventType::OrderClosed),
];

/// The type of a change of a payment's status.
pub(super) const PAYMENT_EVENTS: Table<EventType> = &[
    ("unpaid", EventType::PaymentUnpaid),
    ("paid", EventType::PaymentPaid),
    ("settled", EventType::PaymentSettled),
    ("conflict", EventType::PaymentConflict),
];

/// An order's statuses.
pub(super) const ORDER_STATES: Table<OrderState> = &[
    ("draft", OrderState::Draft),
    ("pending", OrderState::Pending),
    ("confirmed", OrderState::Confirmed),
    ("in_process", OrderState::Processing),
    ("ready", OrderState::Ready),
    ("shipped", OrderState::Shipped),
    ("completed", OrderState::Completed),
    ("shipped_rts", OrderState::Returned),
    ("rts", OrderState::Returned),
    ("canceled", OrderState::Cancelled),
    ("closed", OrderState::Closed),
];

/// The one status of an order tells of its parcel too; `draft` and `closed` tell nothing of it.
pub(super) const FULFILLMENT_STATES: Table<FulfillmentState> = &[
    ("pending", FulfillmentState::Pending),
    ("confirmed", FulfillmentState::Pending),
    ("in_process", FulfillmentState::Preparing),
    ("ready", FulfillmentState::Ready),
    ("shipped", FulfillmentState::Shipped),
    ("completed", FulfillmentState::Delivered),
    ("shipped_rts", FulfillmentState::Returning),
    ("rts", FulfillmentState::Returned),
    ("canceled", FulfillmentState::Cancelled),
];

/// A payment's statuses.
pub(super) const PAYMENT_STATES: Table<PaymentState> = &[
    ("unpaid", PaymentState::Pending),
    ("paid", PaymentState::Paid),
    ("settled", PaymentState::Settled),
    ("conflict", PaymentState::Conflict),
];

/// A cart's statuses.
pub(super) const CHECKOUT_STATES: Table<CheckoutState> = &[
    ("active", CheckoutState::Active),
    ("abandoned", CheckoutState::Abandoned),
    ("completed", CheckoutState::Completed),
];
