//! A second reader and a second fold, slow and written apart: what bodies say, and where their order has to end.
//!
//! Nothing here calls the code that reads, names or joins: a mistake that is the same everywhere in it, in relay, views
//! and rebuilds, is one here alone. It knows of each provider the order's id, the event's word, a few members that are
//! copied as they are, and what makes one event later than another, each from the provider's pages.

use std::collections::BTreeMap;

use serde_json::Value;

/// The content of one body.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// The order, or the payment without one, under its source: two events of one order have one.
    pub subject: String,
    /// It does not name its order or payment, which is then nobody's: it has no view.
    pub is_nameless: bool,
    /// The provider's word for what happened.
    pub word: String,
    /// Its place among the subject's events.
    pub place: Place,
    /// It has a refund whose name or amount it does not give.
    pub vague_refund: bool,
    /// Its facts, by the path at which the view of the order has them.
    pub facts: BTreeMap<String, Fact>,
}

/// Greater is later: a time before a step, a step before an arrival.
pub type Place = (u8, String, String, usize);

/// A value that is copied as it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// The provider's own word for a status.
    Word(String),
    /// An amount.
    Amount(f64),
    /// A text.
    Text(String),
    /// There is none.
    Null,
}

const SCALEV_ORDERS: [&str; 5] =
    ["order.created", "order.epayment_created", "order.updated", "order.status_changed", "order.spam_created"];
const SCALEV_PAYMENTS: [&str; 3] = ["order.payment_status_changed", "payment.received", "payment.failed"];
const SCALEV_STEPS: [&str; 11] = [
    "draft",
    "pending",
    "confirmed",
    "in_process",
    "ready",
    "shipped",
    "completed",
    "shipped_rts",
    "rts",
    "canceled",
    "closed",
];
const SCALEV_MONEY: [&str; 4] = ["unpaid", "paid", "settled", "conflict"];
const SCALAPAY_STEPS: [&str; 5] = ["created", "authorized", "expired", "charged", "refunded"];
const SHOPLINE_ORDERS: [&str; 9] =
    ["create", "update", "pending", "confirm", "complete", "cancel", "remove", "combine_orders", "split_order"];
const SHOPLINE_STEPS: [&str; 6] = ["temp", "pending", "confirmed", "completed", "cancelled", "removed"];
const SHOPLINE_MONEY: [&str; 7] =
    ["pending", "failed", "expired", "completed", "partially_refunded", "refunding", "refunded"];
const SELLDONE_ORDERS: [&str; 5] = ["OnlineOrder", "PosOrder", "AvocadoOrder", "HyperOrder", "FulfillmentOrder"];
const SELLDONE_STEPS: [&str; 7] =
    ["CheckoutOrder", "PaymentOrder", "OrderConfirm", "PreparingOrder", "SentOrder", "ToCustomer", "ReturnOrder"];
const SELLDONE_ANY_TIME: [&str; 2] = ["CancelProduct", "DeliveryCanceled"];

/// Reads a body that was received at a time, with the headers' signed time. `None` if it is not an object.
pub fn read(provider: &str, source: &str, body: &[u8], signed_at: Option<&str>, received_ms: i64) -> Option<Reading> {
    let root: Value = serde_json::from_slice(body).ok()?;
    root.is_object().then_some(())?;
    let mut reading = match provider {
        "scalev" => scalev(&root),
        "scalapay" => scalapay(&root),
        "shopline" => shopline(&root, signed_at),
        "selldone" => selldone(&root),
        other => panic!("the oracle does not read {other}"),
    };
    reading.is_nameless |= reading.subject.is_empty();
    reading.subject = format!("{provider}/{source}/{}", reading.subject);
    // What has no place of its own is where it arrived, and so is what may happen again at one step.
    let arrival = format!("{received_ms:020}");
    match reading.place.0 {
        0 => reading.place = (1, arrival, String::new(), 0),
        2 if provider == "shopline" => reading.place.2 = arrival,
        _ => {}
    }
    Some(reading)
}

