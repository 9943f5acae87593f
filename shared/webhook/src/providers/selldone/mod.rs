//! Selldone: shops whose webhooks carry no signature. One URL a shop and kind of event, with a secret in it.
//!
//! Source: doc.webhook.selldone.com, pages `orders/*` and `inventory/change-inventory`; event types and models in
//! github.com/selldone/core; order fields and states in github.com/selldone/erp.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::prelude::*;
use crate::read::body_reader::{Node, Quantity};
use crate::read::event::{Data, EventType};
use crate::read::money::Amount;
use crate::read::order::{Fulfillment, Line, Order, Payment, Refund, Return, Totals};
use crate::read::party::{Address, Customer, Product};
use crate::read::position::Position;
use crate::read::presence::{Presence, first};
use crate::read::status::{OrderState, PaymentState, ReturnState, Status, Table, lookup};
use tables::*;

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
    // A guest's code and a quote's hash open the order's page; the session holds addresses of machines.
    secrets: &[&["basket", "code"], &["basket", "hash"], &["basket", "session"]],
    horizon_ms: 72 * HOUR_MS,
    mapping_version: 2,
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
        merchant: merchant(kept.root),
        app: None,
        test: false,
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

/// When the thing that the event is about last changed. An order's customer has a time too, which is not the order's.
fn updated_at(root: &Node<'_>, about: Option<EventSubject>) -> Option<Timestamp> {
    let told = |name| root.get(name).time("updated_at").value().copied();
    match about {
        Some(EventSubject::Order) | None => told("basket"),
        Some(EventSubject::Product) => told("variant").or_else(|| told("product")),
        Some(EventSubject::Customer) => told("customer"),
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
            let order = Order { customer: buyer(root, basket), ..order(basket, event, action) };
            let returns = returns(basket.list("basket_item_returns", item_return), action);
            Data::Order(Box::new(Order { returns, ..order }))
        }),
        Some(EventSubject::Product) => root.object("product", |_| Data::Product(Box::new(product(root)))),
        Some(EventSubject::Customer) => root.object("customer", |told| {
            let registered_through = root.text("source");
            Data::Customer(Box::new(Customer { registered_through, ..customer(told) }))
        }),
        None => Presence::Absent,
    };
    data.value().cloned().unwrap_or(Data::Other {})
}

fn order(basket: &Node<'_>, event: &str, action: Option<&str>) -> Order {
    let currency = basket.text_or_none("currency");
    let (payment, fulfillment) = (payment(basket, event, action), fulfillment(basket, action));
    let reserved_at = basket.time("reserved_at");
    Order {
        id: basket.text_or_none("id"),
        number: basket.text("label"),
        status: order_status(basket),
        order_type: basket.text("type"),
        channel: Presence::Value(event.to_owned()),
        totals: totals(basket, event, currency.as_deref()),
        lines: basket
            .list("items", |item| line(item, currency.as_deref()))
            // A drop-shipping order has the bare contents.
            .or(basket.list("contents", |item| line(item, currency.as_deref()))),
        shipping_address: basket.object("receiver_info", address),
        billing_address: basket.object("billing", address),
        cancelled_reason: basket.text("reject"),
        cancelled_at: first(basket.time("reject_at"), basket.time("cancel_at")),
        status_times: [("Reserved", reserved_at), ("OrderConfirm", basket.time("confirmed_at"))]
            .into_iter()
            .flat_map(|(word, time)| told_as(word, time))
            .collect(),
        created_at: basket.time("created_at"),
        updated_at: basket.time("updated_at"),
        references: [
            ("reseller_order", if is_dropship(event) { basket.text("basket_id") } else { Presence::Absent }),
            ("subscription", basket.text("subscription_id")),
            ("channel", plain_text(basket, "channel")),
        ]
        .into_iter()
        .flat_map(|(name, reference)| told_as(name, reference))
        .collect(),
        payments: if payment == Payment::default() { Vec::new() } else { vec![payment] },
        fulfillments: if fulfillment == Fulfillment::default() { Vec::new() } else { vec![fulfillment] },
        ..Order::default()
    }
}

