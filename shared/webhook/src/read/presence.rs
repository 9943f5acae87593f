//! A field that an event may leave out, blank or tell: *absent is not null*.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What an event says of one field.
///
/// In JSON an absent field has no member; use it with
/// `#[serde(default, skip_serializing_if = "Presence::is_absent")]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presence<T> {
    /// Nothing: what was known before stays.
    #[default]
    Absent,
    /// That there is no value.
    Null,
    /// A value.
    Value(T),
}

impl<T> Presence<T> {
    /// Whether the event says nothing of it.
    pub fn is_absent(&self) -> bool {
        matches!(self, Presence::Absent)
    }

    /// The value, if one is told.
    pub fn value(&self) -> Option<&T> {
        match self {
            Presence::Value(value) => Some(value),
            Presence::Absent | Presence::Null => None,
        }
    }

    /// The same field of another type.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Presence<U> {
        match self {
            Presence::Absent => Presence::Absent,
            Presence::Null => Presence::Null,
            Presence::Value(value) => Presence::Value(change(value)),
        }
    }

    /// This field if it says anything, else the other.
    pub fn or(self, other: Self) -> Self {
        if self.is_absent() { other } else { self }
    }
}

impl<T> Presence<Presence<T>> {
    /// A field of something that may itself be absent or null.
    pub fn flatten(self) -> Presence<T> {
        match self {
            Presence::Absent => Presence::Absent,
            Presence::Null => Presence::Null,
            Presence::Value(field) => field,
        }
    }
}

/// The first of two fields that has a value, else whatever is said.
pub(crate) fn first<T>(preferred: Presence<T>, other: Presence<T>) -> Presence<T> {
    if preferred.value().is_some() { preferred } else { other.or(preferred) }
}

impl<T> From<Option<T>> for Presence<T> {
    /// `None` is absent.
    fn from(value: Option<T>) -> Self {
        value.map_or(Presence::Absent, Presence::Value)
    }
}

impl<T: Serialize> Serialize for Presence<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Presence<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| value.map_or(Presence::Null, Presence::Value))
    }
}

impl<T: JsonSchema> JsonSchema for Presence<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}
