//! The canonical event: CloudEvents 1.0 around typed data.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::keep::claim::EventKey;
use crate::keep::claim::ORIGIN;
use crate::read::attribute::attribute;
use crate::read::checkout::Checkout;
use crate::read::order::{Fulfillment, Order, Payment, Return};
use crate::read::party::{App, Customer, Product};

/// Names the shape of [`Event`]; additive changes keep it.
pub const DATA_SCHEMA: &str = "urn:hookmill:event:1";

/// One happening at a provider, in one vocabulary.
///
/// CloudEvents 1.0 attributes, extensions (every lower-case name from `providerevent` on) and typed `data`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Always `1.0`.
    pub specversion: String,
    /// `<provider>/<source>/<subject>/<word>/<identity>`, each part percent-encoded: the event's name for ever.
    pub id: String,
    /// `/hookmill/<provider>/<source>`
    pub source: String,
    /// The kind of happening, in our words.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// The order, payment, customer, product …, as in the id.
    pub subject: String,
    /// When it happened; only if the provider says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// [`DATA_SCHEMA`].
    pub dataschema: String,
    /// The provider's own word for what happened.
    pub providerevent: String,
    /// The version of the mapping that read it.
    pub mappingversion: u32,
    /// When the delivery was received.
    pub receivedtime: Timestamp,
    /// Its place among its subject's events: compare as text, the greater one is the later truth.
    pub sequence: String,
    /// The key of its order, by which the read function has the order's view; only of events about orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// The number of that order that people use, where the body has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The shop, by the provider's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merchant: Option<String>,
    /// The app that the delivery was for, where the provider names one in a header. No signature covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Fields, comma-separated, that were there but could not be read as the provider documents them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadfields: Option<String>,
    /// The reason for which the body could not be read at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// Another body came under one name, which the provider rules out.
    #[serde(default, skip_serializing_if = "is_false")]
    pub conflict: bool,
    /// Another snapshot of the same happening.
    #[serde(default, skip_serializing_if = "is_false")]
    pub revision: bool,
    /// Equal to an earlier event but for a new signed time: a repeat or a second happening, nobody can know.
    #[serde(default, skip_serializing_if = "is_false")]
    pub possiblyrepeated: bool,
    /// Sent again by the operator.
    #[serde(default, skip_serializing_if = "is_false")]
    pub replay: bool,
    /// From a test delivery or a development shop.
    #[serde(default, skip_serializing_if = "is_false")]
    pub test: bool,
    /// Genuine, but no table has it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unrecognised: bool,
    /// It has no id of its order, payment or other subject, which its provider always sends: the body's shape has
    /// changed, and the event is in no view.
    #[serde(default, skip_serializing_if = "is_false")]
    pub changedshape: bool,
    /// Its origin, if no webhook brought it: `reconcile` is an order fetched from the provider's API, which shows a
    /// state and not that anything happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The id of the event that this one reads again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correctionof: Option<String>,
    /// The event id to fetch `data` by, if it was too large to carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataref: Option<String>,
    /// The content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Data>,
    /// The kept body as text, secrets redacted; only where it is asked for. What is not UTF-8 in it is U+FFFD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The event id to fetch `body` by, if it was asked for and too large to carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bodyref: Option<String>,
}

/// The content of an event, by its subject's kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Data {
    /// An order.
    Order(Box<Order>),
    /// A payment.
    Payment(Box<Payment>),
    /// A fulfilment.
    Fulfillment(Box<Fulfillment>),
    /// A return.
    Return(Box<Return>),
    /// A buyer.
    Customer(Box<Customer>),
    /// A product or variant.
    Product(Box<Product>),
    /// A cart on its way to an order.
    Checkout(Box<Checkout>),
    /// An app's installation or token.
    App(Box<App>),
    /// Nothing that this vocabulary has a shape for: the kept body has it all.
    Other {},
}