fn scalev(root: &Value) -> Reading {
    let data = &root["data"];
    let word = text(&root["event"]);
    let mut facts = BTreeMap::new();
    let mut copy = |path: &str, fact: Option<Fact>| drop(fact.map(|fact| facts.insert(path.to_owned(), fact)));
    if SCALEV_ORDERS.contains(&word.as_str()) {
        copy("order/status", a_word(data, "status"));
        copy("order/number", a_text(data, "order_id"));
        copy("order/totals/total", an_amount(data, "gross_revenue"));
        copy("payments/~/status", a_word(data, "payment_status"));
    } else if word == "order.deleted" {
        copy("order/status", Some(Fact::Word("deleted".to_owned())));
    } else if SCALEV_PAYMENTS.contains(&word.as_str()) {
        copy("payments/~/status", a_word(data, "payment_status"));
        copy("payments/~/amount/amount", an_amount(data, "gross_revenue"));
    }
    let event = time(&root["timestamp"]);
    let version = time(&data["last_updated_at"]).or_else(|| time(&data["occurred_at"])).or_else(|| event.clone());
    let steps = step(&SCALEV_STEPS, &data["status"]) * 16 + step(&SCALEV_MONEY, &data["payment_status"]);
    let place = version.map_or_else(Place::default, |version| (3, version, event.unwrap_or_default(), steps));
    let subject = if data["order_id"].is_null() { text(&data["id"]) } else { text(&data["order_id"]) };
    Reading { subject, word, place, facts, ..Reading::default() }
}

fn scalapay(root: &Value) -> Reading {
    let (token, word) = (text(&root["orderToken"]), text(&root["status"]));
    let details = &root["orderDetails"];
    let payment = format!("payments/{token}");
    let mut facts = BTreeMap::new();
    let mut vague_refund = false;
    let known = step(&SCALAPAY_STEPS, &root["status"]);
    if known > 0 {
        let mut copy = |path: String, fact: Option<Fact>| drop(fact.map(|fact| facts.insert(path, fact)));
        copy(format!("{payment}/status"), a_word(root, "status"));
        let amount = an_amount(root, "totalAmount");
        let is_bare = details["totalAmount"]["currency"].is_null();
        copy(format!("{payment}/amount{}", if is_bare { "/amount" } else { "" }), amount);
        copy("order/totals/total".to_owned(), an_amount(&details["totalAmount"], "amount"));
        let amount = if root["refundAmount"].is_object() { &root["refundAmount"] } else { root };
        if let (5, Some(name), true) =
            (known, scalapay_refund(root), amount["amount"].is_number() || amount["amount"].is_string())
        {
            copy(format!("{payment}/refunds/{name}/amount"), an_amount(amount, "amount"));
        } else {
            vague_refund = known == 5;
        }
    }
    let place = if known > 0 { (2, format!("{known:020}"), String::new(), 0) } else { Place::default() };
    Reading { subject: token, word, place, vague_refund, facts, ..Reading::default() }
}

/// The documented name of a refund and its time are one name.
fn scalapay_refund(root: &Value) -> Option<String> {
    let name = root["merchantRefundReference"].as_str().or_else(|| root["refundToken"].as_str())?;
    Some(escaped(&format!("{name}@{}", root["refundedAt"].as_str()?)))
}

