//! Exact money: decimal text parsed as decimal, never through a float.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An exact decimal number, printed without trailing zeros: `40.7` and `"40.70"` are one amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Amount(Decimal);

/// A text that is not an amount which this crate can hold exactly (at most 28 significant digits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an exact decimal amount")]
pub struct NotAnAmount;

impl Amount {
    /// An amount with a decimal point, or with a comma and two decimals, as some of Scalapay's examples show.
    pub fn with_comma(text: &str) -> Option<Self> {
        let comma = || text.split_once(',').filter(|(_, cents)| cents.len() == 2);
        text.parse().ok().or_else(|| comma().and_then(|(whole, cents)| format!("{whole}.{cents}").parse().ok()))
    }

    /// The sum, unless it cannot be held exactly.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(|sum| Amount(sum.normalize()))
    }

    /// The product, unless it cannot be held exactly.
    pub fn checked_times(self, factor: u32) -> Option<Self> {
        self.0.checked_mul(Decimal::from(factor)).map(|product| Amount(product.normalize()))
    }

    /// The number, if it is whole: `19`, `19.0` and `1000.00` are.
    pub fn whole(self) -> Option<i64> {
        Some(self.0).filter(Decimal::is_integer)?.to_i64()
    }

    /// Zero.
    pub const ZERO: Self = Amount(Decimal::ZERO);

    /// The exponent `k` in 0 to 3 for which `self × 10^k` is the given number of smallest units.
    pub fn exponent_to(self, smallest_units: Self) -> Option<u8> {
        let powers = [1_u32, 10, 100, 1_000];
        let matching = |power: &u32| self.0.checked_mul(Decimal::from(*power)) == Some(smallest_units.0);
        powers.iter().position(matching).and_then(|exponent| u8::try_from(exponent).ok())
    }
}

impl FromStr for Amount {
    type Err = NotAnAmount;

    fn from_str(text: &str) -> Result<Self, NotAnAmount> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        // The library also takes "+1", ".5" and "1_000".
        if !digits.starts_with(|first: char| first.is_ascii_digit()) || digits.contains('_') {
            return Err(NotAnAmount);
        }
        let exact =
            if text.contains(['e', 'E']) { Decimal::from_scientific(text) } else { Decimal::from_str_exact(text) };
        exact.map(|decimal| Amount(decimal.normalize())).map_err(|_| NotAnAmount)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl TryFrom<String> for Amount {
    type Error = NotAnAmount;

    fn try_from(text: String) -> Result<Self, NotAnAmount> {
        text.parse()
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> String {
        amount.to_string()
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "An exact decimal in major units, without trailing zeros.",
            "pattern": "^-?[0-9]+(\\.[0-9]+)?$"
        })
    }
}

/// An amount and its currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Money {
    /// In major units, exact.
    pub amount: Amount,
    /// As the provider gives it, mostly ISO 4217; null if the provider declares none (Scalev orders).
    pub currency: Option<String>,
    /// The provider's own exponent between this amount and its smallest units, if both were given and agree.
    /// SHOPLINE counts NT$260 as 260 smallest units, ISO 4217 would say 26000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exponent: Option<u8>,
    /// Smallest units as given, if they contradict the amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contradicting_smallest_units: Option<Amount>,
}

impl Money {
    /// An amount in a currency, or in one that the provider does not give.
    pub fn new(amount: Amount, currency: Option<String>) -> Self {
        Money { amount, currency, exponent: None, contradicting_smallest_units: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        for (text, printed) in [
            ("40.7", Some("40.7")),
            ("40.70", Some("40.7")),
            ("0.00001000", Some("0.00001")),
            ("1e3", Some("1000")),
            ("1.5E-3", Some("0.0015")),
            ("-0.0", Some("0")),
            ("168724.00", Some("168724")),
            ("9999999999999999999999999999", Some("9999999999999999999999999999")),
            ("0.12345678901234567890123456789", None),
            ("99999999999999999999999999999999", None),
            ("1e400", None),
            ("190,00", None),
            ("1_000", None),
            ("+1", None),
            (".5", None),
            ("", None),
            ("NaN", None),
        ] {
            assert_eq!(text.parse::<Amount>().ok().map(|amount| amount.to_string()).as_deref(), printed, "{text}");
        }
    }

    #[test]
    fn exponents_are_the_providers_own() {
        for (amount, units, exponent) in [("260", "260", Some(0)), ("2.60", "260", Some(2)), ("2.6", "27", None)] {
            let amount: Amount = amount.parse().unwrap();
            assert_eq!(amount.exponent_to(units.parse().unwrap()), exponent);
        }
    }
}
