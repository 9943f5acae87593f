//! Scalev: orders and checkouts of Indonesian shops. One webhook URL a business, and one for all businesses of an app.
//!
//! Source: dev.scalev.com/docs, pages `webhook-events`, `payload-example`, `verifying-a-webhook-request`,
//! `enabling-webhooks` and `apps-webhooks`; developers.scalev.id/changelog/more-fields-on-webhook;
//! status words that no page has: github.com/scalev-id/sdk.

use std::borrow::Cow;

use jiff::Timestamp;

use super::prelude::*;
use crate::json::canonical;
use crate::keep::claim::alias;
use crate::read::body_reader::Node;
use crate::read::event::{Data, EventType};
use crate::read::order::{Order, Payment};
use crate::read::position::Position;
use crate::read::presence::Presence;
use crate::read::status::{OrderState, Status, lookup, step};
use crate::receive::scheme::{Encoding, Signature, SignaturePlace, SignedMessage};
use intents::checkout;
use orders::{customer, order, payment};
use tables::*;

mod intents;
mod orders;
mod snapshot;
mod tables;
#[cfg(test)]
mod tests;

/// Scalev.
pub const SCALEV: Provider = Provider {
    name: "scalev",
    admission: Admission {
        schemes: &[(
            SchemeName::Signed,
            Scheme::Signed(Signature {
                place: SignaturePlace::Header(SIGNATURE),
                encoding: Encoding::Base64,
                timestamp: None,
                message: SignedMessage::Body,
            }),
        )],
        foreign_headers: &[],
        merchant,
    },
    kept_headers: &[SIGNATURE, APP_ID],
    secrets: &[&["data", "secret_slug"], &["data", "recovery_url"], &["data", "order", "secret_slug"]],
    horizon_ms: 72 * HOUR_MS,
    mapping_version: 3,
    topics: || words(EVENTS),
    claim,
    mapping: read,
    snapshots: snapshot::SNAPSHOTS,
};

const SIGNATURE: &str = "x-scalev-hmac-sha256";

/// Only deliveries to an app have it; it names the app.
const APP_ID: &str = "x-scalev-app-id";

/// Events about a cart begin so; their `data.id` is the cart's. Part of the claim.
const INTENTS: &str = "checkout_intent.";

/// `business` is `{}` in some payment events and missing from the short ones.
fn merchant(root: &Value<'_>) -> Option<String> {
    business(root.at(&["data", "business"]))
}

/// The names of a business, of which a body has one or several. Part of the claim.
const BUSINESS_NAMES: [&str; 3] = ["client_id", "unique_id", "username"];

fn business(business: Option<&Value<'_>>) -> Option<String> {
    let text = |name: &&str| business?.get(name).and_then(Value::text);
    BUSINESS_NAMES.iter().find_map(text).map(Cow::into_owned)
}

/// The same of a body that is read.
fn business_of(data: &Node<'_>) -> Option<String> {
    BUSINESS_NAMES.iter().find_map(|name| data.get("business").text_or_none(name))
}

fn claim(verified: &Verified<'_>, root: &Value<'_>) -> Claim {
    let text = |path: &[&str]| root.at(path).and_then(Value::text);
    let bytes = verified.body_hash();
    let (event, unique_id) = (text(&["event"]), text(&["unique_id"]));
    let (id, order_id) = (text(&["data", "id"]), text(&["data", "order_id"]));
    let is_intent = event.as_deref().is_some_and(|event| event.starts_with(INTENTS));
    let subject = match &order_id {
        _ if is_intent => Part::of(&[id.as_deref()]),
        // Two businesses may have the same order number, and the short events name no business: the internal id keeps
        // them apart, or if a body has none, the business.
        // The app's header says as much, but no signature covers it.
        Some(order_id) if verified.source.several_merchants => match &id {
            Some(id) => Part::one(id),
            None => Part::of(&[merchant(root).as_deref(), Some(order_id)]),
        },
        // Everything but an order has an id alone.
        order_id => Part::of(&[order_id.as_deref().or(id.as_deref())]),
    };
    let strength = if unique_id.is_some() { Strength::Strong } else { SCALEV.weak(verified) };
    Claim {
        subject,
        word: Part::of(&[event.as_deref()]),
        // Without the provider's id, which early test events lack, the bytes are the name.
        identity: unique_id.as_deref().map_or_else(|| Part::hash(&bytes), Part::one),
        strength,
        // A redelivery keeps its content, in whatever order and indentation its members are written.
        other_body: OtherBody::Conflict,
        content: if unique_id.is_some() { meaning(verified, root) } else { bytes },
        bytes: unique_id.is_some().then_some(bytes),
        // Bodies of 2025 have the order's number only, later ones both.
        alias: id.filter(|_| order_id.is_some() && !is_intent).map(|id| alias(&id)),
    }
}

