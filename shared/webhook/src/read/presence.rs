//! A value that an event may leave out, set to null, or give: *absent is not null*.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One field of an event in its three states.
///
/// In JSON an absent field has no member; use it with
/// `#[serde(default, skip_serializing_if = "Presence::is_absent")]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presence<T> {
    /// Not there: the value known before stays.
    #[default]
    Absent,
    /// Given as having no value.
    Null,
    /// A value.
    Value(T),
}

impl<T> Presence<T> {
    /// Returns whether the event leaves it out.
    pub fn is_absent(&self) -> bool {
        matches!(self, Presence::Absent)
    }

    /// Returns the value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Presence::Value(value) => Some(value),
            Presence::Absent | Presence::Null => None,
        }
    }

    /// Converts the value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Presence<U> {
        match self {
            Presence::Absent => Presence::Absent,
            Presence::Null => Presence::Null,
            Presence::Value(value) => Presence::Value(change(value)),
        }
    }

    /// Returns this field if it is not absent, else the other.
    pub fn or(self, other: Self) -> Self {
        if self.is_absent() { other } else { self }
    }
}

impl<T> Presence<Presence<T>> {
    /// Joins the states of a field and of the field in it.
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
