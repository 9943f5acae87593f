//! Selldone's buyers and products.

use crate::read::body_reader::{Node, Quantity};
use crate::read::money::Amount;
use crate::read::party::{Address, Customer, Product};
use crate::read::presence::{Presence, first};

/// The shop's customer, else the account that bought, else their ids in the order; a guest has none of them.
pub(super) fn buyer(root: &Node<'_>, basket: &Node<'_>) -> Presence<Customer> {
    let id = basket.text_or_none("customer_id");
    let user_id = first(basket.text("user_id"), basket.text("buyer_id"));
    let guest = basket.text("guest_email");
    let named = root.object("customer", customer);
    let user = root.object("user", |user| Customer {
        id: id.clone(),
        user_id: user.text("id"),
        name: user.text("name"),
        email: user.text("email"),
        phone: user.text("phone"),
        ..Customer::default()
    });
    match first(named, user) {
        Presence::Value(customer) => Presence::Value(customer),
        // A guest is known by the address that the order's mails go to.
        _ if guest.value().is_some() => Presence::Value(Customer {
            id,
            user_id,
            email: guest,
            is_guest: Presence::Value(true),
            ..Customer::default()
        }),
        _ if id.is_some() || user_id.value().is_some() => {
            Presence::Value(Customer { id, user_id, ..Customer::default() })
        }
        nobody => nobody,
    }
}

/// Notes, birthday and the like are not for passing on.
pub(super) fn customer(customer: &Node<'_>) -> Customer {
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

/// `location` comes in two shapes; the one without names does not say which number is which.
pub(super) fn address(address: &Node<'_>) -> Address {
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
        province_code: address.text("state_code"),
        latitude: place(address, "lat"),
        longitude: place(address, "lng"),
        postal_code: address.text("postal"),
        country: address.text("country"),
        tax_id: address.text("tax_id"),
        notes: plain_text(address, "message"),
        ..Address::default()
    }
}

fn place(address: &Node<'_>, name: &str) -> Presence<Amount> {
    if address.get("location").is_object() { address.get("location").amount(name) } else { Presence::Absent }
}

pub(super) fn product(root: &Node<'_>) -> Product {
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

/// Text where the provider also writes an object; the object is left to the kept body.
pub(super) fn plain_text(node: &Node<'_>, name: &str) -> Presence<String> {
    if node.get(name).is_scalar() { node.text(name) } else { Presence::Absent }
}
