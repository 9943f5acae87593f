//! The state of an order: a join of everything in its events, whatever order they come in.
//!
//! A view is a map of registers. Each holds the value of the event with the greatest sequence that has it, so
//! merging is commutative, associative and idempotent: duplicates, reordering and replays cannot change where it ends.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::keep::claim::EventKey;
use crate::read::event::UNNAMED;
use crate::read::money::Amount;
use crate::read::position::mapping_of;
use crate::read::status::{FulfillmentState, OrderState, PaymentState};

mod stored;
mod shorten;
mod write;
pub mod personal;

/// A register's value longer than this, in bytes of JSON, stays in its event; the view refers to it.
pub const REGISTER_BYTES_MAX: usize = 32 * 1024;

/// The register of a view of which states or amounts were left out, since its row has no place for them.
pub const LEFT_OUT: &str = "order/left_out";

/// The state of several payments together: that of the payment which is first in this list.
/// One attempt that failed or expired says nothing against another that succeeded.
pub const PAYMENT_FOLD: &[PaymentState] = &[
    PaymentState::Settled,
    PaymentState::Paid,
    PaymentState::PartiallyRefunded,
    PaymentState::Authorized,
    PaymentState::Refunding,
    PaymentState::Refunded,
    PaymentState::Conflict,
    PaymentState::Pending,
    PaymentState::Unknown,
    PaymentState::Failed,
    PaymentState::Expired,
    PaymentState::Voided,
];

/// The state of several fulfilments together: the one that is first in this list, so that an order counts as
/// delivered only when nothing of it is still under way.
pub const FULFILLMENT_FOLD: &[FulfillmentState] = &[
    FulfillmentState::Pending,
    FulfillmentState::Preparing,
    FulfillmentState::Ready,
    FulfillmentState::Shipped,
    FulfillmentState::Arrived,
    FulfillmentState::Returning,
    FulfillmentState::Delivered,
    FulfillmentState::Returned,
    FulfillmentState::Failed,
    FulfillmentState::Cancelled,
    FulfillmentState::Unknown,
];

/// The current state of one order, or of a payment without an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    registers: BTreeMap<String, Register>,
    /// True if events of it are disowned: a message of one of them may still be on its way.
    has_disowned: bool,
}

/// One field's current value and the event that it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// The value; null if the event says that there is none.
    pub value: Value,
    /// The event's sequence.
    pub sequence: String,
    /// The event's id.
    pub event: String,
}

/// The three axes and the sums that a shop asks for first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The order's state; `None` if only its payment is known.
    pub order_state: Option<OrderState>,
    /// The state of its payments, folded by [`PAYMENT_FOLD`].
    pub payment_state: Option<PaymentState>,
    /// The state of its fulfilments, folded by [`FULFILLMENT_FOLD`].
    pub fulfillment_state: Option<FulfillmentState>,
    /// The sum that the buyer pays, as given.
    pub total: Option<Amount>,
    /// The currency, as given.
    pub currency: Option<String>,
    /// The refunds.
    pub refunded: Refunded,
}

/// The sum of all refunds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refunded {
    /// No event has a refund.
    Nothing,
    /// A refund, but the amount of some is not known.
    Unknown,
    /// The sum of all refunds, each counted once.
    Amount(Amount),
}

impl View {
    /// The view of an event that is disowned: that there is one.
    pub fn of_disowned() -> Self {
        View { registers: BTreeMap::new(), has_disowned: true }
    }

    /// Joins another view in. Returns whether anything changed.
    pub fn merge(&mut self, other: View) -> bool {
        let mut changed = other.has_disowned && !self.has_disowned;
        self.has_disowned |= other.has_disowned;
        for (path, theirs) in other.registers {
            let newer = self.registers.get(&path).is_none_or(|ours| ours.before(&theirs));
            if newer {
                self.registers.insert(path, theirs);
                changed = true;
            }
        }
        changed
    }

    /// Returns whether it has no register.
    pub fn is_empty(&self) -> bool {
        self.registers.is_empty()
    }

    /// Returns the newest version of the mappings that made it; 0 if no event is in it.
    pub fn mapping_version(&self) -> u32 {
        self.registers.values().filter_map(|register| mapping_of(&register.sequence)).max().unwrap_or(0)
    }

