//! The parts of a SHOPLINE order.

use std::collections::BTreeMap;

use super::topics::{DELIVERY_STATES, LOGISTICS_STATES, PAYMENT_STATES};
use super::values::{id, joined, money, translated, translated_words};
use crate::read::body_reader::Node;
use crate::read::line::{Inspection, Line};
use crate::read::money::Amount;
use crate::read::order::{Discount, Fulfillment, Invoice, Payment, PickupPoint, Refund, Totals};
use crate::read::party::{Address, Customer};
use crate::read::presence::{Presence, first};
use crate::read::status::{FulfillmentState, Status};

pub(super) fn totals(order: &Node<'_>) -> Totals {
    Totals {
        total: money(order, "total"),
        subtotal: money(order, "subtotal"),
        discount: money(order, "order_discount"),
        tax: money(order, "total_tax_fee"),
        shipping: money(&order.get("order_delivery"), "total"),
        credit: money(order, "user_credit"),
        points: money(order, "order_points_to_cash"),
        payment_fee: money(&order.get("order_payment"), "payment_fee"),
        ..Totals::default()
    }
}

pub(super) fn line(item: &Node<'_>) -> Line {
    // A line copies its variant when it is sold; its own fields are often blank.
    let (product, sold) = (item.get("object_data"), item.get("item_data").get("variation_data"));
    let either = |name| first(product.text(name), sold.text(name));
    let quantity = item.quantity("quantity");
    Line {
        id: id(item).into(),
        product_id: item.text("item_id").or(item.text("product_id")),
        variant_id: item.text("item_variation_key").or(item.text("item_variation_id")),
        sku: first(item.text("sku"), sold.text("sku")),
        gtin: either("gtin"),
        mpn: either("mpn"),
        kind: item.text("item_type"),
        variant: first(translated_words(item, "fields_translations"), translated_words(&sold, "fields_translations")),
        brand: product.text("brand"),
        name: translated(item, "title_translations"),
        quantity: quantity.whole,
        exact_quantity: quantity.exact,
        unit_price: money(item, "item_price"),
        line_total: money(item, "total"),
        discounted_total: money(item, "discounted_price"),
        net_total: money(item, "order_discounted_price"),
        unit_cost: money(item, "cost"),
        points: item.integer("total_points"),
        is_preorder: item.flag("is_preorder"),
        subscription_id: item.text("product_subscription_id"),
        stock_location: product.text("location_id"),
        weight_grams: product.kilograms("weight"),
        // One set's goods are an object where there is one alone.
        contents: if item.get("child_products").is_object() {
            item.object("child_products", |child| vec![part(child)])
        } else {
            item.list("child_products", part)
        },
        inspections: item.list("order_inspect_items", |inspection| Inspection {
            quantity: inspection.integer("quantity"),
            status: inspection.text("inspect_status"),
            reason: inspection.text("return_reason_key"),
            notes: inspection.text("return_remark"),
            remark: inspection.text("inspect_remark"),
        }),
        ..Line::default()
    }
}

/// One of the goods in a set, which has a price of its own that the set's buyer does not pay.
fn part(child: &Node<'_>) -> Line {
    let quantity = child.quantity("quantity");
    Line {
        product_id: id(child).into(),
        variant_id: child.text("variation_id"),
        sku: child.text("sku"),
        name: translated(child, "title_translations"),
        variant: translated_words(child, "fields_translations"),
        quantity: quantity.whole,
        exact_quantity: quantity.exact,
        ..Line::default()
    }
}

/// The discounts of promotions, and of the shop by hand, on an order.
pub(super) fn discounts(order: &Node<'_>) -> Presence<Vec<Discount>> {
    let promotions = order.list("promotion_items", |item| {
        let promotion = item.get("promotion_data");
        Discount {
            id: first(promotion.text("_id"), promotion.text("id")).or(item.text("promotion_id")),
            name: translated(&promotion, "title_translations"),
            code: item.text("coupon_code"),
            amount: money(item, "discounted_amount"),
        }
    });
    let by_hand = order.list("custom_discount_items", |item| Discount {
        id: id(item).into(),
        name: translated(item, "title_translations"),
        amount: first(money(item, "total"), money(item, "item_price")),
        ..Discount::default()
    });
    match (promotions, by_hand) {
        (Presence::Value(promotions), Presence::Value(by_hand)) => Presence::Value([promotions, by_hand].concat()),
        (promotions, by_hand) => first(promotions, by_hand),
    }
}

