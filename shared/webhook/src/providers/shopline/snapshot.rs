//! Orders of the Open API: `get-order` and `search-orders` answer with the resource of an order's webhook, in full.
//!
//! Its place is the latest `updated_at` of the order, its payment or its delivery; where the source's webhooks report
//! no times, its status and the time of fetching. No documented field of an order has what was refunded.

use super::*;
use crate::read::event::EventType;
use crate::read::snapshot::position;

pub(super) const SNAPSHOTS: SnapshotMapping = SnapshotMapping {
    // None is documented; these are what webhooks have.
    secrets: &[&["token"], &["access_token"], &["refresh_token"], &["order_payment", "payment_data", "*"]],
    subject,
    mapping: read,
};

/// Members of an order that change at times of their own.
const PARTS: &[&str] = &["order_payment", "order_delivery"];

fn subject(asked: &SnapshotContext<'_>, root: &Value<'_>) -> Option<Part> {
    let id = text(root, &["id"]).or_else(|| text(root, &["_id"]));
    let shop = text(root, &["merchant_id"]).or_else(|| text(root, &["seller_id"]));
    match asked.scheme {
        SchemeName::UrlToken => Some(Part::of(&[id.as_deref()])),
        SchemeName::Signed => {
            shop.or(asked.shop.map(Cow::Borrowed)).map(|shop| Part::of(&[Some(&shop), id.as_deref()]))
        }
    }
}

fn read(kept: MappingInput<'_>) -> Mapped {
    let root = kept.reader.root(kept.root);
    let is_order = values::id(&root).is_some();
    let resource = ShoplineResource {
        node: &root,
        topic: "",
        about: if is_order { TopicSubject::Order } else { TopicSubject::Other },
    };
    let changed = |node: &Node<'_>| node.time("updated_at").value().copied();
    // An order's own time stays the same while its delivery changes.
    let version = PARTS.iter().map(|part| changed(&root.get(part))).fold(changed(&root), Option::max);
    Mapped {
        word: String::new(),
        event_type: is_order.then_some(EventType::OrderUpdated),
        time: version,
        position: position(kept.row, version, resource.rank()),
        merchant: root.text_or_none("merchant_id").or_else(|| root.text_or_none("seller_id")),
        app: None,
        test: false,
        lacks_id: !is_order,
        data: resource.data(),
    }
}
