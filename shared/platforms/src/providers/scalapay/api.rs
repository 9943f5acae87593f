//! Scalapay's orders and reporting APIs.
//!
//! Source: developers.scalapay.com/reference, pages `get_v2-payments-token-1`, `get_v2-payments-references`,
//! `get_v1-reporting-refunds`, `get_v1-reporting-payouts-token-refunds`, `api-architecture`.
//! Webhooks are set up in the portal; nothing here changes anything: paying back is the shop's own decision.

use jiff::civil::Date;
use webhook::json::{Kind, Value};
use webhook::money::Amount;

use crate::account::Account;
use crate::error::{ApiError, Cause};
use crate::order::{Cursor, FetchedOrder, Page, RefundAmount, RefundRow, Refunds};
use crate::raw::{Raw, items, text};
use crate::transport::{Answer, Call, Http, Settings};

/// The most refunds a page has, which is the provider's default too.
const ROWS_A_PAGE: usize = 5_000;

/// A merchant account's API.
#[derive(Debug)]
pub struct Scalapay {
    http: Http,
}

/// Which payments a merchant's reference belongs to: it can be several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The payment's token.
    pub token: String,
    /// All that the provider said of it.
    pub raw: Raw,
}

/// The rows that are of a payment: those that may be, name an id, and have the reference that the payment has. The
/// token's end alone is shared by one payment in a million, which is one too many to give it another's refund.
pub(super) fn rows_of<'a>(rows: &'a [RefundRow], payment: &FetchedOrder) -> Vec<&'a RefundRow> {
    let reference = webhook::json::parse(payment.raw.bytes()).ok().and_then(|document| {
        let root = &document.root;
        text(root, "merchantReference").or_else(|| text(root.get("orderDetails")?, "merchantReference"))
    });
    let Some((token, reference)) = payment.id.as_deref().zip(reference.as_deref()) else { return Vec::new() };
    let of_it = |row: &&RefundRow| {
        row.id.is_some() && row.refund.is_some() && row.reference.is_some() && row.may_be_of(token, Some(reference))
    };
    rows.iter().filter(of_it).collect()
}

impl Scalapay {
    /// The API of an account.
    pub fn new(account: &Account, settings: Settings) -> Result<Self, ApiError> {
        Ok(Scalapay { http: Http::new(account, settings, None)? })
    }

    /// `GET /v2/payments/{token}`: its current status. It has neither a time of change nor refunds.
    pub async fn payment(&self, token: &str) -> Result<FetchedOrder, ApiError> {
        let call = Call::get("read payment", &["v2", "payments", token]);
        let answer = self.http.send(&call).await.map_err(no_such_token)?;
        let id = answer.read(|root| text(root, "token").ok_or("\"token\""))?;
        Ok(FetchedOrder { id: Some(id), alias: None, updated_at: None, refunds: Refunds::Unknown, raw: answer.raw })
    }

