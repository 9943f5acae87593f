//! Commerce webhooks, authenticated, named for ever and normalised.
//!
//! This crate is pure: it has no clock, no environment and no network, and takes time as an argument.
//! In the order in which a delivery passes through:
//! [`request`] what arrived; [`signature`] who sent it; [`claim`] its name for ever; [`row`] what it says;
//! [`view`] where the order stands; [`personal`] what stays of it when a buyer is forgotten.
//! [`read_back`] is the other way in: orders that were asked for.

pub mod request;
pub mod secret;
pub mod source;
pub mod json;
pub mod canonical_json;
pub mod signature;
pub mod claim;
pub mod cut;
pub mod read_back;
pub mod row;
pub mod position;
pub mod fields;
pub mod field;
pub mod money;
pub mod status;
pub mod event;
pub mod order;
pub mod party;
pub mod view;
pub mod personal;
pub mod providers;
