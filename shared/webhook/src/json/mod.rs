//! JSON as it was written: number tokens stay text, spans are kept, lone surrogates survive.
//!
//! A general JSON library cannot serve here.
//! A SHOPLINE signature covers the *tokens* of the body, secrets are redacted in the body by their place in it, and a
//! lone surrogate, which JavaScript signs happily, must not cost a merchant an order.

use std::borrow::Cow;

pub mod canonical;

/// Bodies nested deeper than this are kept but not read.
pub const DEPTH_MAX: usize = 128;

/// A parsed body.
#[derive(Debug)]
pub struct Document<'a> {
    /// The outermost value.
    pub root: Value<'a>,
    /// Some object holds one key twice.
    pub duplicate_keys: bool,
}

/// A value and the bytes it was written in.
#[derive(Debug)]
pub struct Value<'a> {
    start: u32,
    end: u32,
    /// The token as written.
    pub kind: Kind<'a>,
}

/// A value by its kind.
#[derive(Debug)]
pub enum Kind<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// The token as written: never a float.
    Number(&'a str),
    /// A string, still escaped.
    String(Text<'a>),
    /// Values in their order.
    Array(Vec<Value<'a>>),
    /// Members in their order; a key may occur twice.
    Object(Vec<(Text<'a>, Value<'a>)>),
}

/// A string between its quotes, escapes as they were written.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a>(&'a str);

/// A reason for which a body cannot be read as JSON. Offsets are bytes from the start of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The body is not UTF-8.
    #[error("not UTF-8 at byte {at}")]
    NotUtf8 {
        /// Offset of the first bad byte.
        at: usize,
    },
    /// The grammar is broken.
    #[error("not JSON at byte {at}")]
    Syntax {
        /// Offset of the offending byte.
        at: usize,
    },
    /// More than [`DEPTH_MAX`] levels.
    #[error("nested deeper than {DEPTH_MAX} at byte {at}")]
    TooDeep {
        /// Offset of the bracket that opens one level too many.
        at: usize,
    },
}

/// Reads a whole body.
pub fn parse(body: &[u8]) -> Result<Document<'_>, JsonError> {
    let text = std::str::from_utf8(body).map_err(|error| JsonError::NotUtf8 { at: error.valid_up_to() })?;
    let mut parser = Parser { text, at: 0, depth: 0, duplicate_keys: false };
    let root = parser.value()?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.syntax());
    }
    Ok(Document { root, duplicate_keys: parser.duplicate_keys })
}

impl<'a> Value<'a> {
    /// The value's bytes in the body, quotes and brackets included.
    pub fn span(&self) -> std::ops::Range<usize> {
        let offset = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        offset(self.start)..offset(self.end)
    }

    /// The member of this name; of several the last, as every common reader has it.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        match &self.kind {
            Kind::Object(members) => members.iter().rev().find(|(key, _)| key.is(name)).map(|(_, value)| value),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::String(_) | Kind::Array(_) => None,
        }
    }

    /// The value at the end of a path of member names.
    pub fn at(&self, path: &[&str]) -> Option<&Value<'a>> {
        path.iter().try_fold(self, |value, name| value.get(name))
    }

    /// The text of a non-empty string, or the token of a number.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        match &self.kind {
            Kind::String(text) => Some(text.decode()).filter(|text| !text.is_empty()),
            Kind::Number(token) => Some(Cow::Borrowed(token)),
            Kind::Null | Kind::Bool(_) | Kind::Array(_) | Kind::Object(_) => None,
        }
    }
}

impl<'a> Text<'a> {
    /// The string as written, without its quotes.
    pub fn raw(self) -> &'a str {
        self.0
    }

    /// The string's characters; a lone surrogate becomes U+FFFD.
    pub fn decode(self) -> Cow<'a, str> {
        if !self.0.contains('\\') {
            return Cow::Borrowed(self.0);
        }
        let units: Vec<u16> = self.code_units().collect();
        Cow::Owned(String::from_utf16_lossy(&units))
    }

    /// Returns whether half of a surrogate pair is in it, which is not a character.
    pub fn has_lone_surrogate(self) -> bool {
        self.0.contains('\\') && char::decode_utf16(self.code_units()).any(|unit| unit.is_err())
    }

    /// The string's UTF-16 code units, which is what JavaScript compares.
    pub fn code_units(self) -> CodeUnits<'a> {
        CodeUnits { rest: self.0.chars(), low: None }
    }

    /// Returns whether the string's characters are those of `name`, which holds no U+FFFD.
    ///
    /// Nothing is decoded: a mapping asks an object for dozens of names, and its keys are the sender's. An escape is
    /// longer than what it stands for, so most keys differ by their length already.
    fn is(self, name: &str) -> bool {
        self.0 == name
            || (self.0.len() > name.len() && self.0.contains('\\') && self.code_units().eq(name.encode_utf16()))
    }
}

