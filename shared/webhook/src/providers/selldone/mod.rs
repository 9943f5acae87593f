//! Selldone: shops whose webhooks carry no signature. One URL a shop and kind of event, with a secret in it.
//!
//! Source: doc.webhook.selldone.com, pages `orders/*` and `inventory/change-inventory`; event types and models in
//! github.com/selldone/core; order fields and states in github.com/selldone/erp.

use std::borrow::Cow;

use jiff::Timestamp;

use super::prelude::*;
use crate::read::body_reader::Node;
use crate::read::event::{Data, EventType};
use crate::read::order::Order;
use crate::read::party::Customer;
use crate::read::position::Position;
use crate::read::presence::Presence;
use crate::read::status::{Table, lookup};
use orders::order;
use parties::{buyer, customer, product};
use tables::*;

mod orders;
mod parties;
mod snapshot;
mod tables;
#[cfg(test)]
mod tests;

/// Selldone.
pub const SELLDONE: Provider = Provider {
    name: "selldone",
    admission: Admission { schemes: &[(SchemeName::UrlToken, Scheme::UrlToken)], foreign_headers: &[], merchant },
    // Shop webhooks are documented without any header; should one appear, it is kept to be recognised, not relied on.
    kept_headers: &["selldone-sign-id", "selldone-sign-hash", "x-selldone-signature"],
    // A guest's code and a quote's hash open the order's page; the session holds addresses of machines; the data of
    // virtual goods are the goods: licence codes.
    secrets: &[
        &["basket", "code"],
        &["basket", "hash"],
        &["basket", "session"],
        &["basket", "items", "*", "virtual_items", "*", "data"],
        &["basket", "items", "*", "virtualItems", "*", "data"],
    ],
    horizon_ms: 72 * HOUR_MS,
    mapping_version: 3,
    // A subscription is to an event, never to one of its actions.
    topics: || words(ABOUT),
    claim,
    mapping: read,
    snapshots: snapshot::SNAPSHOTS,
};

fn merchant(root: &Value<'_>) -> Option<String> {
    root.at(&["shop", "id"]).and_then(Value::text).map(Cow::into_owned)
}

fn claim(verified: &Verified<'_>, root: &Value<'_>) -> Claim {
    let text = |path: &[&str]| root.at(path).and_then(Value::text);
    let content = verified.body_hash();
    let (shop, event, action) = (text(&["shop", "id"]), text(&["event"]), text(&["action"]));
    let about = event.as_deref().and_then(|event| lookup(ABOUT, event));
    let subject = |kind: Option<&str>, path| Part::of(&[shop.as_deref(), kind, text(path).as_deref()]);
    Claim {
        // The body's members decide for an event that no table has, so that adding it to the table gives no new name.
        subject: match about.or_else(|| held(root)) {
            // Every kind of order has a table of ids of its own.
            Some(EventSubject::Order) => subject(event.as_deref(), &["basket", "id"]),
            Some(EventSubject::Product) => subject(Some("Inventory"), &["product", "id"]),
            Some(EventSubject::Customer) => subject(Some("Customer"), &["customer", "id"]),
            None => Part::of(&[shop.as_deref()]),
        },
        word: match &action {
            Some(action) => Part::of(&[event.as_deref(), Some(action)]),
            None => Part::of(&[event.as_deref()]),
        },
        identity: identity(about, action.as_deref(), root, &content),
        strength: SELLDONE.weak(verified),
        // The documents leave open if a redelivery is the old body or a fresh one.
        other_body: OtherBody::Revision,
        content,
        bytes: None,
        alias: None,
    }
}

/// The subject of a body by its members: an order has its customer beside it.
fn held(root: &Value<'_>) -> Option<EventSubject> {
    let has_id = |name| root.at(&[name, "id"]).and_then(Value::text).is_some();
    let members =
        [("basket", EventSubject::Order), ("product", EventSubject::Product), ("customer", EventSubject::Customer)];
    members.into_iter().find(|(name, _)| has_id(name)).map(|(_, about)| about)
}