fn meaning(verified: &Verified<'_>, root: &Value<'_>) -> [u8; 32] {
    match &verified.body {
        Ok(document) if !document.duplicate_keys => canonical::meaning(root),
        // Which of two members of one name comes first is part of what such a body says.
        Ok(_) | Err(_) => verified.body_hash(),
    }
}

fn read(kept: MappingInput<'_>) -> Mapped {
    let root = kept.reader.root(kept.root);
    let word = root.text_or_none("event").unwrap_or_default();
    let known = lookup(EVENTS, &word);
    let data = root.get("data");
    Mapped {
        event_type: known.map(|(event_type, shape)| news(shape, &data).unwrap_or(event_type)),
        time: root.time("timestamp").value().copied(),
        position: position(&root, &data),
        merchant: business_of(&data),
        app: kept.row.headers.get(APP_ID).cloned(),
        test: known.is_some_and(|(event_type, _)| event_type == EventType::Ping),
        lacks_id: match known.map(|(_, shape)| shape) {
            Some(DataShape::Empty) | None => false,
            Some(DataShape::Intent) => data.text_or_none("id").is_none(),
            Some(_) => data.text_or_none("order_id").is_none(),
        },
        data: known.map_or(Data::Other {}, |(_, shape)| read_data(&root, shape)),
        word,
    }
}

/// The type that a status decides, where a status is the news.
fn news(shape: DataShape, data: &Node<'_>) -> Option<EventType> {
    let (name, table) = match shape {
        DataShape::Status => ("status", STATUS_EVENTS),
        DataShape::Payment => ("payment_status", PAYMENT_EVENTS),
        DataShape::Order | DataShape::Deleted | DataShape::Intent | DataShape::Empty => return None,
    };
    lookup(table, &data.text_or_none(name)?)
}

/// Statuses go back as well as forth, so time decides: the order's, in seconds, then the event's, in microseconds.
fn position(root: &Node<'_>, data: &Node<'_>) -> Position {
    let time = |node: &Node<'_>, name| node.time(name).value().copied();
    let event = time(root, "timestamp");
    // An order's time counts seconds: an event whose body has none may not win within its second by a finer clock.
    let version = time(data, "last_updated_at").or_else(|| time(data, "occurred_at")).or_else(|| whole_second(event?));
    // Events of one cart are counted.
    let sequence = data.integer("last_sequence").value().copied().unwrap_or(0);
    // Of two orders or payments of one second the one whose statuses are further on is the later.
    let step_of = |name| data.text_or_none(name).unwrap_or_default();
    let steps = step(ORDER_STATES, &step_of("status")) * 16 + step(PAYMENT_STATES, &step_of("payment_status"));
    let rank = u16::try_from(sequence.max(0)).unwrap_or(u16::MAX).max(steps);
    version.map_or(Position::Arrival, |version| Position::Time { version, event, rank })
}

fn whole_second(time: Timestamp) -> Option<Timestamp> {
    Timestamp::from_second(time.as_second()).ok()
}

fn read_data(root: &Node<'_>, shape: DataShape) -> Data {
    let read = |data: &Node<'_>| match shape {
        DataShape::Order | DataShape::Status => Data::Order(Box::new(order(data))),
        DataShape::Deleted => {
            let status = Status { state: OrderState::Deleted, word: "deleted".to_owned() };
            Data::Order(Box::new(Order { status: Presence::Value(status), ..order(data) }))
        }
        DataShape::Payment => Data::Payment(Box::new(Payment {
            order_id: data.text("order_id"),
            order_alias_id: data.text("id"),
            amount: data.money("gross_revenue", None),
            customer: customer(data),
            ..payment(data)
        })),
        DataShape::Intent => Data::Checkout(Box::new(checkout(data))),
        DataShape::Empty => Data::Other {},
    };
    root.object("data", read).value().cloned().unwrap_or(Data::Other {})
}
