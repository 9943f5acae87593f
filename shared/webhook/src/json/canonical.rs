//! The text that SHOPLINE signs: keys sorted, printed as JavaScript's `JSON.stringify` prints.
//!
//! Source of the rules: shopline-developers.readme.io/docs/webhook-signature and ECMA-262 `SerializeJSONProperty`.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::json::{Kind, Text, Value};

/// The form of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// The token as it arrived.
    AsWritten,
    /// As JavaScript prints the number it reads: `10.0` is `10`, `1e3` is `1000`.
    JavaScript,
}

/// The order of an object's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// By UTF-16 code units, after the integer-like ones in numeric order, as every JavaScript object has them.
    JavaScript,
    /// By UTF-16 code units alone, as a signer in another language would sort.
    CodeUnits,
}

/// Prints a value with its keys sorted at every depth.
pub fn print(value: &Value<'_>, numbers: Numbers, keys: Keys) -> String {
    let mut printer = Printer { text: String::with_capacity(value.span().len()), numbers, keys };
    printer.value(value);
    printer.text
}

/// Returns a hash of a body's content, whatever the order and the indentation of its members.
pub(crate) fn meaning(root: &Value<'_>) -> [u8; 32] {
    Sha256::digest(print(root, Numbers::AsWritten, Keys::JavaScript).as_bytes()).into()
}