    /// Returns whether events of it are disowned: whoever joins another one has to ask for its row first.
    pub fn has_disowned(&self) -> bool {
        self.has_disowned
    }

    /// Takes away every value that is not to be kept. The places stay taken: nothing older comes back, and neither does
    /// the same event when it is sent again.
    pub fn blank(&mut self, is_kept: impl Fn(&str) -> bool) {
        let personal = self.registers.iter_mut().filter(|(path, _)| !is_kept(path));
        personal.for_each(|(_, register)| register.value = Value::Null);
    }

    /// Leaves out what is not wanted of a view.
    pub fn retain(&mut self, is_wanted: impl Fn(&Register) -> bool) {
        self.registers.retain(|_, register| is_wanted(register));
    }

    /// The registers by path: `order/status`, `payments/<id>/status`, `payments/<id>/refunds/<id>/amount` …
    pub fn registers(&self) -> impl Iterator<Item = (&str, &Register)> {
        self.registers.iter().map(|(path, register)| (path.as_str(), register))
    }

    /// The whole view as nested JSON, without provenance.
    pub fn render(&self) -> Value {
        let mut root = Value::Object(Map::new());
        for (path, register) in self.registers.iter().filter(|(path, register)| !self.is_superseded(path, register)) {
            let mut place = &mut root;
            for name in path.split('/') {
                if !place.is_object() {
                    *place = Value::Object(Map::new());
                }
                let Value::Object(members) = place else { break };
                place = members.entry(name).or_insert(Value::Null);
            }
            *place = register.value.clone();
        }
        root
    }

    /// Returns whether a later event has the whole that a register is a part of: a customer that an order no longer
    /// has, an amount in another currency.
    fn is_superseded(&self, path: &str, register: &Register) -> bool {
        let mut wholes = path.match_indices('/').filter_map(|(at, _)| self.registers.get(path.get(..at)?));
        wholes.any(|whole| register.before(whole))
    }

    /// The axes and sums.
    pub fn summary(&self) -> Summary {
        let order_state = self.state("order/status");
        let is_whole = !self.registers.contains_key(LEFT_OUT);
        let money = self.value("order/totals/total").cloned().or_else(|| self.payment_amount());
        let text = |name: &str| money.as_ref().and_then(|money| money.get(name)).and_then(Value::as_str);
        Summary {
            order_state,
            payment_state: if is_whole {
                fold(PAYMENT_FOLD, self.entity_states("payments"))
            } else {
                Some(PaymentState::Unknown)
            },
            fulfillment_state: if is_whole {
                fold(FULFILLMENT_FOLD, self.entity_states("fulfillments"))
            } else {
                Some(FulfillmentState::Unknown)
            },
            total: text("amount").and_then(|amount| amount.parse().ok()),
            currency: text("currency").map(str::to_owned).or_else(|| self.common_currency()),
            refunded: if is_whole { self.refunded() } else { Refunded::Unknown },
        }
    }

