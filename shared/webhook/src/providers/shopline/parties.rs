//! SHOPLINE's buyers, products, carts and apps.

use super::orders::{address, line};
use super::values::{id, money, texts, translated};
use crate::read::body_reader::Node;
use crate::read::checkout::Checkout;
use crate::read::party::{Address, App, Customer, Product};
use crate::read::presence::{Presence, first};
use crate::read::status::{CheckoutState, Status};

/// Birthday, gender and the shop's own fields stay in the kept body: nobody who works on orders needs them.
pub(super) fn customer(node: &Node<'_>) -> Customer {
    // The confirmed number, else the one that the provider shows, which is the last of the list.
    let mobile = first(node.text("mobile_phone"), node.text("phone"));
    let last = || texts(node, "phones").value().and_then(|phones| phones.last().cloned());
    Customer {
        id: id(node),
        name: node.text("name"),
        email: node.text("email"),
        phone: if mobile.value().is_some() { mobile } else { last().map_or(mobile, Presence::Value) },
        phone_country_code: first(node.text("mobile_phone_country_calling_code"), node.text("phone_country_code")),
        status: node.text("status"),
        tier_id: node.text("membership_tier_id").or(node.get("membership_tier").text("id")),
        reference: node.text("ref_user_id"),
        language: node.text("locale_code"),
        is_blacklisted: node.flag("is_blacklisted"),
        registered_through: node.text("created_by"),
        tags: texts(node, "tags"),
        address: default_address(node),
        points_balance: node.integer("member_point_balance"),
        order_count: node.integer("order_count"),
        orders_total: money(node, "orders_total_sum"),
        credit_balance: node.integer("credit_balance"),
        created_at: node.time("created_at"),
        updated_at: node.time("updated_at"),
        ..Customer::default()
    }
}

/// The first of a buyer's addresses is the one that the checkout begins with.
fn default_address(node: &Node<'_>) -> Presence<Address> {
    match node.items("delivery_addresses") {
        Presence::Value(addresses) => addresses.first().map_or(Presence::Null, |first| Presence::Value(address(first))),
        Presence::Null => Presence::Null,
        Presence::Absent => Presence::Absent,
    }
}

/// A change of a buyer's store credit. The record's own id is not the buyer's.
pub(super) fn credit(node: &Node<'_>) -> Customer {
    let balance = node.integer("credit_balance").or(node.integer("balance"));
    Customer { credit_balance: balance, credit_change: node.integer("value"), ..change(node) }
}

/// A change of a buyer's points.
pub(super) fn points(node: &Node<'_>) -> Customer {
    Customer { points_balance: node.integer("point_balance"), points_change: node.integer("value"), ..change(node) }
}

fn change(node: &Node<'_>) -> Customer {
    let buyer = ["customer_id", "user_id", "owner_id"].into_iter().find_map(|name| node.text_or_none(name));
    Customer {
        id: buyer,
        name: node.text("customer_name"),
        email: node.text("customer_email"),
        reference: node.text("customer_ref_user_id"),
        change_kind: node.text("type"),
        change_reason: node.text("remarks"),
        change_expires_at: first(node.text("end_at"), node.text("expire_at")),
        order_id: node.text("order_id"),
        ..Customer::default()
    }
}

pub(super) fn product(node: &Node<'_>) -> Product {
    // The quantity of a product without limit is whatever was last entered.
    let unlimited = node.flag("unlimited_quantity") == Presence::Value(true);
    Product {
        id: node.text_or_none("product_id").or_else(|| id(node)),
        variant_id: node.text("variation_id"),
        title: translated(node, "title_translations"),
        sku: node.text("sku"),
        mpn: node.text("mpn"),
        gtin: first(node.text("gtin"), node.text("barcode")),
        brand: node.text("brand"),
        product_type: node.text("type"),
        status: node.text("status"),
        price: money(node, "price"),
        quantity: if unlimited { Presence::Null } else { node.integer("quantity") },
        is_unlimited: node.flag("unlimited_quantity"),
        weight_grams: node.kilograms("weight"),
        created_at: node.time("created_at"),
        updated_at: node.time("updated_at"),
        ..Product::default()
    }
}

/// The resource is a stock, one product's in one warehouse: its own id is not the product's.
pub(super) fn stock(node: &Node<'_>) -> Product {
    Product {
        id: node.text_or_none("product_id"),
        variant_id: node.text("variation_id"),
        warehouse: node.text("warehouse_id"),
        sku: node.text("sku"),
        quantity: node.integer("quantity"),
        updated_at: node.time("updated_at"),
        ..Product::default()
    }
}

pub(super) fn checkout(node: &Node<'_>) -> Checkout {
    let customer = Customer {
        id: node.text_or_none("user_id").or_else(|| node.text_or_none("customer_id")),
        email: node.text("email"),
        ..Customer::default()
    };
    Checkout {
        id: id(node),
        status: Presence::Value(Status { state: CheckoutState::Abandoned, word: "abandoned_cart".to_owned() }),
        customer: if customer == Customer::default() { Presence::Absent } else { Presence::Value(customer) },
        lines: node.list("items", line),
        estimated_total: money(node, "total"),
        started_at: node.time("created_at"),
        last_activity_at: node.time("updated_at"),
        ..Checkout::default()
    }
}

pub(super) fn app(node: &Node<'_>) -> App {
    App {
        id: id(node),
        application_id: node.text("application_id"),
        version: node.text("application_version"),
        installed_by: node.text("installed_by"),
        scopes: node.text("scopes").map(|scopes| scopes.split_whitespace().map(str::to_owned).collect()),
        is_installation_token: node.flag("is_app_installation_token"),
        authorized_at: node.time("authorized_at"),
        expires_at: node.time("expires_at"),
        revoked_at: node.time("revoked_at"),
        deleted_at: node.time("deleted_at"),
        created_at: node.time("created_at"),
        updated_at: node.time("updated_at"),
    }
}
