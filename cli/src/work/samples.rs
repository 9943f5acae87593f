//! The deliveries of `events/`, built in, and what may be changed in them.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use webhook::json::{self, Kind};
use webhook::money::Amount;
use webhook::providers::Provider;

use crate::terminal::error::Error;

/// Provider, case and the text of every sample, by name.
static SAMPLES: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/samples.rs"));

/// Which fields hold the order's id and the amount, by provider.
const OVERRIDES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../events/overrides.json"));

/// A delivery that is built in.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub provider: &'static Provider,
    pub case: &'static str,
    /// The Lambda request event.
    pub text: &'static str,
}

/// Values to put into a sample's body.
#[derive(Debug, Clone, Default)]
pub struct Values {
    /// The order's id.
    pub order: Option<String>,
    /// The amount, in major units.
    pub amount: Option<String>,
}

/// The fields of one provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    /// Groups of paths: of each the first that a body has.
    order: Vec<Vec<String>>,
    amount: Vec<AmountFields>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AmountFields {
    major: String,
    /// The same amount in smallest units.
    minor: Option<String>,
}

/// One replacement in a body.
type Edit = (std::ops::Range<usize>, String);

/// Returns the samples of a provider, or of all.
pub fn of(provider: Option<&'static Provider>) -> Vec<Sample> {
    let wanted = |known: &Provider| provider.is_none_or(|provider| provider.name == known.name);
    let sample = |(name, case, text): &(&str, &'static str, &'static str)| {
        Provider::named(name).filter(|known| wanted(known)).map(|provider| Sample { provider, case, text })
    };
    SAMPLES.iter().filter_map(sample).collect()
}

/// Puts values into the body of a sample; every other byte stays.
pub fn put(provider: &Provider, body: &[u8], values: &Values) -> Result<Vec<u8>, Error> {
    if values.order.is_none() && values.amount.is_none() {
        return Ok(body.to_vec());
    }
    let fields: HashMap<String, Fields> = serde_json::from_str(OVERRIDES)
        .map_err(|error| Error::service(format!("the list of fields cannot be read: {error}")))?;
    let empty = |flag: &str| {
        Error::usage(format!("{flag} is empty"))
            .next(format!("Give a value, or leave {flag} out to keep the sample's."))
    };
    if values.order.as_ref().is_some_and(|order| order.trim().is_empty()) {
        return Err(empty("--order"));
    }
    if values.amount.as_ref().is_some_and(|amount| amount.trim().is_empty()) {
        return Err(empty("--amount"));
    }
    let unknown = |flag: &str| {
        Error::usage(format!("this case of {} has no field for {flag}", provider.name))
            .next(format!("hookmill trigger {} lists its cases.", provider.name))
    };
    let fields = fields.get(provider.name).ok_or_else(|| unknown("--order or --amount"))?;
    let document = json::parse(body).map_err(|_| unknown("--order or --amount"))?;
    let mut leaves = BTreeMap::new();
    find(&document.root, String::new(), &mut leaves);
    let mut edits: Vec<Edit> = Vec::new();
    if let Some(order) = &values.order {
        let present = fields.order.iter().filter_map(|group| group.iter().find_map(|path| leaves.get(path)));
        for leaf in present {
            edits.push(leaf.replaced(order).ok_or_else(|| {
                Error::usage(format!("{order} cannot be an order's id of {}, which is a number", provider.name))
                    .next("Give a whole number: --order 1234")
            })?);
        }
        if edits.is_empty() {
            return Err(unknown("--order"));
        }
    }
    if let Some(amount) = &values.amount {
        let before = edits.len();
        for known in &fields.amount {
            edits.extend(known.edits(&leaves, amount)?);
        }
        if edits.len() == before {
            return Err(unknown("--amount"));
        }
    }
    Ok(spliced(body, edits))
}