    /// The currency of all amounts that name one, if it is the same.
    fn common_currency(&self) -> Option<String> {
        fn collect<'v>(name: &str, value: &'v Value, found: &mut BTreeSet<&'v str>) {
            match value {
                Value::String(currency) if name == "currency" => drop(found.insert(currency)),
                Value::Object(members) => members.iter().for_each(|(name, value)| collect(name, value, found)),
                Value::Array(items) => items.iter().for_each(|item| collect("", item, found)),
                Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        let mut found = BTreeSet::new();
        for (path, register) in &self.registers {
            collect(path.rsplit('/').next().unwrap_or_default(), &register.value, &mut found);
        }
        let mut found = found.into_iter();
        found.next().filter(|_| found.next().is_none()).map(str::to_owned)
    }

    /// A payment's amount; one without a name counts only if no other has any.
    fn payment_amount(&self) -> Option<Value> {
        let rendered = self.render();
        let payments = rendered.get("payments")?.as_object()?;
        let (unnamed, named): (Vec<_>, Vec<_>) = payments.iter().partition(|(id, _)| *id == UNNAMED);
        let mut amounts = named.into_iter().chain(unnamed).filter_map(|(_, payment)| payment.get("amount"));
        amounts.find(|amount| !amount.is_null()).cloned()
    }

    /// The refunds.
    pub(crate) fn refunded(&self) -> Refunded {
        let mut refunds: BTreeMap<&str, Option<RefundedAmount<'_>>> = BTreeMap::new();
        for (path, register) in &self.registers {
            let Some((refund, field)) = path.rsplit_once('/').filter(|(refund, _)| refund.contains("/refunds/")) else {
                continue;
            };
            let text = |name: &str| register.value.get(name).and_then(Value::as_str);
            let amount = text("amount").and_then(|text| text.parse().ok());
            let known = refunds.entry(refund).or_default();
            // Refunds without a name cannot be distinguished, so their sum is not known.
            if field == "amount" && !refund.ends_with("/~") {
                *known = amount.map(|amount| (amount, text("currency")));
            }
        }
        if refunds.is_empty() {
            let told = self.entity_states::<PaymentState>("payments").any(PaymentState::is_given_back);
            return if told { Refunded::Unknown } else { Refunded::Nothing };
        }
        // The refunds that webhooks mention and those that the provider accounts for are the same money under different
        // ids: each kind is a set of its own, and whichever has more refunds is the nearer to all of them.
        let reported = |refund: &str| self.value(&format!("{refund}/reported")) == Some(&Value::Bool(true));
        let (reported, mentioned): (Vec<_>, Vec<_>) = refunds.into_iter().partition(|(refund, _)| reported(refund));
        let nearer = if reported.len() >= mentioned.len() { reported } else { mentioned };
        sum(nearer.into_iter().map(|(_, amount)| amount)).map_or(Refunded::Unknown, Refunded::Amount)
    }

    /// Returns a register's value, unless it is null.
    pub(crate) fn value(&self, path: &str) -> Option<&Value> {
        self.registers.get(path).map(|register| &register.value).filter(|value| !value.is_null())
    }

    /// Returns the state in the status at a path.
    pub(crate) fn state<T: for<'de> Deserialize<'de>>(&self, path: &str) -> Option<T> {
        state_of(self.value(path)?)
    }

    /// Returns the ids of a kind's entities that have a value for a field, with its register.
    fn entities<'a>(&'a self, kind: &'a str, field: &'a str) -> impl Iterator<Item = (&'a str, &'a Register)> {
        self.registers.iter().filter(|(_, register)| !register.value.is_null()).filter_map(move |(path, register)| {
            let mut parts = path.split('/');
            let id = (parts.next() == Some(kind)).then(|| parts.next()).flatten()?;
            (parts.next() == Some(field) && parts.next().is_none()).then_some((id, register))
        })
    }

    /// Returns the statuses of all entities of a kind, by the entity's id.
    /// An order's statement of its payment without naming it counts only until a payment is named, for it is the same
    /// money, and again if a snapshot of the order says it later than any named one.
    pub(crate) fn statuses<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let (unnamed, named): (Vec<_>, Vec<_>) = self.entities(kind, "status").partition(|(id, _)| *id == UNNAMED);
        // A snapshot of an order has all its payments together, and it is the truth until one of them says more.
        let is_last =
            |unnamed: &Register| unnamed.is_snapshot() && named.iter().all(|(_, named)| named.before(unnamed));
        let is_truth = named.is_empty() || unnamed.iter().any(|(_, register)| is_last(register));
        let counted = if is_truth { unnamed } else { named };
        counted.into_iter().map(|(id, register)| (id, &register.value))
    }

    /// Returns the states of all entities of a kind.
    pub(crate) fn entity_states<'a, T: for<'de> Deserialize<'de>>(
        &'a self,
        kind: &'a str,
    ) -> impl Iterator<Item = T> + 'a {
        self.statuses(kind).filter_map(|(_, status)| state_of(status))
    }
}

/// Returns the state in a status.
pub(crate) fn state_of<T: for<'de> Deserialize<'de>>(status: &Value) -> Option<T> {
    T::deserialize(status.get("state")?).ok()
}

impl Register {
    fn is_snapshot(&self) -> bool {
        EventKey::from_id(&self.event).is_some_and(|key| key.is_snapshot())
    }

