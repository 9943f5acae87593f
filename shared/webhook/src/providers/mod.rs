//! The four providers, each in a folder of its own.

use crate::keep::claim::EventKey;

mod prelude;
mod scalapay;
mod scalev;
mod selldone;
mod shopline;

pub use crate::provider::Provider;
pub use scalapay::SCALAPAY;
pub use scalev::SCALEV;
pub use selldone::SELLDONE;
pub use shopline::SHOPLINE;

/// Every provider, in the order of their names.
pub const PROVIDERS: [&Provider; 4] = [&SCALAPAY, &SCALEV, &SELLDONE, &SHOPLINE];

impl Provider {
    /// Returns the provider of this name.
    pub fn named(name: &str) -> Option<&'static Provider> {
        PROVIDERS.into_iter().find(|provider| provider.name == name)
    }

    /// Returns the provider that a key names.
    pub fn of(key: &EventKey) -> Option<&'static Provider> {
        key.parts().and_then(|(name, ..)| Provider::named(name))
    }
}
