//! The record of what was announced of an order, and the difference between it and the facts.
//!
//! It is written together with the view. Its numbers count the changes of each fact, so that each change has one id for
//! ever: `<order>;<fact>;<number>`.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::facts::name::{FactName, FactValue};
use crate::facts::table::Facts;
use crate::read::event::corrected;
use crate::view::{LEFT_OUT, View};

/// The announcements, by the fact's code. A code that this build does not know is from a later one and stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Announced(BTreeMap<u64, Announcement>);

/// The latest announcement of one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The value that was announced.
    pub value: FactValue,
    /// The value before.
    pub former: FactValue,
    /// The number of this change, from 1; 0 for a value that was found when announcing began, and not announced.
    pub number: u64,
    /// The id of the event that caused it; empty if the number is 0. Of an event whose values were all replaced since,
    /// the record keeps an abbreviation: [`Announcement::is_caused_by`] knows both.
    pub cause: String,
    /// It was caused by an event that the operator had sent again.
    pub by_replay: bool,
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
    /// It was disowned on its way here: it contributes nothing, and nothing that it caused is repeated as holding.
    pub is_disowned: bool,
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
        Announced(holding.map(|(fact, value)| (fact.code(), Announcement::adopted(value))).collect())
    }

    /// The announced facts.
    pub fn facts(&self) -> Facts {
        let value = |fact: FactName| Some((fact, self.of(fact)?.value));
        FactName::ALL.iter().copied().filter_map(value).collect()
    }

    /// The latest announcement of a fact; `None` if it never held.
    pub fn of(&self, fact: FactName) -> Option<&Announcement> {
        self.0.get(&fact.code())
    }

    /// The latest change of every fact that was announced.
    pub fn changes(&self) -> impl Iterator<Item = FactChange> {
        let of_fact = |fact: &FactName| {
            let announcement = self.of(*fact).filter(|announcement| announcement.number > 0)?;
            Some(FactChange { fact: *fact, announcement: announcement.clone() })
        };
        FactName::ALL.iter().filter_map(of_fact)
    }

    /// The changes that one of these events caused: if such an event comes again, nobody knows that they were sent.
    /// An event that the operator sends again repeats only what it caused as such.
    pub fn caused_by(&self, events: &[Joining]) -> Vec<FactChange> {
        let caused = |FactChange { fact, announcement }: FactChange| {
            let is_cause = |event: &&Joining| {
                let is_untrue = event.is_disowned && announcement.value.holds();
                announcement.is_caused_by(&event.id) && (announcement.by_replay || !event.is_replay) && !is_untrue
            };
            let cause = events.iter().find(is_cause)?.id.clone();
            Some(FactChange { fact, announcement: Announcement { cause, ..announcement } })
        };
        self.changes().filter_map(caused).collect()
    }

    /// Returns what is to be announced of a view: its facts. Where it is too large for its row, a part of it is left out,
    /// and then a fact that was announced does not cease, and no sum is known.
    pub fn due(&self, view: &View) -> Facts {
        let facts = Facts::of(view);
        if view.value(LEFT_OUT).is_none() {
            return facts;
        }
        let known = self.facts();
        let value = |(fact, value)| match value {
            FactValue::No if fact != FactName::PaymentFailed => (fact, known.value(fact)),
            FactValue::Sum(_) => (fact, FactValue::UnknownSum),
            FactValue::No | FactValue::Yes | FactValue::UnknownSum => (fact, value),
        };
        facts.iter().map(value).collect()
    }

    /// Brings the record to these facts. Returns what has to be announced.
    fn bring_to(&mut self, facts: &Facts, cause: impl Fn(FactName) -> Option<(String, bool)>) -> Vec<FactChange> {
        let known = self.facts();
        let mut changes = Vec::new();
        for (fact, value) in facts.iter().filter(|(fact, value)| known.value(*fact) != *value) {
            let Some((cause, by_replay)) = cause(fact) else { continue };
            let number = self.of(fact).map_or(0, |announcement| announcement.number) + 1;
            let announcement = Announcement { value, former: known.value(fact), number, cause, by_replay };
            self.0.insert(fact.code(), announcement.clone());
            changes.push(FactChange { fact, announcement });
        }
        changes
    }
}

impl Announcement {
    fn adopted(value: FactValue) -> Self {
        Announcement { value, former: FactValue::No, number: 0, cause: String::new(), by_replay: false }
    }

    /// Returns whether the event with this id caused the change.
    pub fn is_caused_by(&self, id: &str) -> bool {
        self.number > 0 && (self.cause == id || self.cause == abbreviated(id))
    }

    /// Returns the cause's whole id, found among the ids of the order's events; `None` if it is not there.
    pub fn cause_among<'a>(&self, mut ids: impl Iterator<Item = &'a str>) -> Option<String> {
        let version = corrected_version(&self.cause);
        ids.find_map(|id| Some(format!("{id}{version}")).filter(|id| self.is_caused_by(id)))
    }
}

/// Returns the short form of an event's id: enough of its hash to distinguish the events of one order.
fn abbreviated(id: &str) -> String {
    let version = corrected_version(id);
    let digest = hex::encode(Sha256::digest(id.strip_suffix(version).unwrap_or(id)));
    format!("{}{version}", digest.get(..ABBREVIATION).unwrap_or_default())
}

