//! The four APIs: each a value, so that what differs between them stands in one place.

use std::time::Duration;

use crate::pace::Allowance;
use crate::providers::{SCALAPAY, SCALEV, SELLDONE, SHOPLINE};

/// Every platform, in the order of their names.
pub const PLATFORMS: [&Platform; 4] = [&SCALAPAY, &SCALEV, &SELLDONE, &SHOPLINE];

/// What tells one provider's API from another's.
#[derive(Debug)]
pub struct Platform {
    /// The provider's name, as in keys, logs and paths.
    pub name: &'static str,
    /// Where the production API is.
    pub base_url: &'static str,
    /// The member of an account that holds the credential, called as the provider calls it.
    pub credential: &'static str,
    /// The member of an account that says whose shop it is, where calls need that.
    pub shop: Option<ShopMember>,
    /// Where the credential is made, and what it must be allowed to do.
    pub credential_from: &'static str,
    /// How many calls the provider allows, as far as it publishes that.
    pub allowances: &'static [Allowance],
    /// How webhooks are registered where no API does it; none where one does.
    pub by_hand: Option<&'static str>,
    /// The failures after which the provider switches a webhook off, where it counts them for us to see.
    pub failures_max: Option<u64>,
    /// Events that a subscription made through the API can be to, of those that the mapping knows.
    pub topics: fn() -> Vec<&'static str>,
}

/// A member of an account that names the shop.
#[derive(Debug, Clone, Copy)]
pub struct ShopMember {
    /// Its name.
    pub name: &'static str,
    /// Whether calls are impossible without it.
    pub required: bool,
}

impl Platform {
    /// The platform of this name.
    pub fn named(name: &str) -> Option<&'static Platform> {
        PLATFORMS.into_iter().find(|platform| platform.name == name)
    }
}

/// So many calls in so long.
pub(crate) const fn allowance(calls: usize, seconds: u64) -> Allowance {
    Allowance { calls, period: Duration::from_secs(seconds) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_has_a_platform() {
        for (platform, provider) in PLATFORMS.into_iter().zip(webhook::providers::PROVIDERS) {
            assert_eq!(platform.name, provider.name);
            assert_eq!(Platform::named(provider.name).unwrap().base_url, platform.base_url);
            assert!(platform.base_url.starts_with("https://") && !platform.base_url.ends_with('/'));
            let known = (provider.topics)();
            assert!((platform.topics)().iter().all(|topic| known.contains(topic)), "{}", platform.name);
            assert_eq!(platform.by_hand.is_some(), (platform.topics)().is_empty(), "{}", platform.name);
        }
        assert!(Platform::named("shopify").is_none());
    }
}
