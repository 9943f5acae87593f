//! Scalev's carts on their way to an order.

use super::orders::{customer, member};
use super::tables::CHECKOUT_STATES;
use crate::read::body_reader::Node;
use crate::read::checkout::Checkout;
use crate::read::line::Line;

pub(super) fn checkout(intent: &Node<'_>) -> Checkout {
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
