//! A provider's orders compared with ours.

use std::collections::BTreeMap;

use jiff::Timestamp;
use webhook::money::Amount;

use crate::order::{FetchedOrder, RefundAmount, Refunds};

/// An order as we hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The latest time of change in its events.
    pub updated_at: Option<Timestamp>,
    /// The refunds that we know, by the provider's id, with their amounts where those are known.
    pub refunds: BTreeMap<String, Option<Amount>>,
}

/// The result of comparing our copy of an order with the provider's.
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
    /// One of the two sides has no time, or there is no id: only comparing the bodies could decide.
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

    /// Returns whether the provider's order is to be kept.
    pub fn needs_fetching(self) -> bool {
        match self {
            Standing::Missing | Standing::Behind | Standing::Unknown => true,
            Standing::Equal | Standing::Ahead => false,
        }
    }
}

/// Compares our copy of an order with the provider's.
pub fn standing(order: &FetchedOrder, ours: Option<&Held>) -> Standing {
    if order.id.is_none() {
        return Standing::Unknown;
    }
    let Some(held) = ours else { return Standing::Missing };
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
    // An amount that the provider leaves out makes no known one wrong.
    let otherwise = |refund: &RefundAmount, ours: &Option<Amount>| refund.amount.is_some() && refund.amount != *ours;
    match theirs {
        Refunds::Unknown => false,
        Refunds::Known(refunds) => {
            refunds.iter().any(|(id, refund)| held.refunds.get(id).is_none_or(|ours| otherwise(refund, ours)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::Raw;

    fn order(id: Option<&str>, updated_at: Option<&str>) -> FetchedOrder {
        FetchedOrder {
            id: id.map(str::to_owned),
            alias: None,
            updated_at: updated_at.map(|time| time.parse().unwrap()),
            refunds: Refunds::Unknown,
            raw: Raw::default(),
        }
    }

    fn held(updated_at: Option<&str>) -> Held {
        Held { updated_at: updated_at.map(|time| time.parse().unwrap()), refunds: BTreeMap::new() }
    }

    const EARLY: Option<&str> = Some("2024-08-31T16:40:08Z");
    const LATE: Option<&str> = Some("2024-08-31T16:40:08.000001Z");

    #[test]
    fn orders_are_missing_behind_equal_ahead_or_unknown() {
        for (theirs, ours, expected) in [
            (EARLY, None, Standing::Missing),
            (LATE, Some(EARLY), Standing::Behind),
            (EARLY, Some(EARLY), Standing::Equal),
            (Some("2024-08-31T18:40:08.000+02:00"), Some(EARLY), Standing::Equal),
            (EARLY, Some(LATE), Standing::Ahead),
            (None, Some(LATE), Standing::Unknown),
            (EARLY, Some(None), Standing::Unknown),
        ] {
            let (theirs, ours) = (order(Some("1"), theirs), ours.map(held));
            assert_eq!(standing(&theirs, ours.as_ref()), expected, "{theirs:?} {ours:?}");
        }
        assert_eq!(standing(&order(None, EARLY), None), Standing::Unknown);
    }

    #[test]
    fn refunds_are_compared_by_id_and_absolute_amount() {
        let amount = |text: &str| Some(text.parse::<Amount>().unwrap());
        for (theirs, ours, expected) in [
            (&[("r1", amount("10.50"))][..], &[("r1", amount("10.5"))][..], Standing::Equal),
            (&[("r1", amount("10.50"))], &[], Standing::Behind),
            (&[("r1", amount("10.50"))], &[("r1", None)], Standing::Behind),
            (&[("r1", amount("10.50"))], &[("r1", amount("1"))], Standing::Behind),
            (&[("r1", None)], &[("r1", amount("1"))], Standing::Equal),
            (&[], &[("r1", amount("1"))], Standing::Equal),
        ] {
            let refund = |amount: &Option<Amount>| RefundAmount { amount: *amount, currency: None };
            let known = theirs.iter().map(|(id, amount)| ((*id).to_owned(), refund(amount))).collect();
            let theirs = FetchedOrder { refunds: Refunds::Known(known), ..order(Some("1"), EARLY) };
            let known = ours.iter().map(|(id, amount)| ((*id).to_owned(), *amount)).collect();
            let ours = Held { refunds: known, ..held(EARLY) };
            assert_eq!(standing(&theirs, Some(&ours)), expected, "{theirs:?} {ours:?}");
        }
    }
}
