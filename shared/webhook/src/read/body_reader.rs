//! Reads typed fields out of a body, noting what was there but could not be read.

use std::cell::RefCell;

use jiff::Timestamp;

use crate::json::{Kind, Value};
use crate::read::money::{Amount, Money};
use crate::read::presence::Presence;
use crate::read::status::{Status, Table, Unknown};

/// Longer lists are not read: of empty items, typed, they would take hundreds of times the body's memory.
/// The kept body has them, and a megabyte of real order lines is half as many.
const ITEMS_MAX: usize = 20_000;

/// Objects of more members are not read: each of a mapping's many look-ups would pass them all.
const MEMBERS_MAX: usize = 4_000;

/// More unread fields than this are not listed: the kept body has them all.
const UNREAD_MAX: usize = 32;

/// A number of units: whole, or, where it is not, exact.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quantity {
    /// A whole number of units.
    pub whole: Presence<i64>,
    /// Any other number of them.
    pub exact: Presence<Amount>,
}

impl Quantity {
    /// The quantity that an exact number is.
    pub fn of(amount: Presence<Amount>) -> Self {
        match amount {
            Presence::Absent => Quantity::default(),
            Presence::Null => Quantity { whole: Presence::Null, exact: Presence::Absent },
            Presence::Value(amount) => match amount.whole() {
                Some(whole) => Quantity { whole: Presence::Value(whole), exact: Presence::Absent },
                None => Quantity { whole: Presence::Absent, exact: Presence::Value(amount) },
            },
        }
    }
}

/// Collects the paths of fields that could not be read.
#[derive(Debug, Default)]
pub struct BodyReader {
    unread: RefCell<Vec<String>>,
}

impl BodyReader {
    /// Starts reading at a body's outermost value.
    pub fn root<'a>(&'a self, value: &'a Value<'a>) -> Node<'a> {
        Node { reader: self, value: Some(value), path: Path::Root }
    }

    /// The paths noted so far, comma-separated.
    pub fn unread(&self) -> Option<String> {
        let unread = self.unread.borrow();
        (!unread.is_empty()).then(|| unread.join(","))
    }
}

/// A place in a body, at which there may be nothing.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    reader: &'a BodyReader,
    value: Option<&'a Value<'a>>,
    path: Path,
}

#[derive(Debug, Clone)]
enum Path {
    Root,
    At(String),
}

