//! Scalev's API.
//!
//! Source: github.com/scalevcom/dev-docs, docs/Getting started/authentication-with-api-key.md (credentials, limits,
//! errors) and changelog/2026-06-01-partitioned-order-ids.md (ids).
//! Webhooks are set up in the dashboard. No list by time of change is published, so orders are read one by one.

use webhook::json::{Kind, Value};

use crate::account::Account;
use crate::error::ApiError;
use crate::order::{FetchedOrder, Refunds};
use crate::raw::{Raw, text, time};
use crate::transport::{Call, Http, Settings};

/// The greatest depth of an order in an answer whose form is not published.
const DEPTH_MAX: u8 = 4;

/// A business's API.
#[derive(Debug)]
pub struct Scalev {
    http: Http,
    business: Option<String>,
}

impl Scalev {
    /// The API of an account.
    pub fn new(account: &Account, settings: Settings) -> Result<Self, ApiError> {
        Ok(Scalev { http: Http::new(account, settings, None)?, business: account.shop.clone() })
    }

    /// `GET /v3/orders/{id}`, the id being `data.id` of a webhook: a UUID, or an older order's number.
    pub async fn order(&self, id: &str) -> Result<FetchedOrder, ApiError> {
        let answer = self.http.send(&self.of_business(Call::get("read order", &["v3", "orders", id]))).await?;
        answer.read(|root| {
            // An older order is found by its number, but the answer has its UUID; it is the only order in the answer.
            let found = find(root, DEPTH_MAX, &|value| text(value, "order_id").is_some());
            found.map(|found| order(found, answer.bytes_of(found))).ok_or("an order")
        })
    }

    /// `GET /v3/orders?search_field=order_id`, for webhooks that have the order's number alone.
    /// The form of the list is not published, so the answer is looked through for the one order of that number.
    pub async fn order_by_number(&self, number: &str) -> Result<Option<FetchedOrder>, ApiError> {
        let call = Call::get("find order", &["v3", "orders"]).query("search_field", "order_id").query("search", number);
        let answer = self.http.send(&self.of_business(call)).await?;
        answer.read(|root| {
            let found = find(root, DEPTH_MAX, &|value| text(value, "order_id").as_deref() == Some(number));
            Ok(found.map(|found| order(found, answer.bytes_of(found))))
        })
    }

    fn of_business(&self, call: Call) -> Call {
        match &self.business {
            Some(business) => call.query("b_uid", business),
            None => call,
        }
    }
}

/// The first object, from the outside in, that is wanted.
fn find<'v, 'a>(value: &'v Value<'a>, depth: u8, wanted: &dyn Fn(&Value<'a>) -> bool) -> Option<&'v Value<'a>> {
    if wanted(value) {
        return Some(value);
    }
    let depth = depth.checked_sub(1)?;
    match &value.kind {
        Kind::Array(items) => items.iter().find_map(|item| find(item, depth, wanted)),
        Kind::Object(members) => members.iter().find_map(|(_, member)| find(member, depth, wanted)),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::String(_) => None,
    }
}

/// The number is the id, as in webhooks; the API's own id is the alias. Refunds are documented nowhere.
fn order(root: &Value<'_>, raw: Raw) -> FetchedOrder {
    let updated_at = time(root, "last_updated_at");
    FetchedOrder { id: text(root, "order_id"), alias: text(root, "id"), updated_at, refunds: Refunds::Unknown, raw }
}
