//! SHOPLINE's topics and status words, and ours.
//!
//! Source: the topics of open-api.docs.shoplineapp.com/docs/create-webhook (merchants' webhooks) and of
//! shopline-developers.readme.io/docs/2-webhook-topics-tabs (apps' webhooks); the status words of
//! open-api.docs.shoplineapp.com/docs/get-order. The provider adds topics without notice.

use crate::read::event::EventType;
use crate::read::status::{FulfillmentState, OrderState, PaymentState, ReturnState, Table};

/// The kind of a topic's resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TopicSubject {
    Order,
    Payment,
    Fulfillment,
    Return,
    Customer,
    Credit,
    Points,
    Product,
    Stock,
    Checkout,
    App,
    Other,
}

/// Returns a topic in our words; `None` if no table has it.
pub(super) fn of(topic: &str) -> Option<(EventType, TopicSubject)> {
    let found = TOPICS.iter().find(|(known, ..)| *known == topic).map(|(_, event_type, about)| (*event_type, *about));
    found.or_else(|| OTHER.contains(&topic).then_some((EventType::Other, TopicSubject::Other)))
}

/// The topics that have a word of ours.
pub(super) fn mapped() -> Vec<&'static str> {
    TOPICS.iter().map(|(topic, ..)| *topic).collect()
}

/// Buyers are `user/*` to a merchant's webhook and `customer/*` to an app's.
const TOPICS: &[(&str, EventType, TopicSubject)] = &[
    ("order/create", EventType::OrderCreated, TopicSubject::Order),
    ("order/update", EventType::OrderUpdated, TopicSubject::Order),
    ("order/pending", EventType::OrderPending, TopicSubject::Order),
    ("order/confirm", EventType::OrderConfirmed, TopicSubject::Order),
    ("order/complete", EventType::OrderCompleted, TopicSubject::Order),
    ("order/cancel", EventType::OrderCancelled, TopicSubject::Order),
    ("order/remove", EventType::OrderDeleted, TopicSubject::Order),
    ("order/combine_orders", EventType::OrderRestructured, TopicSubject::Order),
    ("order/split_order", EventType::OrderRestructured, TopicSubject::Order),
    ("order_payment/update", EventType::PaymentUpdated, TopicSubject::Payment),
    ("order_payment/complete", EventType::PaymentPaid, TopicSubject::Payment),
    ("order_payment/refund", EventType::PaymentRefunded, TopicSubject::Payment),
    ("order_delivery/update", EventType::FulfillmentUpdated, TopicSubject::Fulfillment),
    ("order_delivery/status_update", EventType::FulfillmentUpdated, TopicSubject::Fulfillment),
    ("return_order/create", EventType::ReturnCreated, TopicSubject::Return),
    ("return_order/complete", EventType::ReturnCompleted, TopicSubject::Return),
    ("return_order/cancel", EventType::ReturnCancelled, TopicSubject::Return),
    ("pos_return_order/create", EventType::ReturnCreated, TopicSubject::Return),
    ("pos_return_order/update", EventType::ReturnUpdated, TopicSubject::Return),
    ("user/create", EventType::CustomerCreated, TopicSubject::Customer),
    ("user/update", EventType::CustomerUpdated, TopicSubject::Customer),
    ("user/remove", EventType::CustomerRemoved, TopicSubject::Customer),
    ("user/sign_in", EventType::CustomerSignedIn, TopicSubject::Customer),
    ("user/mobile_sign_in", EventType::CustomerSignedIn, TopicSubject::Customer),
    ("user/mobile_sign_up", EventType::CustomerSignedUp, TopicSubject::Customer),
    ("user/membership_tier_update", EventType::CustomerUpdated, TopicSubject::Customer),
    ("user/new_member", EventType::CustomerCreated, TopicSubject::Customer),
    ("customer/create", EventType::CustomerCreated, TopicSubject::Customer),
    ("customer/update", EventType::CustomerUpdated, TopicSubject::Customer),
    ("customer/remove", EventType::CustomerRemoved, TopicSubject::Customer),
    ("customer/sign_in", EventType::CustomerSignedIn, TopicSubject::Customer),
    ("customer/mobile_sign_in", EventType::CustomerSignedIn, TopicSubject::Customer),
    ("customer/mobile_sign_up", EventType::CustomerSignedUp, TopicSubject::Customer),
    ("customer/membership_tier_update", EventType::CustomerUpdated, TopicSubject::Customer),
    ("customer/new_member", EventType::CustomerCreated, TopicSubject::Customer),
    ("user_credit/create", EventType::CustomerUpdated, TopicSubject::Credit),
    ("user_credit/update", EventType::CustomerUpdated, TopicSubject::Credit),
    ("member_point/create", EventType::CustomerUpdated, TopicSubject::Points),
    ("product/create", EventType::ProductCreated, TopicSubject::Product),
    ("product/update", EventType::ProductUpdated, TopicSubject::Product),
    ("product/remove", EventType::ProductRemoved, TopicSubject::Product),
    ("product/back_in_stock", EventType::ProductStockUpdated, TopicSubject::Product),
    ("product/inventory_update", EventType::ProductStockUpdated, TopicSubject::Product),
    ("stock/update", EventType::ProductStockUpdated, TopicSubject::Stock),
    ("persistent_cart/abandoned_cart", EventType::CheckoutAbandoned, TopicSubject::Checkout),
    ("application/install", EventType::AppInstalled, TopicSubject::App),
    ("application/uninstall", EventType::AppUninstalled, TopicSubject::App),
    ("access_token/create", EventType::AppTokenCreated, TopicSubject::App),
    ("access_token/revoke", EventType::AppTokenRevoked, TopicSubject::App),
    ("access_token/app_installation_token_create", EventType::AppTokenCreated, TopicSubject::App),
    ("access_token/app_installation_token_revoke", EventType::AppTokenRevoked, TopicSubject::App),
    // The list of topics has these two under another name than the payload printed beside it.
    ("app_installation_token/create", EventType::AppTokenCreated, TopicSubject::App),
    ("app_installation_token/revoke", EventType::AppTokenRevoked, TopicSubject::App),
    ("application_subscription/create", EventType::AppUpdated, TopicSubject::App),
    ("application_subscription/update", EventType::AppUpdated, TopicSubject::App),
    ("application_subscription/delete", EventType::AppUpdated, TopicSubject::App),
    ("subscription_record/start", EventType::AppUpdated, TopicSubject::App),
    ("subscription_record/end", EventType::AppUpdated, TopicSubject::App),
];

