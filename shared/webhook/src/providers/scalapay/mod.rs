//! Scalapay: pay in instalments. One webhook URL a merchant account; it gets every status of every payment.
//!
//! Source: developers.scalapay.com/reference, pages `webhooks`, `wehook-data-model`, `messages-validation`.

use super::prelude::*;
use crate::read::body_reader::Node;
use crate::read::event::{Data, EventType};
use crate::read::line::Line;
use crate::read::money::{Amount, Money};
use crate::read::order::{Discount, Order, Payment, Refund, Totals};
use crate::read::party::{Address, Customer};
use crate::read::position::Position;
use crate::read::presence::{Presence, first};
use crate::read::status::{PaymentState, Status, Table, lookup};
use crate::receive::scheme::{Encoding, Signature, SignaturePlace, SignedMessage, TimestampHeader};

mod snapshot;
#[cfg(test)]
mod tests;

/// Scalapay.
pub const SCALAPAY: Provider = Provider {
    name: "scalapay",
    admission: Admission {
        schemes: &[(
            SchemeName::Signed,
            Scheme::Signed(Signature {
                place: SignaturePlace::Header("x-scalapay-hmac-v1"),
                encoding: Encoding::Hex,
                timestamp: Some(TimestampHeader { header: TIMESTAMP, unit_ms: 1 }),
                message: SignedMessage::PrefixTimestampBody("V1"),
            }),
        )],
        foreign_headers: &[],
        // The body names no merchant: the matching key does.
        merchant: |_| None,
    },
    kept_headers: &["x-scalapay-hmac-v1", TIMESTAMP],
    secrets: &[],
    horizon_ms: 72 * HOUR_MS,
    mapping_version: 3,
    topics: || STATUSES.iter().map(|(status, ..)| *status).collect(),
    claim,
    mapping: read,
    snapshots: snapshot::SNAPSHOTS,
};

const TIMESTAMP: &str = "x-scalapay-timestamp";

/// Provider's word, our type, rank. A delivery has no time, so the rank is the order of events.
const STATUSES: &[(&str, EventType, u16)] = &[
    ("created", EventType::PaymentCreated, 1),
    ("authorized", EventType::PaymentAuthorized, 2),
    ("expired", EventType::PaymentExpired, 3),
    ("charged", EventType::PaymentCaptured, 4),
    (REFUNDED, EventType::PaymentRefunded, REFUNDED_RANK),
];

const REFUNDED_RANK: u16 = 5;

const STATES: Table<PaymentState> = &[
    ("created", PaymentState::Pending),
    ("authorized", PaymentState::Authorized),
    ("charged", PaymentState::Paid),
    (REFUNDED, PaymentState::Refunded),
    ("expired", PaymentState::Expired),
    ("voided", PaymentState::Voided),
];

/// These come once a payment; charged and refunded may come again with the very same bytes.
const ONCE: &[&str] = &["created", "authorized", "expired"];

const REFUNDED: &str = "refunded";

fn claim(verified: &Verified<'_>, root: &Value<'_>) -> Claim {
    let text = |name| root.get(name).and_then(Value::text);
    let content = verified.body_hash();
    let status = text("status");
    let is = |word: &str| status.as_deref().is_some_and(|status| status.eq_ignore_ascii_case(word));
    let once = ONCE.iter().any(|word| is(word)) && text("orderToken").is_some();
    let refund = refund_name(root).filter(|_| is(REFUNDED));
    Claim {
        subject: Part::of(&[text("orderToken").as_deref()]),
        word: Part::of(&[status.as_deref().map(str::to_ascii_lowercase).as_deref()]),
        identity: match refund {
            _ if once => Part::missing(),
            Some(refund) => Part::one(&refund),
            None => Part::hash(&content),
        },
        strength: if once { Strength::Strong } else { SCALAPAY.weak(verified) },
        // The merchant's reference in the body may have been changed between two deliveries of one event.
        other_body: OtherBody::Revision,
        content,
        bytes: None,
        alias: None,
    }
}

fn read(kept: MappingInput<'_>) -> Mapped {
    let root = kept.reader.root(kept.root);
    let word = root.text_or_none("status").unwrap_or_default();
    let known = STATUSES.iter().find(|(status, ..)| status.eq_ignore_ascii_case(&word));
    Mapped {
        event_type: known.map(|(_, event_type, _)| *event_type),
        time: None,
        position: known.map_or(Position::Arrival, |(.., rank)| Position::Rank(*rank)),
        merchant: None,
        app: None,
        test: false,
        lacks_id: root.text_or_none("orderToken").is_none(),
        data: data(&root, kept),
        word,
    }
}

fn data(root: &Node<'_>, kept: MappingInput<'_>) -> Data {
    let payment = payment(root, kept);
    match root.object("orderDetails", |details| order(details, root)) {
        Presence::Value(order) => Data::Order(Box::new(Order { payments: vec![payment], ..order })),
        Presence::Absent | Presence::Null => Data::Payment(Box::new(payment)),
    }
}

