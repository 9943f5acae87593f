//! One order's events in the order in which they came, and what became of each in the order's view.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use webhook::view::View;

use crate::history::{EventLine, KeptEvent};

/// An event on an order's timeline.
#[derive(Debug, Clone, Serialize)]
pub struct Moment {
    /// The event in short.
    #[serde(flatten)]
    pub line: EventLine,
    /// True if it arrived after a later one that has one of the same fields.
    pub late: bool,
    /// True if later events have set all of its fields.
    pub superseded: bool,
    /// The number of the view's fields that are as it set them, and of those that it set.
    pub fields: (usize, usize),
    /// True if the stored view has it; none for events that say nothing of an order.
    pub joined: Option<bool>,
}

/// An order's events by time of receipt, and the view that they end in.
pub fn timeline(events: &[KeptEvent], stored: Option<&View>) -> (Vec<Moment>, View) {
    let views: Vec<View> = events.iter().map(|kept| kept.view.clone()).collect();
    let mut whole = View::default();
    for view in &views {
        whole.merge(view.clone());
    }
    let mut current: BTreeMap<&str, usize> = BTreeMap::new();
    whole.registers().for_each(|(_, register)| *current.entry(&register.event).or_default() += 1);
    let late = late(events, &views);
    let nothing = View::default();
    let mut moments: Vec<Moment> = events
        .iter()
        .zip(&views)
        .map(|(kept, view)| {
            let set = view.registers().count();
            let current = current.get(kept.event.id.as_str()).copied().unwrap_or_default();
            Moment {
                line: EventLine::of(kept),
                late: late.contains(&kept.event.id),
                superseded: set > 0 && current == 0,
                fields: (current, set),
                joined: (set > 0).then(|| !stored.unwrap_or(&nothing).clone().merge(view.clone())),
            }
        })
        .collect();
    moments.sort_by(|a, b| (&a.line.received, &a.line.sequence).cmp(&(&b.line.received, &b.line.sequence)));
    (moments, whole)
}

/// Returns the ids of events that arrived after a later one that has one of the same fields.
fn late(events: &[KeptEvent], views: &[View]) -> BTreeSet<String> {
    let mut by_arrival: Vec<(&KeptEvent, &View)> = events.iter().zip(views).collect();
    by_arrival.sort_by_key(|(kept, _)| (kept.received(), &kept.event.sequence));
    let mut standing: BTreeMap<&str, &str> = BTreeMap::new();
    let mut late = BTreeSet::new();
    for (kept, view) in by_arrival {
        for (path, register) in view.registers() {
            let latest = standing.entry(path).or_insert(&register.sequence);
            if *latest > register.sequence.as_str() {
                late.insert(kept.event.id.clone());
            } else {
                *latest = &register.sequence;
            }
        }
    }
    late
}
