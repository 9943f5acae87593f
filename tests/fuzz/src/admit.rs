//! Who sent it: a delivery is admitted if, and only if, its provider's credential is on it.

use std::collections::BTreeMap;

use serde_json::Value;
use webhook::signature::Refusal;
use webhook::source::Merchants;

use crate::sources::{REGISTERED, RawRequest, SCALAPAY_TIME, SampleSource, is_time, texts};

/// One byte that picks the source and whether the provider proves the delivery, a line with path and query, lines with
/// headers, an empty line, the body.
pub fn admit(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let choice = usize::from(*choice);
    let registered = &REGISTERED[choice % REGISTERED.len()];
    let is_to_be_proved = choice / REGISTERED.len() % 2 == 1;
    let mut request = request(rest);
    if is_to_be_proved {
        registered.prove(&mut request);
    }
    check(registered, &request, is_to_be_proved);
}

/// A request as a seed.
pub(crate) fn seed(choice: usize, request: &RawRequest) -> Vec<u8> {
    let mut text = format!("{}?{}\n", request.path, request.query);
    request.headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\n")));
    let choice = u8::try_from(choice).unwrap();
    [&[choice], text.as_bytes(), b"\n", &request.body].concat()
}

fn request(data: &[u8]) -> RawRequest {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = end.map_or((data, &[][..]), |end| (&data[..end], &data[end + 2..]));
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split('\n');
    let line = lines.next().unwrap_or_default();
    let (path, query) = line.split_once('?').unwrap_or((line, ""));
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers: BTreeMap<_, _> = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    RawRequest { path: path.to_owned(), query: query.to_owned(), headers, body: body.to_vec() }
}

fn check(registered: &SampleSource, request: &RawRequest, was_proved: bool) {
    let delivery = request.delivery();
    let admitted = webhook::signature::admit(&registered.provider.admission, &registered.source, &delivery);
    let is_proved = registered.is_proved(request);
    if registered.provider.admission.foreign_headers.iter().any(|name| request.headers.contains_key(*name)) {
        assert_eq!(admitted.err(), Some(Refusal::OtherProduct));
        return;
    }
    match admitted {
        Ok(verified) => {
            assert!(is_proved, "admitted without its provider's credential");
            assert!(is_hex(verified.fingerprint(), 12), "{}", verified.fingerprint());
            assert!(accepts(registered, &request.body) != Some(false), "another merchant's delivery was admitted");
        }
        Err(Refusal::WrongMerchant) => {
            assert!(is_proved, "the merchant was looked at before the credential");
            assert!(accepts(registered, &request.body) != Some(true), "an accepted merchant was refused");
        }
        Err(Refusal::Ambiguous) => assert!(texts(&request.body).is_empty(), "the signed text is plain"),
        Err(refusal) => assert!(!is_proved, "a genuine delivery was refused: {refusal:?}"),
    }
    // What is signed with a time that is none is refused.
    let has_time = request.headers.get(SCALAPAY_TIME).is_none_or(|time| is_time(time));
    if was_proved && has_time && registered.provider.name != "shopline" {
        assert!(is_proved, "what a provider proves is proved");
    }
}

/// Returns whether the source accepts the shop that a body names, as far as another reader of JSON can see.
fn accepts(registered: &SampleSource, body: &[u8]) -> Option<bool> {
    let Merchants::Only(accepted) = &registered.source.merchants else { return Some(true) };
    let body: Value = serde_json::from_slice(body).ok()?;
    let path = if registered.provider.name == "selldone" { "/shop/id" } else { "/merchant_id" };
    match body.pointer(path)? {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(accepted.contains(text)),
        Value::Number(number) => Some(accepted.contains(&number.as_u64()?.to_string())),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

pub(crate) fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