fn payment(root: &Node<'_>, kept: MappingInput<'_>) -> Payment {
    let details = root.get("orderDetails");
    let currency = details.get("totalAmount").text_or_none("currency");
    let status: Presence<Status<PaymentState>> = root.status("status", STATES);
    let refunded = status.value().is_some_and(|status| status.state == PaymentState::Refunded);
    Payment {
        id: root.text_or_none("orderToken"),
        // The order's copy of it may be the only one.
        merchant_reference: first(root.text("merchantReference"), details.text("merchantReference")),
        amount: money(root, "totalAmount")
            .map(|amount| Money { currency: amount.currency.clone().or(currency), ..amount }),
        capture_status: root.text("captureStatus"),
        failure_reason: root.text("lastEligibilityFeedback"),
        refunds: if refunded { vec![refund(root, kept)] } else { Vec::new() },
        status,
        ..Payment::default()
    }
}

/// A refund's name in a webhook. Part of the claim.
/// Neither name is one without the time: the documented token is `pre_transfer`, and the documented merchant's
/// reference is the order's own, which every partial refund of it would share.
fn refund_name(root: &Value<'_>) -> Option<String> {
    let text = |name| root.get(name).and_then(Value::text);
    let name = text("merchantRefundReference").or_else(|| text("refundToken"))?;
    Some(format!("{name}@{}", text("refundedAt")?))
}

/// A refund as a webhook may echo it; no field of it is documented there.
/// Without an amount the amount is unknown: never zero, and never the payment's total.
fn refund(root: &Node<'_>, kept: MappingInput<'_>) -> Refund {
    // The claim takes its names from the body itself; here what is of another type is noted.
    ["merchantRefundReference", "refundToken", "refundedAt"].iter().for_each(|name| drop(root.text(name)));
    Refund {
        // A refund that has no name of its own is distinguished by its body.
        id: refund_name(kept.root)
            .or_else(|| Some(format!("body:{}", hex::encode(kept.row.hash.get(..8).unwrap_or_default())))),
        amount: money(root, "refundAmount").or(money(root, "amount")),
        refunded_at: root.time("refundedAt"),
        reported: Presence::Absent,
    }
}

fn order(details: &Node<'_>, root: &Node<'_>) -> Order {
    Order {
        id: root.text_or_none("orderToken"),
        number: root.text("merchantReference").or(details.text("merchantReference")),
        order_type: details.text("product"),
        channel: details.text("type"),
        totals: Totals {
            total: money(details, "totalAmount"),
            tax: money(details, "taxAmount"),
            shipping: money(details, "shippingAmount"),
            ..Totals::default()
        },
        lines: details.list("items", line),
        discounts: details.list("discounts", |discount| Discount {
            name: discount.text("displayName"),
            amount: money(discount, "amount"),
            ..Discount::default()
        }),
        customer: details.object("consumer", customer),
        shipping_address: details.object("shipping", address),
        billing_address: details.object("billing", address),
        expires_in_ms: details.integer("orderExpiryMilliseconds"),
        ..Order::default()
    }
}

fn line(item: &Node<'_>) -> Line {
    Line {
        sku: item.text("sku"),
        gtin: item.text("gtin"),
        name: item.text("name"),
        brand: item.text("brand"),
        categories: match (item.text("category"), item.list("subcategory", Node::as_text)) {
            (Presence::Absent, Presence::Absent) => Presence::Absent,
            (category, subcategories) => {
                let subcategories = subcategories.value().cloned().unwrap_or_default();
                let all = std::iter::once(category).chain(subcategories);
                Presence::Value(all.filter_map(|category| category.value().cloned()).collect())
            }
        },
        quantity: item.integer("quantity"),
        unit_price: money(item, "price"),
        page_url: item.text("pageUrl"),
        image_url: item.text("imageUrl"),
        ..Line::default()
    }
}

fn customer(consumer: &Node<'_>) -> Customer {
    let (given, family) = (consumer.text("givenNames"), consumer.text("surname"));
    let names: Vec<_> = [&given, &family].into_iter().filter_map(|name| name.value().map(String::as_str)).collect();
    let name = names.join(" ");
    Customer {
        name: if name.is_empty() { given.or(family) } else { Presence::Value(name) },
        email: consumer.text("email"),
        phone: consumer.text("phoneNumber"),
        ..Customer::default()
    }
}

fn address(address: &Node<'_>) -> Address {
    Address {
        name: address.text("name"),
        line1: address.text("line1"),
        city: address.text("suburb"),
        postal_code: address.text("postcode"),
        country: address.text("countryCode"),
        phone: address.text("phoneNumber"),
        ..Address::default()
    }
}

/// `{amount, currency}`, or an amount alone.
fn money(node: &Node<'_>, name: &str) -> Presence<Money> {
    if node.get(name).is_scalar() {
        return node.get(name).parsed(Amount::with_comma).map(|amount| Money::new(amount, None));
    }
    let read = |money: &Node<'_>| (money.get("amount").parsed(Amount::with_comma), money.text_or_none("currency"));
    match node.object(name, read) {
        Presence::Value((Presence::Value(amount), currency)) => Presence::Value(Money::new(amount, currency)),
        Presence::Null | Presence::Value((Presence::Null, _)) => Presence::Null,
        Presence::Value((Presence::Absent, _)) => node.get(name).unreadable(),
        Presence::Absent => Presence::Absent,
    }
}
