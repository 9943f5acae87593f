//! What an event says of an order, its payments, fulfilments and returns.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::field::Field;
use crate::money::Money;
use crate::party::{Address, Customer};
use crate::status::{FulfillmentState, OrderState, PaymentState, ReturnState, Status};

macro_rules! told {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(default, skip_serializing_if = "crate::order::Silent::is_silent")]
                pub $field: $type,
            )*
        }
    };
}
pub(crate) use told;

/// What an event may leave unsaid, so that nothing is printed for it.
pub(crate) trait Silent {
    fn is_silent(&self) -> bool;
}

impl<T> Silent for Field<T> {
    fn is_silent(&self) -> bool {
        self.is_absent()
    }
}

impl<T> Silent for Option<T> {
    fn is_silent(&self) -> bool {
        self.is_none()
    }
}

impl<T> Silent for Vec<T> {
    fn is_silent(&self) -> bool {
        self.is_empty()
    }
}

impl<K, V> Silent for BTreeMap<K, V> {
    fn is_silent(&self) -> bool {
        self.is_empty()
    }
}

impl Silent for Totals {
    fn is_silent(&self) -> bool {
        *self == Totals::default()
    }
}

told! {
    /// An order, as far as one event tells it.
    pub struct Order {
        /// The provider's id of the order.
        pub id: Option<String>,
        /// Another id that the provider uses for it.
        pub alias_id: Field<String>,
        /// The number that people use.
        pub number: Field<String>,
        /// Where it stands.
        pub status: Field<Status<OrderState>>,
        /// The provider's kind of order (Selldone: PHYSICAL, VIRTUAL …, or the till it came from).
        pub order_type: Field<String>,
        /// Where it was placed, in the provider's words.
        pub channel: Field<String>,
        /// The shop's store or brand.
        pub store: Field<String>,
        /// Its sums, each as the provider told it; none is computed.
        pub totals: Totals,
        /// What was bought.
        pub lines: Field<Vec<Line>>,
        /// Units in all lines.
        pub quantity: Field<i64>,
        /// Weight in grams.
        pub weight_grams: Field<i64>,
        /// Discounts by name.
        pub discounts: Field<Vec<Discount>>,
        /// The buyer.
        pub customer: Field<Customer>,
        /// Where it goes.
        pub shipping_address: Field<Address>,
        /// Who is billed.
        pub billing_address: Field<Address>,
        /// Where it is sent from.
        pub origin_address: Field<Address>,
        /// The warehouse it is sent from.
        pub warehouse: Field<String>,
        /// Whether the provider thinks it spam, and who marked it.
        pub risk: Field<Risk>,
        /// The buyer's or shop's notes.
        pub notes: Field<String>,
        /// The shop's tags.
        pub tags: Field<Vec<String>>,
        /// Why it was called off, in the provider's words.
        pub cancelled_reason: Field<String>,
        /// When each status was last entered, by the provider's word.
        pub status_times: BTreeMap<String, Field<Timestamp>>,
        /// When it was placed.
        pub created_at: Field<Timestamp>,
        /// When it last changed.
        pub updated_at: Field<Timestamp>,
        /// When it was called off or rejected.
        pub cancelled_at: Field<Timestamp>,
        /// How long it is valid from its creation, in milliseconds.
        pub expires_in_ms: Field<i64>,
        /// What ties it to other things, by kind of reference.
        pub references: BTreeMap<String, Field<String>>,
        /// Its payments, as far as this event tells them.
        pub payments: Vec<Payment>,
        /// Its fulfilments, as far as this event tells them.
        pub fulfillments: Vec<Fulfillment>,
        /// Its returns, as far as this event tells them.
        pub returns: Vec<Return>,
    }
}

told! {
    /// An order's sums. A discount is told as a positive amount.
    pub struct Totals {
        /// What the buyer pays.
        pub total: Field<Money>,
        /// What is left for the shop, as the provider counts it.
        pub net: Field<Money>,
        /// Goods before shipping, as the provider counts them.
        pub subtotal: Field<Money>,
        /// Discount on goods.
        pub discount: Field<Money>,
        /// Discount by code.
        pub code_discount: Field<Money>,
        /// The few units taken off so that a bank transfer can be told by its amount (Scalev).
        pub unique_code_discount: Field<Money>,
        /// Shipping.
        pub shipping: Field<Money>,
        /// Discount on shipping.
        pub shipping_discount: Field<Money>,
        /// Tax on goods.
        pub tax: Field<Money>,
        /// Tax on shipping.
        pub shipping_tax: Field<Money>,
        /// Whether prices contain the tax.
        pub tax_included: Field<bool>,
        /// What the payment costs.
        pub payment_fee: Field<Money>,
        /// Income besides goods and shipping.
        pub other_income: Field<Money>,
        /// What that income is called.
        pub other_income_name: Field<String>,
        /// Income through the payment link (Scalev).
        pub payment_link_income: Field<Money>,
        /// What the goods cost the shop.
        pub cost_of_goods: Field<Money>,
    }
}

