//! Commerce webhooks: authenticated, given a permanent name, and translated into one vocabulary.
//!
//! This crate is pure: it has no clock, no environment and no network, and takes time as an argument.
//! Its folders are the steps of a delivery, and each imports only those above it:
//! `json` parses; `receive` authenticates the sender; `keep` names the event and makes its row; `read` translates a row
//! into a canonical event; `view` joins an order's events; `facts` are the statements that hold of it. A [`provider`] is
//! the value that all steps are functions of.

pub mod json;
mod receive;
mod keep;
mod read;
pub mod view;
pub mod facts;
pub mod provider;
pub mod providers;

pub use keep::{claim, redact, row};
pub use read::{
    body_reader, checkout, event, line, mapping, money, order, party, position, presence, snapshot, status,
};
#[cfg(feature = "signing")]
pub use receive::signing;
pub use receive::{request, scheme, secret, signature, source};
pub use view::personal;
