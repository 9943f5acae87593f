//! The record of what was announced of an order, and the difference between it and the facts.
//!
//! It is written together with the view. Its numbers count the changes of each fact, so that each change has one id for
//! ever: `<order>;<fact>;<number>`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::facts::name::{FactName, FactValue};
use crate::facts::table::Facts;
use crate::view::View;

/// The announcements, by the fact's name. A name that this build does not know is from a later one and stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Announced(BTreeMap<String, Announcement>);

/// The latest announcement of one fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredAnnouncement", into = "StoredAnnouncement")]
pub struct Announcement {
    /// The value that was announced.
    pub value: FactValue,
    /// The value before.
    pub former: FactValue,
    /// The number of this change, from 1; 0 for a value that was found when announcing began, and not announced.
    pub number: u64,
    /// The id of the event that caused it; empty if the number is 0.
    pub cause: String,
    /// It was caused by an event that the operator had sent again.
    pub by_replay: bool,
}

/// As in the table: value, former value, number, cause, and only if true the last flag.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredAnnouncement {
    Usual(FactValue, FactValue, u64, String),
    ByReplay(FactValue, FactValue, u64, String, bool),
}

/// An announced change of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactChange {
    /// The fact.
    pub fact: FactName,
    /// Its announcement.
    pub announcement: Announcement,
}

/// An event that is joined into a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joining {
    /// Its id.
    pub id: String,
    /// It was sent again by the operator.
    pub is_replay: bool,
    /// Its contribution.
    pub view: View,
}

/// The result of joining events into a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The view.
    pub view: View,
    /// The announcements of it.
    pub announced: Announced,
    /// The changes between the record of before and this one.
    pub changes: Vec<FactChange>,
    /// True if the view or the record differs from the one before.
    pub is_change: bool,
}

impl Announced {
    /// The record of a view that is older than announcing: its facts are taken as known, and only changes announced.
    pub fn adopted(facts: &Facts) -> Self {
        let holding = facts.iter().filter(|(_, value)| value.holds());
        Announced(holding.map(|(fact, value)| (fact.name().to_owned(), Announcement::adopted(value))).collect())
    }

    /// The announced facts.
    pub fn facts(&self) -> Facts {
        let named = self.0.iter().filter_map(|(name, announcement)| Some((FactName::from_name(name)?, announcement)));
        named.map(|(fact, announcement)| (fact, announcement.value)).collect()
    }

    /// The latest announcement of a fact; `None` if it never held.
    pub fn of(&self, fact: FactName) -> Option<&Announcement> {
        self.0.get(fact.name())
    }

    /// The changes that one of these events caused: if such an event comes again, nobody knows that they were sent.
    /// An event that the operator sends again repeats only what it caused as such.
    pub fn caused_by(&self, events: &[Joining]) -> Vec<FactChange> {
        let is_cause = |announcement: &Announcement, event: &Joining| {
            announcement.cause == event.id && (announcement.by_replay || !event.is_replay)
        };
        let of_fact = |fact: &FactName| {
            let announcement = self.of(*fact).filter(|announcement| announcement.number > 0)?;
            let caused = events.iter().any(|event| is_cause(announcement, event));
            caused.then(|| FactChange { fact: *fact, announcement: announcement.clone() })
        };
        FactName::ALL.iter().filter_map(of_fact).collect()
    }

    /// Brings the record to these facts. Returns what has to be announced.
    fn bring_to(&mut self, facts: &Facts, cause: impl Fn(FactName) -> Option<(String, bool)>) -> Vec<FactChange> {
        let known = self.facts();
        let mut changes = Vec::new();
        for (fact, value) in facts.iter().filter(|(fact, value)| known.value(*fact) != *value) {
            let Some((cause, by_replay)) = cause(fact) else { continue };
            let number = self.of(fact).map_or(0, |announcement| announcement.number) + 1;
            let announcement = Announcement { value, former: known.value(fact), number, cause, by_replay };
            self.0.insert(fact.name().to_owned(), announcement.clone());
            changes.push(FactChange { fact, announcement });
        }
        changes
    }
}

impl Announcement {
    fn adopted(value: FactValue) -> Self {
        Announcement { value, former: FactValue::No, number: 0, cause: String::new(), by_replay: false }
    }
}

impl FactChange {
    /// The id of the change: `<order>;<fact>;<number>`.
    pub fn id(&self, order: &str) -> String {
        format!("{order};{};{}", self.fact.name(), self.announcement.number)
    }
}

/// Joins events into a view, in their order, and compares the facts of the result with what was announced.
///
/// A change is caused by the event that gave the fact its value. Where none of them did, as after a rebuild, the last
/// one stands for the occasion. Without a record, what the view says already is taken as known.
pub fn join(view: View, announced: Option<Announced>, events: &[Joining]) -> Joined {
    let mut facts = Facts::of(&view);
    let mut announced = announced.unwrap_or_else(|| Announced::adopted(&facts));
    let mut joined = view;
    let mut is_change = false;
    let mut causes: BTreeMap<FactName, &Joining> = BTreeMap::new();
    for event in events {
        if joined.merge(event.view.clone()) {
            is_change = true;
            let now = Facts::of(&joined);
            let changed = now.iter().filter(|(fact, value)| facts.value(*fact) != *value);
            causes.extend(changed.map(|(fact, _)| (fact, event)));
            facts = now;
        }
    }
    let cause = |fact| causes.get(&fact).copied().or(events.last()).map(|event| (event.id.clone(), event.is_replay));
    let changes = announced.bring_to(&facts, cause);
    is_change |= !changes.is_empty();
    Joined { view: joined, announced, changes, is_change }
}

impl From<StoredAnnouncement> for Announcement {
    fn from(stored: StoredAnnouncement) -> Self {
        let (value, former, number, cause, by_replay) = match stored {
            StoredAnnouncement::Usual(value, former, number, cause) => (value, former, number, cause, false),
            StoredAnnouncement::ByReplay(value, former, number, cause, by_replay) => {
                (value, former, number, cause, by_replay)
            }
        };
        Announcement { value, former, number, cause, by_replay }
    }
}

impl From<Announcement> for StoredAnnouncement {
    fn from(announcement: Announcement) -> Self {
        let Announcement { value, former, number, cause, by_replay } = announcement;
        if by_replay {
            StoredAnnouncement::ByReplay(value, former, number, cause, by_replay)
        } else {
            StoredAnnouncement::Usual(value, former, number, cause)
        }
    }
}
