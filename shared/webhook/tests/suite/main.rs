//! Every provider, every sample: deliveries, order views, the contract's schema, and rules that no compiler holds.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod bad_input;
mod cases;
mod deliveries;
mod snapshots;
mod view_properties;
mod facts;
mod situations;
mod ledger;
mod schema;
mod imports;
mod tidy;
