//! Answers, judged.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use jiff::fmt::rfc2822::DateTimeParser;
use webhook::json::{self, Value};

use super::call::{Call, Success};
use crate::error::{ApiError, Cause};
use crate::raw::Raw;
use crate::token::Token;

/// A provider's text about an error is shortened to this.
const SAID_CHARACTERS_MAX: usize = 200;

/// The members in which the four describe an error, the plainest first.
const SAID_MEMBERS: &[&[&str]] = &[&["error_msg"], &["message"], &["error"], &["errors"]];

/// The members in which they name it.
const CODE_MEMBERS: &[&str] = &["error_code", "errorCode", "code"];

/// A number from here on is a time since 1970, not a wait.
const SECONDS_SINCE_1970_MIN: u64 = 1_000_000_000;

/// The answer to one attempt.
pub(super) struct Attempt {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// An answer of success.
#[derive(Debug)]
pub(crate) struct Answer {
    provider: &'static str,
    operation: &'static str,
    attempts: u32,
    /// The call changed something, so it has happened even if its answer cannot be read.
    changes: bool,
    /// The body.
    pub(crate) raw: Raw,
}

impl Answer {
    pub(super) fn new(provider: &'static str, call: &Call, attempts: u32, raw: Raw) -> Self {
        Answer { provider, operation: call.operation, attempts, changes: call.changes(), raw }
    }

    /// Reads the body; what is missing is a failure of its own kind.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Value<'_>) -> Result<T, &'static str>) -> Result<T, ApiError> {
        let document = json::parse(self.raw.bytes());
        let outcome = document.map_err(|_| "JSON").and_then(|document| read(&document.root));
        outcome.map_err(|missing| self.formless(missing))
    }

    /// The bytes that a value was written in.
    pub(crate) fn bytes_of(&self, value: &Value<'_>) -> Raw {
        Raw::new(self.raw.bytes().get(value.span()).unwrap_or_default())
    }

    /// A failure to find something in it.
    pub(crate) fn formless(&self, missing: &'static str) -> ApiError {
        let (provider, operation, attempts) = (self.provider, self.operation, self.attempts);
        let cause = Cause::Form { missing };
        ApiError { provider, operation, attempts, may_have_happened: self.changes, cause, said: None }
    }
}

/// Returns the body of an attempt that succeeded, or a cause and the provider's text.
pub(super) fn judge(call: &Call, attempt: Attempt, token: &Token) -> Result<Raw, (Cause, Option<String>)> {
    let status = attempt.status.as_u16();
    let cause = match status {
        200..=299 => match json::parse(&attempt.body) {
            Ok(document) => refused_with_success(&document.root, status),
            Err(_) if call.success == Success::Anything => None,
            Err(_) => Some(unreadable(&attempt.body)),
        },
        300..=399 => Some(Cause::Redirected { status }),
        401 | 403 => Some(Cause::Unauthorized { status }),
        404 => Some(Cause::NotFound),
        410 => Some(Cause::Gone),
        429 => Some(Cause::RateLimited { retry_after: None }),
        500..=599 => Some(Cause::Failing { status }),
        _ => Some(Cause::Refused { status }),
    };
    match cause {
        None => Ok(Raw::new(attempt.body)),
        Some(cause) => Err((cause, said(&attempt.body, token))),
    }
}

/// Classifies a body that is not JSON.
fn unreadable(body: &[u8]) -> Cause {
    let start = body.trim_ascii_start();
    if start.is_empty() { Cause::Empty } else { Cause::NotJson { html: start.starts_with(b"<") } }
}

/// Selldone reports errors as `{error: true, error_msg, code}`, "possibly with HTTP 200".
/// Its codes are those of HTTP where they are numbers.
fn refused_with_success(root: &Value<'_>, status: u16) -> Option<Cause> {
    let flag = root.get("error")?;
    if !matches!(flag.kind, json::Kind::Bool(true)) {
        return None;
    }
    Some(match root.get("code").and_then(Value::text).as_deref() {
        Some("401") => Cause::Unauthorized { status: 401 },
        Some("403" | "token_has_no_access") => Cause::Unauthorized { status: 403 },
        Some("404") => Cause::NotFound,
        Some("429") => Cause::RateLimited { retry_after: None },
        _ => Cause::Refused { status },
    })
}