impl<'a> Node<'a> {
    /// The member of this name, if this is an object that has it.
    pub fn get(&self, name: &str) -> Node<'a> {
        let path = match &self.path {
            Path::Root => name.to_owned(),
            Path::At(path) => format!("{path}.{name}"),
        };
        Node { reader: self.reader, value: self.members().and_then(|value| value.get(name)), path: Path::At(path) }
    }

    /// The value, unless it is an object of too many members, which is noted.
    fn members(&self) -> Option<&'a Value<'a>> {
        match self.value.map(|value| &value.kind) {
            Some(Kind::Object(members)) if members.len() > MEMBERS_MAX => {
                self.note();
                None
            }
            _ => self.value,
        }
    }

    /// Returns whether anything is here, `null` included.
    pub fn is_present(&self) -> bool {
        self.value.is_some()
    }

    /// Returns whether a truth value is here, as such or as the number 0 or 1.
    pub fn is_flag(&self) -> bool {
        matches!(self.value.map(|value| &value.kind), Some(Kind::Bool(_) | Kind::Number("0" | "1")))
    }

    /// Returns whether an object is here.
    pub fn is_object(&self) -> bool {
        matches!(self.value.map(|value| &value.kind), Some(Kind::Object(_)))
    }

    /// Returns whether a text or a number is here.
    pub fn is_scalar(&self) -> bool {
        matches!(self.value.map(|value| &value.kind), Some(Kind::String(_) | Kind::Number(_)))
    }

    /// A member's text. Numbers are taken as their token, `""` as null.
    pub fn text(&self, name: &str) -> Presence<String> {
        self.get(name).as_text()
    }

    /// Returns a member's text, if missing and blank are the same.
    pub fn text_or_none(&self, name: &str) -> Option<String> {
        self.text(name).value().cloned()
    }

    /// A member's whole number, written as a number or as text.
    pub fn integer(&self, name: &str) -> Presence<i64> {
        self.get(name).parsed(|text| text.parse::<Amount>().ok()?.whole())
    }

    /// A member's number of units, of which there may be parts.
    pub fn quantity(&self, name: &str) -> Quantity {
        Quantity::of(self.amount(name))
    }

    /// A member's weight in kilograms, in grams.
    pub fn kilograms(&self, name: &str) -> Presence<i64> {
        self.get(name).parsed(|text| text.parse::<Amount>().ok()?.checked_times(1_000)?.whole())
    }

    /// A member's truth value.
    pub fn flag(&self, name: &str) -> Presence<bool> {
        let node = self.get(name);
        match node.value.map(|value| &value.kind) {
            None => Presence::Absent,
            Some(Kind::Null) => Presence::Null,
            Some(Kind::Bool(flag)) => Presence::Value(*flag),
            Some(Kind::Number(_) | Kind::String(_)) => node.parsed(|text| match text {
                "1" | "true" => Some(true),
                "0" | "false" => Some(false),
                _ => None,
            }),
            Some(Kind::Array(_) | Kind::Object(_)) => node.unreadable(),
        }
    }

    /// A member's instant, RFC 3339 with any offset and precision.
    pub fn time(&self, name: &str) -> Presence<Timestamp> {
        self.get(name).parsed(instant)
    }

    /// A member's amount, as text or number.
    pub fn amount(&self, name: &str) -> Presence<Amount> {
        self.get(name).parsed(|text| text.parse().ok())
    }

    /// Returns a member's amount in a currency that is given elsewhere, or nowhere.
    pub fn money(&self, name: &str, currency: Option<&str>) -> Presence<Money> {
        self.amount(name).map(|amount| Money::new(amount, currency.map(str::to_owned)))
    }

    /// A member's status word through a table.
    pub fn status<T: Copy + Unknown>(&self, name: &str, table: Table<T>) -> Presence<Status<T>> {
        self.text(name).map(|word| Status::of(table, &word))
    }

    /// A member's items; null where it is null, absent where it is missing.
    pub fn items(&self, name: &str) -> Presence<Vec<Node<'a>>> {
        let node = self.get(name);
        match node.value.map(|value| &value.kind) {
            None => Presence::Absent,
            Some(Kind::Null) => Presence::Null,
            Some(Kind::Array(values)) if values.len() > ITEMS_MAX => node.unreadable(),
            Some(Kind::Array(values)) => Presence::Value(
                values
                    .iter()
                    .enumerate()
                    .map(|(index, value)| Node {
                        reader: self.reader,
                        value: Some(value),
                        path: Path::At(format!("{}.{index}", node.path_text())),
                    })
                    .collect(),
            ),
            Some(Kind::Bool(_) | Kind::Number(_) | Kind::String(_) | Kind::Object(_)) => node.unreadable(),
        }
    }

    /// A member's items, each read; a value that is not a list is noted as unread.
    pub fn list<T>(&self, name: &str, read: impl Fn(&Node<'a>) -> T) -> Presence<Vec<T>> {
        self.items(name).map(|items| items.iter().map(read).collect())
    }

    /// A member object, read as a whole; null where it is null, absent where it is missing or no object.
    pub fn object<T>(&self, name: &str, read: impl FnOnce(&Node<'a>) -> T) -> Presence<T> {
        let node = self.get(name);
        match node.value.map(|value| &value.kind) {
            None => Presence::Absent,
            Some(Kind::Null) => Presence::Null,
            Some(Kind::Object(_)) => Presence::Value(read(&node)),
            // PHP writes an empty object as an empty list.
            Some(Kind::Array(values)) if values.is_empty() => Presence::Null,
            Some(Kind::Bool(_) | Kind::Number(_) | Kind::String(_) | Kind::Array(_)) => node.unreadable(),
        }
    }

    /// Returns the text here.
    pub fn as_text(&self) -> Presence<String> {
        match self.value.map(|value| &value.kind) {
            None => Presence::Absent,
            Some(Kind::Null) => Presence::Null,
            Some(Kind::String(text)) if text.raw().is_empty() => Presence::Null,
            Some(Kind::String(text)) => {
                // The character that replaces it is not what was sent.
                if text.has_lone_surrogate() {
                    self.note();
                }
                Presence::Value(text.decode().into_owned())
            }
            Some(Kind::Number(token)) => Presence::Value((*token).to_owned()),
            Some(Kind::Bool(_) | Kind::Array(_) | Kind::Object(_)) => self.unreadable(),
        }
    }

    /// Reads text by a function; what it refuses is noted.
    pub fn parsed<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Presence<T> {
        match self.as_text() {
            Presence::Absent => Presence::Absent,
            Presence::Null => Presence::Null,
            Presence::Value(text) => parse(&text).map_or_else(|| self.unreadable(), Presence::Value),
        }
    }

    /// Notes that the value here cannot be read.
    pub fn unreadable<T>(&self) -> Presence<T> {
        self.note();
        Presence::Absent
    }

    fn note(&self) {
        let mut unread = self.reader.unread.borrow_mut();
        let path = self.path_text();
        if unread.len() < UNREAD_MAX && !unread.iter().any(|noted| noted == path) {
            unread.push(path.to_owned());
        }
    }

    fn path_text(&self) -> &str {
        match &self.path {
            Path::Root => "$",
            Path::At(path) => path,
        }
    }
}

/// An instant of the years 1 to 9999: RFC 3339, in which it is sent on, has no others.
fn instant(text: &str) -> Option<Timestamp> {
    const YEAR_1_SECONDS: i64 = -62_135_596_800;
    text.parse().ok().filter(|time: &Timestamp| time.as_second() >= YEAR_1_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_too_many_members_is_noted_and_not_searched() {
        let members: Vec<String> = (0..=MEMBERS_MAX).map(|number| format!("\"\\n{number}\":0")).collect();
        let body = format!(r#"{{"big":{{"id":"x",{}}},"c":"y"}}"#, members.join(","));
        let document = crate::json::parse(body.as_bytes()).unwrap();
        let reader = BodyReader::default();
        let root = reader.root(&document.root);
        assert_eq!(root.get("big").text("id"), Presence::Absent);
        assert_eq!(root.text("c"), Presence::Value("y".to_owned()));
        assert_eq!(reader.unread().unwrap(), "big");
    }

    #[test]
    fn absent_null_and_unreadable_are_three_things() {
        let body = br#"{"a":null,"b":"","c":"x","d":{},"e":[1],"n":1.50,"t":"2021-01-26T08:10:58.448+00:00","f":"x"}"#;
        let document = crate::json::parse(body).unwrap();
        let reader = BodyReader::default();
        let root = reader.root(&document.root);
        assert_eq!(root.text("missing"), Presence::Absent);
        assert_eq!(root.text("a"), Presence::Null);
        assert_eq!(root.text("b"), Presence::Null);
        assert_eq!(root.text("c"), Presence::Value("x".to_owned()));
        assert_eq!(root.money("n", Some("EUR")).value().unwrap().amount.to_string(), "1.5");
        assert_eq!(root.time("t").value().unwrap().to_string(), "2021-01-26T08:10:58.448Z");
        assert_eq!(reader.unread(), None);
        assert_eq!(root.text("d"), Presence::Absent);
        assert_eq!(root.integer("n"), Presence::Absent);
        assert_eq!(root.flag("f"), Presence::Absent);
        assert_eq!(root.items("e").value().unwrap()[0].text("x"), Presence::Absent);
        assert_eq!(reader.unread().unwrap(), "d,n,f");
        for (text, read) in
            [("0001-01-01T00:00:00Z", true), ("-009999-01-02T01:59:59Z", false), ("0000-12-31T23:59:59Z", false)]
        {
            assert_eq!(instant(text).is_some(), read, "{text}");
        }
    }
}
