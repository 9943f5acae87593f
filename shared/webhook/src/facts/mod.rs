//! Facts: named statements about an order, each a pure function of its view.
//!
//! Providers report the same thing by many events, and an order that was fetched reports nothing but its state. Work
//! belongs to a fact: *it is paid*, not *an event came that mentions a payment*.

pub use current::{CurrentOrder, OrderSummary};
pub use name::{FactName, FactValue};
pub use table::Facts;
pub use times::time_of;

mod name;
mod evidence;
mod times;
mod table;
mod current;
pub mod announced;
pub mod message;
#[cfg(test)]
mod tests;