/// Returns a body's text about an error: only the members that the documents name, shortened, printable, without the
/// credential.
fn said(body: &[u8], token: &Token) -> Option<String> {
    let document = json::parse(body).ok()?;
    let root = &document.root;
    // Scalapay's 401 is a bare string.
    let bare = root.text().map(|text| text.into_owned());
    let text = || SAID_MEMBERS.iter().find_map(|path| root.at(path)?.text()).map(|text| text.into_owned());
    let code = CODE_MEMBERS.iter().find_map(|name| root.get(name)?.text());
    let text = match (bare.or_else(text), code) {
        (Some(text), Some(code)) => format!("{code}: {text}"),
        (Some(text), None) => text,
        (None, Some(code)) => code.into_owned(),
        (None, None) => return None,
    };
    let printable = |character: char| if character.is_control() { ' ' } else { character };
    Some(token.cut_from(&text).chars().map(printable).take(SAID_CHARACTERS_MAX).collect())
}

/// Returns the wait that the provider asks for.
///
/// `Retry-After` is seconds or a date (RFC 9110); none of the four documents it, all may send it.
/// `X-Ratelimit-Reset` is Scalev's; its unit is not published, so a number that can only be a time since 1970 is taken
/// for that, a smaller one for seconds. It counts when nothing remains, or the call was refused for it.
pub(super) fn asked_wait(headers: &HeaderMap, status: StatusCode, now: Duration) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let until = |seconds: u64| Duration::from_secs(seconds).saturating_sub(now);
    if let Some(wait) = text("retry-after").filter(|_| !status.is_success()) {
        if let Ok(seconds) = wait.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = DateTimeParser::new().parse_timestamp(wait).ok()?;
        return u64::try_from(date.as_second()).ok().map(until);
    }
    let spent = status == StatusCode::TOO_MANY_REQUESTS || text("x-ratelimit-remaining") == Some("0");
    let reset: u64 = text("x-ratelimit-reset").filter(|_| spent)?.parse().ok()?;
    Some(if reset >= SECONDS_SINCE_1970_MIN { until(reset) } else { Duration::from_secs(reset) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_as_seconds_dates_and_resets() {
        let now = Duration::from_secs(1_700_000_000);
        for (status, headers, wait) in [
            (429, &[("retry-after", "7")][..], Some(7)),
            (503, &[("retry-after", "Tue, 14 Nov 2023 22:14:20 GMT")], Some(60)),
            (503, &[("retry-after", "Tue, 14 Nov 2023 22:00:00 GMT")], Some(0)),
            (429, &[("retry-after", "soon")], None),
            (200, &[("retry-after", "7")], None),
            (429, &[("x-ratelimit-reset", "9")], Some(9)),
            (429, &[("x-ratelimit-reset", "1700000005")], Some(5)),
            (200, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "4")], Some(4)),
            (200, &[("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "4")], None),
            (429, &[], None),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, value.parse().unwrap());
            }
            let read = asked_wait(&map, StatusCode::from_u16(status).unwrap(), now);
            assert_eq!(read, wait.map(Duration::from_secs), "{status} {headers:?}");
        }
    }

    #[test]
    fn a_providers_message_is_shortened_and_has_no_credential() {
        let token = Token::new("q8Vq2b7xGkP4mZ1s").unwrap();
        let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(500));
        for (body, expected) in [
            (r#""Unauthorized""#, Some("Unauthorized".to_owned())),
            (r#"{"error":"Too many","code":"RateLimitExceeded"}"#, Some("RateLimitExceeded: Too many".to_owned())),
            (r#"{"error":true,"error_msg":"No q8Vq2b7xGkP4mZ1s\n!"}"#, Some("No (credential) !".to_owned())),
            (r#"{"errorCode":"api_validationerror","message":{"status":400}}"#, Some("api_validationerror".to_owned())),
            (r#"{"email":"somebody@example.com"}"#, None),
            ("<html>", None),
            (&long, Some("x".repeat(200))),
        ] {
            assert_eq!(said(body.as_bytes(), &token), expected);
        }
    }
}
