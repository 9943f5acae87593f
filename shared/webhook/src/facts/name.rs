//! Facts' names and values.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::read::money::Amount;

macro_rules! fact_names {
    ($(#[doc = $doc:literal] $variant:ident = $name:literal, $code:literal;)*) => {
        /// A fact's name. The list only grows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FactName {
            $(#[doc = $doc] $variant,)*
        }

        impl FactName {
            /// All names; what implies another comes after it.
            pub const ALL: &[FactName] = &[$(FactName::$variant,)*];

            /// The name in messages.
            pub fn name(self) -> &'static str {
                match self {
                    $(FactName::$variant => $name,)*
                }
            }

            /// Its number in the record of announcements. It stays for ever, wherever the name is in the list.
            pub(super) fn code(self) -> u64 {
                match self {
                    $(FactName::$variant => $code,)*
                }
            }

            /// Its meaning, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(FactName::$variant => $doc.trim_ascii(),)*
                }
            }
        }
    };
}

fact_names! {
    /// The order is known and neither a draft nor held.
    Placed = "placed", 1;
    /// It is held as spam or for review.
    Flagged = "flagged", 2;
    /// A payment is promised or made.
    Authorized = "authorized", 3;
    /// Money was received, whatever became of it later.
    Paid = "paid", 4;
    /// Every attempt to pay failed, expired or was voided.
    PaymentFailed = "payment_failed", 5;
    /// It was called off, or removed before anything of it was sent.
    Cancelled = "cancelled", 6;
    /// Something of it is with the carrier, or further.
    Shipped = "shipped", 7;
    /// Everything of it is with the buyer.
    Delivered = "delivered", 8;
    /// Goods are to come back: asked for, agreed to, under way, or back already.
    ReturnRequested = "return_requested", 9;
    /// Goods are back.
    Returned = "returned", 10;
    /// Money was given back: its value is the sum.
    Refunded = "refunded", 11;
    /// The provider calls the order done.
    Completed = "completed", 12;
}

impl FactName {
    /// The fact of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        FactName::ALL.iter().copied().find(|fact| fact.name() == name)
    }
}

impl JsonSchema for FactName {
    fn schema_name() -> Cow<'static, str> {
        "FactName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        words("A fact's name. The list only grows.", "")
    }
}

/// The type of a fact's message: `fact.` and its name.
#[derive(Debug)]
pub(super) struct FactType;

impl JsonSchema for FactType {
    fn schema_name() -> Cow<'static, str> {
        "FactType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        words("The fact whose change is announced. The list only grows.", FACT)
    }
}

/// The beginning of the type of a fact's message, before its name.
pub(super) const FACT: &str = "fact.";

fn words(description: &str, family: &str) -> Schema {
    let word = |fact: &FactName| json!({"const": format!("{family}{}", fact.name()), "description": fact.meaning()});
    let words: Vec<Value> = FactName::ALL.iter().map(word).collect();
    schemars::json_schema!({"description": description, "oneOf": words})
}

/// The value of a fact: in JSON `false`, `true`, or the refunded sum as text, `unknown` if an amount of it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "serde_json::Value", try_from = "serde_json::Value")]
pub enum FactValue {
    /// It does not hold.
    #[default]
    No,
    /// It holds.
    Yes,
    /// It holds, with a sum that is not known.
    UnknownSum,
    /// It holds, with this sum.
    Sum(Amount),
}

/// The word for a sum that is not known.
const UNKNOWN: &str = "unknown";

impl FactValue {
    /// Returns whether the fact holds.
    pub fn holds(self) -> bool {
        self != FactValue::No
    }

    /// Returns the sum as text, for a fact that has one and holds.
    pub fn sum(self) -> Option<String> {
        match self {
            FactValue::No | FactValue::Yes => None,
            FactValue::UnknownSum => Some(UNKNOWN.to_owned()),
            FactValue::Sum(amount) => Some(amount.to_string()),
        }
    }
}

impl From<FactValue> for Value {
    fn from(value: FactValue) -> Self {
        value.sum().map_or(Value::Bool(value.holds()), Value::String)
    }
}

impl TryFrom<Value> for FactValue {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, &'static str> {
        match value {
            Value::Bool(holds) => Ok(FactValue::from(holds)),
            // A later build may have more words: what it says of the sum is not known here.
            Value::String(text) => Ok(text.parse().map_or(FactValue::UnknownSum, FactValue::Sum)),
            _ => Err("a fact's value is a flag or a sum"),
        }
    }
}

impl From<bool> for FactValue {
    fn from(holds: bool) -> Self {
        if holds { FactValue::Yes } else { FactValue::No }
    }
}
