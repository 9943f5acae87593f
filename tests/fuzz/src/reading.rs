//! Readings: a genuine body, whatever it is, has one stable name and reads as one legal event.

use webhook::claim::{Claim, Decision, EventKey, Existing};
use webhook::event::Event;
use webhook::json::{self, canonical};
use webhook::providers::Provider;
use webhook::redact::{SecretPath, redact};
use webhook::row::{Mark, Row};
use webhook::scheme::SchemeName;
use webhook::signature::{Refusal, admit};
use webhook::source::{Merchants, Source};
use webhook::view::View;

use crate::admit::is_hex;
use crate::sources::{REGISTERED, RawRequest, SCALAPAY_TIME, SHOPLINE_TIME, SampleSource, is_time, texts};
use crate::view::SEPARATOR;

/// When everything here is received.
pub(crate) const RECEIVED_MS: i64 = 1_767_225_600_000;

/// More bodies than this show nothing new.
const BODIES_MAX: usize = 2;

const MARKS: [Option<Mark>; 4] = [None, Some(Mark::Conflict), Some(Mark::Revision), Some(Mark::PossiblyRepeated)];

/// Scalapay's bodies, read into events.
pub fn read_scalapay(data: &[u8]) {
    reading("scalapay", data);
}

/// Scalev's bodies, read into events.
pub fn read_scalev(data: &[u8]) {
    reading("scalev", data);
}

/// Selldone's bodies, read into events.
pub fn read_selldone(data: &[u8]) {
    reading("selldone", data);
}

/// SHOPLINE's bodies, read into events.
pub fn read_shopline(data: &[u8]) {
    reading("shopline", data);
}

/// One byte that picks source and mark, the signed time's text, and bodies, each after a separator.
fn reading(provider: &str, data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let several: Vec<&SampleSource> = of_provider(provider);
    let choice = usize::from(*choice);
    let registered = several[choice % several.len()];
    let mark = MARKS[choice / several.len() % MARKS.len()];
    let mut parts = rest.split(|byte| *byte == SEPARATOR);
    let time = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let rows = parts.take(BODIES_MAX).filter_map(|body| keep(registered, &time, body));
    let rows: Vec<Row> = rows.map(|row| Row { mark, ..row }).collect();
    let events: Vec<Event> = rows.iter().map(|row| event(registered.provider, row)).collect();
    if mark.is_some() {
        let again: Vec<Event> = rows.iter().map(|row| registered.provider.read(row)).collect();
        assert_eq!(again, events, "a reading is not stable");
    }
    let views: Vec<View> = events.iter().map(View::of).collect();
    crate::view::laws(&views);
}

pub(crate) fn of_provider(provider: &str) -> Vec<&'static SampleSource> {
    REGISTERED.iter().filter(|registered| registered.provider.name == provider).collect()
}

/// Makes a body's row; `None` if the signed text of the body is not certain.
pub(crate) fn keep(registered: &SampleSource, time: &str, body: &[u8]) -> Option<Row> {
    let provider = registered.provider;
    let source = Source { merchants: Merchants::Any, ..registered.source.clone() };
    let mut request = RawRequest { body: body.to_vec(), ..RawRequest::default() };
    for name in [SHOPLINE_TIME, SCALAPAY_TIME] {
        request.headers.insert(name.to_owned(), time.to_owned());
    }
    registered.prove(&mut request);
    let delivery = request.delivery();
    let verified = match admit(&provider.admission, &source, &delivery) {
        Ok(verified) => verified,
        Err(refusal) => {
            if refusal == Refusal::Malformed && !time.is_empty() && !is_time(time) {
                return None;
            }
            let excuse = provider.name == "shopline" && source.scheme == SchemeName::Signed;
            assert!(excuse && refusal == Refusal::Ambiguous && texts(body).is_empty(), "{refusal:?}");
            return None;
        }
    };
    let new = provider.row_of(&verified, RECEIVED_MS);
    let again = provider.row_of(&admit(&provider.admission, &source, &delivery).unwrap(), RECEIVED_MS);
    assert_eq!(new, again, "a row is not stable");
    check_name(&new.row.key, &new.claim);
    check_repeat(&new.claim, verified.signed_at());
    if verified.signed_text().is_some() {
        check_respelled(registered, &source, &request, &new.claim);
    }
    check_redacted(provider.secrets, body, &new.row.body);
    Some(new.row)
}

