//! SHOPLINE: webhooks for several topics each, and orders listed by time of change.

use webhook::scheme::SchemeName;

use crate::address::WebhookAddress;
use crate::client::{Calling, Client};
use crate::order::{Cursor, FetchedOrder, OrderList, OrderName, Page, Window};
use crate::platform::{Platform, ShopMember, allowance};
use crate::subscription::Subscription;

mod api;

pub use api::Shopline;

/// SHOPLINE.
pub const SHOPLINE: Platform = Platform {
    name: "shopline",
    title: "SHOPLINE",
    base_url: "https://open.shopline.io",
    credential: "token",
    shop: Some(ShopMember { name: "handle", required: true, in_webhooks: false }),
    credential_from: "the shop's admin, API Auth: a token with the permissions Webhook and Orders",
    allowances: &[allowance(20, 1)],
    by_hand: None,
    topics,
    several_topics: true,
    order_kinds: &[],
    order_lists: &[OrderList { name: "", kind: None }],
    unlisted: None,
    answers_have_times: true,
    // The older form of merchants' webhooks.
    timeless_scheme: Some(SchemeName::UrlToken),
    client: |account, settings| Ok(Box::new(Shopline::new(account, settings)?)),
};

/// Topics that only an app can subscribe to, in the Developer Center; a merchant's are made through the API.
const OF_APPS: &[&str] = &[
    "customer/",
    "application/",
    "access_token/",
    "app_installation_token/",
    "application_subscription/",
    "subscription_record/",
];

/// The topics of a merchant's webhook, of what the mapping knows.
fn topics() -> Vec<&'static str> {
    let of_apps = |topic: &&str| !OF_APPS.iter().any(|start| topic.starts_with(start));
    (webhook::providers::SHOPLINE.topics)().into_iter().filter(of_apps).collect()
}

impl Client for Shopline {
    fn platform(&self) -> &'static Platform {
        &SHOPLINE
    }

    fn subscriptions(&self) -> Calling<'_, Vec<Subscription>> {
        Box::pin(self.webhooks())
    }

    fn subscription<'a>(&'a self, id: &'a str) -> Calling<'a, Subscription> {
        Box::pin(self.webhook(id))
    }

    fn create<'a>(&'a self, to: &'a WebhookAddress, topics: &'a [String]) -> Calling<'a, Subscription> {
        Box::pin(Shopline::create(self, to, topics, None))
    }

    fn update<'a>(&'a self, id: &'a str, to: &'a WebhookAddress, topics: &'a [String]) -> Calling<'a, Subscription> {
        Box::pin(Shopline::update(self, id, to, topics, None))
    }

    fn delete<'a>(&'a self, id: &'a str) -> Calling<'a, ()> {
        Box::pin(Shopline::delete(self, id))
    }

    fn order<'a>(&'a self, name: &'a OrderName) -> Calling<'a, FetchedOrder> {
        Box::pin(Shopline::order(self, &name.id))
    }

    fn orders<'a>(
        &'a self,
        _list: &'static str,
        window: Window,
        cursor: Option<&'a Cursor>,
    ) -> Calling<'a, Page<FetchedOrder>> {
        Box::pin(Shopline::orders(self, window, cursor))
    }
}
