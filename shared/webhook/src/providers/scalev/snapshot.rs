//! Orders of the API: the `data` of an order's webhook.
//!
//! Its place is `last_updated_at`, then the time of fetching: webhooks of that very second lose to it, later ones do
//! not. Source: github.com/scalevcom/dev-docs, reference/openapi.json. Refunds are documented nowhere.

use super::*;
use crate::read::snapshot::position;

pub(super) const SNAPSHOTS: SnapshotMapping = SnapshotMapping {
    secrets: &[&["secret_slug"], &["recovery_url"], &["order", "secret_slug"]],
    subject,
    mapping: read,
};

fn subject(asked: &SnapshotContext<'_>, root: &Value<'_>) -> Option<Part> {
    let text = |name| root.get(name).and_then(Value::text);
    let (id, order_id) = (text("id"), text("order_id"));
    match (&id, &order_id) {
        (Some(id), Some(_)) if asked.several_merchants => Some(Part::one(id)),
        (None, Some(order_id)) if asked.several_merchants => {
            Some(Part::of(&[Some(&business(root.get("business")).or(asked.shop.map(str::to_owned))?), Some(order_id)]))
        }
        _ => Some(Part::of(&[order_id.or(id).as_deref()])),
    }
}

/// An order's time counts seconds. The answer has all that happened in its last one until it was read.
fn read(kept: MappingInput<'_>) -> Mapped {
    let root = kept.reader.root(kept.root);
    let is_order = root.text_or_none("order_id").is_some();
    let version = root.time("last_updated_at").value().copied();
    Mapped {
        word: String::new(),
        event_type: is_order.then_some(EventType::OrderUpdated),
        time: version,
        position: position(kept.row, version, 0),
        merchant: business_of(&root),
        app: None,
        test: false,
        lacks_id: !is_order,
        data: if is_order { Data::Order(Box::new(order(&root))) } else { Data::Other {} },
    }
}
