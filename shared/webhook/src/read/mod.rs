//! The reading of a row: from a provider's body to the canonical event.

pub mod presence;
mod attribute;
mod contract;
pub mod money;
pub mod status;
pub mod party;
pub mod line;
pub mod order;
pub mod checkout;
pub mod event;
pub mod position;
pub mod body_reader;
pub mod mapping;
pub mod snapshot;