/// A rejected order is called off whatever its status. One that is placed is the shop's only when the shop confirmed
/// it, which `delivery_state` shows and not the money: in CheckQueue a paid order still waits for that.
fn order_status(basket: &Node<'_>) -> Presence<Status<OrderState>> {
    if let Some(word) = basket.text_or_none("reject") {
        return Presence::Value(Status { state: OrderState::Cancelled, word });
    }
    let told: Presence<Status<OrderState>> = basket.status("status", ORDER_STATES);
    let Presence::Value(status) = &told else { return told };
    // A supplier's answer to a request to resell says nothing of the money.
    let is_answer = lookup(PAYMENT_STATES, &status.word).is_none();
    let is_placed = matches!(status.state, OrderState::Pending | OrderState::Confirmed) && !is_answer;
    let delivery = basket.text_or_none("delivery_state").filter(|_| is_placed);
    match delivery.and_then(|word| Some(Status { state: lookup(TAKING_UP, &word)?, word })) {
        Some(delivery) if delivery.state != status.state => Presence::Value(delivery),
        Some(_) | None => told,
    }
}

fn is_dropship(event: &str) -> bool {
    event.eq_ignore_ascii_case(DROPSHIP)
}

/// Only quotes have the total that the buyer pays; their `price` is final and includes shipping.
/// For every other kind the provider's pages contradict each other on what `price` contains, so nothing is summed up.
fn totals(basket: &Node<'_>, event: &str, currency: Option<&str>) -> Totals {
    let money = |name| basket.money(name, currency);
    let price = money("price");
    let (subtotal, total) =
        if event.eq_ignore_ascii_case(QUOTE) { (Presence::Absent, price) } else { (price, Presence::Absent) };
    Totals {
        total,
        subtotal,
        discount: money("discount"),
        shipping: money("delivery_price"),
        tax: money("tax"),
        shipping_tax: money("tax_shipping"),
        tax_included: basket.flag("tax_included"),
        ..Totals::default()
    }
}

fn line(item: &Node<'_>, currency: Option<&str>) -> Line {
    let own = item.text_or_none("currency");
    let currency = own.as_deref().or(currency);
    let (product, variant) = (item.get("product"), item.get("variant"));
    let either = |name| first(variant.text(name), product.text(name));
    // The shop lowers a line by an adjustment; `count` stays what was ordered.
    let (ordered, adjustment) = (item.amount("count"), item.amount("count_adjustment"));
    let change = adjustment.value().copied().unwrap_or(Amount::ZERO);
    let sent = Quantity::of(ordered.map(|count| count.checked_add(change).unwrap_or(count)));
    Line {
        id: item.text("id"),
        product_id: item.text("product_id"),
        variant_id: item.text("variant_id"),
        sku: either("sku"),
        gtin: either("gtin"),
        mpn: either("mpn"),
        // A quote's lines are not of the catalogue.
        name: product.text("title").or(item.text("title")),
        quantity: sent.whole,
        exact_quantity: sent.exact,
        ordered_quantity: if adjustment.value().is_some() { ordered } else { Presence::Absent },
        unit: product.text("unit"),
        confirmed: item.flag("check"),
        variant: variant_in_words(&variant),
        unit_price: item.money("price", currency),
        discount: item.money("dis", currency),
        message: plain_text(item, "message"),
        ..Line::default()
    }
}

/// The words that distinguish a variant from others of its product, in the order in which the provider shows it.
const VARIANT_WORDS: &[&str] = &["color", "style", "type", "volume", "weight", "pack"];

fn variant_in_words(variant: &Node<'_>) -> Presence<String> {
    let words: Vec<String> =
        VARIANT_WORDS.iter().filter_map(|name| plain_text(variant, name).value().cloned()).collect();
    if words.is_empty() { Presence::Absent } else { Presence::Value(words.join(" / ")) }
}