    /// Returns whether another register is the later truth. The value decides last, so that the join is one in any
    /// case; of one event nothing is greater than a value, so that what was erased stays erased.
    fn before(&self, other: &Register) -> bool {
        let place = (&self.sequence, &self.event).cmp(&(&other.sequence, &other.event));
        let value = |register: &Register| (register.value.is_null(), register.value.to_string());
        // Equal values are compared as such: how their members are ordered as text depends on who built the map.
        let values = || if self.value == other.value { Ordering::Equal } else { value(self).cmp(&value(other)) };
        place.then_with(values).is_lt()
    }
}

/// An amount and its currency, where the provider names one.
type RefundedAmount<'v> = (Amount, Option<&'v str>);

/// The sum of amounts; `None` if one is not known, or if two are in different currencies.
fn sum<'v>(amounts: impl Iterator<Item = Option<RefundedAmount<'v>>>) -> Option<Amount> {
    let mut common = None;
    let mut sum = Amount::ZERO;
    for amount in amounts {
        let (amount, currency) = amount?;
        if currency.is_some_and(|currency| *common.get_or_insert(currency) != currency) {
            return None;
        }
        sum = sum.checked_add(amount)?;
    }
    Some(sum)
}

/// Returns the value in place of one that stays in its event.
fn reference(event: &str) -> Value {
    serde_json::json!({"dataref": event})
}

