//! The reading of a row by a provider's mapping.

use jiff::Timestamp;

use crate::json::{self, Value};
use crate::keep::claim::ORIGIN;
use crate::keep::row::{Mark, Row};
use crate::read::attribute::attribute;
use crate::read::body_reader::BodyReader;
use crate::read::event::{DATA_SCHEMA, Data, Event, EventType, is_nameless};
use crate::read::position::{Position, TieBreak};

/// The result of a provider's mapping.
#[derive(Debug)]
pub struct Mapped {
    /// The provider's word for what happened.
    pub word: String,
    /// Our word; `None` if no table has the provider's.
    pub event_type: Option<EventType>,
    /// When it happened, if the provider says.
    pub time: Option<Timestamp>,
    /// Its place among its subject's events.
    pub position: Position,
    /// The shop, by the provider's id.
    pub merchant: Option<String>,
    /// The app that the delivery was for, where a header names it; no signature covers that.
    pub app: Option<String>,
    /// A test delivery or a development shop's.
    pub test: bool,
    /// The body lacks the id of its subject, which its provider sends with every event of the kind.
    pub lacks_id: bool,
    /// The content.
    pub data: Data,
}

/// The input of a mapping: the body and the facts kept beside it.
#[derive(Debug, Clone, Copy)]
pub struct MappingInput<'a> {
    /// The row.
    pub row: &'a Row,
    /// The body's outermost value.
    pub root: &'a Value<'a>,
    /// Collects what cannot be read.
    pub reader: &'a BodyReader,
}

/// A provider's mapping: a pure function of a row.
pub type Mapping = for<'a> fn(MappingInput<'a>) -> Mapped;

/// Reads the canonical event out of a row with a mapping of this version.
pub(crate) fn event(row: &Row, mapping: Mapping, version: u32) -> Event {
    let reader = BodyReader::default();
    let document = json::parse(&row.body);
    let mapped = match &document {
        Ok(document) => mapping(MappingInput { row, root: &document.root, reader: &reader }),
        Err(_) => Mapped {
            word: String::new(),
            event_type: None,
            time: None,
            position: Position::Arrival,
            merchant: None,
            app: None,
            test: false,
            lacks_id: false,
            data: Data::Other {},
        },
    };
    let (name, source, subject) = row.key.parts().unwrap_or_default();
    let id = row.key.id();
    let place = TieBreak { received_ms: row.received_ms, mapping: version, hash: &row.hash };
    let event_type = mapped.event_type.unwrap_or(EventType::Other);
    let has_order = event_type.concerns_orders() && !is_nameless(subject);
    Event {
        specversion: "1.0".to_owned(),
        source: format!("/hookmill/{name}/{source}"),
        event_type,
        subject: subject.to_owned(),
        time: mapped.time,
        datacontenttype: "application/json".to_owned(),
        dataschema: DATA_SCHEMA.to_owned(),
        providerevent: attribute(mapped.word),
        mappingversion: version,
        receivedtime: Timestamp::from_millisecond(row.received_ms).unwrap_or_default(),
        sequence: mapped.position.sequence(&place),
        order: has_order.then(|| row.key.pk.clone()),
        reference: mapped.data.reference().filter(|_| has_order),
        merchant: mapped.merchant.map(attribute),
        app: mapped.app.map(attribute),
        unreadfields: reader.unread(),
        unreadable: document.err().map(|error| error.to_string()),
        conflict: row.mark == Some(Mark::Conflict),
        revision: row.mark == Some(Mark::Revision),
        possiblyrepeated: row.mark == Some(Mark::PossiblyRepeated),
        replay: false,
        test: mapped.test,
        unrecognised: mapped.event_type.is_none(),
        // Of an event that no table has nobody knows what it always has.
        changedshape: mapped.lacks_id && mapped.event_type.is_some(),
        origin: row.key.is_snapshot().then(|| ORIGIN.to_owned()),
        correctionof: None,
        dataref: None,
        data: Some(mapped.data),
        body: None,
        bodyref: None,
        id,
    }
}