/// An order has one invoice or several.
pub(super) fn invoices(order: &Node<'_>) -> Presence<Vec<Invoice>> {
    first(order.list("invoices", invoice), order.object("invoice", |one| vec![invoice(one)]))
}

fn invoice(node: &Node<'_>) -> Invoice {
    Invoice {
        number: node.text("invoice_number"),
        status: node.text("invoice_status"),
        kind: node.text("invoice_type"),
        tax_kind: node.text("invoice_tax_type"),
        name: node.text("buyer_name"),
        tax_id: node.text("tax_id"),
        address: node.text("mailing_address"),
        carrier_kind: node.text("carrier_type"),
        carrier_number: node.text("carrier_number"),
        donation_code: node.text("n_p_o_b_a_n"),
        issued_at: node.text("invoice_date"),
        cancelled_at: node.text("invoice_cancelled_at"),
    }
}

pub(super) fn order_customer(order: &Node<'_>) -> Presence<Customer> {
    let customer = Customer {
        id: order.text_or_none("customer_id"),
        name: order.text("customer_name"),
        email: order.text("customer_email"),
        phone: order.text("customer_phone"),
        phone_country_code: order.text("customer_phone_country_code"),
        is_guest: order.flag("is_guest_checkout"),
        reference: order.text("ref_customer_id"),
        ..Customer::default()
    };
    if customer == Customer::default() { Presence::Absent } else { Presence::Value(customer) }
}

pub(super) fn address(address: &Node<'_>) -> Address {
    Address {
        name: address.text("recipient_name"),
        phone: address.text("recipient_phone"),
        phone_country_code: address.text("recipient_phone_country_code"),
        line1: address.text("address_1"),
        line2: address.text("address_2"),
        district: address.text("district"),
        city: address.text("city"),
        province: address.text("state"),
        postal_code: address.text("postcode"),
        country: address.text("country_code").or(address.text("country")),
        notes: address.text("remarks"),
        ..Address::default()
    }
}

/// When an order entered a status, by that status's word.
const STATUS_TIMES: &[(&str, &str)] = &[("confirmed", "confirmed_at"), ("completed", "completed_at")];

pub(super) fn status_times(order: &Node<'_>) -> BTreeMap<String, Presence<jiff::Timestamp>> {
    let found = STATUS_TIMES.iter().map(|(word, name)| ((*word).to_owned(), order.time(name)));
    found.filter(|(_, time)| !time.is_absent()).collect()
}

/// References from an order to other things. The documents name the last two by their beginning alone.
const REFERENCES: &[&str] = &[
    "delivery_option_id",
    "system_order_number",
    "channel_id",
    "product_subscription_id",
    "agent_id",
    "default_warehouse_id",
    "merchant_order_number",
    "ref_order_id",
    "ref_customer_id",
    "parent_order_id",
    "child_order_ids",
    "combined_to_order_id",
    "combined_from_order_ids",
    "combined_from_orders",
    "return_from_order_id",
    "combined_order_id",
    "combined_order_ids",
];

pub(super) fn references(order: &Node<'_>) -> BTreeMap<String, Presence<String>> {
    let found = REFERENCES.iter().map(|name| ((*name).to_owned(), joined(order, name)));
    found.filter(|(_, reference)| !reference.is_absent()).collect()
}

pub(super) fn payment(node: &Node<'_>) -> Payment {
    Payment {
        id: id(node),
        order_id: node.text("order_id"),
        status: node.status("status", PAYMENT_STATES),
        amount: money(node, "total"),
        fee: money(node, "payment_fee"),
        method: node.text("payment_type"),
        method_id: node.text("payment_method_id"),
        method_name: translated(node, "name_translations"),
        gateway: node.text("payment_gateway"),
        gateway_reference: node.text("ref_payment_id"),
        created_at: node.time("created_at"),
        updated_at: node.time("updated_at"),
        paid_at: node.time("paid_at"),
        processed_at: node.time("processed_at"),
        ..Payment::default()
    }
}

