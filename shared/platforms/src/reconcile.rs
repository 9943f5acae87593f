//! What a provider has beside what we hold.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use webhook::money::Amount;

use crate::order::{Order, Refund, Refunds};

/// An order as we hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The provider's id of it.
    pub id: String,
    /// The latest time of change that an event told.
    pub updated_at: Option<Timestamp>,
    /// The refunds that we know, by the provider's id, with their amounts where those are known.
    pub refunds: BTreeMap<String, Option<Amount>>,
}

/// One of the provider's orders beside ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison<'a> {
    /// The provider's.
    pub order: &'a Order,
    /// How ours stands to it.
    pub standing: Standing,
}

/// How what we hold stands to what the provider has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// We hold nothing of it: fetch and keep it.
    Missing,
    /// The provider's is newer, or has a refund that ours lacks or has otherwise: fetch and keep it.
    Behind,
    /// Ours is as new.
    Equal,
    /// Ours is newer: a webhook came after the provider's list was made.
    Ahead,
    /// No time on one of the two sides, or no id: only the bodies could tell.
    Unknown,
}

impl Standing {
    /// The word for it, in figures and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Missing => "missing",
            Standing::Behind => "behind",
            Standing::Equal => "equal",
            Standing::Ahead => "ahead",
            Standing::Unknown => "unknown",
        }
    }

    /// Whether the provider's order is to be kept.
    pub fn needs_fetching(self) -> bool {
        match self {
            Standing::Missing | Standing::Behind | Standing::Unknown => true,
            Standing::Equal | Standing::Ahead => false,
        }
    }
}

/// Compares the provider's orders with ours: one comparison an order, in the provider's order.
///
/// Lists that are paged while orders change tell some of them twice: the newest telling counts.
pub fn compare<'a>(theirs: &'a [Order], ours: &[Held]) -> Vec<Comparison<'a>> {
    let ours: BTreeMap<&str, &Held> = ours.iter().map(|held| (held.id.as_str(), held)).collect();
    let mut newest: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, order) in theirs.iter().enumerate() {
        let Some(id) = order.id.as_deref() else { continue };
        let known = newest.get(id).and_then(|known| theirs.get(*known));
        if known.is_none_or(|known| known.updated_at <= order.updated_at) {
            newest.insert(id, index);
        }
    }
    let counts = |index: usize, order: &Order| {
        order.id.as_deref().is_none_or(|id| newest.get(id).is_some_and(|newest| *newest == index))
    };
    let counted = theirs.iter().enumerate().filter(|(index, order)| counts(*index, order));
    counted.map(|(_, order)| Comparison { order, standing: standing(order, &ours) }).collect()
}

/// Those of ours that the provider's list lacks, though they changed within its time: deleted or archived there, moved
/// on since, or never the provider's.
pub fn only_ours<'a>(theirs: &[Order], ours: &'a [Held]) -> Vec<&'a Held> {
    let theirs: BTreeSet<&str> = theirs.iter().filter_map(|order| order.id.as_deref()).collect();
    ours.iter().filter(|held| !theirs.contains(held.id.as_str())).collect()
}

fn standing(order: &Order, ours: &BTreeMap<&str, &Held>) -> Standing {
    let Some(id) = order.id.as_deref() else { return Standing::Unknown };
    let Some(held) = ours.get(id) else { return Standing::Missing };
    if lacks_refund(&order.refunds, held) {
        return Standing::Behind;
    }
    match (order.updated_at, held.updated_at) {
        (Some(theirs), Some(ours)) if theirs > ours => Standing::Behind,
        (Some(theirs), Some(ours)) if theirs == ours => Standing::Equal,
        (Some(_), Some(_)) => Standing::Ahead,
        (None, _) | (_, None) => Standing::Unknown,
    }
}