/// Returns the state that is first in a table of those that are found.
pub(crate) fn fold<T: Copy + PartialEq>(table: &[T], states: impl Iterator<Item = T>) -> Option<T> {
    let found: Vec<T> = states.collect();
    table.iter().find(|state| found.contains(state)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::event::Event;

    fn event(id: &str, sequence: &str, event_type: &str, data: Value) -> Event {
        serde_json::from_value(serde_json::json!({
            "specversion": "1.0", "id": id, "source": "/hookmill/shopline/tw", "type": event_type, "subject": "o",
            "datacontenttype": "application/json", "dataschema": "urn:hookmill:event:1", "providerevent": "x",
            "mappingversion": 1, "receivedtime": "2026-01-01T00:00:00Z", "sequence": sequence, "data": data,
        }))
        .unwrap()
    }

    fn view(events: &[Event]) -> View {
        let mut view = View::default();
        events.iter().for_each(|event| {
            view.merge(View::of(event));
        });
        view
    }

    fn payment(id: &str, sequence: &str, payment: &str, state: &str) -> Event {
        let data = serde_json::json!({"kind": "payment", "id": payment, "status": {"state": state, "word": state}});
        event(id, sequence, "payment.updated", data)
    }

    #[test]
    fn a_late_expiry_does_not_undo_a_second_attempt_that_paid() {
        let events =
            [payment("a", "1", "p1", "pending"), payment("b", "2", "p2", "paid"), payment("c", "9", "p1", "expired")];
        assert_eq!(view(&events).summary().payment_state, Some(PaymentState::Paid));
    }

    #[test]
    fn absent_is_not_null() {
        let told = event("a", "1", "order.updated", serde_json::json!({"kind": "order", "notes": "x", "lines": []}));
        let silent = event("b", "2", "order.updated", serde_json::json!({"kind": "order"}));
        let blanked = event("c", "3", "order.updated", serde_json::json!({"kind": "order", "notes": null}));
        let notes = |events: &[Event]| view(events).render()["order"]["notes"].clone();
        assert_eq!(notes(&[told.clone(), silent.clone()]), "x");
        assert_eq!(notes(&[blanked, silent, told]), Value::Null);
    }

    #[test]
    fn a_whole_that_is_told_later_supersedes_its_parts() {
        let told = serde_json::json!({"kind": "order", "customer": {"name": "N", "phone": "1"}});
        let (told, moved) = (event("a", "1", "order.updated", told.clone()), event("c", "3", "order.updated", told));
        let nobody = event("b", "2", "order.updated", serde_json::json!({"kind": "order", "customer": null}));
        let customer = |events: &[Event]| view(events).render()["order"]["customer"].clone();
        assert_eq!(customer(&[nobody.clone(), told.clone()]), Value::Null);
        assert_eq!(customer(&[moved, told, nobody]), serde_json::json!({"name": "N", "phone": "1"}));
    }

    #[test]
    fn an_amount_without_a_currency_keeps_the_currency() {
        let paid = |id: &str, sequence: &str, money: Value| {
            event(id, sequence, "payment.captured", serde_json::json!({"kind": "payment", "id": "p", "amount": money}))
        };
        let created = paid("a", "1", serde_json::json!({"amount": "40.7", "currency": "EUR"}));
        let charged = paid("b", "2", serde_json::json!({"amount": "41", "currency": null}));
        let later = paid("c", "3", serde_json::json!({"amount": "42", "currency": "CHF"}));
        for (events, amount, currency) in [
            (vec![&charged, &created], "41", Some("EUR")),
            (vec![&charged], "41", None),
            (vec![&later, &charged, &created], "42", Some("CHF")),
        ] {
            let summary = view(&events.into_iter().cloned().collect::<Vec<_>>()).summary();
            assert_eq!((summary.total, summary.currency.as_deref()), (amount.parse().ok(), currency));
        }
    }

    #[test]
    fn refunds_are_sets_and_unknown_amounts_stay_unknown() {
        let refund = |id: &str, sequence: &str, refund: Value| {
            event(
                id,
                sequence,
                "payment.refunded",
                serde_json::json!({"kind": "payment", "id": "p", "refunds": [refund]}),
            )
        };
        let ten = |refund_id| serde_json::json!({"id": refund_id, "amount": {"amount": "10.5", "currency": "EUR"}});
        let twice = [refund("a", "1", ten("r1")), refund("b", "2", ten("r1")), refund("c", "3", ten("r2"))];
        assert_eq!(view(&twice).summary().refunded, Refunded::Amount("21".parse().unwrap()));
        let unknown = [refund("a", "1", ten("r1")), refund("b", "2", serde_json::json!({"id": "r2"}))];
        assert_eq!(view(&unknown).summary().refunded, Refunded::Unknown);
        let other = |currency: &str| serde_json::json!({"id": "r3", "amount": {"amount": "1", "currency": currency}});
        let in_two = |currency| [refund("a", "1", ten("r1")), refund("b", "2", other(currency))];
        assert_eq!(view(&in_two("EUR")).summary().refunded, Refunded::Amount("11.5".parse().unwrap()));
        assert_eq!(view(&in_two("CHF")).summary().refunded, Refunded::Unknown);
        assert_eq!(view(&[payment("a", "1", "p", "refunded")]).summary().refunded, Refunded::Unknown);
        assert_eq!(view(&[payment("a", "1", "p", "paid")]).summary().refunded, Refunded::Nothing);
    }

    #[test]
    fn storing_and_reading_back_is_the_same_view() {
        let events = [payment("a", "1", "p/1", "pending"), payment("b", "2", "p2", "paid")];
        let stored = serde_json::to_string(&view(&events)).unwrap();
        assert_eq!(serde_json::from_str::<View>(&stored).unwrap(), view(&events));
    }

    #[test]
    fn oversized_values_stay_in_their_event() {
        let notes = "x".repeat(REGISTER_BYTES_MAX);
        let large = event("a", "1", "order.updated", serde_json::json!({"kind": "order", "notes": notes}));
        assert_eq!(view(&[large]).render()["order"]["notes"], serde_json::json!({"dataref": "a"}));
    }

    #[test]
    fn every_state_has_its_place_in_its_fold() {
        let variants = |schema: schemars::Schema| schema.to_value()["oneOf"].as_array().unwrap().len();
        assert_eq!(variants(schemars::schema_for!(PaymentState)), PAYMENT_FOLD.len());
        assert_eq!(variants(schemars::schema_for!(FulfillmentState)), FULFILLMENT_FOLD.len());
        let distinct: std::collections::BTreeSet<_> = PAYMENT_FOLD.iter().collect();
        assert_eq!(distinct.len(), PAYMENT_FOLD.len());
        let distinct: std::collections::BTreeSet<_> = FULFILLMENT_FOLD.iter().collect();
        assert_eq!(distinct.len(), FULFILLMENT_FOLD.len());
    }
}
