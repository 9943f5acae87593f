//! The calls of each provider, in its own words.

mod scalapay;
mod scalev;
mod selldone;
mod shopline;

pub use scalapay::{Reference, RefundRow, SCALAPAY, Scalapay, refunds_of, rows_of};
pub use scalev::{SCALEV, Scalev};
pub use selldone::{OrderKind, SELLDONE, Selldone};
pub use shopline::{SHOPLINE, Shopline};