/// Iterator over a string's UTF-16 code units.
#[derive(Debug, Clone)]
pub struct CodeUnits<'a> {
    rest: std::str::Chars<'a>,
    low: Option<u16>,
}

impl Iterator for CodeUnits<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if let Some(low) = self.low.take() {
            return Some(low);
        }
        let character = match self.rest.next()? {
            '\\' => match self.rest.next()? {
                'u' => return self.escaped(),
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                other => other,
            },
            other => other,
        };
        let mut pair = [0; 2];
        let mut units = character.encode_utf16(&mut pair).iter().copied();
        let first = units.next();
        self.low = units.next();
        first
    }
}

impl CodeUnits<'_> {
    fn escaped(&mut self) -> Option<u16> {
        let digits = self.rest.as_str().get(..4)?;
        self.rest = self.rest.as_str().get(4..)?.chars();
        u16::from_str_radix(digits, 16).ok()
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    duplicate_keys: bool,
}

impl<'a> Parser<'a> {
    fn value(&mut self) -> Result<Value<'a>, JsonError> {
        self.space();
        let start = self.at;
        let kind = match self.peek() {
            Some(b'"') => Kind::String(self.string()?),
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'-' | b'0'..=b'9') => Kind::Number(self.number()?),
            Some(b't') => self.word("true", Kind::Bool(true))?,
            Some(b'f') => self.word("false", Kind::Bool(false))?,
            Some(b'n') => self.word("null", Kind::Null)?,
            _ => return Err(self.syntax()),
        };
        let offset = |at: usize| u32::try_from(at).map_err(|_| JsonError::Syntax { at });
        Ok(Value { start: offset(start)?, end: offset(self.at)?, kind })
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Kind<'a>, JsonError>) -> Result<Kind<'a>, JsonError> {
        if self.depth == DEPTH_MAX {
            return Err(JsonError::TooDeep { at: self.at });
        }
        self.depth += 1;
        self.at += 1;
        self.space();
        let kind = read(self)?;
        self.depth -= 1;
        Ok(kind)
    }

    fn object(&mut self) -> Result<Kind<'a>, JsonError> {
        let mut members = Vec::new();
        if self.take(b'}') {
            return Ok(Kind::Object(members));
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            self.expect(b':')?;
            let value = self.value()?;
            push(&mut members, (key, value));
            self.space();
            if self.take(b'}') {
                break;
            }
            self.expect(b',')?;
        }
        self.duplicate_keys |= has_duplicates(&members);
        Ok(Kind::Object(members))
    }

    fn array(&mut self) -> Result<Kind<'a>, JsonError> {
        let mut values = Vec::new();
        if self.take(b']') {
            return Ok(Kind::Array(values));
        }
        loop {
            let value = self.value()?;
            push(&mut values, value);
            self.space();
            if self.take(b']') {
                return Ok(Kind::Array(values));
            }
            self.expect(b',')?;
        }
    }

    fn string(&mut self) -> Result<Text<'a>, JsonError> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                Some(0..=0x1f) | None => return Err(self.syntax()),
                Some(_) => self.at += 1,
            }
        }
        let text = self.text.get(start..self.at).ok_or(self.syntax())?;
        self.at += 1;
        Ok(Text(text))
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.syntax());
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.syntax()),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<&'a str, JsonError> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        self.text.get(start..self.at).ok_or(self.syntax())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.syntax()) } else { Ok(()) }
    }

    fn word(&mut self, word: &str, kind: Kind<'a>) -> Result<Kind<'a>, JsonError> {
        if self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            return Ok(kind);
        }
        Err(self.syntax())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { Err(self.syntax()) }
    }

    fn syntax(&self) -> JsonError {
        JsonError::Syntax { at: self.at }
    }
}