/// The refunds that the order's payment accounts for: each one, or if none is listed their sum.
fn refunds(payment: &Node<'_>) -> Vec<Refund> {
    let currency = payment.text_or_none("currency");
    let listed = payment.list("refunds", |refund| Refund {
        id: refund.text_or_none("id"),
        amount: refund.money("amount", refund.text_or_none("currency").or(currency.clone()).as_deref()),
        refunded_at: refund.time("created_at"),
        reported: Presence::Value(true),
    });
    let listed = listed.value().cloned().unwrap_or_default();
    let total = payment.money("refund_amount", currency.as_deref());
    let is_some = total.value().is_some_and(|total| total.amount != Amount::ZERO);
    if listed.is_empty() && is_some {
        return vec![Refund { id: Some("total".to_owned()), amount: total, ..Refund::default() }];
    }
    listed
}

fn payment(basket: &Node<'_>, event: &str, action: Option<&str>) -> Payment {
    // A supplier's answer to a request to resell says nothing of the money.
    let is_answer =
        is_dropship(event) && basket.text_or_none("status").is_some_and(|word| lookup(PAYMENT_STATES, &word).is_none());
    let told: Presence<Status<PaymentState>> =
        if is_answer { Presence::Absent } else { basket.status("status", PAYMENT_STATES) };
    let (account, currency) = (basket.get("payment"), basket.text_or_none("currency"));
    let settled = told.value().is_some_and(|status| matches!(status.state, PaymentState::Paid | PaymentState::Voided));
    Payment {
        // The row of the provider's own table; only the API gives the gateway's reference.
        id: basket.text_or_none("payment_id"),
        status: match by_action(PAYING_ACTIONS, action) {
            Some(status) if !settled => Presence::Value(status),
            Some(_) | None => told,
        },
        amount: account.money("amount", account.text_or_none("currency").or(currency).as_deref()),
        refunds: basket.object("payment", refunds).value().cloned().unwrap_or_default(),
        gateway: basket.text("payment_type"),
        paid_at: basket.time("pay_at").or(basket.time("payment_at")),
        ..Payment::default()
    }
}

/// `delivery_at` is an estimate: it never says that anything was delivered.
fn fulfillment(basket: &Node<'_>, action: Option<&str>) -> Fulfillment {
    let status = match by_action(DELIVERING_ACTIONS, action) {
        Some(status) => Presence::Value(status),
        None => first(basket.status("delivery_state", DELIVERY_STATES), by_action(DELIVERY_STATES, action).into()),
    };
    let delivery = |name| basket.object("delivery_info", |info| info.text(name)).flatten();
    let estimate = basket.object("delivery_info", |info| info.time("delivery_at")).flatten();
    Fulfillment {
        status,
        service: delivery("type"),
        tracking_number: delivery("tracking_code"),
        tracking_url: delivery("tracking_url"),
        expected_at: first(basket.time("delivery_at"), estimate),
        shipped_at: basket.time("send_at"),
        is_pickup: if basket.get("receiver_info").get("pickup").is_flag() {
            basket.get("receiver_info").flag("pickup")
        } else {
            Presence::Absent
        },
        ..Fulfillment::default()
    }
}

/// The rows as given; a buyer who wants to return something has asked for it even if there is no row.
fn returns(rows: Presence<Vec<Return>>, action: Option<&str>) -> Vec<Return> {
    let rows = rows.value().cloned().unwrap_or_default();
    match by_action(RETURNING_ACTIONS, action) {
        Some(status) if rows.is_empty() => vec![Return { status: Presence::Value(status), ..Return::default() }],
        Some(_) | None => rows,
    }
}

fn item_return(row: &Node<'_>) -> Return {
    let count = row.quantity("count");
    let line = Line { id: row.text("item_id"), quantity: count.whole, exact_quantity: count.exact, ..Line::default() };
    Return {
        id: row.text_or_none("id"),
        status: row.status::<ReturnState>("state", RETURN_STATES),
        reason: row.text("reason"),
        lines: if line == Line::default() { Presence::Absent } else { Presence::Value(vec![line]) },
        created_at: row.time("created_at"),
        updated_at: row.time("updated_at"),
        ..Return::default()
    }
}