/// The distinct texts that a SHOPLINE signer may have signed, likeliest first, at most four.
pub fn candidates(value: &Value<'_>) -> Vec<String> {
    let mut texts: Vec<String> = Vec::with_capacity(4);
    // Without a key that is an index the two orders are one.
    let orders = if has_index(value) { vec![Keys::JavaScript, Keys::CodeUnits] } else { vec![Keys::JavaScript] };
    for keys in orders {
        for numbers in [Numbers::AsWritten, Numbers::JavaScript] {
            let text = print(value, numbers, keys);
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
    texts
}

/// Returns whether any object has a key that is an array index.
fn has_index(value: &Value<'_>) -> bool {
    match &value.kind {
        Kind::Array(items) => items.iter().any(has_index),
        Kind::Object(members) => members.iter().any(|(key, member)| array_index(*key).is_some() || has_index(member)),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::String(_) => false,
    }
}

struct Printer {
    text: String,
    numbers: Numbers,
    keys: Keys,
}

impl Printer {
    fn value(&mut self, value: &Value<'_>) {
        match &value.kind {
            Kind::Null => self.text.push_str("null"),
            Kind::Bool(true) => self.text.push_str("true"),
            Kind::Bool(false) => self.text.push_str("false"),
            Kind::Number(token) => self.number(token),
            Kind::String(text) => self.string(*text),
            Kind::Array(values) => self.list('[', ']', values.iter(), Self::value),
            Kind::Object(members) => {
                let mut members: Vec<_> = members.iter().map(|(key, value)| (*key, value)).collect();
                // Each key is decoded once: a body whose keys are escaped is read before its signature is known to be right.
                match self.keys {
                    Keys::JavaScript => members.sort_by_cached_key(|(key, _)| javascript_place(*key)),
                    Keys::CodeUnits => members.sort_by_cached_key(|(key, _)| units(*key)),
                }
                self.list('{', '}', members.into_iter(), |printer, (key, value)| {
                    printer.string(key);
                    printer.text.push(':');
                    printer.value(value);
                });
            }
        }
    }

    fn list<T>(&mut self, open: char, close: char, items: impl Iterator<Item = T>, print: impl Fn(&mut Self, T)) {
        self.text.push(open);
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            print(self, item);
        }
        self.text.push(close);
    }

    fn number(&mut self, token: &str) {
        match self.numbers {
            Numbers::AsWritten => self.text.push_str(token),
            Numbers::JavaScript => self.text.push_str(&javascript_number(token)),
        }
    }

    fn string(&mut self, text: Text<'_>) {
        self.text.push('"');
        if text.raw().contains('\\') {
            for unit in char::decode_utf16(text.code_units()) {
                match unit {
                    Ok(character) => self.character(character),
                    Err(lone) => {
                        let _ = write!(self.text, "\\u{:04x}", lone.unpaired_surrogate());
                    }
                }
            }
        } else {
            self.text.push_str(text.raw());
        }
        self.text.push('"');
    }

    fn character(&mut self, character: char) {
        match character {
            '"' => self.text.push_str("\\\""),
            '\\' => self.text.push_str("\\\\"),
            '\u{8}' => self.text.push_str("\\b"),
            '\u{c}' => self.text.push_str("\\f"),
            '\n' => self.text.push_str("\\n"),
            '\r' => self.text.push_str("\\r"),
            '\t' => self.text.push_str("\\t"),
            '\0'..='\u{1f}' => {
                let _ = write!(self.text, "\\u{:04x}", u32::from(character));
            }
            other => self.text.push(other),
        }
    }
}

/// Returns a key's place among its object's: that of its number, or behind all numbers that of its text.
fn javascript_place(key: Text<'_>) -> (bool, u32, Vec<u16>) {
    array_index(key).map_or_else(|| (true, 0, units(key)), |index| (false, index, Vec::new()))
}

fn units(key: Text<'_>) -> Vec<u16> {
    key.code_units().collect()
}

/// The key's number, if it is written as ECMA-262 writes an array index: 0 to 4294967294 without leading zeros.
/// Ends at the first character that is not a digit.
fn array_index(key: Text<'_>) -> Option<u32> {
    let mut index: Option<u32> = None;
    for unit in key.code_units() {
        let digit = u32::from(unit).checked_sub(u32::from(b'0')).filter(|digit| *digit < 10)?;
        index = match index {
            None => Some(digit),
            Some(0) => return None,
            Some(index) => Some(index.checked_mul(10)?.checked_add(digit)?),
        };
    }
    index.filter(|index| *index < u32::MAX)
}

/// The only float in this crate: JavaScript's output can only be known by reading as JavaScript reads.
/// It reaches a signature's candidate text and nothing else.
fn javascript_number(token: &str) -> String {
    match token.parse::<f64>() {
        Ok(number) if number.is_finite() => ryu_js::Buffer::new().format(number).to_owned(),
        Ok(_) | Err(_) => "null".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(body: &str, numbers: Numbers) -> String {
        print(&crate::json::parse(body.as_bytes()).unwrap().root, numbers, Keys::JavaScript)
    }

    #[test]
    fn prints_as_javascript_does() {
        for (body, text) in [
            (r#"{"b":1,"c":{"c":1,"b":2},"a":[{"z":0,"y":0}]}"#, r#"{"a":[{"y":0,"z":0}],"b":1,"c":{"b":2,"c":1}}"#),
            (r#"{"b":1,"10":2,"9":3,"01":4,"4294967295":5}"#, r#"{"9":3,"10":2,"01":4,"4294967295":5,"b":1}"#),
            (r#"["\u003cb\u003e\/\u0026","\u7da0","\u007f\u2028"]"#, "[\"<b>/&\",\"綠\",\"\u{7f}\u{2028}\"]"),
            (r#"["\u0008\u000C\u001F\"\\"]"#, r#"["\b\f\u001f\"\\"]"#),
            (r#"["\uD83D","\ud83d\ude00","\uDE00"]"#, r#"["\ud83d","😀","\ude00"]"#),
            // U+FF61 sorts behind an astral character by code units, before it by code points.
            ("{\"\u{ff61}\":1,\"😀\":2}", "{\"😀\":2,\"\u{ff61}\":1}"),
            (" { \"a\" : [ ] , \"b\" : { } , \"n\" : null } ", r#"{"a":[],"b":{},"n":null}"#),
        ] {
            assert_eq!(printed(body, Numbers::AsWritten), text, "{body}");
        }
    }

    #[test]
    fn only_what_is_written_as_an_index_is_one() {
        for (key, index) in [
            ("0", Some(0)),
            ("10", Some(10)),
            (r"\u0031\u0030", Some(10)),
            ("4294967294", Some(4_294_967_294)),
            ("4294967295", None),
            ("42949672950", None),
            ("99999999999999999999", None),
            ("00", None),
            ("01", None),
            ("", None),
            ("-1", None),
            ("1a", None),
            ("\u{ff11}", None),
        ] {
            let body = format!("\"{key}\"");
            let document = crate::json::parse(body.as_bytes()).unwrap();
            let Kind::String(text) = document.root.kind else { panic!("{key}") };
            assert_eq!(array_index(text), index, "{key}");
        }
    }

    #[test]
    fn numbers_have_both_readings() {
        let body = "[10.0,1e3,0.50,-0,1e21,1e-7,123456789012345678,1e400]";
        assert_eq!(printed(body, Numbers::AsWritten), body);
        let javascript = "[10,1000,0.5,0,1e+21,1e-7,123456789012345680,null]";
        assert_eq!(printed(body, Numbers::JavaScript), javascript);
    }

    #[test]
    fn candidates_are_distinct() {
        for (body, count) in [(r#"{"a":1}"#, 1), (r#"{"a":1.0}"#, 2), (r#"{"a":1.0,"10":0,"9":0}"#, 4)] {
            let document = crate::json::parse(body.as_bytes()).unwrap();
            assert_eq!(candidates(&document.root).len(), count, "{body}");
        }
    }
}