told! {
    /// One line of an order.
    pub struct Line {
        /// The provider's id of the line.
        pub id: Field<String>,
        /// Product id.
        pub product_id: Field<String>,
        /// Variant id.
        pub variant_id: Field<String>,
        /// Stock keeping unit.
        pub sku: Field<String>,
        /// Trade item number.
        pub gtin: Field<String>,
        /// Manufacturer's part number.
        pub mpn: Field<String>,
        /// What it is called.
        pub name: Field<String>,
        /// Brand.
        pub brand: Field<String>,
        /// Categories, widest first.
        pub categories: Field<Vec<String>>,
        /// Units.
        pub quantity: Field<i64>,
        /// Price of one unit, as told.
        pub unit_price: Field<Money>,
        /// Price of the line, as told.
        pub line_total: Field<Money>,
        /// Discount on the line.
        pub discount: Field<Money>,
        /// Discount by code on the line.
        pub code_discount: Field<Money>,
        /// What it costs the shop.
        pub cost_of_goods: Field<Money>,
        /// Weight in grams.
        pub weight_grams: Field<i64>,
        /// Whether it is taken from stock.
        pub is_inventory: Field<bool>,
        /// The product's page.
        pub page_url: Field<String>,
        /// The product's picture.
        pub image_url: Field<String>,
        /// The buyer's message on the line.
        pub message: Field<String>,
    }
}

told! {
    /// A discount by name.
    pub struct Discount {
        /// What it is called.
        pub name: Field<String>,
        /// How much is taken off.
        pub amount: Field<Money>,
    }
}

told! {
    /// Whether the provider thinks an order spam.
    pub struct Risk {
        /// It probably is.
        pub is_spam: Field<bool>,
        /// Who said so, in the provider's words.
        pub marked_by: Field<String>,
    }
}

told! {
    /// A payment, as far as one event tells it.
    pub struct Payment {
        /// The provider's id of the payment; none where an order has one payment without an id.
        pub id: Option<String>,
        /// The order it pays, where the provider names it.
        pub order_id: Field<String>,
        /// Another id that the provider uses for that order.
        pub order_alias_id: Field<String>,
        /// The merchant's own reference, which may be another platform's order number, and may change.
        pub merchant_reference: Field<String>,
        /// Where it stands.
        pub status: Field<Status<PaymentState>>,
        /// The whole payment, not what was captured or refunded.
        pub amount: Field<Money>,
        /// How it is paid, in the provider's words.
        pub method: Field<String>,
        /// The method's kind within its family, in the provider's words.
        pub sub_method: Field<String>,
        /// Who carries it out.
        pub gateway: Field<String>,
        /// The gateway's reference.
        pub gateway_reference: Field<String>,
        /// The bank's name.
        pub bank: Field<String>,
        /// Why it failed or expired, in the provider's words.
        pub failure_reason: Field<String>,
        /// Where the capture stands, in the provider's words.
        pub capture_status: Field<String>,
        /// When it was created.
        pub created_at: Field<Timestamp>,
        /// When it last changed.
        pub updated_at: Field<Timestamp>,
        /// When it was paid.
        pub paid_at: Field<Timestamp>,
        /// The transfer date that the buyer declared.
        pub transferred_at: Field<Timestamp>,
        /// When each status was last entered, by the provider's word.
        pub status_times: BTreeMap<String, Field<Timestamp>>,
        /// Its refunds, as far as this event tells them.
        pub refunds: Vec<Refund>,
    }
}

told! {
    /// A refund, as far as one event tells it.
    pub struct Refund {
        /// The provider's or merchant's id of the refund; none where the event has none.
        pub id: Option<String>,
        /// How much; absent means unknown, never zero and never the total.
        pub amount: Field<Money>,
        /// When.
        pub refunded_at: Field<Timestamp>,
        /// Told by the provider's own account of its refunds, which has each one once; a webhook's mention of the same
        /// refund may stand beside it under another id, so the two kinds are never added to each other.
        pub reported: Field<bool>,
    }
}

told! {
    /// A fulfilment, as far as one event tells it.
    pub struct Fulfillment {
        /// The provider's id of the delivery; none where an order has one without an id.
        pub id: Option<String>,
        /// The order it fulfils, where the provider names it.
        pub order_id: Field<String>,
        /// Where it stands.
        pub status: Field<Status<FulfillmentState>>,
        /// The carrier's own state, in its words.
        pub carrier_status: Field<String>,
        /// Who carries it.
        pub carrier: Field<String>,
        /// The carrier's service.
        pub service: Field<String>,
        /// The carrier's number.
        pub tracking_number: Field<String>,
        /// Where to follow it.
        pub tracking_url: Field<String>,
        /// When it was created.
        pub created_at: Field<Timestamp>,
        /// When it last changed.
        pub updated_at: Field<Timestamp>,
        /// When it is expected.
        pub expected_at: Field<Timestamp>,
    }
}

told! {
    /// A return, as far as one event tells it.
    pub struct Return {
        /// The provider's id of the return; none where an order has one without an id.
        pub id: Option<String>,
        /// The order whose goods come back, where the provider names it.
        pub order_id: Field<String>,
        /// Where it stands.
        pub status: Field<Status<ReturnState>>,
        /// Why, in the provider's words.
        pub reason: Field<String>,
        /// What comes back.
        pub lines: Field<Vec<Line>>,
        /// What it is worth, as told.
        pub total: Field<Money>,
        /// When it was created.
        pub created_at: Field<Timestamp>,
        /// When it last changed.
        pub updated_at: Field<Timestamp>,
    }
}