fn lacks_refund(theirs: &Refunds, held: &Held) -> bool {
    // An amount that the provider does not tell makes no known one wrong.
    let otherwise = |refund: &Refund, ours: &Option<Amount>| refund.amount.is_some() && refund.amount != *ours;
    match theirs {
        Refunds::Unknown => false,
        Refunds::Told(refunds) => {
            refunds.iter().any(|(id, refund)| held.refunds.get(id).is_none_or(|ours| otherwise(refund, ours)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::Raw;

    fn order(id: Option<&str>, updated_at: Option<&str>) -> Order {
        Order {
            id: id.map(str::to_owned),
            alias: None,
            updated_at: updated_at.map(|time| time.parse().unwrap()),
            refunds: Refunds::Unknown,
            raw: Raw::default(),
        }
    }

    fn held(id: &str, updated_at: Option<&str>) -> Held {
        let updated_at = updated_at.map(|time| time.parse().unwrap());
        Held { id: id.to_owned(), updated_at, refunds: BTreeMap::new() }
    }

    const EARLY: Option<&str> = Some("2024-08-31T16:40:08Z");
    const LATE: Option<&str> = Some("2024-08-31T16:40:08.000001Z");

    #[test]
    fn orders_are_missing_behind_equal_ahead_or_unknown() {
        for (theirs, ours, standing) in [
            (EARLY, None, Standing::Missing),
            (LATE, Some(EARLY), Standing::Behind),
            (EARLY, Some(EARLY), Standing::Equal),
            (Some("2024-08-31T18:40:08.000+02:00"), Some(EARLY), Standing::Equal),
            (EARLY, Some(LATE), Standing::Ahead),
            (None, Some(LATE), Standing::Unknown),
            (EARLY, Some(None), Standing::Unknown),
        ] {
            let theirs = [order(Some("1"), theirs)];
            let ours: Vec<_> = ours.map(|time| held("1", time)).into_iter().chain([held("2", LATE)]).collect();
            let compared = compare(&theirs, &ours);
            assert_eq!(compared.iter().map(|one| one.standing).collect::<Vec<_>>(), [standing]);
            assert_eq!(only_ours(&theirs, &ours).iter().map(|held| held.id.as_str()).collect::<Vec<_>>(), ["2"]);
        }
        assert_eq!(compare(&[order(None, EARLY)], &[])[0].standing, Standing::Unknown);
    }

    #[test]
    fn an_order_told_twice_counts_once_by_its_newest_telling() {
        let theirs = [order(Some("1"), LATE), order(Some("2"), EARLY), order(Some("1"), EARLY)];
        let compared = compare(&theirs, &[held("1", EARLY), held("2", EARLY)]);
        let told: Vec<_> = compared.iter().map(|one| (one.order.id.as_deref().unwrap(), one.standing)).collect();
        assert_eq!(told, [("1", Standing::Behind), ("2", Standing::Equal)]);
    }

    #[test]
    fn refunds_are_compared_by_id_and_absolute_amount() {
        let amount = |text: &str| Some(text.parse::<Amount>().unwrap());
        for (theirs, ours, standing) in [
            (&[("r1", amount("10.50"))][..], &[("r1", amount("10.5"))][..], Standing::Equal),
            (&[("r1", amount("10.50"))], &[], Standing::Behind),
            (&[("r1", amount("10.50"))], &[("r1", None)], Standing::Behind),
            (&[("r1", amount("10.50"))], &[("r1", amount("1"))], Standing::Behind),
            (&[("r1", None)], &[("r1", amount("1"))], Standing::Equal),
            (&[], &[("r1", amount("1"))], Standing::Equal),
        ] {
            let refund = |amount: &Option<Amount>| Refund { amount: *amount, currency: None };
            let told = theirs.iter().map(|(id, amount)| ((*id).to_owned(), refund(amount))).collect();
            let theirs = [Order { refunds: Refunds::Told(told), ..order(Some("1"), EARLY) }];
            let known = ours.iter().map(|(id, amount)| ((*id).to_owned(), *amount)).collect();
            let ours = [Held { refunds: known, ..held("1", EARLY) }];
            assert_eq!(compare(&theirs, &ours)[0].standing, standing, "{theirs:?} {ours:?}");
        }
    }
}
