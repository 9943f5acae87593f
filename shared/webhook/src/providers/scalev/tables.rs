//! Scalev's words and ours.

use crate::read::event::EventType;
use crate::read::status::{CheckoutState, FulfillmentState, OrderState, PaymentState, Table};

/// The kind of an event's `data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataShape {
    /// An order, whole.
    Order,
    /// An order, of which a status is news.
    Status,
    /// The remainder of a deleted order.
    Deleted,
    /// An order's payment.
    Payment,
    /// A cart.
    Intent,
    /// Nothing.
    Empty,
}

/// If a status is the news, the type given here is for a status that no table has.
pub(super) const EVENTS: Table<(EventType, DataShape)> = &[
    ("order.created", (EventType::OrderCreated, DataShape::Order)),
    ("order.epayment_created", (EventType::PaymentPending, DataShape::Order)),
    ("order.updated", (EventType::OrderUpdated, DataShape::Order)),
    ("order.deleted", (EventType::OrderDeleted, DataShape::Deleted)),
    ("order.status_changed", (EventType::OrderUpdated, DataShape::Status)),
    ("order.payment_status_changed", (EventType::PaymentUpdated, DataShape::Payment)),
    ("order.spam_created", (EventType::OrderFlagged, DataShape::Order)),
    ("payment.received", (EventType::PaymentUpdated, DataShape::Payment)),
    ("payment.failed", (EventType::PaymentUpdated, DataShape::Payment)),
    ("checkout_intent.abandoned", (EventType::CheckoutAbandoned, DataShape::Intent)),
    ("checkout_intent.completed", (EventType::CheckoutCompleted, DataShape::Intent)),
    ("business.test_event", (EventType::Ping, DataShape::Empty)),
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
    ("shipped_rts", EventType::OrderReturning),
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

/// An order's statuses, the earlier before the later: of two events of one time the later status wins.
pub(super) const ORDER_STATES: Table<OrderState> = &[
    ("draft", OrderState::Draft),
    ("pending", OrderState::Pending),
    ("confirmed", OrderState::Confirmed),
    ("in_process", OrderState::Processing),
    ("ready", OrderState::Ready),
    ("shipped", OrderState::Shipped),
    ("completed", OrderState::Completed),
    ("shipped_rts", OrderState::Returning),
    ("rts", OrderState::Returned),
    ("canceled", OrderState::Cancelled),
    ("closed", OrderState::Closed),
];

/// The one status of an order is that of its parcel too; `draft` and `closed` say nothing of it.
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

/// A payment's statuses, the earlier before the later, as above.
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
