//! SHOPLINE's Open API (shoplineapp.com).
//!
//! Source: open-api.docs.shoplineapp.com/docs, pages `get-webhook`, `get-webhooks`, `create-webhook`,
//! `update-webhook`, `delete-webhook`, `get-order`, `search-orders`, `get-archived-orders`.
//! Every call carries the shop's handle as its user agent, which the provider demands.

use http::Method;
use serde_json::json;
use webhook::json::Value;

use crate::account::Account;
use crate::address::WebhookAddress;
use crate::error::{ApiError, Cause};
use crate::order::{Cursor, FetchedOrder, Page, Refunds, Window};
use crate::raw::{Raw, count, items, text, time};
use crate::subscription::{Activity, Subscription};
use crate::transport::{Answer, Call, Http, Repeat, Settings};

/// More on a page is allowed, up to 999; the provider advises 50.
const ORDERS_A_PAGE: usize = 50;

/// The largest page whose size the documents show is the default, 24; webhooks are few.
const WEBHOOKS_A_PAGE: usize = 24;

/// A shop's API.
#[derive(Debug)]
pub struct Shopline {
    http: Http,
}

impl Shopline {
    /// The API of an account.
    pub fn new(account: &Account, settings: Settings) -> Result<Self, ApiError> {
        Ok(Shopline { http: Http::new(account, settings, account.shop.as_deref())? })
    }

    /// `GET /v1/webhooks`, all pages of it.
    pub async fn webhooks(&self) -> Result<Vec<Subscription>, ApiError> {
        let mut all: Vec<Subscription> = Vec::new();
        for page in 1..=self.http.limits().pages_max {
            let call = Call::get("list webhooks", &["v1", "webhooks"]);
            let answer = self.http.send(&call.query("page", page).query("per_page", WEBHOOKS_A_PAGE)).await?;
            let (found, pages) = answer.read(|root| {
                let found = items(root, "items").ok_or("\"items\"")?;
                let found: Result<Vec<_>, _> = found.iter().map(|item| subscription(item, &answer)).collect();
                let pages = root.get("pagination").and_then(|pagination| count(pagination, "total_pages"));
                Ok((found?, pages))
            })?;
            let last = found.is_empty() || pages.is_some_and(|pages| u64::from(page) >= pages);
            // A server that ignores the page would be asked for ever.
            if found.first().is_some_and(|first| all.iter().any(|known| known.id == first.id)) {
                return Err(answer.formless("an end of its pages"));
            }
            all.extend(found);
            if last {
                return Ok(all);
            }
        }
        Err(ApiError::endless("shopline", "list webhooks"))
    }

    /// `GET /v1/webhooks/:id`.
    pub async fn webhook(&self, id: &str) -> Result<Subscription, ApiError> {
        self.one(Call::get("read webhook", &["v1", "webhooks", id])).await
    }

    /// `POST /v1/webhooks`. Not repeated: it would make a second one.
    ///
    /// `version` is `webhook_version`, such as `v0`, whose meaning is not published.
    pub async fn create(
        &self,
        to: &WebhookAddress,
        topics: &[String],
        version: Option<&str>,
    ) -> Result<Subscription, ApiError> {
        let call = Call::new("create webhook", Method::POST, &["v1", "webhooks"], Repeat::Never);
        self.one(call.body(body(to, topics, version))).await
    }

    /// `PUT /v1/webhooks/:id`, with all that a webhook has.
    pub async fn update(
        &self,
        id: &str,
        to: &WebhookAddress,
        topics: &[String],
        version: Option<&str>,
    ) -> Result<Subscription, ApiError> {
        let call = Call::new("update webhook", Method::PUT, &["v1", "webhooks", id], Repeat::Allowed);
        self.one(call.body(body(to, topics, version))).await
    }

    /// `DELETE /v1/webhooks/:id`. What it answers is not documented.
    pub async fn delete(&self, id: &str) -> Result<(), ApiError> {
        let call = Call::new("delete webhook", Method::DELETE, &["v1", "webhooks", id], Repeat::Allowed);
        self.http.send(&call.any_answer()).await.map(|_| ())
    }

