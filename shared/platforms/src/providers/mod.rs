//! The providers' APIs, each in a folder of its own: its value, and its calls in its own words.

use crate::account::Account;
use crate::client::Client;
use crate::error::{ApiError, Cause};
use crate::platform::Platform;
use crate::transport::Settings;

mod scalapay;
mod scalev;
mod selldone;
mod shopline;

pub use scalapay::{Reference, SCALAPAY, Scalapay};
pub use scalev::{SCALEV, Scalev};
pub use selldone::{OrderKind, SELLDONE, Selldone};
pub use shopline::{SHOPLINE, Shopline};

/// Every platform, in the order of their names.
pub const PLATFORMS: [&Platform; 4] = [&SCALAPAY, &SCALEV, &SELLDONE, &SHOPLINE];

/// Makes a client of an account.
type MakeClient = fn(&Account, Settings) -> Result<Box<dyn Client>, ApiError>;

/// The platforms' clients, in the same order.
const CLIENTS: [MakeClient; PLATFORMS.len()] = [scalapay::client, scalev::client, selldone::client, shopline::client];

impl Platform {
    /// Returns the platform of this name.
    pub fn named(name: &str) -> Option<&'static Platform> {
        PLATFORMS.into_iter().find(|platform| platform.name == name)
    }
}

impl Account {
    /// Makes a client of the account's API.
    pub fn client(&self, settings: Settings) -> Result<Box<dyn Client>, ApiError> {
        let name = self.platform.name;
        let made = PLATFORMS.iter().zip(CLIENTS).find(|(platform, _)| platform.name == name);
        let (_, make) = made.ok_or_else(|| {
            let instead = "There is no client for this provider.";
            ApiError::unsent(name, "make a client", Cause::NotOffered { instead })
        })?;
        make(self, settings)
    }
}