fn shopline(root: &Value, signed_at: Option<&str>) -> Reading {
    let (word, resource) = (text(&root["topic"]), &root["resource"]);
    let id = |node: &Value| if node["_id"].is_null() { text(&node["id"]) } else { text(&node["_id"]) };
    let (family, action) = word.split_once('/').unwrap_or_default();
    let mut facts = BTreeMap::new();
    let mut copy = |path: String, fact: Option<Fact>| drop(fact.map(|fact| facts.insert(path, fact)));
    let mut payment_of = |payment: &Value| {
        let path = format!("payments/{}", escaped(&id(payment)));
        copy(format!("{path}/status"), a_word(payment, "status").filter(|fact| *fact != Fact::Null));
        copy(format!("{path}/amount"), an_amount(&payment["total"], "dollars"));
    };
    let mut steps = 0;
    match family {
        "order" if SHOPLINE_ORDERS.contains(&action) => {
            if resource["order_payment"].is_object() {
                payment_of(&resource["order_payment"]);
            }
            copy("order/status".to_owned(), a_word(resource, "status").filter(|fact| *fact != Fact::Null));
            copy("order/number".to_owned(), a_text(resource, "order_number"));
            copy("order/totals/total".to_owned(), an_amount(&resource["total"], "dollars"));
            steps = step(&SHOPLINE_STEPS, &resource["status"]);
        }
        "order_payment" if ["update", "complete", "refund"].contains(&action) => {
            payment_of(resource);
            steps = step(&SHOPLINE_MONEY, &resource["status"]);
        }
        _ => {}
    }
    let digits = text(&root["ts"]);
    let noticed = (digits.len() == 19).then(|| format!("{}.{}", epoch(&digits[..10]), &digits[10..]));
    let version = noticed.or_else(|| time(&resource["updated_at"])).or_else(|| {
        let digits = signed_at?;
        (digits.len() == 10).then(|| format!("{}.000000000", epoch(digits)))
    });
    let place = match version {
        Some(version) => (3, version, String::new(), steps),
        None if steps > 0 => (2, format!("{steps:020}"), String::new(), 0),
        None => Place::default(),
    };
    let (own, order) = (id(resource), text(&resource["order_id"]));
    let (first, second) = if family == "order" { (own, order) } else { (order, own) };
    let subject = if first.is_empty() { second } else { first };
    Reading { subject, word, place, facts, ..Reading::default() }
}

fn selldone(root: &Value) -> Reading {
    let (event, action, basket) = (text(&root["event"]), text(&root["action"]), &root["basket"]);
    let shop = text(&root["shop"]["id"]);
    let steps = step(&SELLDONE_STEPS, &root["action"]);
    let mut facts = BTreeMap::new();
    let is_order = SELLDONE_ORDERS.contains(&event.as_str());
    if is_order && basket.is_object() && (steps > 0 || SELLDONE_ANY_TIME.contains(&action.as_str())) {
        let mut copy = |path: String, fact: Option<Fact>| drop(fact.map(|fact| facts.insert(path, fact)));
        let price = if event == "AvocadoOrder" { "total" } else { "subtotal" };
        copy(format!("order/totals/{price}"), an_amount(basket, "price"));
        copy("order/number".to_owned(), a_text(basket, "label"));
        copy("order/order_type".to_owned(), a_text(basket, "type"));
        let id = if basket["payment_id"].is_null() { "~".to_owned() } else { text(&basket["payment_id"]) };
        for refund in basket["payment"]["refunds"].as_array().into_iter().flatten() {
            let path = format!("payments/{id}/refunds/{}/amount", escaped(&text(&refund["id"])));
            copy(path, an_amount(refund, "amount"));
        }
    }
    let time = ["basket", "variant", "product", "customer"].iter().find_map(|name| time(&root[*name]["updated_at"]));
    let place = match time {
        Some(version) => (3, version, String::new(), steps),
        None if steps > 0 => (2, format!("{steps:020}"), String::new(), 0),
        None => Place::default(),
    };
    let subject = match () {
        () if is_order => format!("{event}:{}", text(&basket["id"])),
        () if event == "Inventory" => format!("Inventory:{}", text(&root["product"]["id"])),
        () => format!("{}:{}", text(&basket["id"]), text(&root["customer"]["id"])),
    };
    let word = if action.is_empty() { event } else { format!("{event}.{action}") };
    let is_nameless = is_order && basket["id"].is_null();
    Reading { subject: format!("{shop}:{subject}"), is_nameless, word, place, facts, ..Reading::default() }
}

/// Returns the values that an order may end with at each path: those of the latest events that say something there;
/// several if nothing says which of them is the later.
pub fn fold<'a>(readings: &[&'a Reading]) -> BTreeMap<&'a str, Vec<&'a Fact>> {
    let mut ends: BTreeMap<&str, Vec<&Fact>> = BTreeMap::new();
    for reading in readings {
        for (path, fact) in &reading.facts {
            let is_beaten = readings.iter().any(|other| other.facts.contains_key(path) && other.place > reading.place);
            if !is_beaten {
                ends.entry(path).or_default().push(fact);
            }
        }
    }
    ends
}

