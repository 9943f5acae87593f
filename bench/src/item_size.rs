//! DynamoDB's billing of an item: its size by the documented rules, in units of a kilobyte.
//!
//! Source: "DynamoDB item sizes and formats" in the developer guide. Names count as their UTF-8; text as UTF-8; binary
//! as its bytes; numbers as about one byte for two digits and one more; null and booleans as one; lists and maps as
//! three and one more for each element.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// An item's size in bytes.
pub fn of_item(item: &Map<String, Value>) -> usize {
    item.iter().map(|(name, value)| name.len() + of_value(value)).sum()
}

fn of_value(value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|typed| typed.iter().next()) else { return 0 };
    match (kind.as_str(), value) {
        ("S", Value::String(text)) => text.len(),
        ("B", Value::String(text)) => STANDARD.decode(text).map_or(text.len(), |bytes| bytes.len()),
        ("N", Value::String(digits)) => digits.trim_start_matches('-').len().div_ceil(2) + 1,
        ("M", Value::Object(members)) => {
            3 + members.iter().map(|(name, value)| name.len() + of_value(value) + 1).sum::<usize>()
        }
        ("L", Value::Array(elements)) => 3 + elements.iter().map(|element| of_value(element) + 1).sum::<usize>(),
        _ => 1,
    }
}

/// Returns the write units of a number of bytes; a deletion or a failed condition costs as much as the larger item.
pub fn write_units(bytes: usize) -> usize {
    bytes.max(1).div_ceil(1024)
}

/// Read units of a strongly consistent read.
pub fn read_units(bytes: usize) -> usize {
    bytes.max(1).div_ceil(4096)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_follow_the_documented_rules() {
        for (item, bytes) in [
            (json!({"pk": {"S": "abc"}}), 5),
            (json!({"n": {"N": "-1234"}}), 4),
            (json!({"b": {"B": "AAAA"}}), 4),
            (json!({"m": {"M": {"a": {"S": "é"}}}}), 1 + 3 + 1 + 2 + 1),
            (json!({"l": {"L": [{"BOOL": true}, {"NULL": true}]}}), 1 + 3 + 2 + 2),
        ] {
            assert_eq!(of_item(item.as_object().unwrap()), bytes, "{item}");
        }
        assert_eq!([write_units(0), write_units(1024), write_units(1025)], [1, 1, 2]);
        assert_eq!([read_units(1), read_units(4097)], [1, 2]);
    }
}
