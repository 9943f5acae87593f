//! Orders of the back office API: an order's webhook has the same object as its `basket`.
//!
//! Its place is just before webhooks of its `updated_at`, whose action says more than the order does.
//! Source: github.com/selldone/erp, response-structure.md; refunds are in the payment that is asked for with the order.

use super::*;
use crate::read::event::Data;
use crate::read::snapshot::position;
use crate::receive::request::percent_decode;

pub(super) const SNAPSHOTS: SnapshotMapping = SnapshotMapping { secrets: SECRETS, subject, mapping: read };

const SECRETS: &[crate::keep::redact::SecretPath] = &[
    &["code"],
    &["hash"],
    &["session"],
    &["items", "*", "virtual_items", "*", "data"],
    &["items", "*", "virtualItems", "*", "data"],
];

/// Ranks of orders that no step of the delivery has reached.
const STATUS_RANKS: Table<u16> = &[("Open", 1), ("Reserved", 1), ("COD", 1), ("Payed", 2), ("Paid", 2)];

fn subject(asked: &SnapshotContext<'_>, root: &Value<'_>) -> Option<Part> {
    let text = |name| root.get(name).and_then(Value::text);
    let shop = text("shop_id").or(asked.shop.map(Cow::Borrowed))?;
    Some(Part::of(&[Some(&shop), asked.kind, text("id").as_deref()]))
}

fn read(kept: MappingInput<'_>) -> Mapped {
    let root = kept.reader.root(kept.root);
    let mut subject = kept.row.key.parts().map(|(.., subject)| subject.split(':')).into_iter().flatten();
    let kind = subject.nth(1).map(percent_decode).unwrap_or_default();
    let is_order = root.text_or_none("id").is_some();
    let changed = root.time("updated_at").value().copied();
    // A webhook of the same change says more: nothing else has its action. So the answer is placed just before it.
    let version = changed.map(|time| time.checked_sub(std::time::Duration::from_nanos(1)).unwrap_or(time));
    Mapped {
        word: String::new(),
        event_type: is_order.then_some(EventType::OrderUpdated),
        time: changed,
        position: position(kept.row, version, rank(&root)),
        merchant: root.text_or_none("shop_id"),
        app: None,
        test: false,
        lacks_id: !is_order,
        data: if is_order { data(&root, &kind) } else { Data::Other {} },
    }
}

fn data(basket: &Node<'_>, kind: &str) -> Data {
    Data::Order(Box::new(Order { customer: snapshot_buyer(basket), ..order(basket, kind, None) }))
}

/// The customer in the order, else the account that bought, else their ids.
fn snapshot_buyer(basket: &Node<'_>) -> Presence<Customer> {
    let (id, user_id) = (basket.text_or_none("customer_id"), basket.text("user_id"));
    let ids = Customer { id: id.clone(), user_id: user_id.clone(), ..Customer::default() };
    let account = |node: &Node<'_>| Customer {
        id,
        user_id: node.text("id").or(user_id),
        name: node.text("name"),
        email: node.text("email"),
        phone: node.text("phone"),
        ..Customer::default()
    };
    // The provider's example leaves both objects empty.
    match basket.object("customer", customer) {
        Presence::Value(customer) if customer != Customer::default() => Presence::Value(customer),
        Presence::Value(_) | Presence::Null | Presence::Absent => match basket.object("buyer", account) {
            Presence::Value(customer) => Presence::Value(customer),
            nobody if ids == Customer::default() => nobody,
            Presence::Null | Presence::Absent => Presence::Value(ids),
        },
    }
}

fn rank(basket: &Node<'_>) -> u16 {
    let of_delivery = lookup(ORDER_ACTIONS, &basket.text_or_none("delivery_state").unwrap_or_default());
    let of_status = || lookup(STATUS_RANKS, &basket.text_or_none("status").unwrap_or_default());
    of_delivery.and_then(|(_, rank)| rank).or_else(of_status).unwrap_or(0)
}
