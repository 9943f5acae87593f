//! Scalev: orders and checkouts of Indonesian shops. One webhook URL a business, and one for all businesses of an app.
//!
//! Source: dev.scalev.com/docs, pages `webhook-events`, `payload-example`, `verifying-a-webhook-request`,
//! `enabling-webhooks` and `apps-webhooks`; developers.scalev.id/changelog/more-fields-on-webhook;
//! status words that no page has: github.com/scalev-id/sdk.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::prelude::*;
use crate::read::body_reader::Node;
use crate::read::checkout::Checkout;
use crate::read::event::{Data, EventType};
use crate::read::order::{Fulfillment, Line, Order, Payment, Risk, Totals};
use crate::read::party::{Address, Customer};
use crate::read::position::Position;
use crate::read::presence::Presence;
use crate::read::status::{OrderState, PaymentState, Status, Table, lookup};
use crate::receive::scheme::{Encoding, Signature, SignaturePlace, SignedMessage};
use tables::*;

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
    mapping_version: 2,
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

fn business(business: Option<&Value<'_>>) -> Option<String> {
    let told = |name: &&str| business?.get(name).and_then(Value::text);
    ["client_id", "unique_id", "username"].iter().find_map(told).map(Cow::into_owned)
}

fn claim(verified: &Verified<'_>, root: &Value<'_>) -> Claim {
    let text = |path: &[&str]| root.at(path).and_then(Value::text);
    let content = verified.body_hash();
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
        identity: unique_id.map_or_else(|| Part::hash(&content), |id| Part::one(&id)),
        strength,
        // A redelivery keeps its content.
        other_body: OtherBody::Conflict,
        content,
        // Bodies of 2025 have the order's number only, later ones both.
        alias: id.filter(|_| order_id.is_some() && !is_intent).map(Cow::into_owned),
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
        merchant: merchant(kept.root),
        app: kept.row.headers.get(APP_ID).cloned(),
        test: known.is_some_and(|(event_type, _)| event_type == EventType::Ping),
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
    let told = |node: &Node<'_>, name| node.time(name).value().copied();
    let event = told(root, "timestamp");
    let version = told(data, "last_updated_at").or_else(|| told(data, "occurred_at")).or(event);
    // Events of one cart are counted.
    let sequence = data.integer("last_sequence").value().copied().unwrap_or(0);
    // Of two orders or payments of one second the one whose statuses are further on is the later.
    let steps = step(ORDER_STATES, data, "status") * 16 + step(PAYMENT_STATES, data, "payment_status");
    let rank = u16::try_from(sequence.max(0)).unwrap_or(u16::MAX).max(steps);
    version.map_or(Position::Arrival, |version| Position::Time { version, event, rank })
}

/// A status's place in its table, from 1; 0 if it is not given or unknown.
fn step<T>(states: Table<T>, data: &Node<'_>, name: &str) -> u16 {
    let word = data.text_or_none(name).unwrap_or_default();
    let place = states.iter().position(|(known, _)| known.eq_ignore_ascii_case(&word));
    place.and_then(|place| u16::try_from(place + 1).ok()).unwrap_or(0)
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

fn order(data: &Node<'_>) -> Order {
    let (payment, fulfillment) = (payment(data), fulfillment(data));
    Order {
        id: data.text_or_none("order_id"),
        alias_id: data.text("id"),
        number: data.text("order_id"),
        status: data.status("status", ORDER_STATES),
        store: member(data, "store", "name"),
        totals: totals(data),
        lines: data.list("orderlines", line),
        quantity: data.integer("total_quantity"),
        weight_grams: data.integer("total_weight"),
        customer: customer(data),
        shipping_address: data.object("destination_address", address),
        origin_address: data.object("origin_address", address),
        warehouse: member(data, "warehouse", "name"),
        risk: risk(data),
        notes: data.text("notes"),
        tags: data.list("tags", Node::as_text).map(|tags| tags.iter().filter_map(Presence::value).cloned().collect()),
        status_times: times(data, ORDER_STATES),
        created_at: data.time("created_at"),
        updated_at: data.time("last_updated_at"),
        references: references(data),
        payments: if payment == Payment::default() { Vec::new() } else { vec![payment] },
        fulfillments: if fulfillment == Fulfillment::default() { Vec::new() } else { vec![fulfillment] },
        ..Order::default()
    }
}

fn references(data: &Node<'_>) -> BTreeMap<String, Presence<String>> {
    let link = data.text("payment_link_id");
    if link.is_absent() { BTreeMap::new() } else { BTreeMap::from([("payment_link".to_owned(), link)]) }
}

/// Orders have no currency. `discount_rate` is not an amount.
fn totals(data: &Node<'_>) -> Totals {
    let money = |name| data.money(name, None);
    Totals {
        total: money("gross_revenue"),
        net: money("net_revenue"),
        subtotal: money("product_price"),
        discount: money("product_discount"),
        code_discount: money("discount_code_discount"),
        unique_code_discount: money("unique_code_discount"),
        shipping: money("shipping_cost"),
        shipping_discount: money("shipping_discount"),
        payment_fee: money("payment_fee"),
        other_income: money("other_income"),
        other_income_name: data.text("other_income_name"),
        payment_link_income: money("payment_link_income"),
        cost_of_goods: money("cogs"),
        ..Totals::default()
    }
}

/// No page says whether a line's `product_price` is of one unit or of all, so it is left to the kept body.
fn line(line: &Node<'_>) -> Line {
    Line {
        variant_id: line.text("variant_unique_id"),
        sku: line.text("variant_sku"),
        name: line.text("product_name"),
        quantity: line.integer("quantity"),
        unit_price: line.money("variant_price", None),
        discount: line.money("discount", None),
        code_discount: line.money("discount_code_discount", None),
        cost_of_goods: line.money("cogs", None),
        weight_grams: line.integer("weight"),
        is_inventory: line.flag("is_inventory"),
        ..Line::default()
    }
}

/// Account numbers, the gateway's own blocks and the staff in the history stay in the kept body.
fn payment(data: &Node<'_>) -> Payment {
    let status: Presence<Status<PaymentState>> = data.status("payment_status", PAYMENT_STATES);
    let unpaid = status.value().is_some_and(|status| status.state == PaymentState::Pending);
    Payment {
        method: data.text("payment_method"),
        sub_method: data.text("sub_payment_method"),
        gateway: data.text("epayment_provider"),
        gateway_reference: data.text("pg_reference_id"),
        bank: member(data, "financial_entity", "name"),
        // The time stays when a payment goes back to unpaid.
        paid_at: match data.time("paid_time") {
            Presence::Value(_) if unpaid => Presence::Null,
            paid_at => paid_at,
        },
        transferred_at: data.time("transfer_time"),
        status_times: times(data, PAYMENT_STATES),
        status,
        ..Payment::default()
    }
}

fn fulfillment(data: &Node<'_>) -> Fulfillment {
    let status = |word: String| Some(Status { state: lookup(FULFILLMENT_STATES, &word)?, word });
    Fulfillment {
        status: data.text_or_none("status").and_then(status).into(),
        carrier_status: data.text("shipment_status"),
        carrier: data.object("courier_service", |service| member(service, "courier", "name")).flatten(),
        service: member(data, "courier_service", "name"),
        tracking_number: data.text("shipment_receipt"),
        ..Fulfillment::default()
    }
}

/// The customer as given, even if that is the number alone.
fn customer(data: &Node<'_>) -> Presence<Customer> {
    let number = data.text("customer_id");
    let read = |customer: &Node<'_>| Customer {
        id: customer.text_or_none("id").or_else(|| number.value().cloned()),
        name: customer.text("name"),
        email: customer.text("email"),
        phone: customer.text("phone"),
        status: customer.text("status"),
        created_at: customer.time("created_at"),
        updated_at: customer.time("last_updated_at"),
        ..Customer::default()
    };
    match data.object("customer", read) {
        Presence::Value(customer) => Presence::Value(customer),
        blank => number.clone().map(|id| Customer { id: Some(id), ..Customer::default() }).or(blank),
    }
}

