//! Checks what must hold when everything has settled, against what the simulator knows and not what functions report.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge::keep::compression::decompress;
use edge::keep::item::StoredRow;
use webhook::claim::Strength;
use webhook::event::Event;
use webhook::providers::Provider;
use webhook::view::View;
use webhook::view::personal::without_personal;

use crate::assumptions::{TABLE_EVENTS, TABLE_ORDERS};
use crate::cloud::Cloud;
use crate::compare::compare;
use crate::erasure::erased;
use crate::executor::START_MS;
use crate::process::{ORDERS_QUEUE, queues};
use crate::queue::FifoQueue;
use crate::remapping::remapped;
use crate::rows::{Bodies, Hash, events, hash, id_of, sendable, stored};
use crate::table::string;
use crate::violation::Violation;
use crate::workload::{Sending, Workload};
use crate::world::Ledger;

/// A kept event as the check sees it.
struct KeptEvent {
    stored: StoredRow,
    event: Event,
    /// Its body was erased later.
    is_erased: bool,
}

/// Checks everything.
pub fn check(cloud: &Cloud, ledger: &Ledger, workload: &Workload) -> Vec<Violation> {
    let forgotten = cloud.stream.trimmed.iter().map(|item| format!("{}/{}", string(item, "pk"), string(item, "sk")));
    let forgotten = forgotten.collect();
    let mut checker = Checker { violations: cloud.broken.clone(), cloud, ledger, workload, forgotten };
    let kept = checker.rows();
    checker.acknowledged(&kept);
    checker.names(&kept);
    for queue in queues() {
        let takes = |event: &Event| queue.takes(event.event_type.name());
        let parked = checker.parked(&queue.url);
        checker.queue(&cloud.queues[&queue.url], &kept, takes, &parked);
    }
    checker.views(&kept);
    checker.violations.extend(compare(cloud, workload));
    checker.violations.extend(erased(cloud, workload));
    checker.violations.extend(cloud.facts.check(&cloud.tables, &cloud.queues[ORDERS_QUEUE]));
    checker.violations
}

struct Checker<'a> {
    violations: Vec<Violation>,
    cloud: &'a Cloud,
    ledger: &'a Ledger,
    workload: &'a Workload,
    /// Events that left the stream unread.
    forgotten: BTreeSet<String>,
}

