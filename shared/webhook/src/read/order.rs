//! Orders, their payments, fulfilments and returns, as far as one event describes them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::read::attribute::attribute;
use crate::read::contract::{Silent, record};
use crate::read::line::Line;
use crate::read::money::{Amount, Money};
use crate::read::party::{Address, Customer};
use crate::read::presence::Presence;
use crate::read::status::{FulfillmentState, OrderState, PaymentState, ReturnState, Status};

record! {
    /// An order, as far as one event describes it.
    pub struct Order {
        /// The provider's id of the order.
        pub id: Option<String>,
        /// Another id that the provider uses for it.
        pub alias_id: Presence<String>,
        /// The number that people use.
        pub number: Presence<String>,
        /// Its state.
        pub status: Presence<Status<OrderState>>,
        /// The provider's kind of order (Selldone: PHYSICAL, VIRTUAL …, or the till it came from).
        pub order_type: Presence<String>,
        /// The channel through which it was placed, in the provider's words.
        pub channel: Presence<String>,
        /// The buyer's language, as the provider writes it.
        pub language: Presence<String>,
        /// The shop's store or brand.
        pub store: Presence<String>,
        /// Its sums, each as the provider gives it; none is computed.
        pub totals: Totals,
        /// The goods.
        pub lines: Presence<Vec<Line>>,
        /// Units in all lines.
        pub quantity: Presence<i64>,
        /// Units if their number is not whole, exact; `quantity` is left out then.
        pub exact_quantity: Presence<Amount>,
        /// Weight in grams.
        pub weight_grams: Presence<i64>,
        /// Discounts by name.
        pub discounts: Presence<Vec<Discount>>,
        /// The buyer.
        pub customer: Presence<Customer>,
        /// The address that it is sent to.
        pub shipping_address: Presence<Address>,
        /// Who is billed.
        pub billing_address: Presence<Address>,
        /// The address that it is sent from.
        pub origin_address: Presence<Address>,
        /// The warehouse it is sent from.
        pub warehouse: Presence<String>,
        /// In whose name it is sent, if not in the shop's own: a reseller's.
        pub sender: Presence<Address>,
        /// Its invoices.
        pub invoices: Presence<Vec<Invoice>>,
        /// The provider's opinion if it is spam, and who marked it.
        pub risk: Presence<Risk>,
        /// The buyer's or shop's notes.
        pub notes: Presence<String>,
        /// The shop's tags.
        pub tags: Presence<Vec<String>>,
        /// The reason for which it was called off, in the provider's words.
        pub cancelled_reason: Presence<String>,
        /// When each status was last entered, by the provider's word.
        pub status_times: BTreeMap<String, Presence<Timestamp>>,
        /// When it was placed.
        pub created_at: Presence<Timestamp>,
        /// When it last changed.
        pub updated_at: Presence<Timestamp>,
        /// When the shop last edited it.
        pub edited_at: Presence<Timestamp>,
        /// When it was split into several.
        pub split_at: Presence<Timestamp>,
        /// When it was called off or rejected.
        pub cancelled_at: Presence<Timestamp>,
        /// The time for which it is valid from its creation, in milliseconds.
        pub expires_in_ms: Presence<i64>,
        /// References to other things, by kind of reference.
        pub references: BTreeMap<String, Presence<String>>,
        /// Its payments, as far as this event describes them.
        pub payments: Vec<Payment>,
        /// Its fulfilments, as far as this event describes them.
        pub fulfillments: Vec<Fulfillment>,
        /// Its returns, as far as this event describes them.
        pub returns: Vec<Return>,
    }
}

record! {
    /// An order's sums. A discount is a positive amount.
    pub struct Totals {
        /// The sum that the buyer pays.
        pub total: Presence<Money>,
        /// The sum that is left for the shop, as the provider counts it.
        pub net: Presence<Money>,
        /// Goods before shipping, as the provider counts them.
        pub subtotal: Presence<Money>,
        /// Discount on goods.
        pub discount: Presence<Money>,
        /// Discount by code.
        pub code_discount: Presence<Money>,
        /// The few units taken off so that a bank transfer can be recognised by its amount (Scalev).
        pub unique_code_discount: Presence<Money>,
        /// Shipping.
        pub shipping: Presence<Money>,
        /// Discount on shipping.
        pub shipping_discount: Presence<Money>,
        /// Tax on goods.
        pub tax: Presence<Money>,
        /// Tax on shipping.
        pub shipping_tax: Presence<Money>,
        /// True if prices contain the tax.
        pub tax_included: Presence<bool>,
        /// The part that the buyer pays with store credit.
        pub credit: Presence<Money>,
        /// The part that the buyer pays with points, in money.
        pub points: Presence<Money>,
        /// The cost of the payment.
        pub payment_fee: Presence<Money>,
        /// The provider's own fee.
        pub platform_fee: Presence<Money>,
        /// The sum that the shop gets paid, fees taken off, as the provider counts it.
        pub net_payment: Presence<Money>,
        /// Income besides goods and shipping.
        pub other_income: Presence<Money>,
        /// The name of that income.
        pub other_income_name: Presence<String>,
        /// Income through the payment link (Scalev).
        pub payment_link_income: Presence<Money>,
        /// The cost of the goods for the shop.
        pub cost_of_goods: Presence<Money>,
    }
}

