//! SHOPLINE's topics and status words, and ours.
//!
//! Source: the topics of open-api.docs.shoplineapp.com/docs/create-webhook (merchants' webhooks) and of
//! shopline-developers.readme.io/docs/2-webhook-topics-tabs (apps' webhooks); the status words of
//! open-api.docs.shoplineapp.com/docs/get-order. The provider adds topics without notice.

use crate::read::event::EventType;
use crate::read::status::{FulfillmentState, OrderState, PaymentState, ReturnState, Table};

/// What the resource of a topic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Order,
    Payment,
    Fulfillment,
    Return,
    Customer,
    Product,
    Stock,
    Checkout,
    App,
    Other,
}

/// What a topic is in our words; none for one that no table has.
pub(super) fn of(topic: &str) -> Option<(EventType, About)> {
    let told = TOPICS.iter().find(|(known, ..)| *known == topic).map(|(_, event_type, about)| (*event_type, *about));
    told.or_else(|| OTHER.contains(&topic).then_some((EventType::Other, About::Other)))
}

/// The topics that have a word of ours.
pub(super) fn mapped() -> Vec<&'static str> {
    TOPICS.iter().map(|(topic, ..)| *topic).collect()
}

/// Buyers are `user/*` to a merchant's webhook and `customer/*` to an app's.
const TOPICS: &[(&str, EventType, About)] = &[
    ("order/create", EventType::OrderCreated, About::Order),
    ("order/update", EventType::OrderUpdated, About::Order),
    ("order/pending", EventType::OrderPending, About::Order),
    ("order/confirm", EventType::OrderConfirmed, About::Order),
    ("order/complete", EventType::OrderCompleted, About::Order),
    ("order/cancel", EventType::OrderCancelled, About::Order),
    ("order/remove", EventType::OrderDeleted, About::Order),
    ("order/combine_orders", EventType::OrderRestructured, About::Order),
    ("order/split_order", EventType::OrderRestructured, About::Order),
    ("order_payment/update", EventType::PaymentUpdated, About::Payment),
    ("order_payment/complete", EventType::PaymentPaid, About::Payment),
    ("order_payment/refund", EventType::PaymentRefunded, About::Payment),
    ("order_delivery/update", EventType::FulfillmentUpdated, About::Fulfillment),
    ("order_delivery/status_update", EventType::FulfillmentUpdated, About::Fulfillment),
    ("return_order/create", EventType::ReturnCreated, About::Return),
    ("return_order/complete", EventType::ReturnCompleted, About::Return),
    ("return_order/cancel", EventType::ReturnCancelled, About::Return),
    ("pos_return_order/create", EventType::ReturnCreated, About::Return),
    ("pos_return_order/update", EventType::ReturnUpdated, About::Return),
    ("user/create", EventType::CustomerCreated, About::Customer),
    ("user/update", EventType::CustomerUpdated, About::Customer),
    ("user/remove", EventType::CustomerRemoved, About::Customer),
    ("user/sign_in", EventType::CustomerSignedIn, About::Customer),
    ("user/mobile_sign_in", EventType::CustomerSignedIn, About::Customer),
    ("user/mobile_sign_up", EventType::CustomerSignedUp, About::Customer),
    ("user/membership_tier_update", EventType::CustomerUpdated, About::Customer),
    ("user/new_member", EventType::CustomerCreated, About::Customer),
    ("customer/create", EventType::CustomerCreated, About::Customer),
    ("customer/update", EventType::CustomerUpdated, About::Customer),
    ("customer/remove", EventType::CustomerRemoved, About::Customer),
    ("customer/sign_in", EventType::CustomerSignedIn, About::Customer),
    ("customer/mobile_sign_in", EventType::CustomerSignedIn, About::Customer),
    ("customer/mobile_sign_up", EventType::CustomerSignedUp, About::Customer),
    ("customer/membership_tier_update", EventType::CustomerUpdated, About::Customer),
    ("customer/new_member", EventType::CustomerCreated, About::Customer),
    ("product/create", EventType::ProductCreated, About::Product),
    ("product/update", EventType::ProductUpdated, About::Product),
    ("product/remove", EventType::ProductRemoved, About::Product),
    ("product/back_in_stock", EventType::ProductStockUpdated, About::Product),
    ("product/inventory_update", EventType::ProductStockUpdated, About::Product),
    ("stock/update", EventType::ProductStockUpdated, About::Stock),
    ("persistent_cart/abandoned_cart", EventType::CheckoutAbandoned, About::Checkout),
    ("application/install", EventType::AppInstalled, About::App),
    ("application/uninstall", EventType::AppUninstalled, About::App),
    ("access_token/create", EventType::AppTokenCreated, About::App),
    ("access_token/revoke", EventType::AppTokenRevoked, About::App),
    ("access_token/app_installation_token_create", EventType::AppTokenCreated, About::App),
    ("access_token/app_installation_token_revoke", EventType::AppTokenRevoked, About::App),
    // The list of topics has these two under another name than the payload printed beside it.
    ("app_installation_token/create", EventType::AppTokenCreated, About::App),
    ("app_installation_token/revoke", EventType::AppTokenRevoked, About::App),
    ("application_subscription/create", EventType::AppUpdated, About::App),
    ("application_subscription/update", EventType::AppUpdated, About::App),
    ("application_subscription/delete", EventType::AppUpdated, About::App),
    ("subscription_record/start", EventType::AppUpdated, About::App),
    ("subscription_record/end", EventType::AppUpdated, About::App),
];

/// Topics that are known and have no word of ours: notices sent to the buyer, loyalty, catalogue, settings.
/// `payment/*` is about payment methods, not about money.
const OTHER: &[&str] = &[
    "order/status_notify_customer",
    "order/product_detail_notify_customer",
    "order/payment_slip_upload",
    "order_payment/status_notify_customer",
    "order_delivery/status_notify_customer",
    "user_credit/create",
    "user_credit/update",
    "user_coupon/create",
    "member_point/create",
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

/// What a topic tells of a status that the resource leaves out.
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

/// What a topic tells of a status that the resource leaves out.
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

/// What a topic tells of a status that the resource leaves out.
pub(super) const RETURN_TOPICS: Table<ReturnState> =
    &[("return_order/complete", ReturnState::Completed), ("return_order/cancel", ReturnState::Cancelled)];