impl Checker<'_> {
    fn found(&mut self, invariant: &'static str, found: String) {
        self.violations.push(Violation::new(invariant, found));
    }

    /// Returns the event rows in keeping order, each read once. Compares their bodies with those that were sent.
    fn rows(&mut self) -> Vec<KeptEvent> {
        let sent: HashMap<Hash, &Sending> =
            self.workload.sendings.iter().map(|sending| (sending.hash, sending)).collect();
        let bodies = Bodies::of(&self.cloud.insertions);
        let mut kept = Vec::new();
        for item in events(&self.cloud.insertions) {
            let id = format!("{}/{}", string(item, "pk"), string(item, "sk"));
            let Some(sending) = hash(item).and_then(|hash| sent.get(&hash)) else {
                self.found("only what was sent is kept", id);
                continue;
            };
            if sending.forgery.is_some() {
                self.found("nothing forged is kept as an event", id);
                continue;
            }
            let Some(mut stored) = stored(item) else {
                self.found("rows are readable", id);
                continue;
            };
            match bodies.body(item) {
                Some(body) if same(&body, &sending.body, stored.redacted.is_empty()) => stored.row.body = body,
                _ => self.found("kept byte for byte", id),
            }
            let provider = Provider::named(sending.provider.name).unwrap();
            let now = self.cloud.tables.item(TABLE_EVENTS, string(item, "pk"), string(item, "sk"));
            let is_erased = now.is_some_and(|item| item.contains_key("erased_at"));
            kept.push(KeptEvent { event: provider.read(&stored.row), stored, is_erased });
        }
        kept
    }

    /// Checks that every delivery answered 200 is kept, and that no forgery was answered so.
    fn acknowledged(&mut self, kept: &[KeptEvent]) {
        let hashes: BTreeSet<Hash> = kept.iter().map(|kept| kept.stored.row.hash).collect();
        for (number, hash) in &self.ledger.acknowledged {
            if !hashes.contains(hash) {
                self.found("what was answered 200 is kept", format!("delivery {number}"));
            }
        }
        for number in &self.ledger.forgeries_accepted {
            self.found("nothing forged is answered 200", format!("delivery {number}"));
        }
        let forgotten = self.cloud.stream.trimmed.len();
        if forgotten > 0 && self.workload.forgetting.is_none() {
            self.found("relayed before the stream forgets", format!("{forgotten} records"));
        }
    }

    /// Checks that names and happenings are one to one, and that no repeat has a second row.
    fn names(&mut self, kept: &[KeptEvent]) {
        let happening: HashMap<Hash, usize> =
            self.workload.sendings.iter().map(|sending| (sending.hash, sending.happening)).collect();
        let mut name_of: BTreeMap<usize, String> = BTreeMap::new();
        let mut owner_of: BTreeMap<String, usize> = BTreeMap::new();
        let mut rows_of: BTreeMap<Hash, Vec<&KeptEvent>> = BTreeMap::new();
        for row in kept {
            let number = happening[&row.stored.row.hash];
            let name = format!("{}/{}", row.stored.row.key.pk, base(&row.stored.row.key.sk));
            if *name_of.entry(number).or_insert_with(|| name.clone()) != name {
                self.found("one happening has one name", name.clone());
            }
            if *owner_of.entry(name.clone()).or_insert(number) != number {
                self.found("one name has one happening", name);
            }
            rows_of.entry(row.stored.row.hash).or_default().push(row);
        }
        for (hash, rows) in &rows_of {
            let strength = &self.workload.happenings[happening[hash]].strength;
            if let Some(found) = self.doubled(hash, rows, strength) {
                self.found("no repeat has a second row", found);
            }
        }
    }

    /// Returns what is wrong with the number of rows of one body.
    fn doubled(&self, hash: &Hash, rows: &[&KeptEvent], strength: &Strength) -> Option<String> {
        let id = rows.first().map(|row| row.event.id.clone()).unwrap_or_default();
        let count = rows.len();
        match strength {
            Strength::Strong => (count != 1).then(|| format!("{count} rows of {id}")),
            Strength::SignedTime(_) => {
                let times: BTreeSet<_> = rows.iter().map(|row| row.stored.row.signed_at.clone()).collect();
                if times.len() != count {
                    return Some(format!("{count} rows of {id} with {} signed times", times.len()));
                }
                let first = rows.iter().any(|row| row.stored.row.mark.is_none());
                let missing = |sending: &&Sending| {
                    sending.hash == *hash
                        && first
                        && self.is_acknowledged(sending.number)
                        && !times.contains(&signed(sending))
                };
                self.workload
                    .sendings
                    .iter()
                    .find(missing)
                    .map(|missing| format!("no row of {id} for {}", missing.number))
            }
            Strength::Horizon(horizon_ms) => {
                let mut received: Vec<i64> = rows.iter().map(|row| row.stored.row.received_ms).collect();
                received.sort_unstable();
                let close = received.windows(2).any(|pair| pair[1] - pair[0] <= *horizon_ms);
                // Marked rows of another body have no generations.
                let first = rows.iter().any(|row| row.stored.row.mark.is_none());
                let uncovered = self.ledger_times(hash).into_iter().any(|at_ms| {
                    first && !received.iter().any(|then| *then <= at_ms && at_ms - *then <= *horizon_ms + 5_000)
                });
                (close || uncovered).then(|| format!("{count} rows of {id}, received {received:?}"))
            }
        }
    }

    fn is_acknowledged(&self, number: u64) -> bool {
        self.ledger.acknowledged.iter().any(|(known, _)| *known == number)
    }

    fn ledger_times(&self, hash: &Hash) -> Vec<i64> {
        let times = self.ledger.acknowledged_ms.iter().filter(|(known, _)| known == hash);
        times.map(|(_, ms)| i64::try_from(START_MS + ms).unwrap()).collect()
    }

    /// Returns the events that the relay parked for a queue.
    fn parked(&self, queue_url: &str) -> BTreeSet<String> {
        let of_queue = self.cloud.dead_letters.iter().filter(|message| message["queue"] == queue_url);
        of_queue.map(|message| message["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Checks that every event reached every queue that takes it, whole, and the first arrivals of a group in order.
    fn queue(
        &mut self,
        queue: &FifoQueue,
        kept: &[KeptEvent],
        takes: impl Fn(&Event) -> bool,
        parked: &BTreeSet<String>,
    ) {
        let order: HashMap<&str, usize> =
            kept.iter().enumerate().map(|(index, kept)| (kept.event.id.as_str(), index)).collect();
        let corrections: BTreeSet<&str> = self.ledger.corrections.iter().map(|(_, event)| event.id.as_str()).collect();
        let mut arrived: BTreeSet<usize> = BTreeSet::new();
        let mut last_of: HashMap<&str, usize> = HashMap::new();
        let mut group_of: HashMap<&str, &str> = HashMap::new();
        for (group, body) in &queue.arrived {
            let id = id_of(body);
            if corrections.contains(id) {
                continue;
            }
            let Some(index) = order.get(id).copied() else {
                self.found("only kept events are relayed", id.to_owned());
                continue;
            };
            let kept = &kept[index];
            if !arrived.insert(index) {
                continue;
            }
            // An event that was erased while it waited goes out with the rest of it.
            if sendable(&kept.event) != *body && !kept.is_erased {
                self.found("what is relayed is what is kept", id.to_owned());
            }
            if *group_of.entry(kept.stored.row.key.pk.as_str()).or_insert(group) != group {
                self.found("an order has one group", id.to_owned());
            }
            let last = last_of.entry(group).or_insert(index);
            if *last > index && !parked.contains(id) && !self.forgotten.contains(id) {
                self.found("keeping order within a group", id.to_owned());
            }
            *last = (*last).max(index);
        }
        for (index, kept) in kept.iter().enumerate() {
            // What was erased is not swept.
            let is_gone = kept.is_erased && self.forgotten.contains(&kept.event.id);
            let there = arrived.contains(&index) || parked.contains(&kept.event.id) || is_gone;
            if takes(&kept.event) && !there {
                self.found("every kept event reaches its queues", kept.event.id.clone());
            }
        }
    }

    /// Checks that the views are those of the same rows applied once, in order, without faults.
    fn views(&mut self, kept: &[KeptEvent]) {
        let orders = &queues()[0];
        let mut expected: BTreeMap<&str, View> = BTreeMap::new();
        for kept in kept.iter().filter(|kept| orders.takes(kept.event.event_type.name())) {
            let view = View::of(&kept.event);
            let rest = if kept.is_erased { without_personal(view) } else { view };
            expected.entry(kept.stored.row.key.pk.as_str()).or_default().merge(rest);
        }
        // A rebuild reads its events with the changed mapping.
        for kept in kept.iter().filter(|kept| self.ledger.rebuilt.contains(&kept.stored.row.key)) {
            let remapped = remapped(&kept.stored.row.key);
            expected
                .entry(kept.stored.row.key.pk.as_str())
                .or_default()
                .merge(View::of(&remapped.read(&kept.stored.row)));
        }
        // A correction without its data is read by the functions' own mapping, and changes nothing.
        for (pk, event) in self.ledger.corrections.iter().filter(|(_, event)| event.dataref.is_none()) {
            expected.entry(pk).or_default().merge(View::of(event));
        }
        expected.retain(|_, view| !view.is_empty());
        let cloud = self.cloud;
        let mut found: BTreeMap<&str, View> = BTreeMap::new();
        for item in cloud.tables.items(TABLE_ORDERS) {
            let compressed = STANDARD.decode(item["view"]["B"].as_str().unwrap()).unwrap();
            let view = serde_json::from_slice(&decompress(&compressed).unwrap()).unwrap();
            found.insert(string(item, "pk"), view);
        }
        for (pk, view) in &expected {
            if found.get(pk) != Some(view) {
                self.found("the views are those of a faultless run", (*pk).to_owned());
            }
        }
        for pk in found.keys().filter(|pk| !expected.contains_key(*pk)) {
            self.found("there is no view of nothing", (*pk).to_owned());
        }
    }
}

/// Returns true if the kept bytes are the sent ones, except for values that the row names as redacted.
fn same(kept: &[u8], sent: &[u8], whole: bool) -> bool {
    if whole {
        return kept == sent;
    }
    let (kept, mut rest) = (String::from_utf8_lossy(kept), String::from_utf8_lossy(sent).into_owned());
    let mut pieces = kept.split("\"~cut\"");
    let first = pieces.next().unwrap_or_default();
    let Some(after) = rest.strip_prefix(first) else { return false };
    rest = after.to_owned();
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        // A redacted value is short: nothing else may be missing.
        if at > 400 {
            return false;
        }
        rest = rest[at + piece.len()..].to_owned();
    }
    rest.is_empty()
}

fn signed(sending: &Sending) -> Option<String> {
    let names = ["x-scalapay-timestamp", "x-shopline-developer-event-timestamp"];
    let sample = names.iter().find_map(|name| sending.template.headers.get(*name)).cloned();
    sending.signed_at.clone().or(sample)
}

/// Returns a sort key without the suffix that distinguishes further rows of one identity.
fn base(sk: &str) -> &str {
    let Some((name, variant)) = sk.rsplit_once('~').filter(|(name, _)| !name.ends_with('/')) else { return sk };
    let is_variant = match variant.as_bytes().first() {
        Some(b'b') => variant.len() == 33,
        Some(b't') => true,
        Some(first) => first.is_ascii_digit(),
        None => false,
    };
    if is_variant { name } else { sk }
}
