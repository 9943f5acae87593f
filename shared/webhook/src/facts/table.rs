//! The table of facts: when each holds, and what implies it.

use crate::facts::evidence::Evidence;
use crate::facts::name::{FactName, FactValue};
use crate::view::View;

/// All facts of one view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts([FactValue; FactName::ALL.len()]);

impl Facts {
    /// The facts of a view.
    pub fn of(view: &View) -> Self {
        let evidence = Evidence::of(view);
        let mut facts = Facts::default();
        // What implies a fact comes after it, so a missed delivery costs none.
        for rule in RULES.iter().rev() {
            let value = (rule.own)(&evidence);
            let implied = || FactValue::from(rule.implied_by.iter().any(|later| facts.holds(*later)));
            let value = if value.holds() { value } else { implied() };
            facts.set(rule.fact, value);
        }
        // Money that came by an attempt which was voided later does not mean a failure to pay.
        if facts.holds(FactName::Paid) {
            facts.set(FactName::PaymentFailed, FactValue::No);
        }
        facts
    }

    /// The value of a fact.
    pub fn value(&self, fact: FactName) -> FactValue {
        self.iter().find(|(name, _)| *name == fact).map_or(FactValue::No, |(_, value)| value)
    }

    /// Returns whether a fact holds.
    pub fn holds(&self, fact: FactName) -> bool {
        self.value(fact).holds()
    }

    /// All facts with their values.
    pub fn iter(&self) -> impl Iterator<Item = (FactName, FactValue)> {
        FactName::ALL.iter().copied().zip(self.0)
    }

    fn set(&mut self, fact: FactName, value: FactValue) {
        let place = FactName::ALL.iter().zip(&mut self.0).find(|(name, _)| **name == fact);
        place.into_iter().for_each(|(_, place)| *place = value);
    }
}

impl FromIterator<(FactName, FactValue)> for Facts {
    fn from_iter<I: IntoIterator<Item = (FactName, FactValue)>>(values: I) -> Self {
        let mut facts = Facts::default();
        values.into_iter().for_each(|(fact, value)| facts.set(fact, value));
        facts
    }
}

/// One row of the table of facts.
pub(super) struct Rule {
    pub(super) fact: FactName,
    /// The value by what the view itself says of it.
    own: fn(&Evidence) -> FactValue,
    /// Facts without which it cannot be: any of them is enough.
    pub(super) implied_by: &'static [FactName],
}

/// The table of facts.
pub(super) const RULES: &[Rule] = &[
    Rule {
        fact: FactName::Placed,
        own: |seen| seen.is_placed().into(),
        implied_by: &[
            FactName::Authorized,
            FactName::Cancelled,
            FactName::Shipped,
            FactName::ReturnRequested,
            FactName::Completed,
        ],
    },
    Rule { fact: FactName::Flagged, own: |seen| seen.is_held().into(), implied_by: &[] },
    Rule { fact: FactName::Authorized, own: |seen| seen.is_authorized().into(), implied_by: &[FactName::Paid] },
    Rule { fact: FactName::Paid, own: |seen| seen.is_paid().into(), implied_by: &[FactName::Refunded] },
    Rule { fact: FactName::PaymentFailed, own: |seen| seen.has_only_failed().into(), implied_by: &[] },
    Rule { fact: FactName::Cancelled, own: |seen| seen.is_cancelled().into(), implied_by: &[] },
    Rule { fact: FactName::Shipped, own: |seen| seen.is_shipped().into(), implied_by: &[FactName::Delivered] },
    Rule { fact: FactName::Delivered, own: |seen| seen.is_delivered().into(), implied_by: &[] },
    Rule {
        fact: FactName::ReturnRequested,
        own: |seen| seen.is_coming_back().into(),
        implied_by: &[FactName::Returned],
    },
    Rule { fact: FactName::Returned, own: |seen| seen.is_back().into(), implied_by: &[] },
    Rule { fact: FactName::Refunded, own: Evidence::refunded, implied_by: &[] },
    Rule { fact: FactName::Completed, own: |seen| seen.is_completed().into(), implied_by: &[] },
];