impl Data {
    /// Returns the number that people use for the order, or the merchant's own name for its payment.
    pub(crate) fn reference(&self) -> Option<String> {
        match self {
            Data::Order(order) => order.reference(),
            Data::Payment(payment) => payment.merchant_reference.value().cloned().map(attribute),
            Data::Return(returned) => returned.order_number.value().cloned().map(attribute),
            Data::Fulfillment(_)
            | Data::Customer(_)
            | Data::Product(_)
            | Data::Checkout(_)
            | Data::App(_)
            | Data::Other {} => None,
        }
    }
}

impl Event {
    /// The JSON that travels on queues.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self).map(escaped)
    }

    /// Makes the event of a row of which only the name can be read.
    pub fn of_unreadable_row(key: &EventKey, now_ms: i64, reason: &str) -> Self {
        let (name, source, subject) = key.parts().unwrap_or_default();
        Event {
            specversion: "1.0".to_owned(),
            id: key.id(),
            source: format!("/hookmill/{name}/{source}"),
            event_type: EventType::Other,
            subject: subject.to_owned(),
            time: None,
            datacontenttype: "application/json".to_owned(),
            dataschema: DATA_SCHEMA.to_owned(),
            providerevent: String::new(),
            mappingversion: 0,
            receivedtime: Timestamp::from_millisecond(now_ms).unwrap_or_default(),
            sequence: String::new(),
            order: None,
            reference: None,
            merchant: None,
            app: None,
            unreadfields: None,
            unreadable: Some(reason.to_owned()),
            conflict: false,
            revision: false,
            possiblyrepeated: false,
            replay: false,
            test: false,
            unrecognised: true,
            changedshape: false,
            origin: key.is_snapshot().then(|| ORIGIN.to_owned()),
            correctionof: None,
            dataref: None,
            data: None,
            body: None,
            bodyref: None,
        }
    }

    /// The same reading as a correction of what an earlier mapping made of its event.
    #[must_use]
    pub fn into_correction(self) -> Self {
        let id = format!("{}{CORRECTION}{}", self.id, self.mappingversion);
        Event { correctionof: Some(self.id), id, ..self }
    }

    /// The same event without its data, for a message that would be too large.
    pub fn without_data(&self) -> Self {
        let bodyref = self.body.as_ref().map(|_| self.id.clone()).or_else(|| self.bodyref.clone());
        Event { data: None, dataref: Some(self.id.clone()), body: None, bodyref, ..self.clone() }
    }

    /// The same event with the body that it was read from.
    #[must_use]
    pub fn with_body(self, body: &[u8]) -> Self {
        Event { body: Some(String::from_utf8_lossy(body).into_owned()), ..self }
    }

    /// The same event with a reference to its body, for a message that would be too large with it.
    pub fn with_bodyref(&self) -> Self {
        Event { body: None, bodyref: Some(self.id.clone()), ..self.clone() }
    }
}

/// Escapes U+FFFE and U+FFFF in JSON, which SQS refuses literally; every other character is either legal there or
/// already escaped.
pub(crate) fn escaped(json: String) -> String {
    if json.contains(['\u{fffe}', '\u{ffff}']) {
        return json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff");
    }
    json
}

/// Separates an event's id from the mapping's version in a correction's id; no part of an event's own id has it.
const CORRECTION: &str = ";v";

/// The id of the event that a correction's id names, and the mapping's version.
pub fn corrected(id: &str) -> Option<(&str, u32)> {
    let (event, version) = id.split_once(CORRECTION)?;
    Some((event, version.parse().ok()?))
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// The id of a subject, or of a part of it, that has none.
pub(crate) const UNNAMED: &str = "~";

/// Returns whether a subject, as it is in an event's id, has no id. What happens to it must not be joined.
pub(crate) fn is_nameless(subject: &str) -> bool {
    subject == UNNAMED || subject.ends_with(":~")
}

macro_rules! event_types {
    ($($variant:ident = $name:literal,)*; $other:ident = $other_name:literal) => {
        /// The kind of happening, in our words. The list only grows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum EventType {
            $(
                #[doc = concat!("`", $name, "`")]
                #[serde(rename = $name)]
                $variant,
            )*
            #[doc = concat!("`", $other_name, "`, and any type that a later version adds")]
            #[serde(rename = $other_name, other)]
            $other,
        }

        impl EventType {
            /// Returns whether events of this type have an order's state.
            pub fn concerns_orders(self) -> bool {
                let family = self.name().split('.').next().unwrap_or_default();
                matches!(family, "order" | "payment" | "fulfillment" | "return")
            }

            /// The names of all types.
            pub const NAMES: &[&str] = &[$($name,)* $other_name];

            /// The type's name.
            pub fn name(self) -> &'static str {
                match self {
                    $(EventType::$variant => $name,)*
                    EventType::$other => $other_name,
                }
            }
        }
    };
}