    /// `GET /v1/orders/:id`. An archived order is [`Cause::Gone`].
    pub async fn order(&self, id: &str) -> Result<FetchedOrder, ApiError> {
        let answer = self.http.send(&Call::get("read order", &["v1", "orders", id])).await.map_err(archived)?;
        let read = answer.read(|root| Ok(order(root, Raw::default())))?;
        Ok(FetchedOrder { raw: answer.raw, ..read })
    }

    /// `GET /v1/orders/search` by time of change, one page; without a cursor the first.
    ///
    /// Orders come by the time of their creation, the newest first. A change of a delivery alone does not touch its
    /// order's time, and orders over two years old, or archived, are not found.
    pub async fn orders(&self, window: Window, cursor: Option<&Cursor>) -> Result<Page<FetchedOrder>, ApiError> {
        let utc = |time: jiff::Timestamp| time.strftime("%Y-%m-%d %H:%M:%S").to_string();
        let mut call = Call::get("search orders", &["v1", "orders", "search"])
            .query("updated_after", utc(window.after))
            .query("per_page", ORDERS_A_PAGE);
        if let Some(before) = window.before {
            call = call.query("updated_before", utc(before));
        }
        if let Some(Cursor(previous)) = cursor {
            call = call.query("previous_id", previous);
        }
        let answer = self.http.send(&call).await?;
        let found: Vec<FetchedOrder> = answer.read(|root| {
            let found = items(root, "items").ok_or("\"items\"")?;
            Ok(found.iter().map(|item| order(item, answer.bytes_of(item))).collect())
        })?;
        // A page may be shorter than asked for, so only an empty one is the end.
        let next = match found.last() {
            None => None,
            Some(FetchedOrder { id: Some(id), .. }) if cursor.is_some_and(|cursor| cursor.0 == *id) => {
                return Err(answer.formless("another page after its cursor"));
            }
            Some(FetchedOrder { id: Some(id), .. }) => Some(Cursor(id.clone())),
            Some(FetchedOrder { id: None, .. }) => return Err(answer.formless("\"id\" of the last order")),
        };
        Ok(Page { items: found, next })
    }

    async fn one(&self, call: Call) -> Result<Subscription, ApiError> {
        let answer = self.http.send(&call).await?;
        let read = answer.read(|root| subscription(root, &answer))?;
        Ok(Subscription { raw: answer.raw, ..read })
    }
}

fn body(to: &WebhookAddress, topics: &[String], version: Option<&str>) -> serde_json::Value {
    let mut body = json!({ "address": to.reveal(), "topics": topics });
    if let (Some(version), Some(members)) = (version, body.as_object_mut()) {
        members.insert("webhook_version".to_owned(), json!(version));
    }
    body
}

fn archived(error: ApiError) -> ApiError {
    let said = "archived: the shop's admin or the archived-orders API has it";
    match error.cause {
        Cause::Gone => ApiError { said: Some(said.to_owned()), ..error },
        _ => error,
    }
}

/// Every field of the documented answer; `webhook_version` is documented for requests only.
fn subscription(root: &Value<'_>, answer: &Answer) -> Result<Subscription, &'static str> {
    let topics = items(root, "topics").unwrap_or_default();
    Ok(Subscription {
        id: id(root).ok_or("\"id\"")?,
        address: text(root, "address").map(WebhookAddress::new),
        topics: topics.iter().filter_map(Value::text).map(|topic| topic.into_owned()).collect(),
        activity: match text(root, "status") {
            Some(word) if word == "active" => Activity::Active,
            Some(word) => Activity::Inactive(word),
            None => Activity::Unknown,
        },
        version: text(root, "webhook_version"),
        failures: None,
        merchant: text(root, "merchant_id"),
        format: text(root, "format"),
        created_at: time(root, "created_at"),
        updated_at: time(root, "updated_at"),
        raw: answer.bytes_of(root),
    })
}

/// No documented field has the refunded amounts: a payment's status shows only that something was refunded.
fn order(root: &Value<'_>, raw: Raw) -> FetchedOrder {
    FetchedOrder { id: id(root), alias: None, updated_at: time(root, "updated_at"), refunds: Refunds::Unknown, raw }
}

/// `id` here, `_id` in webhooks.
fn id(root: &Value<'_>) -> Option<String> {
    text(root, "id").or_else(|| text(root, "_id"))
}
