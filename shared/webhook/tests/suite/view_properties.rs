//! The order view's join over real histories: permuted, duplicated, split, it always ends the same.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::cases;
use proptest::prelude::*;
use proptest::sample::Index;
use webhook::event::Event;
use webhook::row::Mark;
use webhook::view::{Refunded, View};

/// Every order of the samples with its events: real histories, of all providers.
pub(crate) static HISTORIES: LazyLock<Vec<Vec<Event>>> = LazyLock::new(|| {
    let mut histories: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for case in cases::all() {
        let row = case.row();
        let event = case.provider.read(&row);
        histories.entry(row.key.pk).or_default().push(event);
    }
    for answer in crate::snapshots::all() {
        let row = answer.row();
        histories.entry(row.key.pk.clone()).or_default().push(answer.provider.read(&row));
    }
    histories.into_values().filter(|events| events.iter().any(|event| !View::of(event).is_empty())).collect()
});

pub(crate) fn joined<'a>(events: impl IntoIterator<Item = &'a Event>) -> View {
    let mut view = View::default();
    for event in events {
        view.merge(View::of(event));
    }
    view
}

/// The first line in which two views differ: whole views are too long to compare by eye.
fn difference(one: &View, other: &View) -> Option<String> {
    let pretty = |view: &View| serde_json::to_string_pretty(view).unwrap();
    let in_text = cases::first_difference(&pretty(one), &pretty(other));
    in_text.or_else(|| (one != other).then(|| "what their JSON leaves out".to_owned()))
}

/// A history and its events picked in any order, any number of times, each at least once.
pub(crate) fn shuffled() -> impl Strategy<Value = (usize, Vec<Event>)> {
    (any::<Index>(), 0..6_usize).prop_flat_map(|(which, repeats)| {
        let number = which.index(HISTORIES.len());
        let history = HISTORIES[number].clone();
        let again = proptest::collection::vec(any::<Index>(), repeats);
        again
            .prop_map(move |again| {
                let repeated = again.iter().map(|index| history[index.index(history.len())].clone());
                history.iter().cloned().chain(repeated).collect::<Vec<_>>()
            })
            .prop_shuffle()
            .prop_map(move |events| (number, events))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_any_number_of_deliveries_end_the_same((number, events) in shuffled()) {
        prop_assert_eq!(difference(&joined(&events), &joined(&HISTORIES[number])), None);
    }

    #[test]
    fn the_join_is_commutative_associative_and_idempotent((_, events) in shuffled(), cuts in any::<(Index, Index)>()) {
        let (first, second) = (cuts.0.index(events.len() + 1), cuts.1.index(events.len() + 1));
        let (first, second) = (first.min(second), first.max(second));
        let (a, b, c) = (joined(&events[..first]), joined(&events[first..second]), joined(&events[second..]));
        let merged = |into: &View, other: &View| {
            let mut into = into.clone();
            into.merge(other.clone());
            into
        };
        prop_assert_eq!(difference(&merged(&a, &b), &merged(&b, &a)), None);
        prop_assert_eq!(difference(&merged(&merged(&a, &b), &c), &merged(&a, &merged(&b, &c))), None);
        let mut again = a.clone();
        prop_assert!(!again.merge(a.clone()), "a merge with itself changed something");
        prop_assert_eq!(difference(&again, &a), None);
    }

    #[test]
    fn stored_views_read_back((_, events) in shuffled()) {
        let view = joined(&events);
        let stored = serde_json::to_string(&view).unwrap();
        prop_assert_eq!(difference(&serde_json::from_str(&stored).unwrap(), &view), None);
    }
}

#[test]
fn every_register_is_known_to_stay_or_to_go_when_a_buyer_is_forgotten() {
    use webhook::personal::{ERASED, KEPT, is_listed};
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for history in HISTORIES.iter() {
        for (path, _) in joined(history).registers() {
            let (stays, goes) = (is_listed(KEPT, path), is_listed(ERASED, path));
            assert!(stays != goes, "{path}: name it in KEPT or in ERASED of webhook::personal");
            let named = KEPT.iter().chain(ERASED).filter(|pattern| is_listed(&[pattern], path));
            named.for_each(|pattern| *seen.entry(pattern).or_default() += 1);
        }
    }
    assert!(seen.len() > 40, "the samples have few registers: {seen:?}");
}

#[test]
fn what_was_erased_stays_erased_and_keeps_its_place() {
    for history in HISTORIES.iter() {
        let whole = joined(history);
        let erased = webhook::personal::without_personal(whole.clone());
        let text = serde_json::to_string(&erased).unwrap();
        assert!(
            erased.registers().all(|(path, register)| webhook::personal::is_kept(path) || register.value.is_null())
        );
        let names = ["/name", "/email", "/phone", "/line1"];
        let of_buyer = |path: &str| path.contains("customer/") && names.iter().any(|name| path.ends_with(name));
        for (path, register) in whole.registers().filter(|(path, _)| of_buyer(path)) {
            let value = register.value.as_str().unwrap_or_default();
            assert!(value.len() < 5 || !text.contains(value), "{path}: {value}");
        }
        assert_eq!(erased.summary(), whole.summary());
        let mut again = erased.clone();
        assert!(!again.merge(whole), "the same events brought something back");
    }
}

#[test]
fn a_correction_is_placed_where_its_event_is() {
    for history in HISTORIES.iter() {
        let corrections: Vec<Event> = history.iter().cloned().map(Event::into_correction).collect();
        assert_eq!(difference(&joined(&corrections), &joined(history)), None);
    }
}

#[test]
fn histories_are_worth_permuting() {
    let longest = HISTORIES.iter().map(Vec::len).max().unwrap();
    assert!(HISTORIES.len() > 20 && longest >= 8, "{} histories, the longest of {longest}", HISTORIES.len());
}

#[test]
fn a_possible_repeat_is_never_added_to_a_sum() {
    let case = cases::one("scalapay", "refunded.with_details");
    let first = case.row();
    let mut again = first.clone();
    again.key.sk.push_str("~t5");
    again.mark = Some(Mark::PossiblyRepeated);
    let refunded =
        |rows: &[_]| joined(&rows.iter().map(|row| case.provider.read(row)).collect::<Vec<_>>()).summary().refunded;
    let once = refunded(std::slice::from_ref(&first));
    assert!(matches!(once, Refunded::Amount(_)), "{once:?}");
    assert_eq!(refunded(&[first, again]), once);
}

#[test]
fn a_better_mapping_overrides_an_older_one_at_the_same_place() {
    let case = cases::one("scalev", "order.updated.2025");
    let old = case.provider.read(&case.row());
    let newer = webhook::providers::Provider {
        mapping_version: case.provider.mapping_version + 1,
        ..webhook::providers::SCALEV
    };
    let mut new = newer.read(&case.row());
    assert_eq!(old.id, new.id, "a mapping does not change a name");
    assert!(new.sequence > old.sequence);
    let Some(webhook::event::Data::Order(order)) = &mut new.data else { panic!() };
    order.notes = webhook::presence::Presence::Value("read better".into());
    for events in [[&old, &new], [&new, &old]] {
        assert_eq!(joined(events).render()["order"]["notes"], "read better");
    }
}
