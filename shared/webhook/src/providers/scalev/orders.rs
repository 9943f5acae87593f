//! The parts of a Scalev order.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::tables::*;
use crate::read::body_reader::Node;
use crate::read::line::Line;
use crate::read::order::{Discount, Fulfillment, Order, Payment, Risk, Totals};
use crate::read::party::{Address, Customer};
use crate::read::presence::{Presence, first};
use crate::read::status::{OrderState, PaymentState, Status, Table, lookup};

pub(super) fn order(data: &Node<'_>) -> Order {
    let (payment, fulfillment) = (payment(data), fulfillment(data));
    Order {
        id: data.text_or_none("order_id"),
        alias_id: data.text("id"),
        number: data.text("order_id"),
        // The marketplace that it was placed at, and the shop's own name for that channel.
        channel: first(data.text("channel_name"), data.text("platform")),
        discounts: code_discount(data),
        sender: reseller(data),
        status: held_as_spam(data, data.status("status", ORDER_STATES)),
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

/// An order that is held as spam goes no further until somebody releases it; one that went further is not held.
fn held_as_spam(data: &Node<'_>, found: Presence<Status<OrderState>>) -> Presence<Status<OrderState>> {
    let is_spam = data.flag("is_probably_spam") == Presence::Value(true);
    match found {
        Presence::Value(status) if is_spam && matches!(status.state, OrderState::Draft | OrderState::Pending) => {
            Presence::Value(Status { state: OrderState::Flagged, ..status })
        }
        found => found,
    }
}

fn references(data: &Node<'_>) -> BTreeMap<String, Presence<String>> {
    let found = [("payment_link", data.text("payment_link_id")), ("external_id", data.text("external_id"))];
    found.into_iter().filter(|(_, id)| !id.is_absent()).map(|(name, id)| (name.to_owned(), id)).collect()
}

/// The code that the buyer gave, what it is for, and what it takes off; the order has no other discount with a name.
fn code_discount(data: &Node<'_>) -> Presence<Vec<Discount>> {
    data.text("discount_code_code").map(|code| {
        vec![Discount {
            code: Presence::Value(code),
            name: data.text("discount_code_applied_to"),
            amount: data.money("discount_code_discount", None),
            ..Discount::default()
        }]
    })
}

/// An order that another sold is sent in the other's name.
fn reseller(data: &Node<'_>) -> Presence<Address> {
    let (name, phone) = (data.text("dropshipper_name"), data.text("dropshipper_phone"));
    match (&name, &phone) {
        (Presence::Value(_), _) | (_, Presence::Value(_)) => {
            Presence::Value(Address { name, phone, ..Address::default() })
        }
        (Presence::Absent, Presence::Absent) => Presence::Absent,
        (Presence::Absent | Presence::Null, Presence::Absent | Presence::Null) => Presence::Null,
    }
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
        platform_fee: money("scalev_fee"),
        net_payment: money("net_payment_revenue"),
        other_income: money("other_income"),
        other_income_name: data.text("other_income_name"),
        payment_link_income: money("payment_link_income"),
        cost_of_goods: money("cogs"),
        ..Totals::default()
    }
}

/// A member that begins with `variant_` is of one unit; the rest is of the line, prices before discounts (the official
/// SDK's comments on an order line).
pub(super) fn line(line: &Node<'_>) -> Line {
    Line {
        id: line.text("id"),
        // The API names a variant by its number.
        variant_id: line.text("variant_unique_id").or(line.text("variant")),
        variant: variant_in_words(line),
        kind: line.text("item_type"),
        sku: line.text("variant_sku"),
        name: line.text("product_name"),
        quantity: line.integer("quantity"),
        unit_price: line.money("variant_price", None),
        line_total: line.money("product_price", None),
        unit_cost: line.money("variant_cogs", None),
        discount: line.money("discount", None),
        code_discount: line.money("discount_code_discount", None),
        cost_of_goods: line.money("cogs", None),
        weight_grams: line.integer("weight"),
        is_inventory: line.flag("is_inventory"),
        ..Line::default()
    }
}

fn variant_in_words(line: &Node<'_>) -> Presence<String> {
    let names = ["variant_option1_value", "variant_option2_value", "variant_option3_value"];
    let words: Vec<String> = names.iter().filter_map(|name| line.text_or_none(name)).collect();
    if words.is_empty() { Presence::Absent } else { Presence::Value(words.join(" / ")) }
}

/// Account numbers, the gateway's own blocks and the staff in the history stay in the kept body.
pub(super) fn payment(data: &Node<'_>) -> Payment {
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
        notes: data.text("courier_additional_info"),
        is_pickup: data.get("courier_service").get("courier").flag("is_pickup"),
        tracking_number: data.text("shipment_receipt"),
        ..Fulfillment::default()
    }
}

/// The customer as given, even if that is the number alone.
pub(super) fn customer(data: &Node<'_>) -> Presence<Customer> {
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

/// When each status was last entered; null where it was not.
fn times<T>(data: &Node<'_>, states: Table<T>) -> BTreeMap<String, Presence<Timestamp>> {
    let found = states.iter().map(|(word, _)| ((*word).to_owned(), data.time(&format!("{word}_time"))));
    found.filter(|(_, time)| !time.is_absent()).collect()
}

/// The text of a member object's member; null where the object is.
pub(super) fn member(node: &Node<'_>, object: &str, name: &str) -> Presence<String> {
    node.object(object, |object| object.text(name)).flatten()
}