/// Returns true if a value of the view, or of a message, is this one.
pub fn is_same(fact: &Fact, value: &Value) -> bool {
    match fact {
        Fact::Null => value.is_null(),
        Fact::Word(word) => value["word"].as_str() == Some(word.as_str()),
        Fact::Text(text) => value.as_str() == Some(text.as_str()),
        Fact::Amount(amount) => {
            let text = value["amount"].as_str().or_else(|| value.as_str());
            text.and_then(|text| text.parse::<f64>().ok()) == Some(*amount)
        }
    }
}

/// Returns the sum of an order's refunds, each once; `None` if there is none or some amount is not known.
pub fn refunded(ends: &BTreeMap<&str, Vec<&Fact>>) -> Option<f64> {
    let refunds: Vec<&Vec<&Fact>> =
        ends.iter().filter(|(path, _)| path.contains("/refunds/")).map(|(_, facts)| facts).collect();
    let amount = |facts: &&Vec<&Fact>| match facts.as_slice() {
        [Fact::Amount(amount), rest @ ..] if rest.iter().all(|fact| **fact == Fact::Amount(*amount)) => Some(*amount),
        _ => None,
    };
    (!refunds.is_empty()).then(|| refunds.iter().map(amount).sum::<Option<f64>>())?
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

fn a_word(node: &Value, name: &str) -> Option<Fact> {
    let value = node.get(name)?;
    if value.is_null() { Some(Fact::Null) } else { Some(Fact::Word(value.as_str()?.to_owned())) }
}

fn a_text(node: &Value, name: &str) -> Option<Fact> {
    let value = node.get(name)?;
    if value.is_null() { Some(Fact::Null) } else { Some(Fact::Text(text(value))) }
}

/// Amounts with a comma are left to the readings' own tests.
fn an_amount(node: &Value, name: &str) -> Option<Fact> {
    let value = node.get(name)?;
    match value {
        Value::Null => Some(Fact::Null),
        Value::Number(number) => number.as_f64().map(Fact::Amount),
        Value::String(text) => text.parse().ok().map(Fact::Amount),
        _ => None,
    }
}

/// A word's place among the steps, from 1; 0 if it is none of them.
fn step(steps: &[&str], word: &Value) -> usize {
    let word = text(word);
    steps.iter().position(|known| known.eq_ignore_ascii_case(&word)).map_or(0, |place| place + 1)
}

/// A time in UTC as text of one width.
fn time(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let utc = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00"))?;
    let (whole, fraction) = utc.split_once('.').unwrap_or((utc, ""));
    Some(format!("{whole}.{fraction:0<9}"))
}

/// The same of seconds since 1970.
fn epoch(digits: &str) -> String {
    let seconds: i64 = digits.parse().unwrap();
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days from the first of March of the year 0, in eras of 400 years.
    let (era, of_era) = ((days + 719_468).div_euclid(146_097), (days + 719_468).rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 { (month + 3, year + era * 400) } else { (month - 9, year + era * 400 + 1) };
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// A name as a path has it: other signs than letters, digits, `.`, `_` and `-` by their bytes.
fn escaped(name: &str) -> String {
    let sign = |byte: u8| match byte {
        b'.' | b'_' | b'-' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    if name.is_empty() { "~".to_owned() } else { name.bytes().map(sign).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_text_of_one_width() {
        assert_eq!(epoch("1680495048"), "2023-04-03T04:10:48");
        assert_eq!(epoch("1709164800"), "2024-02-29T00:00:00");
        assert_eq!(time(&Value::from("2023-04-03T04:10:48.5Z")), Some("2023-04-03T04:10:48.500000000".to_owned()));
        assert_eq!(time(&Value::from("2023-04-03T04:10:48+08:00")), None);
    }
}
