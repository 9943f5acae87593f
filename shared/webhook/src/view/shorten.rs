//! A view that is too large for its place: what is left out of it is in its events.

use super::{LEFT_OUT, Register, View, reference};

impl View {
    /// Leaves out as little as is needed until the view fits: first values, the longest first, with the names of their
    /// events in their places, as for a value that is too long by itself; then registers, the oldest first. What states
    /// and sums are made of goes last, and then the view has [`LEFT_OUT`]. Returns how many values and registers it left
    /// out.
    pub fn shorten(&mut self, fits: impl Fn(&View) -> bool) -> usize {
        if fits(self) {
            return 0;
        }
        let excess = |(path, register): (&String, &Register)| {
            let (length, reference) = (register.value.to_string().len(), reference(&register.event).to_string().len());
            (rank(path) < Rank::Part && length > reference).then(|| (length, path.clone()))
        };
        let mut values: Vec<(usize, String)> = self.registers.iter().filter_map(excess).collect();
        values.sort_unstable_by(|a, b| b.cmp(a));
        let values: Vec<String> = values.into_iter().map(|(_, path)| path).collect();
        let count = fewest(values.len(), |count| fits(&self.without_values(values.iter().take(count))));
        *self = self.without_values(values.iter().take(count));
        if count < values.len() || fits(self) {
            return count;
        }
        let mut registers: Vec<String> = self.registers.keys().filter(|path| *path != LEFT_OUT).cloned().collect();
        let sequence = |path: &String| self.registers.get(path).map(|register| register.sequence.clone());
        registers.sort_by_cached_key(|path| (rank(path), sequence(path)));
        let fewer = fewest(registers.len(), |fewer| fits(&self.without_registers(registers.iter().take(fewer))));
        *self = self.without_registers(registers.iter().take(fewer));
        count + fewer
    }

    fn without_values<'a>(&self, paths: impl Iterator<Item = &'a String>) -> View {
        let mut shorter = self.clone();
        for path in paths {
            if let Some(register) = shorter.registers.get_mut(path) {
                register.value = reference(&register.event);
            }
        }
        shorter
    }

    fn without_registers<'a>(&self, paths: impl Iterator<Item = &'a String>) -> View {
        let mut shorter = self.clone();
        for path in paths {
            if rank(path) >= Rank::Part {
                let register = Register { value: true.into(), sequence: String::new(), event: String::new() };
                shorter.registers.insert(LEFT_OUT.to_owned(), register);
            }
            shorter.registers.remove(path);
        }
        shorter
    }
}

/// The order in which registers are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Of a payment, a fulfilment or a return, but not of its state or money.
    Detail,
    /// Of the order, but not of its state or total.
    Order,
    /// A state or an amount that is one of several.
    Part,
    /// The order's state and its total.
    Head,
}

fn rank(path: &str) -> Rank {
    let is_below = |name: &str| path.split('/').nth(2) == Some(name);
    match path {
        _ if path == "order/status" || path.starts_with("order/totals/total") => Rank::Head,
        _ if path.starts_with("order/") => Rank::Order,
        _ if ["status", "amount", "refunds"].into_iter().any(is_below) => Rank::Part,
        _ => Rank::Detail,
    }
}

/// Returns the smallest number that is enough, or the largest if none is.
fn fewest(largest: usize, is_enough: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, largest);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_enough(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Refunded;
    use super::*;
    use crate::read::status::{OrderState, PaymentState};

    fn view(registers: &[(&str, Value)]) -> View {
        let register = |(number, (path, value)): (usize, &(&str, Value))| {
            let register = Register { value: value.clone(), sequence: format!("{number:03}"), event: "e".to_owned() };
            ((*path).to_owned(), register)
        };
        View { has_disowned: false, registers: registers.iter().enumerate().map(register).collect() }
    }

    fn length(view: &View) -> usize {
        serde_json::to_string(view).unwrap().len()
    }

    #[test]
    fn the_longest_values_stay_in_their_events_and_the_rest_stays() {
        let (long, longer) = ("x".repeat(500), "y".repeat(900));
        let whole =
            view(&[("order/status", json!("paid")), ("order/notes", json!(long)), ("order/tags", json!(longer))]);
        let mut shorter = whole.clone();
        assert_eq!(shorter.shorten(|_| true), 0);
        assert_eq!(shorter.shorten(|view| length(view) < 900), 1);
        let rendered = shorter.render();
        assert_eq!(rendered["order"]["tags"], json!({"dataref": "e"}));
        assert_eq!((&rendered["order"]["status"], &rendered["order"]["notes"]), (&json!("paid"), &json!(long)));
        // What is newer still counts, and what is older still does not.
        let newer = view(&[("", json!("")), ("", json!("")), ("", json!("")), ("order/tags", json!("new"))]);
        shorter.merge(newer);
        assert_eq!(shorter.render()["order"]["tags"], "new");
    }

    #[test]
    fn of_too_many_parts_the_oldest_details_go_first() {
        let parts: Vec<String> = (0..9).map(|number| format!("payments/p{number}/bank")).collect();
        let mut registers = vec![("payments/p0/status", json!("paid")), ("order/status", json!("paid"))];
        registers.extend(parts.iter().map(|path| (path.as_str(), json!("b"))));
        let mut shorter = view(&registers);
        assert_eq!(shorter.shorten(|view| view.registers().count() <= 4), 7);
        let left: Vec<&str> = shorter.registers().map(|(path, _)| path).collect();
        assert_eq!(left, ["order/status", "payments/p0/status", "payments/p7/bank", "payments/p8/bank"]);
    }

    /// A sum over some of the refunds would be a wrong amount of money.
    #[test]
    fn without_all_parts_no_sum_and_no_state_of_several_is_known() {
        let amount = json!({"amount": "1.5", "currency": "EUR"});
        let refunds: Vec<String> = (0..9).map(|number| format!("payments/p/refunds/r{number}/amount")).collect();
        let status = |state: &str| json!({"state": state, "word": "w".repeat(200)});
        let mut registers = vec![("payments/p/status", status("paid")), ("order/status", status("confirmed"))];
        registers.extend(refunds.iter().map(|path| (path.as_str(), amount.clone())));
        let whole = view(&registers);
        assert_eq!(whole.summary().refunded, Refunded::Amount("13.5".parse().unwrap()));
        let mut shorter = whole.clone();
        assert_eq!(shorter.shorten(|view| view.registers().count() <= 6), 6);
        let summary = shorter.summary();
        assert_eq!((summary.refunded, summary.payment_state), (Refunded::Unknown, Some(PaymentState::Unknown)));
        assert_eq!(summary.order_state, Some(OrderState::Confirmed));
        // What is left out does not come to be known by an event that is joined later, and is by a rebuild.
        shorter.merge(view(&[("payments/p/refunds/r9/amount", amount)]));
        assert_eq!(shorter.summary().refunded, Refunded::Unknown);
        assert!(!whole.registers().any(|(path, _)| path == LEFT_OUT));
    }
}