    /// `GET /v2/payments/references` by the merchant's reference: at most 100, the newest first.
    pub async fn payments_of(&self, reference: &str) -> Result<Vec<Reference>, ApiError> {
        let call = Call::get("find payments", &["v2", "payments", "references"]);
        let answer = self.http.send(&call.query("merchantOrderReference", reference)).await?;
        answer.read(|root| {
            let Kind::Array(found) = &root.kind else { return Err("a list") };
            let one = |item: &Value<'_>| {
                let token = text(item, "orderToken").ok_or("\"orderToken\"")?;
                Ok(Reference { token, raw: answer.bytes_of(item) })
            };
            found.iter().map(one).collect()
        })
    }

    /// `GET /v1/reporting/refunds`: the refunds that were transferred on these days, one page; without a cursor the
    /// first. The documented example shows rows of orders, with no refunded amount: such rows are kept, unread.
    pub async fn refunds(&self, from: Date, to: Date, cursor: Option<&Cursor>) -> Result<Page<RefundRow>, ApiError> {
        let call = Call::get("report refunds", &["v1", "reporting", "refunds"]);
        self.rows(call.query("startDate", from).query("endDate", to), cursor).await
    }

    /// `GET /v1/reporting/payouts/{token}/refunds`: the refunds that a payout was lessened by. Here the documented
    /// example has the refunded amount and the id of its transfer.
    pub async fn refunds_of_payout(&self, payout: &str, cursor: Option<&Cursor>) -> Result<Page<RefundRow>, ApiError> {
        let call = Call::get("report refunds", &["v1", "reporting", "payouts", payout, "refunds"]);
        self.rows(call, cursor).await
    }

    /// `GET /v1/reporting/payouts`: the tokens of the payouts on these days.
    pub async fn payouts(&self, from: Date, to: Date, cursor: Option<&Cursor>) -> Result<Page<String>, ApiError> {
        let call = Call::get("report payouts", &["v1", "reporting", "payouts"]);
        let call = call.query("startDate", from).query("endDate", to);
        let read = |item: &Value<'_>, _: &Answer| text(item, "merchantPayoutToken").ok_or("\"merchantPayoutToken\"");
        self.page(call, cursor, read).await
    }

    /// Every row of every report on these days: refunds that were transferred, and those that payouts were lessened by.
    pub(super) async fn all_refunds(&self, from: Date, to: Date) -> Result<Vec<RefundRow>, ApiError> {
        let refunds = |cursor: Option<Cursor>| async move { self.refunds(from, to, cursor.as_ref()).await };
        let mut rows = self.all_pages("list refunds", refunds).await?;
        let payouts = |cursor: Option<Cursor>| async move { self.payouts(from, to, cursor.as_ref()).await };
        for payout in &self.all_pages("list payouts", payouts).await? {
            let of_it = |cursor: Option<Cursor>| async move { self.refunds_of_payout(payout, cursor.as_ref()).await };
            rows.extend(self.all_pages("list a payout's refunds", of_it).await?);
        }
        Ok(rows)
    }

    async fn all_pages<T, F>(
        &self,
        operation: &'static str,
        page: impl Fn(Option<Cursor>) -> F,
    ) -> Result<Vec<T>, ApiError>
    where
        F: Future<Output = Result<Page<T>, ApiError>>,
    {
        let (mut all, mut cursor) = (Vec::new(), None);
        // A server that ignores the page would be asked for ever.
        for _ in 0..self.http.limits().pages_max {
            let Page { items, next } = page(cursor).await?;
            all.extend(items);
            cursor = next;
            if cursor.is_none() {
                return Ok(all);
            }
        }
        // Half a list would pass for the whole.
        Err(ApiError::endless("scalapay", operation))
    }

    async fn rows(&self, call: Call, cursor: Option<&Cursor>) -> Result<Page<RefundRow>, ApiError> {
        self.page(call, cursor, |item, answer| Ok(row(item, answer.bytes_of(item)))).await
    }

    async fn page<T>(
        &self,
        call: Call,
        cursor: Option<&Cursor>,
        read: impl Fn(&Value<'_>, &Answer) -> Result<T, &'static str>,
    ) -> Result<Page<T>, ApiError> {
        let operation = call.operation;
        let page = match cursor {
            None => 0,
            Some(Cursor(text)) => text
                .parse::<u32>()
                .map_err(|_| self.http.unsent(operation, Cause::Argument { what: "a cursor of another list" }))?,
        };
        let answer = self.http.send(&call.query("page", page).query("size", ROWS_A_PAGE)).await?;
        let (items, more) = answer.read(|root| {
            let found = items(root, "items").ok_or("\"items\"")?;
            let more = matches!(root.get("hasMore").map(|value| &value.kind), Some(Kind::Bool(true)));
            let items: Result<Vec<T>, _> = found.iter().map(|item| read(item, &answer)).collect();
            Ok((items?, more && !found.is_empty()))
        })?;
        Ok(Page { items, next: more.then(|| Cursor(page.saturating_add(1).to_string())) })
    }
}

/// 422 `invalid_token` is how Scalapay says that there is no such payment.
fn no_such_token(error: ApiError) -> ApiError {
    let named = error.said.as_deref().is_some_and(|said| said.starts_with("invalid_token"));
    match error.cause {
        Cause::Refused { status: 422 } if named => ApiError { cause: Cause::NotFound, ..error },
        _ => error,
    }
}

fn row(root: &Value<'_>, raw: Raw) -> RefundRow {
    let amount = |money: &Value<'_>| text(money, "amount").as_deref().and_then(Amount::with_comma);
    let refund = root.get("refundAmount").filter(|money| matches!(money.kind, Kind::Object(_)));
    let refund = refund.map(|money| RefundAmount { amount: amount(money), currency: text(money, "currency") });
    RefundRow {
        // In a row of an order the transfer is that of its payment.
        id: text(root, "transferId").filter(|_| refund.is_some()),
        payment_end: text(root, "orderTokenLast4").map(|masked| masked.trim_start_matches('*').to_owned()),
        reference: text(root, "merchantReference"),
        refund,
        raw,
    }
}