/// The shop's customer, else the account that bought, else their ids in the order; a guest has none of them.
fn buyer(root: &Node<'_>, basket: &Node<'_>) -> Presence<Customer> {
    let id = basket.text_or_none("customer_id");
    let user_id = first(basket.text("user_id"), basket.text("buyer_id"));
    let guest = basket.text("guest_email");
    let told = root.object("customer", customer);
    let user = root.object("user", |user| Customer {
        id: id.clone(),
        user_id: user.text("id"),
        name: user.text("name"),
        email: user.text("email"),
        phone: user.text("phone"),
        ..Customer::default()
    });
    match first(told, user) {
        Presence::Value(customer) => Presence::Value(customer),
        // A guest is known by the address that the order's mails go to.
        _ if guest.value().is_some() => Presence::Value(Customer { id, user_id, email: guest, ..Customer::default() }),
        _ if id.is_some() || user_id.value().is_some() => {
            Presence::Value(Customer { id, user_id, ..Customer::default() })
        }
        nobody => nobody,
    }
}

/// Notes, birthday and the like are not for passing on.
fn customer(customer: &Node<'_>) -> Customer {
    Customer {
        id: customer.text_or_none("id"),
        user_id: customer.text("user_id"),
        name: customer.text("name"),
        email: customer.text("email"),
        phone: customer.text("phone"),
        tier_id: customer.text("level"),
        created_at: customer.time("created_at"),
        updated_at: customer.time("updated_at"),
        ..Customer::default()
    }
}

/// `location` comes in two shapes, neither of which is part of a postal address.
fn address(address: &Node<'_>) -> Address {
    let flagged = address.get("business").is_flag();
    let rest: Vec<String> = ["no", "unit"].iter().filter_map(|name| address.text_or_none(name)).collect();
    Address {
        name: address.text("name"),
        // A flag in the provider's own models; a name in older ones.
        company: if flagged { Presence::Absent } else { address.text("business") },
        is_business: if flagged { address.flag("business") } else { Presence::Absent },
        phone: address.text("phone"),
        email: address.text("email"),
        line1: address.text("address"),
        line2: if rest.is_empty() { Presence::Absent } else { Presence::Value(rest.join(", ")) },
        city: address.text("city"),
        province: first(address.text("state"), address.text("state_code")),
        postal_code: address.text("postal"),
        country: address.text("country"),
        tax_id: address.text("tax_id"),
        notes: plain_text(address, "message"),
        ..Address::default()
    }
}

fn product(root: &Node<'_>) -> Product {
    let (product, variant) = (root.get("product"), root.get("variant"));
    let either = |name| first(variant.text(name), product.text(name));
    // A variant without `pricing` is sold at the product's price.
    let priced = if variant.flag("pricing") == Presence::Value(true) { &variant } else { &product };
    let currency = priced.text_or_none("currency");
    let in_stock = Quantity::of(first(variant.amount("quantity"), product.amount("quantity")));
    Product {
        id: product.text_or_none("id"),
        variant_id: variant.text("id"),
        title: product.text("title"),
        sku: either("sku"),
        mpn: either("mpn"),
        gtin: either("gtin"),
        brand: product.text("brand"),
        product_type: product.text("type"),
        status: product.text("status"),
        price: priced.money("price", currency.as_deref()),
        discount: priced.money("discount", currency.as_deref()),
        quantity: in_stock.whole,
        exact_quantity: in_stock.exact,
        created_at: first(variant.time("created_at"), product.time("created_at")),
        updated_at: first(variant.time("updated_at"), product.time("updated_at")),
        ..Product::default()
    }
}

/// The status that follows from an action alone, under the action's word.
fn by_action<T: Copy>(table: Table<T>, action: Option<&str>) -> Option<Status<T>> {
    action.and_then(|word| Some(Status { state: lookup(table, word)?, word: word.to_owned() }))
}

/// Text where the provider also writes an object; the object is left to the kept body.
fn plain_text(node: &Node<'_>, name: &str) -> Presence<String> {
    if node.get(name).is_scalar() { node.text(name) } else { Presence::Absent }
}

fn told_as<T>(name: &str, field: Presence<T>) -> BTreeMap<String, Presence<T>> {
    if field.is_absent() { BTreeMap::new() } else { BTreeMap::from([(name.to_owned(), field)]) }
}