record! {
    /// An invoice.
    pub struct Invoice {
        /// Its number.
        pub number: Presence<String>,
        /// Its state, in the provider's words.
        pub status: Presence<String>,
        /// Its kind, in the provider's words.
        pub kind: Presence<String>,
        /// The kind of tax, in the provider's words.
        pub tax_kind: Presence<String>,
        /// Who is invoiced.
        pub name: Presence<String>,
        /// The tax number of who is invoiced.
        pub tax_id: Presence<String>,
        /// The address that it is sent to.
        pub address: Presence<String>,
        /// The kind of place in which an electronic invoice is filed for the buyer, in the provider's words.
        pub carrier_kind: Presence<String>,
        /// The buyer's number there.
        pub carrier_number: Presence<String>,
        /// Whom it is donated to, by the number that such organisations have.
        pub donation_code: Presence<String>,
        /// When it was issued, as given.
        pub issued_at: Presence<String>,
        /// When it was declared void, as given.
        pub cancelled_at: Presence<String>,
    }
}

record! {
    /// A discount by name.
    pub struct Discount {
        /// The provider's id of it.
        pub id: Presence<String>,
        /// Its name.
        pub name: Presence<String>,
        /// The code that the buyer gave for it.
        pub code: Presence<String>,
        /// The amount that is taken off.
        pub amount: Presence<Money>,
    }
}

record! {
    /// The provider's opinion if an order is spam.
    pub struct Risk {
        /// It probably is.
        pub is_spam: Presence<bool>,
        /// Who said so, in the provider's words.
        pub marked_by: Presence<String>,
    }
}

record! {
    /// A payment, as far as one event describes it.
    pub struct Payment {
        /// The provider's id of the payment; null if an order has one payment without an id.
        pub id: Option<String>,
        /// The order it pays, where the provider names it.
        pub order_id: Presence<String>,
        /// Another id that the provider uses for that order.
        pub order_alias_id: Presence<String>,
        /// The merchant's own reference, which may be another platform's order number, and may change.
        pub merchant_reference: Presence<String>,
        /// Its state.
        pub status: Presence<Status<PaymentState>>,
        /// The whole payment, not what was captured or refunded.
        pub amount: Presence<Money>,
        /// The captured part of it, if the provider accounts for that.
        pub captured_amount: Presence<Money>,
        /// Its cost.
        pub fee: Presence<Money>,
        /// The method of payment, in the provider's words.
        pub method: Presence<String>,
        /// The method's id.
        pub method_id: Presence<String>,
        /// The method's name, as the buyer sees it.
        pub method_name: Presence<String>,
        /// The method's kind within its family, in the provider's words.
        pub sub_method: Presence<String>,
        /// Who carries it out.
        pub gateway: Presence<String>,
        /// The gateway's reference.
        pub gateway_reference: Presence<String>,
        /// The bank's name.
        pub bank: Presence<String>,
        /// The reason for which it failed or expired, in the provider's words.
        pub failure_reason: Presence<String>,
        /// The state of the capture, in the provider's words.
        pub capture_status: Presence<String>,
        /// When it was created.
        pub created_at: Presence<Timestamp>,
        /// When it last changed.
        pub updated_at: Presence<Timestamp>,
        /// When it was paid.
        pub paid_at: Presence<Timestamp>,
        /// When the gateway carried it out.
        pub processed_at: Presence<Timestamp>,
        /// The transfer date that the buyer declared.
        pub transferred_at: Presence<Timestamp>,
        /// When each status was last entered, by the provider's word.
        pub status_times: BTreeMap<String, Presence<Timestamp>>,
        /// Who pays, if a payment's event names them.
        pub customer: Presence<Customer>,
        /// Its refunds, as far as this event describes them.
        pub refunds: Vec<Refund>,
    }
}

