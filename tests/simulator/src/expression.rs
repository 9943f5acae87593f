//! DynamoDB's expressions: conditions, key conditions and updates, as far as anything here writes them.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

/// An item in DynamoDB's JSON.
pub type JsonItem = Map<String, Value>;

/// An expression with the names and values that its call gives.
struct Expression<'a> {
    call: &'a Value,
    tokens: Vec<String>,
    at: usize,
}

/// Returns true if a condition of a call holds for an item; without an item every attribute is missing.
pub fn holds(call: &Value, condition: &Value, item: Option<&JsonItem>) -> bool {
    let Some(text) = condition.as_str() else { return true };
    let none = JsonItem::new();
    let mut expression = Expression { call, tokens: tokens(text), at: 0 };
    let holds = expression.any_of(item.unwrap_or(&none));
    assert_eq!(expression.at, expression.tokens.len(), "a condition that the simulated table cannot read: {text}");
    holds
}

/// Changes an item as a call's update expression says.
pub fn update(call: &Value, item: &mut JsonItem) {
    let text = call["UpdateExpression"].as_str().unwrap();
    let before = item.clone();
    let mut expression = Expression { call, tokens: tokens(text), at: 0 };
    while let Some(clause) = expression.next() {
        loop {
            let name = expression.name();
            match clause.as_str() {
                "SET" => {
                    expression.expect("=");
                    let value = expression.sum(&before);
                    item.insert(name, value);
                }
                "REMOVE" => drop(item.remove(&name)),
                "ADD" => {
                    let value = expression.operand(&before).unwrap();
                    let old = item.get(&name).cloned().unwrap_or_else(|| json!({"N": "0"}));
                    item.insert(name, plus(&old, &value));
                }
                other => panic!("an update that the simulated table does not know: {other} in {text}"),
            }
            if !expression.skip(",") {
                break;
            }
        }
    }
}

impl Expression<'_> {
    fn next(&mut self) -> Option<String> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    fn skip(&mut self, word: &str) -> bool {
        let is_next = self.tokens.get(self.at).is_some_and(|token| token.eq_ignore_ascii_case(word));
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, word: &str) {
        assert!(self.skip(word), "{word} is missing in {}", self.tokens.join(" "));
    }

    fn name(&mut self) -> String {
        let token = self.next().unwrap();
        let Some(_) = token.strip_prefix('#') else { return token };
        self.call["ExpressionAttributeNames"][&token].as_str().unwrap().to_owned()
    }

    // Both sides are always read, or the place in the text would be wrong.
    fn any_of(&mut self, item: &JsonItem) -> bool {
        let mut holds = self.all_of(item);
        while self.skip("OR") {
            holds |= self.all_of(item);
        }
        holds
    }

    fn all_of(&mut self, item: &JsonItem) -> bool {
        let mut holds = self.term(item);
        while self.skip("AND") {
            holds &= self.term(item);
        }
        holds
    }

    fn term(&mut self, item: &JsonItem) -> bool {
        if self.skip("NOT") {
            return !self.term(item);
        }
        if self.skip("(") {
            let holds = self.any_of(item);
            self.expect(")");
            return holds;
        }
        if self.skip("attribute_exists") {
            return self.argument(item).is_some();
        }
        if self.skip("attribute_not_exists") {
            return self.argument(item).is_none();
        }
        if self.skip("begins_with") {
            let (whole, start) = self.two_arguments(item);
            return whole.zip(start).is_some_and(|(whole, start)| text(&whole).starts_with(&text(&start)));
        }
        let left = self.operand(item);
        let operator = self.next().unwrap();
        let right = self.operand(item);
        if operator.eq_ignore_ascii_case("BETWEEN") {
            self.expect("AND");
            let last = self.operand(item);
            return compare(&left, &right).is_some_and(Ordering::is_ge)
                && compare(&left, &last).is_some_and(Ordering::is_le);
        }
        let order = compare(&left, &right);
        match operator.as_str() {
            "=" => order.is_some_and(Ordering::is_eq),
            "<>" => !order.is_some_and(Ordering::is_eq),
            "<" => order.is_some_and(Ordering::is_lt),
            "<=" => order.is_some_and(Ordering::is_le),
            ">" => order.is_some_and(Ordering::is_gt),
            ">=" => order.is_some_and(Ordering::is_ge),
            other => panic!("an operator that the simulated table does not know: {other}"),
        }
    }

    fn argument(&mut self, item: &JsonItem) -> Option<Value> {
        self.expect("(");
        let value = self.operand(item);
        self.expect(")");
        value
    }

    fn two_arguments(&mut self, item: &JsonItem) -> (Option<Value>, Option<Value>) {
        self.expect("(");
        let first = self.operand(item);
        self.expect(",");
        let second = self.operand(item);
        self.expect(")");
        (first, second)
    }

    fn operand(&mut self, item: &JsonItem) -> Option<Value> {
        if self.skip("if_not_exists") {
            let (known, other) = self.two_arguments(item);
            return known.or(other);
        }
        if self.tokens[self.at].starts_with(':') {
            let name = self.next().unwrap();
            return Some(self.call["ExpressionAttributeValues"][&name].clone());
        }
        let name = self.name();
        item.get(&name).cloned()
    }

    fn sum(&mut self, item: &JsonItem) -> Value {
        let first = self.operand(item).unwrap();
        if self.skip("+") { plus(&first, &self.operand(item).unwrap()) } else { first }
    }
}

/// Splits an expression into words and signs.
fn tokens(text: &str) -> Vec<String> {
    let is_word = |sign: char| sign.is_alphanumeric() || "_#:-.".contains(sign);
    let mut tokens: Vec<String> = Vec::new();
    let mut in_word = false;
    for sign in text.chars() {
        match tokens.last_mut() {
            Some(last) if is_word(sign) && in_word => last.push(sign),
            Some(last) if (last == "<" || last == ">") && (sign == '=' || sign == '>') => last.push(sign),
            _ if !sign.is_whitespace() => tokens.push(sign.to_string()),
            _ => {}
        }
        in_word = is_word(sign);
    }
    tokens
}

fn text(value: &Value) -> String {
    value.as_object().and_then(|typed| typed.values().next()?.as_str()).unwrap_or_default().to_owned()
}

/// Compares two values of one type; values of different types compare as nothing.
fn compare(one: &Option<Value>, other: &Option<Value>) -> Option<Ordering> {
    let (one, other) = (one.as_ref()?, other.as_ref()?);
    let number = |value: &Value| value["N"].as_str().and_then(|digits| digits.parse::<i128>().ok());
    if let (Some(one), Some(other)) = (number(one), number(other)) {
        return Some(one.cmp(&other));
    }
    let type_of = |value: &Value| value.as_object().and_then(|typed| typed.keys().next().cloned());
    (type_of(one) == type_of(other)).then(|| if one == other { Ordering::Equal } else { text(one).cmp(&text(other)) })
}

fn plus(one: &Value, other: &Value) -> Value {
    let number = |value: &Value| value["N"].as_str().unwrap().parse::<i128>().unwrap();
    json!({"N": (number(one) + number(other)).to_string()})
}
