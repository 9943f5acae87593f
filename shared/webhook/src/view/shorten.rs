//! A view that is too large for its place: what is left out of it is in its events.

use super::{View, reference};

impl View {
    /// Leaves out as little as is needed until the view fits: first values, the longest first, with the names of their
    /// events in their places, as for a value that is too long by itself; then registers of payments, fulfilments and
    /// returns, the oldest first. Returns how many values and registers it left out.
    pub fn shorten(&mut self, fits: impl Fn(&View) -> bool) -> usize {
        if fits(self) {
            return 0;
        }
        let excess = |(path, register): (&String, &super::Register)| {
            let (length, reference) = (register.value.to_string().len(), reference(&register.event).to_string().len());
            (length > reference).then(|| (length, path.clone()))
        };
        let mut values: Vec<(usize, String)> = self.registers.iter().filter_map(excess).collect();
        values.sort_unstable_by(|a, b| b.cmp(a));
        let values: Vec<String> = values.into_iter().map(|(_, path)| path).collect();
        let count = fewest(values.len(), |count| fits(&self.without_values(values.iter().take(count))));
        *self = self.without_values(values.iter().take(count));
        if count < values.len() || fits(self) {
            return count;
        }
        let is_part = |path: &&String| !path.starts_with("order/");
        let mut parts: Vec<String> = self.registers.keys().filter(is_part).cloned().collect();
        parts.sort_by_cached_key(|path| self.registers.get(path).map(|register| register.sequence.clone()));
        let fewer = fewest(parts.len(), |fewer| fits(&self.without_registers(parts.iter().take(fewer))));
        *self = self.without_registers(parts.iter().take(fewer));
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
        paths.for_each(|path| drop(shorter.registers.remove(path)));
        shorter
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

    use super::super::Register;
    use super::*;

    fn view(registers: &[(&str, Value)]) -> View {
        let register = |(number, (path, value)): (usize, &(&str, Value))| {
            let register = Register { value: value.clone(), sequence: format!("{number}"), event: "e".to_owned() };
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
    fn of_too_many_parts_the_oldest_go() {
        let parts: Vec<String> = (0..9).map(|number| format!("payments/p{number}/status")).collect();
        let mut registers = vec![("order/status", json!("paid"))];
        registers.extend(parts.iter().map(|path| (path.as_str(), json!("paid"))));
        let mut shorter = view(&registers);
        assert_eq!(shorter.shorten(|view| view.registers().count() <= 4), 6);
        let left: Vec<&str> = shorter.registers().map(|(path, _)| path).collect();
        assert_eq!(left, ["order/status", "payments/p6/status", "payments/p7/status", "payments/p8/status"]);
    }
}
