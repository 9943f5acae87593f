//! The rows that an erasure has to leave, and those that it may not leave, in the tables as they are at the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use edge::keep::compression::decompress;
use sha2::{Digest, Sha256};

use crate::assumptions::TABLE_EVENTS;
use crate::cloud::Cloud;
use crate::rows::{Hash, event_items, hash, held_by, inline};
use crate::table::{JsonItem, ms_of, string};
use crate::violation::Violation;
use crate::workload::{ErasurePlan, Workload};

/// Between a delivery's arrival and the last moment at which its row is written.
const LATE_MS: i64 = 3 * 60_000;

/// Checks that no erased body is in any table, and that every other one is whole.
pub fn erased(cloud: &Cloud, workload: &Workload) -> Vec<Violation> {
    let mut violations = Vec::new();
    let sent: HashMap<Hash, &[u8]> =
        workload.sendings.iter().map(|sending| (sending.hash, sending.body.as_slice())).collect();
    let order_of: HashMap<Hash, u64> = workload.sendings.iter().map(|sending| (sending.hash, sending.order)).collect();
    // What names no order shares a partition with the like of other orders.
    let mut orders_of: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for item in event_items(&cloud.tables) {
        let order = hash(item).and_then(|hash| order_of.get(&hash));
        orders_of.entry(string(item, "pk")).or_default().extend(order);
    }
    let (mut gone, mut needed): (BTreeSet<Hash>, BTreeSet<Hash>) = Default::default();
    for item in event_items(&cloud.tables) {
        let Some(hash) = hash(item) else { continue };
        let id = format!("{}/{}", string(item, "pk"), string(item, "sk"));
        let plans = workload.erasures.iter().filter(|plan| orders_of[string(item, "pk")].contains(&plan.order));
        let mut befores = plans.map(ErasurePlan::before_ms);
        let received_ms = ms_of(string(item, "received_at"));
        if item.contains_key("erased_at") {
            gone.insert(hash);
            if !befores.any(|(before_ms, by_age)| !by_age || received_ms < before_ms) {
                violations.push(Violation::new("nothing younger is erased", id));
            }
            continue;
        }
        // A row may be written a while after its delivery came; a partition of several orders may be new to an erasure.
        let is_one = orders_of[string(item, "pk")].len() == 1;
        let is_due = is_one && befores.any(|(before_ms, _)| received_ms + LATE_MS < before_ms);
        if is_due && !is_borrowed(cloud, item) {
            violations.push(Violation::new("what was to be erased is erased", id.clone()));
        }
        needed.insert(hash);
        let is_redacted = item.contains_key("cut");
        let body = held_by(&cloud.tables, item);
        let is_whole = body.is_some_and(|body| is_redacted || sent.get(&hash).is_some_and(|sent| *sent == body));
        if !is_whole {
            violations.push(Violation::new("what is not erased is whole", id));
        }
    }
    let left = bodies_left(cloud);
    for hash in gone.difference(&needed) {
        if let Some(place) = left.get(hash) {
            violations.push(Violation::new("what is erased is in no table", place.clone()));
        }
    }
    violations
}

/// Returns true if another row, which is not erased, has this one's body.
fn is_borrowed(cloud: &Cloud, item: &JsonItem) -> bool {
    let refers =
        |other: &JsonItem| string(other, "pk") == string(item, "pk") && string(other, "body_of") == string(item, "sk");
    event_items(&cloud.tables).any(refers)
}

/// Returns every body that is in the table of events, in rows or in chunks that nothing may refer to any more, by hash.
fn bodies_left(cloud: &Cloud) -> BTreeMap<Hash, String> {
    let mut left = BTreeMap::new();
    let mut chunks: BTreeMap<&str, BTreeMap<u32, Vec<u8>>> = BTreeMap::new();
    for item in cloud.tables.items(TABLE_EVENTS) {
        let pk = string(item, "pk");
        // Refused deliveries end by themselves after three days.
        if ["refused", "relayed", "watch"].contains(&string(item, "kind")) {
            continue;
        }
        let Some(bytes) = inline(item) else { continue };
        if let Some((name, number)) = pk.strip_prefix("chunk/").and_then(|rest| rest.rsplit_once('/')) {
            chunks.entry(name).or_default().insert(number.parse().unwrap(), bytes);
        } else if let Ok(body) = decompress(&bytes) {
            left.insert(Sha256::digest(&body).into(), format!("{pk} {}", string(item, "sk")));
        }
    }
    for (name, pieces) in chunks {
        if let Ok(body) = decompress(&pieces.into_values().collect::<Vec<_>>().concat()) {
            left.insert(Sha256::digest(&body).into(), format!("chunk/{name}"));
        }
    }
    left
}