/// Topics that are known and have no word of ours: notices sent to the buyer, loyalty, catalogue, settings.
/// `payment/*` is about payment methods, not about money.
const OTHER: &[&str] = &[
    "order/status_notify_customer",
    "order/product_detail_notify_customer",
    "order/payment_slip_upload",
    "order_payment/status_notify_customer",
    "order_delivery/status_notify_customer",
    "user_coupon/create",
    "customer_group/update",
    "customer_group/remove",
    "category/create",
    "category/update",
    "category/remove",
    "product_review_comment/create",
    "product_review_comments/create",
    "warehouse/create",
    "invoice/create",
    "invoice/update",
    "tax/create",
    "tax/update",
    "tax/remove",
    "payment/create",
    "payment/update",
    "payment/remove",
    "tag/create",
    "tag/remove",
    "page/create",
    "page/update",
    "merchant/update",
    "promotion/redeem",
    "comment/payment_slip_upload",
    "bulk_operation/status_update",
    "flash_price_campaign/activate",
    "metafields/create",
];

/// In the order in which an order passes through them: the place in the table ranks events of one instant.
pub(super) const ORDER_STATES: Table<OrderState> = &[
    ("temp", OrderState::Draft),
    ("pending", OrderState::Pending),
    ("confirmed", OrderState::Confirmed),
    ("completed", OrderState::Completed),
    ("cancelled", OrderState::Cancelled),
    ("removed", OrderState::Deleted),
];

/// Statuses that follow from a topic if the resource leaves them out.
pub(super) const ORDER_TOPICS: Table<OrderState> = &[
    ("order/pending", OrderState::Pending),
    ("order/confirm", OrderState::Confirmed),
    ("order/complete", OrderState::Completed),
    ("order/cancel", OrderState::Cancelled),
    ("order/remove", OrderState::Deleted),
];

/// In the order in which a payment passes through them.
pub(super) const PAYMENT_STATES: Table<PaymentState> = &[
    ("pending", PaymentState::Pending),
    ("failed", PaymentState::Failed),
    ("expired", PaymentState::Expired),
    ("completed", PaymentState::Paid),
    // Not in the list of get-order, and sent.
    ("partially_refunded", PaymentState::PartiallyRefunded),
    ("refunding", PaymentState::Refunding),
    ("refunded", PaymentState::Refunded),
];

/// Statuses that follow from a topic if the resource leaves them out.
pub(super) const PAYMENT_TOPICS: Table<PaymentState> =
    &[("order_payment/complete", PaymentState::Paid), ("order_payment/refund", PaymentState::Refunded)];

/// In the order in which a delivery passes through them.
pub(super) const DELIVERY_STATES: Table<FulfillmentState> = &[
    ("pending", FulfillmentState::Pending),
    ("shipping", FulfillmentState::Preparing),
    ("shipped", FulfillmentState::Shipped),
    ("arrived", FulfillmentState::Arrived),
    ("collected", FulfillmentState::Delivered),
    ("returning", FulfillmentState::Returning),
    ("returned", FulfillmentState::Returned),
];

/// The logistics service's words, read where the shop's own status is missing.
pub(super) const LOGISTICS_STATES: Table<FulfillmentState> = &[
    ("pending", FulfillmentState::Pending),
    ("request_authorized", FulfillmentState::Preparing),
    ("request_submitted", FulfillmentState::Preparing),
    ("request_accepted", FulfillmentState::Preparing),
    ("shipped", FulfillmentState::Shipped),
    ("arrived", FulfillmentState::Arrived),
    ("collected", FulfillmentState::Delivered),
    ("returning", FulfillmentState::Returning),
    ("returning_store_closed", FulfillmentState::Returning),
    ("returned", FulfillmentState::Returned),
    ("expired", FulfillmentState::Failed),
    ("failed", FulfillmentState::Failed),
    ("store_closed", FulfillmentState::Failed),
];

/// In the order in which a return passes through them.
pub(super) const RETURN_STATES: Table<ReturnState> = &[
    ("confirmed", ReturnState::Accepted),
    ("completed", ReturnState::Completed),
    ("cancelled", ReturnState::Cancelled),
];

/// Statuses that follow from a topic if the resource leaves them out.
pub(super) const RETURN_TOPICS: Table<ReturnState> =
    &[("return_order/complete", ReturnState::Completed), ("return_order/cancel", ReturnState::Cancelled)];
