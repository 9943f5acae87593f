//! Selldone: a webhook for each event, and orders of five kinds, of which one is listed.

use webhook::scheme::SchemeName;

use crate::account::Account;
use crate::address::WebhookAddress;
use crate::client::{Calling, Client};
use crate::error::{ApiError, Cause};
use crate::order::{Cursor, FetchedOrder, OrderList, OrderName, Page, Window};
use crate::platform::{Platform, SetUp, ShopMember, allowance};
use crate::subscription::Subscription;
use crate::transport::Settings;

mod api;

pub use api::{OrderKind, Selldone};

/// Selldone.
pub const SELLDONE: Platform = Platform {
    name: "selldone",
    title: "Selldone",
    base_url: "https://api.selldone.com",
    credential: "token",
    shop: Some(ShopMember { name: "shop_id", required: true, in_webhooks: true }),
    credential_from: "https://selldone.com/auth/erp?scopes[]=backoffice:order:read&scopes[]=backoffice:shop:write",
    allowances: &[allowance(80, 60)],
    by_hand: None,
    topics: webhook::providers::SELLDONE.topics,
    several_topics: false,
    order_kinds: &[ONLINE, "PosOrder", "AvocadoOrder", "HyperOrder", "FulfillmentOrder"],
    order_lists: &[
        OrderList { name: "PHYSICAL", kind: Some(ONLINE) },
        OrderList { name: "VIRTUAL", kind: Some(ONLINE) },
        OrderList { name: "SERVICE", kind: Some(ONLINE) },
        OrderList { name: "FILE", kind: Some(ONLINE) },
        OrderList { name: "SUBSCRIPTION", kind: Some(ONLINE) },
    ],
    unlisted: Some(
        "Selldone lists online orders alone: of the other kinds, those whose events were received in the range are \
         read one by one, and one of which no webhook came has to be named, such as --order PosOrder:17.",
    ),
    answers_have_times: true,
    timeless_scheme: None,
    set_up: &[SetUp {
        scheme: SchemeName::UrlToken,
        enter: &[
            "Give the source an account with the shop's API token: hookmill accounts set {source} --credential-env NAME \
             --shop SHOP_ID",
            "Register its URL, which is taken from the secret: hookmill subscriptions create --source {source} \
             --dry-run, then the same without --dry-run.",
            "Or by hand: in Selldone's back office, Automation > Webhook, add a webhook of each type that you want with \
             {url}",
            "Whoever knows this URL can send: keep it out of tickets and logs. It is not shown again.",
        ],
        change: &[
            "For each webhook of hookmill subscriptions list --source {source}: hookmill subscriptions update ID --source \
             {source} --yes, which takes the new URL from the secret.",
            "Or by hand: in Selldone's back office, Automation > Webhook, change the URL of each webhook of this source \
             to {url}",
        ],
    }],
    names_merchant: true,
    test_event: None,
};

/// Makes a client of an account.
pub(super) fn client(account: &Account, settings: Settings) -> Result<Box<dyn Client>, ApiError> {
    Ok(Box::new(Selldone::new(account, settings)?))
}

const ONLINE: &str = "OnlineOrder";

impl Client for Selldone {
    fn platform(&self) -> &'static Platform {
        &SELLDONE
    }

    fn subscriptions(&self) -> Calling<'_, Vec<Subscription>> {
        Box::pin(self.webhooks())
    }

    fn create<'a>(&'a self, to: &'a WebhookAddress, topics: &'a [String]) -> Calling<'a, Subscription> {
        Box::pin(async move { Selldone::create(self, to, one("create webhook", topics)?).await })
    }

    fn update<'a>(&'a self, id: &'a str, to: &'a WebhookAddress, topics: &'a [String]) -> Calling<'a, Subscription> {
        Box::pin(async move { Selldone::update(self, id, to, one("update webhook", topics)?).await })
    }

    fn delete<'a>(&'a self, id: &'a str) -> Calling<'a, ()> {
        Box::pin(Selldone::delete(self, id))
    }

    fn order<'a>(&'a self, name: &'a OrderName) -> Calling<'a, FetchedOrder> {
        let kind = OrderKind::of_event(name.kind.unwrap_or(ONLINE)).unwrap_or(OrderKind::Online);
        Box::pin(Selldone::order(self, kind, &name.id))
    }

    fn orders<'a>(
        &'a self,
        list: &'static str,
        window: Window,
        cursor: Option<&'a Cursor>,
    ) -> Calling<'a, Page<FetchedOrder>> {
        Box::pin(Selldone::orders(self, list, window, cursor))
    }
}

/// The one topic that a webhook is for.
fn one<'t>(operation: &'static str, topics: &'t [String]) -> Result<&'t str, ApiError> {
    let [topic] = topics else {
        let what = "a webhook for none or several topics, where each is for one,";
        return Err(ApiError::unsent(SELLDONE.name, operation, Cause::Argument { what }));
    };
    Ok(topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_order_has_a_path() {
        assert!(SELLDONE.order_kinds.iter().all(|kind| OrderKind::of_event(kind).is_some()));
    }
}