event_types! {
    OrderCreated = "order.created",
    OrderUpdated = "order.updated",
    OrderDraft = "order.draft",
    OrderPending = "order.pending",
    OrderConfirmed = "order.confirmed",
    OrderProcessing = "order.processing",
    OrderReady = "order.ready",
    OrderShipped = "order.shipped",
    OrderReturning = "order.returning",
    OrderCompleted = "order.completed",
    OrderReturned = "order.returned",
    OrderCancelled = "order.cancelled",
    OrderClosed = "order.closed",
    OrderDeleted = "order.deleted",
    OrderFlagged = "order.flagged",
    OrderItemCancelled = "order.item_cancelled",
    OrderRestructured = "order.restructured",
    PaymentCreated = "payment.created",
    PaymentPending = "payment.pending",
    PaymentUnpaid = "payment.unpaid",
    PaymentUpdated = "payment.updated",
    PaymentAuthorized = "payment.authorized",
    PaymentCaptured = "payment.captured",
    PaymentPaid = "payment.paid",
    PaymentSettled = "payment.settled",
    PaymentConflict = "payment.conflict",
    PaymentFailed = "payment.failed",
    PaymentExpired = "payment.expired",
    PaymentRefunded = "payment.refunded",
    FulfillmentUpdated = "fulfillment.updated",
    FulfillmentPreparing = "fulfillment.preparing",
    FulfillmentShipped = "fulfillment.shipped",
    FulfillmentDelivered = "fulfillment.delivered",
    FulfillmentCancelled = "fulfillment.cancelled",
    ReturnRequested = "return.requested",
    ReturnCreated = "return.created",
    ReturnUpdated = "return.updated",
    ReturnCompleted = "return.completed",
    ReturnCancelled = "return.cancelled",
    CustomerCreated = "customer.created",
    CustomerUpdated = "customer.updated",
    CustomerRemoved = "customer.removed",
    CustomerSignedIn = "customer.signed_in",
    CustomerSignedUp = "customer.signed_up",
    CheckoutAbandoned = "checkout.abandoned",
    CheckoutCompleted = "checkout.completed",
    ProductCreated = "product.created",
    ProductUpdated = "product.updated",
    ProductRemoved = "product.removed",
    ProductStockUpdated = "product.stock_updated",
    AppInstalled = "app.installed",
    AppUninstalled = "app.uninstalled",
    AppTokenCreated = "app.token_created",
    AppTokenRevoked = "app.token_revoked",
    AppUpdated = "app.updated",
    Ping = "ping",
    ; Other = "other"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_data_members_are_left_alone() {
        let data: Data = serde_json::from_str(r#"{"kind":"order","id":"1","later":{"a":1}}"#).unwrap();
        assert!(matches!(data, Data::Order(order) if order.id.as_deref() == Some("1")));
    }

    #[test]
    fn a_corrections_id_names_its_event() {
        assert_eq!(corrected("scalev/main/1/order.created/e;v2"), Some(("scalev/main/1/order.created/e", 2)));
        for id in ["scalev/main/1/order.created/e", "scalev/main/1/order.created/e;v", "e;vx"] {
            assert_eq!(corrected(id), None, "{id}");
        }
    }

    #[test]
    fn names_and_serialisations_agree() {
        for event_type in [EventType::OrderCreated, EventType::Ping, EventType::AppTokenRevoked] {
            assert_eq!(serde_json::to_value(event_type).unwrap(), event_type.name());
        }
        let of_a_later_version: EventType = serde_json::from_str(r#""order.teleported""#).unwrap();
        assert_eq!(of_a_later_version, EventType::Other);
    }
}
