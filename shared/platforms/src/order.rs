//! An order as a provider tells it when asked.

use std::collections::BTreeMap;

use jiff::Timestamp;
use webhook::money::Amount;

use crate::raw::Raw;

/// An order (at Scalapay a payment) read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The provider's id of it, the same as in webhooks; none where the answer has none.
    pub id: Option<String>,
    /// Another id that the provider has for it (Scalev: the one that its API takes).
    pub alias: Option<String>,
    /// When it last changed; none where the provider does not tell.
    pub updated_at: Option<Timestamp>,
    /// What was refunded of it.
    pub refunds: Refunds,
    /// The provider's JSON of this order, byte for byte.
    pub raw: Raw,
}

/// What was refunded of an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Refunds {
    /// The provider's documents tell no refunds where this was read.
    #[default]
    Unknown,
    /// Every refund by the provider's id of it: absolute amounts, so that reading them twice comes to the same.
    Told(BTreeMap<String, Refund>),
}

/// One refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Its amount in major units, where it can be held exactly.
    pub amount: Option<Amount>,
    /// Its currency, where one is told.
    pub currency: Option<String>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// What to ask the next page with; none after the last one.
    pub next: Option<Cursor>,
}

/// Where the next page of a list begins. Its text can be kept, to go on later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A time in which orders changed, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From.
    pub after: Timestamp,
    /// To; without one, until now.
    pub before: Option<Timestamp>,
}
