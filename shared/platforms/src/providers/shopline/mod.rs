//! SHOPLINE: webhooks for several topics each, and orders listed by time of change.

use webhook::scheme::SchemeName;

use crate::account::Account;
use crate::address::WebhookAddress;
use crate::client::{Calling, Client};
use crate::error::ApiError;
use crate::order::{Cursor, FetchedOrder, OrderList, OrderName, Page, Window};
use crate::platform::{Platform, SetUp, ShopMember, allowance};
use crate::subscription::Subscription;
use crate::transport::Settings;

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
    set_up: &[
        SetUp {
            scheme: SchemeName::Signed,
            enter: &[
                "In SHOPLINE's Developer Center, your app > Deploy & release > Webhook: enter {url} and choose the topics.",
                "The app needs the scopes of the topics that it subscribes to.",
            ],
            change: &["Nothing is to be entered: deliveries signed with either app secret pass from now on."],
        },
        SetUp {
            scheme: SchemeName::UrlToken,
            enter: &[
                "Give the source an account with the shop's API token: hookmill accounts set {source} --credential-env \
                 NAME --shop HANDLE",
                "Register its URL, which is taken from the secret: hookmill subscriptions create --source {source} \
                 --dry-run, then the same without --dry-run.",
                "By hand it is a call of SHOPLINE's API with that token, since the shop's admin has no page for such \
                 webhooks: POST /v1/webhooks with the URL as address, and topics.",
                "Whoever knows the URL can send: keep it out of tickets and logs. It is not shown again: {url}",
            ],
            change: &[
                "For each webhook of hookmill subscriptions list --source {source}: hookmill subscriptions update ID \
                 --source {source} --yes, which takes the new URL from the secret.",
                "By hand it is a call of SHOPLINE's API: PUT /v1/webhooks/ID with the new URL as address: {url}",
            ],
        },
    ],
    names_merchant: true,
    test_event: None,
};

/// Makes a client of an account.
pub(super) fn client(account: &Account, settings: Settings) -> Result<Box<dyn Client>, ApiError> {
    Ok(Box::new(Shopline::new(account, settings)?))
}

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