fn address(address: &Node<'_>) -> Address {
    Address {
        name: address.text("name"),
        phone: address.text("phone"),
        email: address.text("email"),
        line1: address.text("address"),
        district: address.text("subdistrict"),
        city: address.text("city"),
        province: address.text("province"),
        postal_code: address.text("postal_code"),
        notes: address.text("notes"),
        ..Address::default()
    }
}

fn risk(data: &Node<'_>) -> Presence<Risk> {
    let risk = Risk { is_spam: data.flag("is_probably_spam"), marked_by: data.text("mark_as_spam_by") };
    if risk == Risk::default() { Presence::Absent } else { Presence::Value(risk) }
}

fn checkout(intent: &Node<'_>) -> Checkout {
    let cart = intent.get("cart_summary");
    let currency = cart.text_or_none("currency");
    Checkout {
        id: intent.text_or_none("id"),
        status: intent.status("status", CHECKOUT_STATES),
        customer: customer(intent),
        lines: intent.list("items", |item| item_line(item, currency.as_deref())),
        quantity: cart.integer("item_quantity"),
        estimated_total: cart.money("estimated_total", currency.as_deref()),
        store: member(intent, "store", "name"),
        // The query may hold the buyer's way back into the cart, which is a capability.
        source_url: intent.text("source_url").map(|url| url.split(['?', '#']).next().unwrap_or_default().to_owned()),
        contactable: intent.flag("contactable"),
        // The order's shape here is not published.
        order_id: if intent.get("order").is_scalar() {
            intent.text("order")
        } else {
            intent.object("order", |order| order.text("order_id").or(order.text("id"))).flatten()
        },
        started_at: intent.time("started_at"),
        last_activity_at: intent.time("last_activity_at"),
        completed_at: intent.time("completed_at"),
    }
}

fn item_line(item: &Node<'_>, currency: Option<&str>) -> Line {
    let own = item.text_or_none("currency");
    let currency = own.as_deref().or(currency);
    Line {
        variant_id: item.text("variant_id"),
        bundle_id: item.text("bundle_price_option_id"),
        kind: item.text("type"),
        name: item.text("name"),
        quantity: item.integer("quantity"),
        unit_price: item.money("unit_price", currency),
        line_total: item.money("line_total", currency),
        ..Line::default()
    }
}

/// When each status was last entered; null where it was not.
fn times<T>(data: &Node<'_>, states: Table<T>) -> BTreeMap<String, Presence<Timestamp>> {
    let told = states.iter().map(|(word, _)| ((*word).to_owned(), data.time(&format!("{word}_time"))));
    told.filter(|(_, time)| !time.is_absent()).collect()
}

/// The text of a member object's member; null where the object is.
fn member(node: &Node<'_>, object: &str, name: &str) -> Presence<String> {
    node.object(object, |object| object.text(name)).flatten()
}
