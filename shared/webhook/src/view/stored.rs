//! A view as JSON: what is kept of it in the table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Register, View};

/// A view as it is stored: each event's sequence and id once.
#[derive(Serialize, Deserialize)]
struct Stored {
    events: Vec<(String, String)>,
    registers: BTreeMap<String, (usize, Value)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    disowned: bool,
}

impl Serialize for View {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let place = |register: &Register| (register.sequence.clone(), register.event.clone());
        let mut events: Vec<_> = self.registers.values().map(place).collect();
        events.sort_unstable();
        events.dedup();
        let index = |register: &Register| events.binary_search(&place(register)).unwrap_or_default();
        let entry = |(path, register): (&String, &Register)| (path.clone(), (index(register), register.value.clone()));
        let registers = self.registers.iter().map(entry).collect();
        Stored { registers, events, disowned: self.has_disowned }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for View {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        let register = |(index, value): (usize, Value)| {
            let (sequence, event) = stored.events.get(index)?.clone();
            Some(Register { value, sequence, event })
        };
        let registers: Option<_> =
            stored.registers.into_iter().map(|(path, entry)| Some((path, register(entry)?))).collect();
        registers
            .map(|registers| View { registers, has_disowned: stored.disowned })
            .ok_or_else(|| serde::de::Error::custom("a register's event is missing"))
    }
}