/// Returns the end of a correction's id, which names a mapping; empty for any other.
fn corrected_version(id: &str) -> &str {
    corrected(id).and_then(|(event, _)| id.get(event.len()..)).unwrap_or_default()
}

const ABBREVIATION: usize = 12;

impl FactChange {
    /// The id of the change: `<order>;<fact>;<number>`.
    pub fn id(&self, order: &str) -> String {
        format!("{order};{};{}", self.fact.name(), self.announcement.number)
    }
}

/// Joins events into a view, in their order, and compares the facts of the result with what was announced.
///
/// A change is caused by the event that gave the fact its value. Where none of them did, as after a rebuild, the last
/// one stands for the occasion. Without a record, what the view says already is taken as known. `fit` changes the view
/// before it is compared: the table has limits.
pub fn join(view: View, announced: Option<Announced>, events: &[Joining], fit: impl FnOnce(&mut View)) -> Joined {
    let mut facts = Facts::of(&view);
    let mut announced = announced.unwrap_or_else(|| Announced::adopted(&facts));
    let mut joined = view;
    let mut is_change = false;
    let mut causes: BTreeMap<FactName, &Joining> = BTreeMap::new();
    for event in events {
        if !event.is_disowned && joined.merge(event.view.clone()) {
            is_change = true;
            let now = Facts::of(&joined);
            let changed = now.iter().filter(|(fact, value)| facts.value(*fact) != *value);
            causes.extend(changed.map(|(fact, _)| (fact, event)));
            facts = now;
        }
    }
    if is_change {
        fit(&mut joined);
    }
    let cause = |fact| causes.get(&fact).copied().or(events.last()).map(|event| (event.id.clone(), event.is_replay));
    let changes = announced.bring_to(&announced.due(&joined), cause);
    is_change |= !changes.is_empty();
    Joined { view: joined, announced, changes, is_change }
}

/// A view as JSON, with the record of what was announced of it.
///
/// The record is short, or a view would need another write unit: a fact that held from its first change on is one number,
/// a hundred times the place of its cause in the view's list of events, and the fact's code. Any other is `[code, cause,
/// number, value, former, by replay]`, what is usual at the end left out, the cause abbreviated where it has no place.
pub fn to_json(view: &View, announced: Option<&Announced>) -> Result<Vec<u8>, serde_json::Error> {
    view.to_json_with(|events| {
        let stored = |(code, announcement): (&u64, &Announcement)| announcement.stored(*code, events);
        Some(Value::Array(announced?.0.iter().map(stored).collect()))
    })
}

/// Reads what [`to_json`] wrote.
pub fn from_json(json: &[u8]) -> Result<(View, Option<Announced>), serde_json::Error> {
    let (view, stored, events) = View::from_json_with::<Option<Vec<Value>>>(json)?;
    let read = |announcements: Vec<Value>| -> Option<Announced> {
        let announcements = announcements.iter().map(|stored| Announcement::of_stored(stored, &events));
        announcements.collect::<Option<_>>().map(Announced)
    };
    let malformed = || serde::de::Error::custom("what was announced of it is malformed");
    let announced = stored.map(|stored| read(stored).ok_or_else(malformed)).transpose()?;
    Ok((view, announced))
}

/// Codes are less than this, so that one number has a code and a place.
const PLACE: u64 = 100;

impl Announcement {
    fn stored(&self, code: u64, events: &[(String, String)]) -> Value {
        let place = events.iter().position(|(_, id)| *id == self.cause).and_then(|place| u64::try_from(place).ok());
        let is_whole = self.cause.contains('/');
        let cause = if is_whole { abbreviated(&self.cause) } else { self.cause.clone() };
        let cause = place.map_or_else(|| Value::from(cause), Value::from);
        let (value, former) = (Value::from(self.value), Value::from(self.former));
        let mut stored = vec![code.into(), cause, self.number.into(), value, former, self.by_replay.into()];
        let usual = [Value::from(1), true.into(), false.into(), false.into()];
        let unusual = stored.iter().skip(2).zip(&usual).rposition(|(found, usual)| found != usual);
        if let (None, Some(place)) = (unusual, place) {
            return (place * PLACE + code).into();
        }
        stored.truncate(unusual.map_or(2, |last| last + 3));
        Value::Array(stored)
    }

    fn of_stored(stored: &Value, events: &[(String, String)]) -> Option<(u64, Self)> {
        let numbers = stored.as_u64().map(|number| [Value::from(number % PLACE), (number / PLACE).into()]);
        let stored = numbers.as_ref().map(<[Value; 2]>::as_slice).or_else(|| stored.as_array().map(Vec::as_slice))?;
        let (code, cause) = (stored.first()?.as_u64()?, stored.get(1)?);
        let cause = match cause.as_u64() {
            Some(place) => events.get(usize::try_from(place).ok()?)?.1.clone(),
            None => cause.as_str()?.to_owned(),
        };
        let value = |at: usize, usual: bool| match stored.get(at) {
            Some(value) => FactValue::try_from(value.clone()).ok(),
            None => Some(usual.into()),
        };
        let announcement = Announcement {
            value: value(3, true)?,
            former: value(4, false)?,
            number: stored.get(2).map_or(Some(1), Value::as_u64)?,
            cause,
            by_replay: stored.get(5).is_some_and(|flag| flag == &Value::Bool(true)),
        };
        Some((code, announcement))
    }
}
