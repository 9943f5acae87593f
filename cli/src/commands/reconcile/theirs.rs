//! The provider's side: orders listed by their time of change if its API does so, else read one by one, and the
//! refunds that it accounts for.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use platforms::order::{FetchedOrder, OrderName, RefundRow, Window};
use platforms::{ApiError, Cause, Client, Platform};
use webhook::claim::Part;
use webhook::json;
use webhook::request::percent_decode;
use webhook::snapshot::SnapshotContext;
use webhook::source::{Merchants, Source};

use crate::terminal::time::{LATEST_MS, Range};
use crate::work::apis::Api;

/// Refunds of this long are looked for where no range says it.
const REPORT_DAYS: i64 = 365;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Returns a range as the lists take it, both ends included.
pub fn window(range: Range) -> Window {
    let time = |ms| Timestamp::from_millisecond(ms).unwrap_or_default();
    Window { after: time(range.from_ms), before: (range.to_ms < LATEST_MS).then(|| time(range.to_ms - 1)) }
}

/// Returns the order of a subject, as the provider's API names it; `None` if the subject is not an order that is read
/// alone.
pub fn of_subject(platform: &Platform, subject: &str) -> Option<OrderName> {
    let parts: Vec<String> = subject.split(':').map(|part| percent_decode(part).into_owned()).collect();
    let id = parts.last().filter(|last| !last.is_empty() && *last != "~" && !last.starts_with("~h"))?.clone();
    if platform.order_kinds.is_empty() {
        return Some(OrderName { id, kind: None });
    }
    let kind = kind(platform, parts.get(1)?)?;
    let is_listed = platform.order_lists.iter().any(|list| list.kind == Some(kind));
    (!is_listed).then_some(OrderName { id, kind: Some(kind) })
}

/// Returns the order that was named on the command line; `None` if its kind is not known.
pub fn of_argument(platform: &Platform, text: &str) -> Option<OrderName> {
    match (platform.order_kinds.first(), text.split_once(':')) {
        (None, _) => Some(OrderName { id: text.to_owned(), kind: None }),
        (Some(first), None) => Some(OrderName { id: text.to_owned(), kind: Some(first) }),
        (Some(_), Some((word, id))) => Some(OrderName { id: id.to_owned(), kind: Some(kind(platform, word)?) }),
    }
}

fn kind(platform: &Platform, word: &str) -> Option<&'static str> {
    platform.order_kinds.iter().copied().find(|known| *known == word)
}

/// Reads an order; `None` if the provider does not have it, or no longer.
pub async fn read(client: &dyn Client, name: &OrderName) -> Result<Option<FetchedOrder>, ApiError> {
    match client.order(name).await {
        Ok(order) => Ok(Some(order)),
        Err(ApiError { cause: Cause::NotFound | Cause::Gone, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the subject by which webhooks name an order.
pub fn subject(api: &Api, source: &Source, order: &FetchedOrder, kind: Option<&str>) -> Option<Part> {
    let one_merchant = match &source.merchants {
        Merchants::Only(several) => match several.as_slice() {
            [one] => Some(one.as_str()),
            _ => None,
        },
        Merchants::Any => None,
    };
    let is_account_shop = api.account.platform.shop.is_some_and(|member| member.in_webhooks);
    let shop = if is_account_shop { api.account.shop.as_deref() } else { one_merchant };
    let asked = SnapshotContext { scheme: source.scheme, several_merchants: source.several_merchants, shop, kind };
    let document = json::parse(order.raw.bytes()).ok()?;
    (api.name.provider.snapshots.subject)(&asked, &document.root)
}

/// Returns the refunds that a provider accounts for since the beginning of a range, until now: refunds are paid out
/// later than they are made. None if it has no report on them.
pub async fn refunds(client: &dyn Client, range: Option<Range>, now_ms: i64) -> Result<Vec<RefundRow>, ApiError> {
    let from_ms = range.map_or(now_ms - REPORT_DAYS * DAY_MS, |range| range.from_ms);
    match client.refunds(day(from_ms), day(now_ms)).await {
        Err(ApiError { cause: Cause::NotOffered { .. }, .. }) => Ok(Vec::new()),
        outcome => outcome,
    }
}

fn day(ms: i64) -> Date {
    Timestamp::from_millisecond(ms).unwrap_or_default().to_zoned(TimeZone::UTC).date()
}