fn has_duplicates(members: &[(Text<'_>, Value<'_>)]) -> bool {
    let mut keys: Vec<Key<'_>> = members.iter().map(|(key, _)| Key::of(*key)).collect();
    // By length first: most keys of an object differ in it, and comparing two is then one instruction.
    keys.sort_unstable_by(|one, other| one.len().cmp(&other.len()).then_with(|| one.cmp(other)));
    keys.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
}

/// A key in the one form that all its spellings have; two different lone surrogates stay two keys.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Text(Cow<'a, str>),
    Units(Vec<u16>),
}

impl<'a> Key<'a> {
    fn len(&self) -> usize {
        match self {
            Key::Text(text) => text.len(),
            Key::Units(units) => units.len(),
        }
    }

    fn of(text: Text<'a>) -> Self {
        if !text.raw().contains('\\') {
            return Key::Text(Cow::Borrowed(text.raw()));
        }
        let units: Vec<u16> = text.code_units().collect();
        String::from_utf16(&units).map_or(Key::Units(units), |text| Key::Text(Cow::Owned(text)))
    }
}

/// Adds to a list that grows by half from one place on. Most lists of a hostile body are short: with the usual four
/// places each, a body of 6 MB would take over 500 MB, which is more than the function has.
fn push<T>(list: &mut Vec<T>, value: T) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 2).max(1));
    }
    list.push(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(text: &str) -> Document<'_> {
        parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn tokens_and_spans_are_as_written() {
        let body = r#" {"a" : [1.50, -0e+3, "x\u0079"] , "b":null}"#;
        let document = ok(body);
        let Kind::Array(items) = &document.root.get("a").unwrap().kind else { panic!() };
        let tokens: Vec<_> = items.iter().map(|item| item.text().unwrap().into_owned()).collect();
        assert_eq!(tokens, ["1.50", "-0e+3", "xy"]);
        assert_eq!(body.get(items.last().unwrap().span()), Some(r#""x\u0079""#));
    }

    #[test]
    fn broken_bodies_are_distinguished() {
        for body in ["", "{", "[1,]", "{\"a\":1,}", "01", "1.", "\"\u{1}\"", "\"\\x\"", "nul", "{} {}", "\"\\ud8\""] {
            assert!(matches!(parse(body.as_bytes()), Err(JsonError::Syntax { .. })), "{body}");
        }
        assert_eq!(parse(b"\"\xff\"").unwrap_err(), JsonError::NotUtf8 { at: 1 });
        let deep = "[".repeat(10_000);
        assert_eq!(parse(deep.as_bytes()).unwrap_err(), JsonError::TooDeep { at: DEPTH_MAX });
        let fits = format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        assert!(parse(fits.as_bytes()).is_ok());
    }

    #[test]
    fn duplicate_keys_are_seen_through_escapes() {
        for (body, duplicates) in [
            (r#"{"a":1,"b":{"a":2}}"#, false),
            (r#"{"a":1,"\u0061":2}"#, true),
            (r#"{"x":{"é":1,"\u00e9":2}}"#, true),
            (r#"{"\ud83d":1,"\ud83e":2}"#, false),
        ] {
            assert_eq!(ok(body).duplicate_keys, duplicates, "{body}");
        }
        assert_eq!(ok(r#"{"a":1,"a":2}"#).root.get("a").and_then(Value::text).as_deref(), Some("2"));
    }

    #[test]
    fn surrogates_pair_or_become_replacement_characters() {
        let document = ok(r#"["\ud83d\ude00","\ud83d","\ude00x"]"#);
        let Kind::Array(items) = &document.root.kind else { panic!() };
        let texts: Vec<_> = items.iter().map(|item| item.text().unwrap().into_owned()).collect();
        assert_eq!(texts, ["😀", "\u{fffd}", "\u{fffd}x"]);
    }

    #[test]
    fn short_lists_take_little_more_than_their_values() {
        for length in 1..200 {
            let (values, members) = (vec!["0"; length].join(","), vec![r#""":0"#; length].join(","));
            let body = format!("[[{values}],{{{members}}}]");
            let document = parse(body.as_bytes()).unwrap();
            let Kind::Array(lists) = document.root.kind else { unreachable!() };
            let [Kind::Array(values), Kind::Object(members)] = [&lists[0].kind, &lists[1].kind] else { unreachable!() };
            assert_eq!((values.len(), members.len()), (length, length));
            assert!(values.capacity().max(members.capacity()) <= length + length / 2, "{length}");
        }
    }
}
