//! SHOPLINE: shops in Hong Kong and Taiwan, on the platform of shoplineapp.com.
//!
//! Another product of the name, myshopline.com, has other ids, topics and signatures; its deliveries are refused.
//! Merchants' webhooks are unsigned (open-api.docs.shoplineapp.com/docs/create-webhook gives no key); apps' webhooks
//! are signed with the app's secret (shopline-developers.readme.io/docs/webhook-signature).

use std::borrow::Cow;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use self::resources::ShoplineResource;
use self::topics::TopicSubject;
use super::prelude::*;
use crate::json::canonical;
use crate::keep::row::Row;
use crate::read::body_reader::Node;
use crate::read::position::Position;
use crate::read::presence::Presence;
use crate::receive::scheme::{Encoding, Signature, SignaturePlace, SignedMessage, TimestampHeader};

mod topics;
mod resources;
mod orders;
mod parties;
mod snapshot;
mod values;

/// SHOPLINE.
pub const SHOPLINE: Provider = Provider {
    name: "shopline",
    admission: Admission {
        schemes: &[
            (
                SchemeName::Signed,
                Scheme::Signed(Signature {
                    place: SignaturePlace::Query("sign"),
                    encoding: Encoding::Hex,
                    timestamp: Some(TimestampHeader { header: TIMESTAMP, unit_ms: 1_000 }),
                    message: SignedMessage::TimestampSortedJson,
                }),
            ),
            (SchemeName::UrlToken, Scheme::UrlToken),
        ],
        foreign_headers: &["x-shopline-topic"],
        merchant: |root| text(root, &["merchant_id"]).map(Cow::into_owned),
    },
    kept_headers: &[TIMESTAMP, "?sign"],
    secrets: &[
        &["resource", "token"],
        &["resource", "access_token"],
        &["resource", "refresh_token"],
        // What the gateway answered: pay tokens, addresses of payment pages, digits of cards.
        &["resource", "payment_data", "*"],
        &["resource", "order_payment", "payment_data", "*"],
    ],
    // Up to three resends, their spacing unpublished: two days cover them.
    horizon_ms: 48 * HOUR_MS,
    mapping_version: 3,
    topics: topics::mapped,
    claim,
    mapping: read,
    snapshots: snapshot::SNAPSHOTS,
};

const TIMESTAMP: &str = "x-shopline-developer-event-timestamp";

fn claim(verified: &Verified<'_>, root: &Value<'_>) -> Claim {
    let content = content(verified, root);
    let trace = text(root, &["trace_id"]);
    Claim {
        subject: subject(verified, root),
        word: Part::of(&[text(root, &["topic"]).as_deref()]),
        // The provider's advice is to compare trace ids (shopline-developers.readme.io/docs/remarks).
        identity: trace.as_deref().map_or_else(|| Part::hash(&content), Part::one),
        strength: if trace.is_some() { Strength::Strong } else { SHOPLINE.weak(verified) },
        other_body: OtherBody::Conflict,
        content,
        bytes: None,
        alias: None,
    }
}

/// The order, if the resource belongs to one; else the resource itself.
///
/// An app's URL serves several merchants, whose subjects are kept apart; a merchant's webhook has one merchant's.
fn subject(verified: &Verified<'_>, root: &Value<'_>) -> Part {
    let own = text(root, &["resource", "_id"]).or_else(|| text(root, &["resource", "id"]));
    let order = text(root, &["resource", "order_id"]);
    let is_order = text(root, &["topic"]).is_some_and(|topic| topic.starts_with("order/"));
    let id = if is_order { own.or(order) } else { order.or(own) };
    match verified.source.scheme {
        SchemeName::Signed => Part::of(&[text(root, &["merchant_id"]).as_deref(), id.as_deref()]),
        SchemeName::UrlToken => Part::of(&[id.as_deref()]),
    }
}

/// A hash of the body's content, so that a resend with its keys in another order is not another body; of what was
/// signed, where that is known, so that a captured request written otherwise is none either.
fn content(verified: &Verified<'_>, root: &Value<'_>) -> [u8; 32] {
    if let Some(signed) = verified.signed_text() {
        return Sha256::digest(signed.as_bytes()).into();
    }
    match &verified.body {
        // Which of two members of one name comes first is part of what such a body says.
        Ok(document) if document.duplicate_keys => verified.body_hash(),
        Ok(_) | Err(_) => canonical::meaning(root),
    }
}

fn text<'a>(root: &Value<'a>, path: &[&str]) -> Option<Cow<'a, str>> {
    root.at(path).and_then(Value::text)
}

fn read(kept: MappingInput<'_>) -> Mapped {
    let root = kept.reader.root(kept.root);
    let word = root.text_or_none("topic").unwrap_or_default();
    let topic = topics::of(&word);
    let node = root.get("resource");
    let is_object = matches!(root.object("resource", |_| ()), Presence::Value(()));
    let about = topic.map(|(_, about)| about).filter(|_| is_object).unwrap_or(TopicSubject::Other);
    let resource = ShoplineResource { node: &node, topic: &word, about };
    let time = time(&root, &node);
    let rank = resource.rank();
    Mapped {
        event_type: topic.map(|(event_type, _)| event_type),
        time,
        position: match time.or_else(|| signed_at(kept.row)) {
            Some(version) => Position::Time { version, event: None, rank },
            // A merchant's webhook of the older form has no time at all. A resent creation must not bring a
            // cancelled order back to life, so the status goes before the arrival.
            None if rank > 0 => Position::RankThenArrival(rank),
            None => Position::Arrival,
        },
        merchant: root.text_or_none("merchant_id"),
        app: None,
        test: root.flag("is_devstore") == Presence::Value(true),
        lacks_id: values::id(&node).is_none(),
        data: resource.data(),
        word,
    }
}

/// When the provider noticed: `ts`, in the newer envelope; else when the resource last changed.
fn time(root: &Node<'_>, resource: &Node<'_>) -> Option<Timestamp> {
    let ts = root.get("ts").parsed(nanoseconds);
    ts.value().or(resource.time("updated_at").value()).copied()
}

/// Nineteen digits of nanoseconds since 1970 (2001 to 2286), more than a float can hold.
/// Any other length would be another unit, and a time wrong by a thousand would rule the subject's events for ever.
fn nanoseconds(digits: &str) -> Option<Timestamp> {
    let number: i128 = digits.parse().ok().filter(|_| digits.len() == 19)?;
    Timestamp::from_nanosecond(number).ok()
}

/// The header's time, where the signature covered it: seconds, as in the provider's example, or milliseconds.
fn signed_at(row: &Row) -> Option<Timestamp> {
    let digits = row.signed_at.as_deref()?;
    let number: i64 = digits.parse().ok()?;
    match digits.len() {
        10 => Timestamp::from_second(number).ok(),
        13 => Timestamp::from_millisecond(number).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
