//! A view as JSON: what is kept of it in the table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Register, View};

/// The events of a view: their sequences and ids.
type EventPlaces = Vec<(String, String)>;

/// A view as it is stored: each event's sequence and id once, and whatever is kept beside it.
#[derive(Serialize, Deserialize)]
struct Stored<T> {
    events: EventPlaces,
    registers: BTreeMap<String, (usize, Value)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    disowned: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<T>,
}

impl View {
    /// The view as JSON, with something beside it, which is given the list of sequences and ids that is stored anyway.
    pub(crate) fn to_json_with<T: Serialize>(
        &self,
        beside: impl FnOnce(&[(String, String)]) -> Option<T>,
    ) -> Result<Vec<u8>, serde_json::Error> {
        let Stored { events, registers, disowned, .. } = self.stored();
        let facts = beside(&events);
        serde_json::to_vec(&Stored { events, registers, disowned, facts })
    }

    /// Reads what [`View::to_json_with`] wrote, with that list.
    pub(crate) fn from_json_with<T: for<'de> Deserialize<'de> + Default>(
        json: &[u8],
    ) -> Result<(Self, T, EventPlaces), serde_json::Error> {
        let Stored { events, registers, disowned, facts } = serde_json::from_slice::<Stored<T>>(json)?;
        let view = View::of_stored(Stored { events: events.clone(), registers, disowned, facts: None::<()> })?;
        Ok((view, facts.unwrap_or_default(), events))
    }

    fn stored(&self) -> Stored<()> {
        let place = |register: &Register| (register.sequence.clone(), register.event.clone());
        let mut events: EventPlaces = self.registers.values().map(place).collect();
        events.sort_unstable();
        events.dedup();
        let index = |register: &Register| events.binary_search(&place(register)).unwrap_or_default();
        let entry = |(path, register): (&String, &Register)| (path.clone(), (index(register), register.value.clone()));
        let registers = self.registers.iter().map(entry).collect();
        Stored { registers, events, disowned: self.has_disowned, facts: None }
    }

    fn of_stored<T, E: serde::de::Error>(stored: Stored<T>) -> Result<Self, E> {
        let register = |(index, value): (usize, Value)| {
            let (sequence, event) = stored.events.get(index)?.clone();
            Some(Register { value, sequence, event })
        };
        let registers: Option<_> =
            stored.registers.into_iter().map(|(path, entry)| Some((path, register(entry)?))).collect();
        registers
            .map(|registers| View { registers, has_disowned: stored.disowned })
            .ok_or_else(|| E::custom("a register's event is missing"))
    }
}

impl Serialize for View {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.stored().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for View {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        View::of_stored(Stored::<serde::de::IgnoredAny>::deserialize(deserializer)?)
    }
}