/// The refund for a return. There is none while the amount is zero.
pub(super) fn return_refund(returned: &Node<'_>) -> Option<Refund> {
    let payment = returned.get("order_payment");
    let amount = money(&payment, "refund_amount");
    let is_some = amount.value().is_some_and(|money| money.amount != Amount::ZERO);
    is_some.then(|| Refund {
        id: id(&payment),
        amount,
        refunded_at: payment.time("update_refund_amount_at"),
        reported: Presence::Absent,
    })
}

/// A convenience store or locker: without its code no label can be printed.
pub(super) fn pickup(node: &Node<'_>) -> Presence<PickupPoint> {
    let found = node.object("delivery_data", |data| PickupPoint {
        code: data.text("location_code"),
        name: data.text("location_name"),
        address: data.text("store_address"),
    });
    let is_some = |point: &PickupPoint| point.code.value().is_some() || point.name.value().is_some();
    if found.value().is_some_and(is_some) { found } else { Presence::Absent }
}

/// The published refund body has neither id nor amount; without either the refund is unknown.
pub(super) fn refund(payment: &Node<'_>) -> Option<Refund> {
    let refund = Refund {
        id: payment.text_or_none("refund_id"),
        amount: money(payment, "refund_amount"),
        refunded_at: payment.time("refunded_at"),
        reported: Presence::Absent,
    };
    (refund.id.is_some() || refund.amount.value().is_some()).then_some(refund)
}

pub(super) fn fulfillment(node: &Node<'_>) -> Fulfillment {
    let (tracking_number, tracking_url) = tracking(node);
    Fulfillment {
        id: id(node),
        order_id: node.text("order_id"),
        status: delivery_status(node),
        carrier_status: node.text("delivery_status"),
        carrier: node.text("platform"),
        service: translated(node, "name_translations"),
        option_id: node.text("delivery_option_id"),
        notes: node.text("remark"),
        tracking_number,
        tracking_url,
        pickup: pickup(node),
        is_pickup: is_pickup(node),
        scheduled_date: scheduled(node, "scheduled_delivery_date"),
        time_slot: time_slot(node),
        return_id: node.text("return_order_id"),
        shipped_at: node.time("shipped_at"),
        arrived_at: node.time("arrived_at"),
        delivered_at: node.time("collected_at"),
        returned_at: node.time("returned_at"),
        store_closed_at: node.time("store_closed_at"),
        created_at: node.time("created_at"),
        updated_at: node.time("updated_at"),
        ..Fulfillment::default()
    }
}

pub(super) fn delivery_status(node: &Node<'_>) -> Presence<Status<FulfillmentState>> {
    match node.status("status", DELIVERY_STATES) {
        Presence::Value(status) => Presence::Value(status),
        found @ (Presence::Absent | Presence::Null) => node.status("delivery_status", LOGISTICS_STATES).or(found),
    }
}

/// True where the goods are collected in the shop itself.
pub(super) fn is_pickup(node: &Node<'_>) -> Presence<bool> {
    node.get("delivery_data").flag("instore_pickup")
}

pub(super) fn scheduled(node: &Node<'_>, name: &str) -> Presence<String> {
    node.get("delivery_data").text(name)
}

/// In the shop's words; else by the key that the carrier has for it.
pub(super) fn time_slot(node: &Node<'_>) -> Presence<String> {
    first(translated(&node.get("delivery_data"), "time_slot_translations"), scheduled(node, "time_slot_key"))
}

/// The API calls the address `url`.
pub(super) fn tracking(node: &Node<'_>) -> (Presence<String>, Presence<String>) {
    let found = node.get("delivery_data");
    (found.text("tracking_number").or(node.text("tracking_number")), found.text("tracking_url").or(found.text("url")))
}
