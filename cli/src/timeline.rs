//! One order's events in the order in which they came, and what became of each in the order's view.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use webhook::event::Data;
use webhook::view::View;

use crate::commands::events::EventLine;
use crate::history::KeptEvent;

/// An event on an order's timeline.
#[derive(Debug, Clone, Serialize)]
pub struct Moment {
    /// The event in short.
    #[serde(flatten)]
    pub line: EventLine,
    /// It came after one of the same payment, fulfilment … that stands later.
    pub late: bool,
    /// Later events have told everything that it says.
    pub superseded: bool,
    /// How many of the view's fields are as it told them, and how many it told.
    pub fields: (usize, usize),
    /// Whether the stored view has it; none for events that say nothing of an order.
    pub joined: Option<bool>,
}

/// An order's events by time of receipt, and the view that they end in.
pub fn timeline(events: &[KeptEvent], stored: Option<&View>) -> (Vec<Moment>, View) {
    let views: Vec<View> = events.iter().map(|kept| View::of(&kept.event)).collect();
    let mut whole = View::default();
    for view in &views {
        whole.merge(view.clone());
    }
    let mut current: BTreeMap<&str, usize> = BTreeMap::new();
    whole.registers().for_each(|(_, register)| *current.entry(&register.event).or_default() += 1);
    let late = late(events);
    let nothing = View::default();
    let mut moments: Vec<Moment> = events
        .iter()
        .zip(&views)
        .map(|(kept, view)| {
            let told = view.registers().count();
            let current = current.get(kept.event.id.as_str()).copied().unwrap_or_default();
            Moment {
                line: EventLine::of(kept),
                late: late.contains(&kept.event.id),
                superseded: told > 0 && current == 0,
                fields: (current, told),
                joined: (told > 0).then(|| !stored.unwrap_or(&nothing).clone().merge(view.clone())),
            }
        })
        .collect();
    moments.sort_by(|a, b| (&a.line.received, &a.line.sequence).cmp(&(&b.line.received, &b.line.sequence)));
    (moments, whole)
}

/// The ids of events that came after one that stands later and is about the same thing.
fn late(events: &[KeptEvent]) -> BTreeSet<String> {
    let mut by_arrival: Vec<&KeptEvent> = events.iter().collect();
    by_arrival.sort_by_key(|kept| (kept.received(), &kept.event.sequence));
    let mut latest: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let mut late = BTreeSet::new();
    for kept in by_arrival {
        let event = &kept.event;
        let standing = latest.entry(about(kept)).or_insert(&event.sequence);
        if *standing > event.sequence.as_str() {
            late.insert(event.id.clone());
        } else {
            *standing = &event.sequence;
        }
    }
    late
}

/// What an event is about within its order: the kind of thing, and which.
fn about(kept: &KeptEvent) -> (&'static str, &str) {
    match &kept.event.data {
        Some(Data::Order(_)) => ("order", ""),
        Some(Data::Payment(payment)) => ("payment", payment.id.as_deref().unwrap_or_default()),
        Some(Data::Fulfillment(fulfillment)) => ("fulfillment", fulfillment.id.as_deref().unwrap_or_default()),
        Some(Data::Return(returned)) => ("return", returned.id.as_deref().unwrap_or_default()),
        Some(Data::Customer(_)) => ("customer", ""),
        Some(Data::Product(_)) => ("product", ""),
        Some(Data::Checkout(_)) => ("checkout", ""),
        Some(Data::App(_)) => ("app", ""),
        Some(Data::Other {}) | None => ("other", ""),
    }
}
