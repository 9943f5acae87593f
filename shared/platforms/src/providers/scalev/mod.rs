//! Scalev: orders read one by one.

use webhook::scheme::SchemeName;

use crate::account::Account;
use crate::client::{Calling, Client};
use crate::error::{ApiError, Cause};
use crate::order::{FetchedOrder, OrderName};
use crate::platform::{Platform, SetUp, ShopMember, allowance};
use crate::transport::Settings;

mod api;

pub use api::Scalev;

/// Scalev.
pub const SCALEV: Platform = Platform {
    name: "scalev",
    title: "Scalev",
    base_url: "https://api.scalev.com",
    credential: "api_key",
    // The business, if the credential is of several.
    shop: Some(ShopMember { name: "business", required: false, in_webhooks: false }),
    credential_from: "the dashboard, Settings > Developers > API Keys: a key with the scope order:read",
    allowances: &[allowance(100, 10), allowance(10_000, 3_600)],
    by_hand: Some(
        "Set the Webhook URL and tick the events in Scalev's dashboard, Settings > Developers > Webhooks; saving sends \
         a test event.",
    ),
    topics: Vec::new,
    several_topics: false,
    order_kinds: &[],
    order_lists: &[],
    unlisted: Some(
        "Scalev lists no orders by time: those whose events were received in the range are read one by one, and one \
         of which no webhook came has to be named: --order NUMBER.",
    ),
    answers_have_times: true,
    timeless_scheme: None,
    set_up: &[SetUp {
        scheme: SchemeName::Signed,
        enter: &[
            "In Scalev's dashboard, Settings > Developers > Webhooks: enter {url} as the Webhook URL.",
            "Tick the events that you want, and set the toggle to active.",
            "Save: Scalev sends business.test_event and takes the settings only if that is answered 200.",
        ],
        change: &["Nothing is to be entered: deliveries signed with either Signing Secret pass from now on."],
    }],
    names_merchant: true,
    test_event: Some(
        r#"{"event":"business.test_event","unique_id":"hookmill-self-test","timestamp":"2026-01-01T00:00:00.000000Z","data":{}}"#,
    ),
};

/// Makes a client of an account.
pub(super) fn client(account: &Account, settings: Settings) -> Result<Box<dyn Client>, ApiError> {
    Ok(Box::new(Scalev::new(account, settings)?))
}

impl Client for Scalev {
    fn platform(&self) -> &'static Platform {
        &SCALEV
    }

    /// Webhooks name an order by its number, which is searched for; those of an app by the API's own id, which has
    /// another form than numbers.
    fn order<'a>(&'a self, name: &'a OrderName) -> Calling<'a, FetchedOrder> {
        Box::pin(async move {
            if name.id.contains('-') {
                return Scalev::order(self, &name.id).await;
            }
            let not_found = || ApiError { attempts: 1, ..ApiError::unsent(SCALEV.name, "find order", Cause::NotFound) };
            self.order_by_number(&name.id).await?.ok_or_else(not_found)
        })
    }
}