impl AmountFields {
    fn edits(&self, leaves: &BTreeMap<String, Leaf>, amount: &str) -> Result<Vec<Edit>, Error> {
        let Some(major) = leaves.get(&self.major) else { return Ok(Vec::new()) };
        let bad = |why: &str| {
            Error::usage(format!("{amount} is not an amount here: {why}"))
                .next(format!("The sample's own, for example: --amount {}", major.text))
        };
        let is_decimal = amount.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if !is_decimal || amount.parse::<Amount>().is_err() {
            return Err(bad("digits, and a point before decimals"));
        }
        let mut edits: Vec<Edit> = major.replaced(amount).into_iter().collect();
        if let Some(minor) = self.minor.as_ref().and_then(|path| leaves.get(path)) {
            let exponent =
                major.text.parse::<Amount>().ok().and_then(|major| major.exponent_to(minor.text.parse().ok()?));
            let shifted = shifted(amount, usize::from(exponent.unwrap_or(2)));
            edits.extend(minor.replaced(&shifted.ok_or_else(|| bad("it has too many decimals for this currency"))?));
        }
        Ok(edits)
    }
}

/// A value that is neither an object nor a list.
#[derive(Debug)]
struct Leaf {
    span: std::ops::Range<usize>,
    is_number: bool,
    text: String,
}

impl Leaf {
    /// Returns the replacement by a value of the same JSON type; `None` if the value is not a number but should be.
    fn replaced(&self, value: &str) -> Option<Edit> {
        let number = serde_json::from_str::<serde_json::Number>(value).is_ok();
        match self.is_number {
            true => number.then(|| (self.span.clone(), value.to_owned())),
            false => Some((self.span.clone(), serde_json::Value::from(value).to_string())),
        }
    }
}

fn find(value: &json::Value<'_>, path: String, found: &mut BTreeMap<String, Leaf>) {
    match &value.kind {
        Kind::Object(members) => members.iter().for_each(|(name, value)| {
            let name = name.decode();
            find(value, if path.is_empty() { name.into_owned() } else { format!("{path}.{name}") }, found);
        }),
        Kind::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| find(value, format!("{path}[{at}]"), found));
        }
        kind => {
            let is_number = matches!(kind, Kind::Number(_));
            if let Some(text) = value.text() {
                found.insert(path, Leaf { span: value.span(), is_number, text: text.into_owned() });
            }
        }
    }
}

/// Moves the decimal point to the right by a number of digits; `None` if a fraction would be left.
fn shifted(amount: &str, digits: usize) -> Option<String> {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let fraction = fraction.trim_end_matches('0');
    let zeros = "0".repeat(digits.checked_sub(fraction.len())?);
    let text = format!("{whole}{fraction}{zeros}");
    let trimmed = text.trim_start_matches('0');
    Some(if trimmed.is_empty() { "0".to_owned() } else { trimmed.to_owned() })
}

fn spliced(body: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut body = body.to_vec();
    for (span, text) in edits {
        body.splice(span, text.into_bytes());
    }
    body
}

#[cfg(test)]
mod tests {
    use webhook::providers::PROVIDERS;

    use super::*;

    #[test]
    fn every_provider_has_samples_and_its_fields_are_in_them() {
        let fields: HashMap<String, Fields> = serde_json::from_str(OVERRIDES).unwrap();
        for provider in PROVIDERS {
            let samples = of(Some(provider));
            assert!(!samples.is_empty(), "{}", provider.name);
            let fields = &fields[provider.name];
            let amounts = fields.amount.iter().flat_map(|amount| std::iter::once(&amount.major).chain(&amount.minor));
            for path in fields.order.iter().flatten().chain(amounts) {
                let name = path.rsplit('.').next().unwrap();
                assert!(samples.iter().any(|sample| sample.text.contains(name)), "{}: {path}", provider.name);
            }
        }
        assert_eq!(fields.len(), PROVIDERS.len());
    }

