//! An operator's redrive of what the relay parked for the decisive queue, as the tool does it.

use edge::aws::queue::group_of;
use webhook::claim::EventKey;
use webhook::providers::Provider;

use crate::assumptions::TABLE_EVENTS;
use crate::cloud::Cloud;
use crate::process::ORDERS_QUEUE;
use crate::rows::{held_by, sendable, stored};

/// Sends the events of the dead letters from this one on. Returns the number of dead letters.
pub fn redrive_parked(cloud: &mut Cloud, from: usize, now_ms: u64) -> usize {
    let parked = cloud.dead_letters.iter().skip(from).filter(|message| message["queue"] == ORDERS_QUEUE);
    let ids: Vec<String> = parked.map(|message| message["id"].as_str().unwrap().to_owned()).collect();
    for id in ids {
        let key = EventKey::from_id(&id).unwrap();
        let item = cloud.tables.item(TABLE_EVENTS, &key.pk, &key.sk).unwrap();
        // What was erased meanwhile is deleted and not sent.
        let Some(body) = held_by(&cloud.tables, item) else { continue };
        let mut stored = stored(item).unwrap();
        stored.row.body = body;
        let message = sendable(&Provider::of(&key).unwrap().read(&stored.row));
        let queue = cloud.queues.get_mut(ORDERS_QUEUE).unwrap();
        queue.send(&group_of(&key.pk), &format!("redriven {id}"), &message, now_ms);
    }
    cloud.dead_letters.len()
}
