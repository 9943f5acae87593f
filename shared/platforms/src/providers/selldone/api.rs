//! Selldone's back office API.
//!
//! Source: github.com/selldone/backoffice-sdk, apis/API.ts and README.md (webhooks, limits); github.com/selldone/erp,
//! README.md (orders); github.com/selldone/components, backoffice/webhook/item/BWebhookItem.vue (`fails`).
//! An error may come under a status of success, as `{error: true, error_msg, code}`.

use http::Method;
use serde_json::json;
use webhook::json::{Kind, Value};

use crate::account::Account;
use crate::address::WebhookAddress;
use crate::error::{ApiError, Cause};
use crate::order::{Cursor, FetchedOrder, Page, Refunds, Window};
use crate::raw::{Raw, count, items, text, time};
use crate::subscription::{Activity, Failures, Subscription};
use crate::transport::{Answer, Call, Http, Repeat, Settings};

/// The back office shows a webhook as inactive from this many failures on.
const FAILS_MAX: u64 = 100;

/// The most that the provider gives at a time.
const ORDERS_A_PAGE: usize = 250;

/// All of them: without, paid and cash-on-delivery orders come alone.
const STATUSES: &[&str] = &["Open", "Reserved", "Payed", "Canceled", "COD"];

/// The kinds of order, each with ids of its own and a path of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderKind {
    /// `OnlineOrder`
    Online,
    /// `PosOrder`
    Till,
    /// `AvocadoOrder`
    Quote,
    /// `HyperOrder`
    Scan,
    /// `FulfillmentOrder`
    Dropship,
}

impl OrderKind {
    /// The kind of a webhook's event.
    pub fn of_event(event: &str) -> Option<Self> {
        Some(match event {
            "OnlineOrder" => OrderKind::Online,
            "PosOrder" => OrderKind::Till,
            "AvocadoOrder" => OrderKind::Quote,
            "HyperOrder" => OrderKind::Scan,
            "FulfillmentOrder" => OrderKind::Dropship,
            _ => return None,
        })
    }

    fn segment(self) -> &'static str {
        match self {
            OrderKind::Online => "baskets",
            OrderKind::Till => "pos-baskets",
            OrderKind::Quote => "avocados",
            OrderKind::Scan => "hypers",
            OrderKind::Dropship => "dropshipping-baskets",
        }
    }
}

/// A shop's API.
#[derive(Debug)]
pub struct Selldone {
    http: Http,
    shop: String,
}

impl Selldone {
    /// The API of an account.
    pub fn new(account: &Account, settings: Settings) -> Result<Self, ApiError> {
        Ok(Selldone { http: Http::new(account, settings, None)?, shop: account.shop.clone().unwrap_or_default() })
    }

    /// `GET /shops/{shop_id}/webhooks`. No paging is documented; a list shorter than its `total` is a failure.
    pub async fn webhooks(&self) -> Result<Vec<Subscription>, ApiError> {
        let answer = self.http.send(&Call::get("list webhooks", &["shops", &self.shop, "webhooks"])).await?;
        answer.read(|root| {
            let found = items(root, "webhooks").ok_or("\"webhooks\"")?;
            let whole = count(root, "total").is_none_or(|total| u64::try_from(found.len()).is_ok_and(|n| n >= total));
            let found: Result<Vec<_>, _> = found.iter().map(|item| subscription(item, &answer)).collect();
            if whole { found } else { Err("all of its \"webhooks\", as \"total\" has them") }
        })
    }

    /// `POST /shops/{shop_id}/webhooks`: one for one event. Not repeated: it would make a second one.
    pub async fn create(&self, to: &WebhookAddress, event: &str) -> Result<Subscription, ApiError> {
        let call = Call::new("create webhook", Method::POST, &["shops", &self.shop, "webhooks"], Repeat::Never);
        self.one(call.body(json!({ "url": to.reveal(), "type": event }))).await
    }

    /// `PUT /shops/{shop_id}/webhooks/{webhook_id}`.
    pub async fn update(&self, id: &str, to: &WebhookAddress, event: &str) -> Result<Subscription, ApiError> {
        let call = Call::new("update webhook", Method::PUT, &["shops", &self.shop, "webhooks", id], Repeat::Allowed);
        self.one(call.body(json!({ "url": to.reveal(), "type": event }))).await
    }

    /// `DELETE /shops/{shop_id}/webhooks/{webhook_id}`. What it answers is not documented.
    pub async fn delete(&self, id: &str) -> Result<(), ApiError> {
        let path = ["shops", &self.shop, "webhooks", id];
        let call = Call::new("delete webhook", Method::DELETE, &path, Repeat::Allowed);
        self.http.send(&call.any_answer()).await.map(|_| ())
    }