/// Names are five non-empty parts of a fixed alphabet, within DynamoDB's limits with every ending a variant can have.
pub(crate) fn check_name(key: &EventKey, claim: &Claim) {
    let id = key.id();
    assert_eq!(id.split('/').count(), 5, "{id}");
    for part in id.split('/') {
        assert!(!part.is_empty() && is_encoded(part), "{id}");
    }
    assert!(key.pk.len() <= 2_048 - 256 && key.sk.len() <= 1_024 - 256, "{id}");
    assert_eq!(EventKey::from_id(&id).as_ref(), Some(key));
    assert!(claim.alias.as_ref().is_none_or(|alias| !alias.is_empty()), "an empty alias");
}

fn is_encoded(part: &str) -> bool {
    let bytes = part.as_bytes();
    bytes.iter().enumerate().all(|(at, byte)| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b':' | b'~' => true,
        b'%' => bytes
            .get(at + 1..at + 3)
            .is_some_and(|digits| digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'))),
        _ => false,
    })
}

/// The very same delivery again is a repeat.
fn check_repeat(claim: &Claim, signed_at: Option<&str>) {
    let standing =
        Existing { content: claim.content, signed_at: signed_at.map(str::to_owned), received_ms: RECEIVED_MS };
    assert_eq!(claim.decide(&standing, RECEIVED_MS + 1), Decision::Repeat);
}

/// A body written otherwise under the same signature has the same name.
fn check_respelled(registered: &SampleSource, source: &Source, request: &RawRequest, claim: &Claim) {
    let document = json::parse(&request.body).unwrap();
    let text = canonical::candidates(&document.root).remove(0);
    let mut respelled = RawRequest { body: text.into_bytes(), ..request.clone() };
    registered.prove(&mut respelled);
    assert_eq!(respelled.query, request.query, "another signature");
    let delivery = respelled.delivery();
    let verified = admit(&registered.provider.admission, source, &delivery).unwrap();
    assert_eq!(&registered.provider.claim_of(&verified), claim, "another name");
}

/// Redacted values stay redacted, and a body stays as readable as it was.
pub(crate) fn check_redacted(secrets: &[SecretPath], body: &[u8], kept: &[u8]) {
    let (before, after) = (json::parse(body), json::parse(kept));
    assert_eq!(before.is_ok(), after.is_ok(), "cutting changed what can be read");
    assert!(after.is_err() || redact(kept, &after, secrets).body == kept, "a second cut finds more");
}

/// Reads a row, and holds the event to the contract.
pub(crate) fn event(provider: &Provider, row: &Row) -> Event {
    let event = provider.read(row);
    assert_eq!(event.id, row.key.id());
    for attribute in [Some(&event.providerevent), event.merchant.as_ref()].into_iter().flatten() {
        assert!(attribute.chars().count() <= 200 && attribute.chars().all(is_attribute), "{attribute:?}");
    }
    for attribute in [event.unreadfields.as_ref(), event.unreadable.as_ref()].into_iter().flatten() {
        let fits = !attribute.is_empty() && attribute.len() < 4_096;
        assert!(fits && attribute.chars().all(is_attribute), "{attribute:?}");
    }
    check_sequence(&event.sequence);
    check_message(&event);
    assert!(event.without_data().to_json().unwrap().len() < 16 * 1024, "an envelope has no end");
    event
}

/// Checks that CloudEvents allows a text in an attribute.
fn is_attribute(character: char) -> bool {
    let code = u32::from(character);
    !character.is_control() && !(0xfdd0..=0xfdef).contains(&code) && code & 0xfffe != 0xfffe
}

/// `<class>.<20 digits>.<20 digits>.<5 digits>.<5 digits>.<16 hex digits>`
fn check_sequence(sequence: &str) {
    let parts: Vec<&str> = sequence.split('.').collect();
    let digits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    let [class, version, event, rank, mapping, hash] = parts[..] else { panic!("{sequence}") };
    let fits = digits(class, 1) && digits(version, 20) && digits(event, 20) && digits(rank, 5) && digits(mapping, 5);
    assert!(fits && is_hex(hash, 16), "{sequence}");
}

/// The message holds what SQS takes, and is read as the event.
pub(crate) fn check_message(event: &Event) {
    let text = event.to_json().unwrap();
    let is_refused = |character| matches!(character, '\u{fffe}' | '\u{ffff}');
    let is_refused = has_controls(&text) || (!text.is_ascii() && text.contains(is_refused));
    assert!(!is_refused, "SQS refuses it: {text:?}");
    let back: Event = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(&back, event, "the message says something else");
}

/// Returns whether a byte under 0x20 is there, without a branch a byte: instrumented code is slow at branches.
fn has_controls(text: &str) -> bool {
    text.bytes().fold(0, |found, byte| found | (byte.wrapping_sub(0x20) & !byte)) & 0x80 != 0
}
