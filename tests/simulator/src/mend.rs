//! A mapping mended mid-run: everything kept so far is read again and sent as corrections.
//!
//! The operator's command for it is not written yet; this does what it will do: a correction has an id of its own,
//! names what it corrects, and has the greater mapping version in its sequence.

use webhook::event::Event;
use webhook::providers::Provider;
use webhook::row::read;

use crate::assumptions::MESSAGE_BYTES_MAX;
use crate::check::{Bodies, events, stored};
use crate::cloud::Cloud;
use crate::process::{ORDERS_QUEUE, queues};

/// Reads every event row again with the next mapping and sends what concerns orders. Returns the corrections.
pub fn read_again(cloud: &mut Cloud, now_ms: u64) -> Vec<(String, Event)> {
    let bodies = Bodies::of(cloud);
    let orders = &queues()[0];
    let mut corrections = Vec::new();
    for item in events(cloud) {
        let Some((mut stored, body)) = stored(item).zip(bodies.body(item)) else { continue };
        stored.row.body = body;
        let provider = Provider::of(&stored.row.key).unwrap();
        let mended = Provider { mapping_version: provider.mapping_version + 1, ..*provider };
        let event = read(&mended, &stored.row);
        if orders.takes(event.event_type.name()) {
            let id = format!("{};v{}", event.id, mended.mapping_version);
            let correction = Event { correctionof: Some(event.id), id, ..event };
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
