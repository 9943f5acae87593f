//! The state of an order: views join the same way in whatever order they come.

use serde_json::Value;
use webhook::view::View;

/// A byte that no UTF-8 has, between the parts of an input.
pub(crate) const SEPARATOR: u8 = 0xff;

/// Stored views, each after the other with a separator between.
pub fn view(data: &[u8]) {
    let parts = data.split(|byte| *byte == SEPARATOR).take(3);
    let mut views: Vec<View> = parts.filter_map(|part| serde_json::from_slice(part).ok()).collect();
    // No event has a float, and reading one back may change its last digit.
    views.retain(|view| !view.registers().any(|(_, register)| has_float(&register.value)));
    laws(&views);
}

fn has_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(values) => values.iter().any(has_float),
        Value::Object(members) => members.values().any(has_float),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// The join is commutative, associative and idempotent, and what is stored is read unchanged.
pub(crate) fn laws(views: &[View]) {
    for one in views {
        let mut again = one.clone();
        assert!(!again.merge(one.clone()), "a merge with itself changed something");
        let stored = serde_json::to_string(one).unwrap();
        let back: View = serde_json::from_str(&stored).unwrap_or_else(|error| panic!("{error}: {stored}"));
        assert_eq!(&back, one, "a view is stored as another one");
        let _ = (one.summary(), one.render());
    }
    if let [one, two, ..] = views {
        let both = joined(one, two);
        assert_eq!(both, joined(two, one), "the join depends on the order");
        assert_eq!(both, joined(&both, one), "a repeat changes the join");
        assert_eq!(both, joined(&both, two), "a repeat changes the join");
        let _ = (both.summary(), both.render());
    }
    if let [one, two, three] = views {
        assert_eq!(joined(&joined(one, two), three), joined(one, &joined(two, three)), "the join depends on brackets");
    }
}

fn joined(one: &View, other: &View) -> View {
    let mut one = one.clone();
    one.merge(other.clone());
    one
}
