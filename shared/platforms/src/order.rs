//! An order as a provider's API returns it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use webhook::money::Amount;

use crate::raw::Raw;

/// The name of an order at its provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderName {
    /// Its id.
    pub id: String,
    /// Its kind, one of [`crate::Platform::order_kinds`] if there are any.
    pub kind: Option<&'static str>,
}

/// A list of orders that can be asked by time of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderList {
    /// Its name in the API's path, if it has one.
    pub name: &'static str,
    /// The kind of the orders in it, one of [`crate::Platform::order_kinds`] if there are any.
    pub kind: Option<&'static str>,
}

/// An order, or a payment if the provider has those alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedOrder {
    /// The provider's id of it, the same as in webhooks; `None` if the answer has none.
    pub id: Option<String>,
    /// Another id that the provider has for it, such as one that only its API takes.
    pub alias: Option<String>,
    /// When it last changed; `None` if the answer does not say.
    pub updated_at: Option<Timestamp>,
    /// The refunds of it.
    pub refunds: Refunds,
    /// The provider's JSON of this order, byte for byte.
    pub raw: Raw,
}

/// The refunds of an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Refunds {
    /// The answer has no documented member for them.
    #[default]
    Unknown,
    /// Every refund by the provider's id of it: absolute amounts, so that reading them twice changes nothing.
    Known(BTreeMap<String, RefundAmount>),
}

impl Refunds {
    /// Returns the refunds of these rows; without any they stay unknown, since a report covers a time, not an order.
    pub fn of(rows: &[&RefundRow]) -> Self {
        let known: BTreeMap<_, _> = rows.iter().filter_map(|row| row.id.clone().zip(row.refund.clone())).collect();
        if known.is_empty() { Refunds::Unknown } else { Refunds::Known(known) }
    }
}

/// The amount of one refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundAmount {
    /// In major units; `None` if it cannot be held exactly.
    pub amount: Option<Amount>,
    /// Its currency, if the answer names one.
    pub currency: Option<String>,
}

/// One row of a report on refunds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRow {
    /// The provider's id of the refund, or of the transfer that paid it back.
    pub id: Option<String>,
    /// The last characters of the payment's id: reports may mask the rest.
    pub payment_end: Option<String>,
    /// The merchant's reference of the order.
    pub reference: Option<String>,
    /// The amount; `None` in a row that names no refunded amount.
    pub refund: Option<RefundAmount>,
    /// The row.
    pub raw: Raw,
}

impl RefundRow {
    /// Returns whether it may be of this payment: the end of the id is the same, and the reference if both have one.
    /// Two payments can share both, so this proves nothing.
    pub fn may_be_of(&self, payment: &str, reference: Option<&str>) -> bool {
        let end = self.payment_end.as_deref().is_some_and(|end| !end.is_empty() && payment.ends_with(end));
        end && self.reference.as_deref().zip(reference).is_none_or(|(this, that)| this == that)
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Its items.
    pub items: Vec<T>,
    /// Asks for the next page; `None` after the last one.
    pub next: Option<Cursor>,
}

/// The beginning of the next page of a list. Its text can be kept, to go on later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A span of time in which orders changed, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From.
    pub after: Timestamp,
    /// To; without one, until now.
    pub before: Option<Timestamp>,
}
