//! The providers' APIs, each in a folder of its own: its value, and its calls in its own words.

use crate::platform::Platform;

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