    /// `GET /shops/{shop_id}/process-center/…/{id}`.
    pub async fn order(&self, kind: OrderKind, id: &str) -> Result<FetchedOrder, ApiError> {
        let call = Call::get("read order", &["shops", &self.shop, "process-center", kind.segment(), id]);
        let answer = self.http.send(&call).await?;
        answer.read(|root| {
            // It is not documented if the order is the whole answer or a member, so what has its id is taken.
            let mut members = [Some(root), root.get("order"), root.get("basket")].into_iter().flatten();
            let found = members.find(|found| text(found, "id").as_deref() == Some(id));
            found.map(|found| order(found, answer.bytes_of(found))).ok_or("an order of that id")
        })
    }

    /// `GET /shops/{shop_id}/process-center/baskets-{TYPE}` by time of change: online orders of one type (`PHYSICAL`,
    /// `VIRTUAL`, `SERVICE`, `FILE`, `SUBSCRIPTION`), one page; without a cursor the first.
    ///
    /// The provider knows no end of the time, so orders that changed after the window's are left out here.
    pub async fn orders(
        &self,
        order_type: &str,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<FetchedOrder>, ApiError> {
        let offset = match cursor {
            None => 0,
            Some(Cursor(text)) => text
                .parse::<usize>()
                .map_err(|_| self.http.unsent("list orders", Cause::Argument { what: "a cursor of another list" }))?,
        };
        let list = format!("baskets-{}", order_type.to_ascii_uppercase());
        let mut call = Call::get("list orders", &["shops", &self.shop, "process-center", &list])
            .query("offset", offset)
            .query("limit", ORDERS_A_PAGE)
            .query("sortBy", "reserved_at")
            .query("sortDesc", false)
            .query("updated_at", window.after.as_second());
        for status in STATUSES {
            call = call.query("statuses[]", status);
        }
        for relation in ["items", "buyer", "products", "payment"] {
            call = call.query("with[]", relation);
        }
        let answer = self.http.send(&call).await?;
        let (mut found, total) = answer.read(|root| {
            let found = items(root, "orders").ok_or("\"orders\"")?;
            let orders: Vec<FetchedOrder> = found.iter().map(|item| order(item, answer.bytes_of(item))).collect();
            Ok((orders, count(root, "total")))
        })?;
        let reached = offset + found.len();
        let more = total.is_none_or(|total| u64::try_from(reached).is_ok_and(|reached| reached < total));
        let next = (more && !found.is_empty()).then(|| Cursor(reached.to_string()));
        let later =
            |order: &FetchedOrder| window.before.zip(order.updated_at).is_some_and(|(end, changed)| changed > end);
        found.retain(|order| !later(order));
        Ok(Page { items: found, next })
    }

    async fn one(&self, call: Call) -> Result<Subscription, ApiError> {
        let answer = self.http.send(&call).await?;
        answer.read(|root| {
            succeeded(root)?;
            subscription(root.get("webhook").ok_or("\"webhook\"")?, &answer)
        })
    }
}

fn succeeded(root: &Value<'_>) -> Result<(), &'static str> {
    match root.get("success").map(|value| &value.kind) {
        Some(Kind::Bool(false)) => Err("\"success\": true"),
        _ => Ok(()),
    }
}

/// `fails` is the only member that shows if a webhook is sent.
fn subscription(root: &Value<'_>, answer: &Answer) -> Result<Subscription, &'static str> {
    let fails = count(root, "fails");
    Ok(Subscription {
        id: text(root, "id").ok_or("\"id\" of a webhook")?,
        address: text(root, "url").map(WebhookAddress::new),
        topics: text(root, "type").into_iter().collect(),
        activity: match fails {
            Some(fails) if fails >= FAILS_MAX => Activity::Inactive(format!("{fails} fails")),
            Some(_) => Activity::Active,
            None => Activity::Unknown,
        },
        version: None,
        failures: fails.map(|count| Failures { count, limit: FAILS_MAX }),
        merchant: text(root, "shop_id"),
        format: None,
        created_at: time(root, "created_at"),
        updated_at: time(root, "updated_at"),
        raw: answer.bytes_of(root),
    })
}

/// No documented field has the refunded amounts.
fn order(root: &Value<'_>, raw: Raw) -> FetchedOrder {
    FetchedOrder {
        id: text(root, "id"),
        alias: None,
        updated_at: time(root, "updated_at"),
        refunds: Refunds::Unknown,
        raw,
    }
}
