//! An answer's own bytes.

use std::fmt;

use jiff::Timestamp;
use webhook::json::{Kind, Value};

/// JSON exactly as the provider sent it: what orders and webhooks were read from.
///
/// It holds personal data and perhaps secrets, so it is printed as its length.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Raw(Vec<u8>);

impl Raw {
    /// Keeps bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Raw(bytes.into())
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes themselves.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Raw({} bytes)", self.0.len())
    }
}

/// A member's text, or a number's token.
pub(crate) fn text(value: &Value<'_>, name: &str) -> Option<String> {
    value.get(name).and_then(Value::text).map(|text| text.into_owned())
}

/// A member's instant, RFC 3339.
pub(crate) fn time(value: &Value<'_>, name: &str) -> Option<Timestamp> {
    value.get(name).and_then(Value::text).and_then(|text| text.parse().ok())
}

/// A member's count.
pub(crate) fn count(value: &Value<'_>, name: &str) -> Option<u64> {
    value.get(name).and_then(Value::text).and_then(|text| text.parse().ok())
}

/// A member's items, where it is a list.
pub(crate) fn items<'v, 'a>(value: &'v Value<'a>, name: &str) -> Option<&'v [Value<'a>]> {
    match &value.get(name)?.kind {
        Kind::Array(items) => Some(items),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::String(_) | Kind::Object(_) => None,
    }
}