record! {
    /// A refund, as far as one event describes it.
    pub struct Refund {
        /// The provider's or merchant's id of the refund; null if the event has none.
        pub id: Option<String>,
        /// The amount; absent means unknown, never zero and never the total.
        pub amount: Presence<Money>,
        /// When.
        pub refunded_at: Presence<Timestamp>,
        /// From the provider's own account of its refunds, which has each one once; a webhook's mention of the same
        /// refund may be beside it under another id, so the two kinds are never added to each other.
        pub reported: Presence<bool>,
    }
}

record! {
    /// A fulfilment, as far as one event describes it.
    pub struct Fulfillment {
        /// The provider's id of the delivery; null if an order has one without an id.
        pub id: Option<String>,
        /// The order it fulfils, where the provider names it.
        pub order_id: Presence<String>,
        /// Its state.
        pub status: Presence<Status<FulfillmentState>>,
        /// The carrier's own state, in its words.
        pub carrier_status: Presence<String>,
        /// Who carries it.
        pub carrier: Presence<String>,
        /// The carrier's service.
        pub service: Presence<String>,
        /// The shop's delivery option.
        pub option_id: Presence<String>,
        /// The shop's notes on the delivery.
        pub notes: Presence<String>,
        /// The day for which the buyer asked, as given.
        pub scheduled_date: Presence<String>,
        /// The time of that day, in the provider's words.
        pub time_slot: Presence<String>,
        /// The carrier's number.
        pub tracking_number: Presence<String>,
        /// The page on which to follow it.
        pub tracking_url: Presence<String>,
        /// The buyer collects it.
        pub is_pickup: Presence<bool>,
        /// The place where the buyer collects it.
        pub pickup: Presence<PickupPoint>,
        /// The return whose parcel it is: it brings goods back and fulfils no order.
        pub return_id: Presence<String>,
        /// When it was handed to the carrier.
        pub shipped_at: Presence<Timestamp>,
        /// When it arrived at a pick-up point.
        pub arrived_at: Presence<Timestamp>,
        /// When the buyer got it.
        pub delivered_at: Presence<Timestamp>,
        /// When it was back.
        pub returned_at: Presence<Timestamp>,
        /// When its pick-up point closed, so that another is needed.
        pub store_closed_at: Presence<Timestamp>,
        /// When it was created.
        pub created_at: Presence<Timestamp>,
        /// When it last changed.
        pub updated_at: Presence<Timestamp>,
        /// When it is expected.
        pub expected_at: Presence<Timestamp>,
    }
}

record! {
    /// A store or locker where the buyer collects a parcel.
    pub struct PickupPoint {
        /// The carrier's code of the place: what a label is printed with.
        pub code: Presence<String>,
        /// Its name.
        pub name: Presence<String>,
        /// Its address.
        pub address: Presence<String>,
    }
}

record! {
    /// A return, as far as one event describes it.
    pub struct Return {
        /// The provider's id of the return; null if an order has one without an id.
        pub id: Option<String>,
        /// The number that people use.
        pub number: Presence<String>,
        /// The order whose goods come back, where the provider names it.
        pub order_id: Presence<String>,
        /// That order's number.
        pub order_number: Presence<String>,
        /// Its state.
        pub status: Presence<Status<ReturnState>>,
        /// The state of the shop's look at the goods, in the provider's words.
        pub inspection: Presence<String>,
        /// The reason, in the provider's words.
        pub reason: Presence<String>,
        /// The goods that come back.
        pub lines: Presence<Vec<Line>>,
        /// Its value, as given.
        pub total: Presence<Money>,
        /// The part of its value that was paid with store credit.
        pub credit: Presence<Money>,
        /// The part of its value that was paid with points, in money.
        pub points: Presence<Money>,
        /// The amount paid back for it.
        pub refunds: Vec<Refund>,
        /// The parcels in which the goods come back.
        pub fulfillments: Vec<Fulfillment>,
        /// Who returns the goods, if a return's event names them.
        pub customer: Presence<Customer>,
        /// When it was created.
        pub created_at: Presence<Timestamp>,
        /// When it last changed.
        pub updated_at: Presence<Timestamp>,
    }
}

impl Order {
    /// Returns the number that people use for it, or the merchant's own name for its payment.
    pub(crate) fn reference(&self) -> Option<String> {
        let mut of_payments = self.payments.iter().filter_map(|payment| payment.merchant_reference.value());
        self.number.value().or_else(|| of_payments.next()).cloned().map(attribute)
    }
}

impl Silent for Totals {
    fn is_silent(&self) -> bool {
        *self == Totals::default()
    }
}
