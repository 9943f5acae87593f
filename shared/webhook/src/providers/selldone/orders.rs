//! The parts of a Selldone order.

use std::collections::BTreeMap;

use super::parties::{address, plain_text};
use super::tables::*;
use crate::read::body_reader::{Node, Quantity};
use crate::read::line::Line;
use crate::read::money::Amount;
use crate::read::order::{Discount, Fulfillment, Order, Payment, Refund, Return, Totals};
use crate::read::presence::{Presence, first};
use crate::read::status::{OrderState, PaymentState, ReturnState, Status, Table, lookup};

pub(super) fn order(basket: &Node<'_>, event: &str, action: Option<&str>) -> Order {
    let currency = basket.text_or_none("currency");
    let (payment, fulfillment) = (payment(basket, event, action), fulfillment(basket, action));
    let reserved_at = basket.time("reserved_at");
    Order {
        id: basket.text_or_none("id"),
        number: basket.text("label"),
        status: order_status(basket),
        order_type: basket.text("type"),
        channel: Presence::Value(event.to_owned()),
        language: basket.text("language"),
        discounts: discounts(basket, currency.as_deref()),
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
            .flat_map(|(word, time)| named_if_present(word, time))
            .collect(),
        created_at: basket.time("created_at"),
        updated_at: basket.time("updated_at"),
        references: [
            ("reseller_order", if is_dropship(event) { basket.text("basket_id") } else { Presence::Absent }),
            ("subscription", basket.text("subscription_id")),
            ("channel", plain_text(basket, "channel")),
        ]
        .into_iter()
        .flat_map(|(name, reference)| named_if_present(name, reference))
        .collect(),
        returns: returns(basket, action),
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
    let found: Presence<Status<OrderState>> = basket.status("status", ORDER_STATES);
    let Presence::Value(status) = &found else { return found };
    // A supplier's answer to a request to resell says nothing of the money.
    let is_answer = lookup(PAYMENT_STATES, &status.word).is_none();
    let is_placed = matches!(status.state, OrderState::Pending | OrderState::Confirmed) && !is_answer;
    let delivery = basket.text_or_none("delivery_state").filter(|_| is_placed);
    match delivery.and_then(|word| Some(Status { state: lookup(TAKING_UP, &word)?, word })) {
        Some(delivery) if delivery.state != status.state => Presence::Value(delivery),
        Some(_) | None => found,
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
        confirmed: confirmed(item),
        vendor_id: item.text("vendor_id"),
        subscription_id: item.text("subscription_price_id"),
        page_url: item.text("link"),
        image_url: item.text("image"),
        variant: variant_in_words(&variant),
        unit_price: item.money("price", currency),
        // The provider's own pages show `price + dis` crossed out, and a line as `count * price - offer_amount`.
        unit_discount: item.money("dis", currency),
        offer_discount: item.money("offer_amount", currency),
        cross_discount: item.money("cross_dis", currency),
        // Other forms of it, such as a rate, are not amounts.
        tax: if item.get("tax").is_object() { item.get("tax").money("amount", currency) } else { Presence::Absent },
        message: plain_text(item, "message"),
        ..Line::default()
    }
}

/// The shop's answer to a line: a flag, or in a quote, whose lines the buyer wrote, a word.
fn confirmed(item: &Node<'_>) -> Presence<bool> {
    match item.text_or_none("status").and_then(|word| lookup(QUOTED_LINES, &word)) {
        Some(answer) => answer.into(),
        None => item.flag("check"),
    }
}

/// The codes that the buyer gave. The order's `discount` has the sum of all that is taken off.
fn discounts(basket: &Node<'_>, currency: Option<&str>) -> Presence<Vec<Discount>> {
    let found = ["discount_code", "coupon", "lottery"].map(|name| {
        basket.object(name, |discount| Discount {
            id: discount.text("id"),
            name: discount.text("title"),
            code: discount.text("code"),
            amount: discount.money("amount", currency),
        })
    });
    if found.iter().all(Presence::is_absent) {
        return Presence::Absent;
    }
    Presence::Value(found.into_iter().filter_map(|discount| discount.value().cloned()).collect())
}

/// The words that distinguish a variant from others of its product, in the order in which the provider shows it.
const VARIANT_WORDS: &[&str] = &["color", "style", "type", "volume", "weight", "pack"];

fn variant_in_words(variant: &Node<'_>) -> Presence<String> {
    let words: Vec<String> = VARIANT_WORDS.iter().filter_map(|name| variant.text_or_none(name)).collect();
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
    let found: Presence<Status<PaymentState>> =
        if is_answer { Presence::Absent } else { basket.status("status", PAYMENT_STATES) };
    let (account, currency) = (basket.get("payment"), basket.text_or_none("currency"));
    let settled = found.value().is_some_and(|status| matches!(status.state, PaymentState::Paid | PaymentState::Voided));
    Payment {
        // The row of the provider's own table; only the API gives the gateway's reference.
        id: basket.text_or_none("payment_id"),
        status: match by_action(PAYING_ACTIONS, action) {
            Some(status) if !settled => Presence::Value(status),
            Some(_) | None => found,
        },
        amount: account.money("amount", account.text_or_none("currency").or(currency.clone()).as_deref()),
        refunds: basket.object("payment", refunds).value().cloned().unwrap_or_default(),
        gateway: basket.text("payment_type"),
        method: account.text("method"),
        fee: account.money("fee", account.text_or_none("currency").or(currency).as_deref()),
        gateway_reference: account.text("track_id"),
        paid_at: first(basket.time("pay_at").or(basket.time("payment_at")), account.time("payment_at")),
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
        scheduled_date: delivery_text(basket, "date"),
        time_slot: basket.object("delivery_info", |info| words(info, "time_spans")).flatten(),
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

/// The day that was chosen, where it is one.
fn delivery_text(basket: &Node<'_>, name: &str) -> Presence<String> {
    basket.object("delivery_info", |info| plain_text(info, name)).flatten()
}

fn words(node: &Node<'_>, name: &str) -> Presence<String> {
    let found = node.list(name, Node::as_text);
    let found = found.map(|words| words.iter().filter_map(|word| word.value().cloned()).collect::<Vec<_>>().join(", "));
    if found.value().is_some_and(String::is_empty) { Presence::Null } else { found }
}

/// The rows as given, beside the lines or in them; a buyer who wants to return something has asked for it even if
/// there is no row.
fn returns(basket: &Node<'_>, action: Option<&str>) -> Vec<Return> {
    let mut rows = basket.list("basket_item_returns", item_return).value().cloned().unwrap_or_default();
    for item in basket.items("items").value().into_iter().flatten() {
        let found = ["return_request", "returnRequest"].into_iter().find_map(|name| {
            let row = item.object(name, item_return).value().cloned()?;
            (row != Return::default()).then_some(row)
        });
        rows.extend(found.filter(|row| row.id.is_none() || rows.iter().all(|known| known.id != row.id)));
    }
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

/// The status that follows from an action alone, under the action's word.
fn by_action<T: Copy>(table: Table<T>, action: Option<&str>) -> Option<Status<T>> {
    action.and_then(|word| Some(Status { state: lookup(table, word)?, word: word.to_owned() }))
}

fn named_if_present<T>(name: &str, field: Presence<T>) -> BTreeMap<String, Presence<T>> {
    if field.is_absent() { BTreeMap::new() } else { BTreeMap::from([(name.to_owned(), field)]) }
}
