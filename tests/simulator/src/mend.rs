//! A mapping mended mid-run: everything kept so far is read again and sent as corrections.
//!
//! The operator's command for it is not written yet; this does what it will do: a correction has an id of its own,
//! names what it corrects, and has the greater mapping version in its sequence.

use std::collections::HashMap;

use webhook::event::Event;
use webhook::providers::Provider;
use webhook::row::read;

use crate::check::{body, stored};
use crate::cloud::Cloud;
use crate::process::{ORDERS_QUEUE, queues};
use crate::table::{Item, string};

/// Reads every event row again with the next mapping and sends what concerns orders. Returns the corrections.
pub fn read_again(cloud: &mut Cloud, now_ms: u64) -> Vec<(String, Event)> {
    let is_event = |item: &&Item| string(item, "kind") == "event";
    let items: Vec<&Item> = cloud.insertions.iter().map(|change| &change.item).filter(is_event).collect();
    let by_key: HashMap<(&str, &str), &Item> =
        items.iter().map(|item| ((string(item, "pk"), string(item, "sk")), *item)).collect();
    let holder = |item: &Item| match item.get("body_of") {
        Some(sk) => by_key.get(&(string(item, "pk"), sk["S"].as_str()?)).and_then(|first| body(first)),
        None => body(item),
    };
    let orders = &queues()[0];
    let mut corrections = Vec::new();
    for item in items {
        let Some((mut stored, body)) = stored(item).zip(holder(item)) else { continue };
        stored.row.body = body;
        let provider = stored.row.key.parts().and_then(|(name, ..)| Provider::named(name)).unwrap();
        let mended = Provider { mapping_version: provider.mapping_version + 1, ..*provider };
        let event = read(&mended, &stored.row);
        if orders.takes(event.event_type.name()) {
            let id = format!("{};v{}", event.id, mended.mapping_version);
            corrections.push((stored.row.key.pk, Event { correctionof: Some(event.id), id, ..event }));
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
