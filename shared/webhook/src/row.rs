//! What is kept of a delivery, and how an event is read out of it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::claim::EventKey;
use crate::event::{DATA_SCHEMA, Data, Event, EventType};
use crate::fields::Reader;
use crate::json::{self, Value};
use crate::position::{Position, Row as Place};
use crate::providers::Provider;
use crate::read_back::ORIGIN;

/// A kept delivery: everything that a reading, now or under a later mapping, is a function of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub key: EventKey,
    /// When it was received, in milliseconds since 1970.
    pub received_ms: i64,
    /// The body as received, but for cut secrets.
    pub body: Vec<u8>,
    /// SHA-256 of the body as received.
    pub hash: [u8; 32],
    /// The headers that a reading or a new check of the signature needs.
    pub headers: BTreeMap<String, String>,
    /// The timestamp header's text, where the signature covered it.
    pub signed_at: Option<String>,
    /// What distinguishes it from other rows under its identity.
    pub mark: Option<Mark>,
}

/// Why an identity has a further row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Another body, which the provider rules out.
    Conflict,
    /// Another snapshot.
    Revision,
    /// The same body under a new signed time.
    PossiblyRepeated,
}

impl Mark {
    /// The word on the row.
    pub fn word(self) -> &'static str {
        match self {
            Mark::Conflict => "conflict",
            Mark::Revision => "revision",
            Mark::PossiblyRepeated => "possiblyrepeated",
        }
    }

    /// The mark of a word on a row.
    pub fn of_word(word: &str) -> Option<Self> {
        [Mark::Conflict, Mark::Revision, Mark::PossiblyRepeated].into_iter().find(|mark| mark.word() == word)
    }
}

/// What a provider's mapping makes of a body.
#[derive(Debug)]
pub struct Reading {
    /// The provider's word for what happened.
    pub word: String,
    /// Our word; none where no table has the provider's.
    pub event_type: Option<EventType>,
    /// When it happened, where the provider tells.
    pub time: Option<Timestamp>,
    /// Where it stands among its subject's events.
    pub position: Position,
    /// The shop, by the provider's id.
    pub merchant: Option<String>,
    /// A test delivery or a development shop's.
    pub test: bool,
    /// What it says.
    pub data: Data,
}

/// What a mapping reads from: the body and what was kept beside it.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// The row.
    pub row: &'a Row,
    /// The body's outermost value.
    pub root: &'a Value<'a>,
    /// Collects what cannot be read.
    pub reader: &'a Reader,
}

/// Reads the canonical event out of a row: a pure function of the row and this build's mapping.
pub fn read(provider: &Provider, row: &Row) -> Event {
    let reader = Reader::default();
    let document = json::parse(&row.body);
    let reading = match &document {
        Ok(document) => {
            let reading = if row.key.is_read_back() { provider.read_back.read } else { provider.read };
            reading(Kept { row, root: &document.root, reader: &reader })
        }
        Err(_) => Reading {
            word: String::new(),
            event_type: None,
            time: None,
            position: Position::Arrival,
            merchant: None,
            test: false,
            data: Data::Other {},
        },
    };
    let (name, source, subject) = row.key.parts().unwrap_or_default();
    let id = row.key.id();
    let place = Place { received_ms: row.received_ms, mapping: provider.mapping_version, hash: &row.hash };
    Event {
        specversion: "1.0".to_owned(),
        source: format!("/hookmill/{name}/{source}"),
        event_type: reading.event_type.unwrap_or(EventType::Other),
        subject: subject.to_owned(),
        time: reading.time,
        datacontenttype: "application/json".to_owned(),
        dataschema: DATA_SCHEMA.to_owned(),
        providerevent: attribute(reading.word),
        mappingversion: provider.mapping_version,
        receivedtime: Timestamp::from_millisecond(row.received_ms).unwrap_or_default(),
        sequence: reading.position.sequence(&place),
        merchant: reading.merchant.map(attribute),
        unreadfields: reader.unread(),
        unreadable: document.err().map(|error| error.to_string()),
        conflict: row.mark == Some(Mark::Conflict),
        revision: row.mark == Some(Mark::Revision),
        possiblyrepeated: row.mark == Some(Mark::PossiblyRepeated),
        replay: false,
        test: reading.test,
        unrecognised: reading.event_type.is_none(),
        origin: row.key.is_read_back().then(|| ORIGIN.to_owned()),
        correctionof: None,
        dataref: None,
        data: Some(reading.data),
        id,
    }
}

/// A longer attribute is cut: a queue must be able to take an event's envelope whatever a body says.
const ATTRIBUTE_CHARACTERS_MAX: usize = 200;

/// A text as a CloudEvents attribute may hold it: no control characters, no non-characters, not without end.
/// What stood there is in the kept body.
fn attribute(text: String) -> String {
    let text: String = text.chars().take(ATTRIBUTE_CHARACTERS_MAX).collect();
    let forbidden = |character: char| {
        let code = u32::from(character);
        character.is_control() || (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
    };
    if text.contains(forbidden) { text.replace(forbidden, "\u{fffd}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_hold_what_cloudevents_allows() {
        for (text, expected) in [
            ("order.created", "order.created"),
            ("a\0b\u{7f}\u{9f}", "a\u{fffd}b\u{fffd}\u{fffd}"),
            (&"x".repeat(300), &"x".repeat(200)),
            ("\u{fffe}\u{fdd0}\u{1ffff}é😀", "\u{fffd}\u{fffd}\u{fffd}é😀"),
        ] {
            assert_eq!(attribute(text.to_owned()), expected);
        }
    }
}
