//! Mappings that change during a run: everything kept so far is read again and sent as corrections.
//!
//! As the operator's command does: a correction has an id of its own, names what it corrects, and has the greater
//! mapping version in its sequence; then every touched order's view is rebuilt.

use std::sync::LazyLock;

use webhook::claim::EventKey;
use webhook::event::Event;
use webhook::providers::{PROVIDERS, Provider};

use crate::assumptions::MESSAGE_BYTES_MAX;
use crate::cloud::Cloud;
use crate::process::{ORDERS_QUEUE, queues};
use crate::rows::{Bodies, events, stored};

/// Every provider with the next mapping: it reads the same under a greater version.
pub static REMAPPED: LazyLock<Vec<&'static Provider>> = LazyLock::new(|| {
    let remapped = |known: &'static Provider| -> &'static Provider {
        Box::leak(Box::new(Provider { mapping_version: known.mapping_version + 1, ..*known }))
    };
    PROVIDERS.into_iter().map(remapped).collect()
});

/// The provider of an event, with the next mapping.
pub fn remapped(key: &EventKey) -> &'static Provider {
    let (name, ..) = key.parts().unwrap();
    REMAPPED.iter().copied().find(|provider| provider.name == name).unwrap()
}

/// Reads every event row again with the next mapping and sends what concerns orders. Returns the corrections.
pub fn read_again(cloud: &mut Cloud, now_ms: u64) -> Vec<(String, Event)> {
    let bodies = Bodies::of(&cloud.insertions);
    let orders = &queues()[0];
    let mut corrections = Vec::new();
    for item in events(&cloud.insertions) {
        let Some((mut stored, body)) = stored(item).zip(bodies.body(item)) else { continue };
        stored.row.body = body;
        let event = remapped(&stored.row.key).read(&stored.row);
        if orders.takes(event.event_type.name()) {
            let correction = event.into_correction();
            let is_long = correction.to_json().unwrap().len() > MESSAGE_BYTES_MAX;
            corrections.push((stored.row.key.pk, if is_long { correction.without_data() } else { correction }));
        }
    }
    let queue = cloud.queues.get_mut(ORDERS_QUEUE).unwrap();
    for (pk, event) in &corrections {
        let group = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(pk.as_bytes()));
        queue.send(&group, &event.id, &event.to_json().unwrap(), now_ms);
    }
    cloud.ring();
    corrections
}
