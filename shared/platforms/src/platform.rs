//! The differences between the providers' APIs, as a value.

use std::time::Duration;

use webhook::scheme::SchemeName;

use crate::order::OrderList;
use crate::pace::Allowance;

/// A provider's API.
#[derive(Debug)]
pub struct Platform {
    /// The provider's name, as in keys, logs and paths.
    pub name: &'static str,
    /// The provider's name as it writes it, for texts.
    pub title: &'static str,
    /// The address of the production API.
    pub base_url: &'static str,
    /// The member of an account that holds the credential, called as the provider calls it.
    pub credential: &'static str,
    /// The member of an account that names the shop, if calls need that.
    pub shop: Option<ShopMember>,
    /// The place where the credential is made, and the permissions that it needs.
    pub credential_from: &'static str,
    /// The calls that the provider allows, as far as it publishes that.
    pub allowances: &'static [Allowance],
    /// The way to register webhooks if no API does it; `None` if one does.
    pub by_hand: Option<&'static str>,
    /// Events that a subscription made through the API can be to, of those that the mapping knows.
    pub topics: fn() -> Vec<&'static str>,
    /// One webhook can be for several topics.
    pub several_topics: bool,
    /// The kinds of order that have ids of their own, by the event of their webhooks; the first is that of an order that
    /// is named without its kind. Empty if an id alone names an order.
    pub order_kinds: &'static [&'static str],
    /// The lists of orders that can be asked by time of change.
    pub order_lists: &'static [OrderList],
    /// The orders that the lists leave out, as a sentence; `None` if they have every order.
    pub unlisted: Option<&'static str>,
    /// Answers about orders carry a time of change.
    pub answers_have_times: bool,
    /// The scheme by which webhooks without times can come.
    pub timeless_scheme: Option<SchemeName>,
    /// The steps to set up a source at the provider, by scheme.
    pub set_up: &'static [SetUp],
    /// Deliveries name their shop. Where they do not, no source can be restricted to merchants.
    pub names_merchant: bool,
    /// The body of the provider's own test event, which names no shop.
    pub test_event: Option<&'static str>,
}

/// The steps at the provider for one scheme, in the order that works. `{url}` is the URL, `{source}` the source.
#[derive(Debug, Clone, Copy)]
pub struct SetUp {
    /// The scheme.
    pub scheme: SchemeName,
    /// Steps to enter the URL of a new source.
    pub enter: &'static [&'static str],
    /// Steps to change a key or URL, once it is in the secret.
    pub change: &'static [&'static str],
}

/// A member of an account that names the shop.
#[derive(Debug, Clone, Copy)]
pub struct ShopMember {
    /// Its name.
    pub name: &'static str,
    /// Calls are impossible without it.
    pub required: bool,
    /// Webhooks name the shop by the same text.
    pub in_webhooks: bool,
}

/// A number of calls in a number of seconds.
pub(crate) const fn allowance(calls: usize, seconds: u64) -> Allowance {
    Allowance { calls, period: Duration::from_secs(seconds) }
}

#[cfg(test)]
mod tests {
    use webhook::providers::PROVIDERS;

    use super::*;
    use crate::providers::PLATFORMS;

    /// A platform that says that deliveries name their shop, and one that says that they do not, are both right.
    #[test]
    fn merchants_are_named_as_samples_name_them() {
        for (platform, provider) in PLATFORMS.into_iter().zip(PROVIDERS) {
            let folder = format!("{}/../../events/{}", env!("CARGO_MANIFEST_DIR"), provider.name);
            let names_merchant = std::fs::read_dir(folder).unwrap().any(|entry| {
                let Ok(text) = std::fs::read_to_string(entry.unwrap().path()) else { return false };
                let body = serde_json::from_str::<serde_json::Value>(&text).unwrap()["body"].take();
                let document = webhook::json::parse(body.as_str().unwrap_or_default().as_bytes());
                document.is_ok_and(|document| (provider.admission.merchant)(&document.root).is_some())
            });
            assert_eq!(names_merchant, platform.names_merchant, "{}", platform.name);
        }
    }

    #[test]
    fn every_provider_has_a_platform() {
        assert_eq!(PLATFORMS.map(|platform| platform.name), PROVIDERS.map(|provider| provider.name));
        for (platform, provider) in PLATFORMS.into_iter().zip(PROVIDERS) {
            assert_eq!(Platform::named(provider.name).unwrap().base_url, platform.base_url);
            assert!(platform.base_url.starts_with("https://") && !platform.base_url.ends_with('/'));
            assert_eq!(platform.title.to_lowercase(), platform.name);
            let known = (provider.topics)();
            assert!((platform.topics)().iter().all(|topic| known.contains(topic)), "{}", platform.name);
            assert_eq!(platform.by_hand.is_some(), (platform.topics)().is_empty(), "{}", platform.name);
            let schemes = platform.set_up.iter().map(|set_up| set_up.scheme).collect::<Vec<_>>();
            assert_eq!(schemes, provider.admission.schemes.iter().map(|(scheme, _)| *scheme).collect::<Vec<_>>());
            for SetUp { enter, change, .. } in platform.set_up {
                assert!(enter.iter().any(|step| step.contains("{url}")) && !change.is_empty(), "{}", platform.name);
            }
            let kinds = platform.order_lists.iter().filter_map(|list| list.kind);
            assert!(kinds.into_iter().all(|kind| platform.order_kinds.contains(&kind)), "{}", platform.name);
            assert!(platform.unlisted.is_some() || !platform.order_lists.is_empty(), "{}", platform.name);
        }
        assert!(Platform::named("shopify").is_none());
    }
}
