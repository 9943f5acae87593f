//! The message that announces a change of a fact.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::announced::FactChange;
use crate::facts::current::{CurrentOrder, current_order};
use crate::facts::name::{FACT, FactType};
use crate::facts::table::Facts;
use crate::facts::times::time_of;
use crate::keep::claim::EventKey;
use crate::read::event::{DATA_SCHEMA, Event, escaped};
use crate::view::View;

/// A change of a fact: CloudEvents 1.0 around the order as it is known now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FactMessage {
    /// Always `1.0`.
    pub specversion: String,
    /// `<order>;<fact>;<number>`: the change's name for ever.
    pub id: String,
    /// `/hookmill/<provider>/<source>`
    pub source: String,
    /// `fact.` and the fact's name.
    #[serde(rename = "type")]
    #[schemars(with = "FactType")]
    pub message_type: String,
    /// The order, as in its events.
    pub subject: String,
    /// When the fact became so; only if the provider reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// The schema's name.
    pub dataschema: String,
    /// The order's key, by which the read function has its view.
    pub order: String,
    /// The number of the order that people use, where the provider has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// True if the fact holds, false if it ceased to.
    pub holds: bool,
    /// The number of this change among those of the fact, from 1: of two the greater one is the later truth.
    pub number: u64,
    /// The refunded sum, `unknown` if an amount of it is not known; only of the fact `refunded` while it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The refunded sum that was announced before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formervalue: Option<String>,
    /// The currency of the sums, where the provider names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// The id of the event that caused it.
    pub because: String,
    /// When that event was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receivedtime: Option<Timestamp>,
    /// That event is of a test or a development shop.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// Sent again by the operator.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replay: bool,
    /// The order's key, if the order was too large to carry, in part or whole: ask the read function for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataref: Option<String>,
    /// The order as it was known when this was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<CurrentOrder>,
}

/// The parts of the causing event that its facts carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CauseTimes {
    /// When it happened, if the provider says.
    pub time: Option<Timestamp>,
    /// When it was received.
    pub received: Option<Timestamp>,
    /// It is of a test or a development shop.
    pub is_test: bool,
}

impl CauseTimes {
    /// The times of an event.
    pub fn of(event: &Event) -> Self {
        CauseTimes { time: event.time, received: Some(event.receivedtime), is_test: event.test }
    }
}

impl FactMessage {
    /// Makes the message of a change of an order, with the order as its view has it.
    pub fn of(order: &str, view: &View, change: &FactChange, cause: CauseTimes) -> Self {
        let facts = Facts::of(view);
        let (current, is_incomplete) = current_order(view, &facts);
        let key = EventKey { pk: order.to_owned(), sk: String::new() };
        let (provider, source, subject) = key.parts().unwrap_or_default();
        let announcement = &change.announcement;
        let (value, formervalue) = (announcement.value.sum(), announcement.former.sum());
        FactMessage {
            specversion: "1.0".to_owned(),
            id: change.id(order),
            source: format!("/hookmill/{provider}/{source}"),
            message_type: format!("{FACT}{}", change.fact.name()),
            subject: subject.to_owned(),
            time: Some(view)
                .filter(|_| announcement.value.holds())
                .and_then(|view| time_of(view, change.fact))
                .or(cause.time),
            datacontenttype: "application/json".to_owned(),
            dataschema: DATA_SCHEMA.to_owned(),
            order: order.to_owned(),
            reference: current.order.reference(),
            holds: announcement.value.holds(),
            number: announcement.number,
            currency: current.summary.currency.clone().filter(|_| value.is_some() || formervalue.is_some()),
            value,
            formervalue,
            because: announcement.cause.clone(),
            receivedtime: cause.received,
            test: cause.is_test,
            replay: false,
            dataref: is_incomplete.then(|| order.to_owned()),
            data: Some(current),
        }
    }

    /// The JSON that travels on queues.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self).map(escaped)
    }

    /// The same message without the order, for a queue that would not take it.
    pub fn without_data(&self) -> Self {
        FactMessage { data: None, dataref: Some(self.order.clone()), reference: None, ..self.clone() }
    }
}