    #[test]
    fn values_replace_values_and_nothing_else() {
        let values = Values { order: Some("12".to_owned()), amount: Some("40.70".to_owned()) };
        for (name, body, expected) in [
            (
                "scalapay",
                r#"{"totalAmount": 100,"orderToken":"E1","note":"totalAmount"}"#,
                r#"{"totalAmount": 40.70,"orderToken":"12","note":"totalAmount"}"#,
            ),
            ("selldone", r#"{"basket":{"id":9019,"price":1.5}}"#, r#"{"basket":{"id":12,"price":40.70}}"#),
            (
                "shopline",
                r#"{"resource":{"_id":"a","total":{"dollars":2.6,"cents":260}}}"#,
                r#"{"resource":{"_id":"12","total":{"dollars":40.70,"cents":4070}}}"#,
            ),
        ] {
            let provider = Provider::named(name).unwrap();
            let put = put(provider, body.as_bytes(), &values).unwrap();
            assert_eq!(String::from_utf8(put).unwrap(), expected);
        }
        let selldone = Provider::named("selldone").unwrap();
        let text = Values { order: Some("A".to_owned()), amount: None };
        assert!(put(selldone, br#"{"basket":{"id":1}}"#, &text).unwrap_err().message.contains("which is a number"));
        assert!(put(selldone, br#"{"user":{"id":1}}"#, &text).unwrap_err().message.contains("no field for --order"));
        let negative = Values { order: None, amount: Some("-1".to_owned()) };
        assert!(put(selldone, br#"{"basket":{"price":1}}"#, &negative).unwrap_err().message.contains("not an amount"));
    }

    /// The reading of a sample with another body, as JSON.
    fn read(sample: &Sample, body: Vec<u8>) -> String {
        let (_, delivery) = crate::work::sending::opened(sample.text.as_bytes()).unwrap();
        let key = webhook::claim::EventKey { pk: format!("{}/sample/~", sample.provider.name), sk: "~/~".to_owned() };
        let headers = delivery.headers;
        let row = webhook::row::Row { key, received_ms: 0, hash: [0; 32], headers, body, signed_at: None, mark: None };
        sample.provider.read(&row).to_json().unwrap()
    }

    #[test]
    fn an_amount_that_is_taken_is_in_the_event() {
        let values = Values { order: None, amount: Some("7654321".to_owned()) };
        let (mut taken, mut refused) = (0, Vec::new());
        for sample in of(None) {
            let (_, delivery) = crate::work::sending::opened(sample.text.as_bytes()).unwrap();
            match put(sample.provider, &delivery.body, &values) {
                Ok(body) => {
                    taken += 1;
                    // Of a type that has no table, no field is read.
                    let event = read(&sample, body);
                    let is_read = !event.contains(r#""type":"other""#);
                    assert!(!is_read || event.contains("7654321"), "{}/{}: {event}", sample.provider.name, sample.case);
                }
                Err(error) => refused.push((sample.case, error.message)),
            }
        }
        assert!(taken > 80, "{taken}");
        assert!(refused.iter().any(|(case, why)| *case == "payment.received.paid" && why.contains("--amount")));
    }

    #[test]
    fn mistakes_are_shown_what_would_be_right() {
        for (name, case, amount, example) in
            [("shopline", "order.create", "0.5", "--amount 260"), ("scalapay", "charged", "x", "--amount 100")]
        {
            let provider = Provider::named(name).unwrap();
            let sample = of(Some(provider)).into_iter().find(|sample| sample.case == case).unwrap();
            let (_, delivery) = crate::work::sending::opened(sample.text.as_bytes()).unwrap();
            let values = Values { order: None, amount: Some(amount.to_owned()) };
            let next = put(provider, &delivery.body, &values).unwrap_err().next.unwrap();
            assert!(next.ends_with(example), "{next}");
            for values in [
                Values { order: Some(String::new()), amount: None },
                Values { order: Some(" ".to_owned()), amount: None },
                Values { order: None, amount: Some(String::new()) },
            ] {
                assert!(put(provider, &delivery.body, &values).unwrap_err().message.ends_with("is empty"));
            }
        }
    }

    #[test]
    fn smallest_units_are_whole() {
        for (amount, digits, text) in [
            ("40.70", 2, Some("4070")),
            ("260", 0, Some("260")),
            ("0.5", 0, None),
            ("0.05", 2, Some("5")),
            ("0", 2, Some("0")),
        ] {
            assert_eq!(shifted(amount, digits).as_deref(), text, "{amount} {digits}");
        }
    }
}