/// The difference between two events of one subject and word: there is no id of any kind.
fn identity(about: Option<EventSubject>, action: Option<&str>, root: &Value<'_>, content: &[u8; 32]) -> Part {
    let text = |path: &[&str]| root.at(path).and_then(Value::text);
    let hash = hex::encode(content);
    match about {
        Some(EventSubject::Order) if text(&["basket", "id"]).is_some() => {
            let updated_at = text(&["basket", "updated_at"]);
            match (action.and_then(|action| lookup(IDENTITIES, action)), updated_at) {
                (Some(Identity::OnceAnOrder), _) => Part::missing(),
                (Some(Identity::Version), Some(updated_at)) => Part::one(&updated_at),
                (Some(Identity::VersionAndBody), updated_at) => Part::of(&[updated_at.as_deref(), Some(&hash)]),
                (Some(Identity::Version), None) | (None, _) => Part::hash(content),
            }
        }
        Some(EventSubject::Product) => {
            let updated_at = text(&["variant", "updated_at"]).or_else(|| text(&["product", "updated_at"]));
            Part::of(&[text(&["variant", "id"]).as_deref(), updated_at.as_deref(), Some(&hash)])
        }
        Some(EventSubject::Order | EventSubject::Customer) | None => Part::hash(content),
    }
}

fn read(kept: MappingInput<'_>) -> Mapped {
    let root = kept.reader.root(kept.root);
    let (event, action) = (root.text_or_none("event").unwrap_or_default(), root.text_or_none("action"));
    let about = lookup(ABOUT, &event);
    let time = updated_at(&root, about);
    let known = about.and_then(|about| known(about, &event, action.as_deref()));
    let rank = known.and_then(|(_, rank)| rank);
    Mapped {
        event_type: known.map(|(event_type, _)| event_type),
        time,
        position: match (time, rank) {
            (Some(version), rank) => Position::Time { version, event: None, rank: rank.unwrap_or(0) },
            (None, Some(rank)) => Position::Rank(rank),
            (None, None) => Position::Arrival,
        },
        merchant: root.get("shop").text_or_none("id"),
        app: None,
        test: false,
        lacks_id: about.is_some_and(|about| subject_of(&root, about).is_none()),
        data: data(&root, about, &event, action.as_deref()),
        word: action.map_or_else(|| event.clone(), |action| format!("{event}.{action}")),
    }
}

/// Our type and the place among the steps of an order, if it has one.
fn known(about: EventSubject, event: &str, action: Option<&str>) -> Option<(EventType, Option<u16>)> {
    match about {
        EventSubject::Order => lookup(ORDER_ACTIONS, action?),
        EventSubject::Product => lookup(INVENTORY_ACTIONS, action?).map(|event_type| (event_type, None)),
        EventSubject::Customer => lookup(CUSTOMER_EVENTS, event).map(|event_type| (event_type, None)),
    }
}

/// The id of the thing that the event is about.
fn subject_of(root: &Node<'_>, about: EventSubject) -> Option<String> {
    let member = match about {
        EventSubject::Order => "basket",
        EventSubject::Product => "product",
        EventSubject::Customer => "customer",
    };
    root.get(member).text_or_none("id")
}

/// When the thing that the event is about last changed. An order's customer has a time too, which is not the order's.
fn updated_at(root: &Node<'_>, about: Option<EventSubject>) -> Option<Timestamp> {
    let time_of = |name| root.get(name).time("updated_at").value().copied();
    match about {
        Some(EventSubject::Order) | None => time_of("basket"),
        Some(EventSubject::Product) => time_of("variant").or_else(|| time_of("product")),
        Some(EventSubject::Customer) => time_of("customer"),
    }
}

fn data(root: &Node<'_>, about: Option<EventSubject>, event: &str, action: Option<&str>) -> Data {
    let data = match about {
        Some(EventSubject::Order) => root.object("basket", |basket| {
            let (own, sender) = (basket.text_or_none("shop_id"), root.get("shop").text_or_none("id"));
            if own.zip(sender).is_some_and(|(own, sender)| own != sender) {
                // Another shop's order: the contradiction is noted among the unread fields.
                basket.get("shop_id").unreadable::<()>();
            }
            Data::Order(Box::new(Order { customer: buyer(root, basket), ..order(basket, event, action) }))
        }),
        Some(EventSubject::Product) => root.object("product", |_| Data::Product(Box::new(product(root)))),
        Some(EventSubject::Customer) => root.object("customer", |node| {
            let registered_through = root.text("source");
            Data::Customer(Box::new(Customer { registered_through, ..customer(node) }))
        }),
        None => Presence::Absent,
    };
    data.value().cloned().unwrap_or(Data::Other {})
}
