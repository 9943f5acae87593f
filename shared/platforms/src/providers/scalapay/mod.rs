//! Scalapay: payments read one by one, and reports on refunds.

use jiff::civil::Date;
use webhook::scheme::SchemeName;

use crate::account::Account;
use crate::client::{Calling, Client};
use crate::error::ApiError;
use crate::order::{FetchedOrder, OrderName, RefundRow};
use crate::platform::{Platform, SetUp};
use crate::transport::Settings;

mod api;

pub use api::{Reference, Scalapay};

/// Scalapay. The sandbox is at `https://integration.api.scalapay.com`, with keys of its own.
pub const SCALAPAY: Platform = Platform {
    name: "scalapay",
    title: "Scalapay",
    base_url: "https://api.scalapay.com",
    credential: "api_key",
    shop: None,
    credential_from: "the Partner Portal, Developers: the API key of the environment",
    // Not published.
    allowances: &[],
    by_hand: Some(
        "Set the Webhook Url in Scalapay's Partner Portal, Developers: one for the account and environment; every \
         status is sent.",
    ),
    topics: Vec::new,
    several_topics: false,
    order_kinds: &[],
    order_lists: &[],
    unlisted: Some(
        "Scalapay lists no payments: those whose events were received in the range are read one by one, and one of \
         which no webhook came has to be named: --order TOKEN.",
    ),
    // Neither webhooks nor answers do.
    answers_have_times: false,
    timeless_scheme: None,
    set_up: &[SetUp {
        scheme: SchemeName::Signed,
        enter: &[
            "In Scalapay's Partner Portal, Developers: enter {url} as the Webhook Url, in the environment (sandbox or \
             production) whose API key you gave.",
            "Every status is sent; there is nothing to choose.",
        ],
        change: &[
            "Nothing is to be entered: the API key is the key that Scalapay signs with, and both pass from now on.",
        ],
    }],
    // The matching key does.
    names_merchant: false,
    test_event: None,
};

/// Makes a client of an account.
pub(super) fn client(account: &Account, settings: Settings) -> Result<Box<dyn Client>, ApiError> {
    Ok(Box::new(Scalapay::new(account, settings)?))
}

impl Client for Scalapay {
    fn platform(&self) -> &'static Platform {
        &SCALAPAY
    }

    fn order<'a>(&'a self, name: &'a OrderName) -> Calling<'a, FetchedOrder> {
        Box::pin(self.payment(&name.id))
    }

    fn refunds(&self, from: Date, to: Date) -> Calling<'_, Vec<RefundRow>> {
        Box::pin(self.all_refunds(from, to))
    }

    fn refunds_of<'r>(&self, rows: &'r [RefundRow], order: &FetchedOrder) -> Vec<&'r RefundRow> {
        api::rows_of(rows, order)
    }
}
