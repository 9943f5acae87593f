//! A webhook as a provider knows it.

use jiff::Timestamp;

use crate::address::WebhookAddress;
use crate::raw::Raw;

/// A webhook that is registered with a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The provider's id of it.
    pub id: String,
    /// Its destination; `None` if the provider does not say.
    pub address: Option<WebhookAddress>,
    /// The events that it is sent for, in the provider's words.
    pub topics: Vec<String>,
    /// Its state: on, off or unknown.
    pub activity: Activity,
    /// The version of its payload, if the provider gives one.
    pub version: Option<String>,
    /// The deliveries that failed, where the provider counts them for us to see.
    pub failures: Option<Failures>,
    /// The shop, by the provider's id, if it is given.
    pub merchant: Option<String>,
    /// The form of its deliveries, if it is given.
    pub format: Option<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// All that the provider said of it.
    pub raw: Raw,
}

impl Subscription {
    /// Returns whether it goes to this address.
    pub fn goes_to(&self, to: &WebhookAddress) -> bool {
        self.address.as_ref().is_some_and(|address| address.is_same(to))
    }

    /// Returns whether it is sent, as far as the provider says.
    pub fn is_sent(&self) -> bool {
        !matches!(self.activity, Activity::Inactive(_))
    }
}

/// A webhook's state at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Activity {
    /// It is sent.
    Active,
    /// It is not sent, for a reason in the provider's words.
    Inactive(String),
    /// The provider says neither.
    Unknown,
}

/// A webhook's failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    /// The failures so far.
    pub count: u64,
    /// The failures at which the provider switches it off.
    pub limit: u64,
}

/// The outcome of registering several topics where each takes a call of its own.
#[derive(Debug)]
pub struct Created {
    /// Those that are registered now.
    pub done: Vec<Subscription>,
    /// The topic at which it ended, and why; those after it were not tried.
    pub failed: Option<(String, crate::error::ApiError)>,
}
