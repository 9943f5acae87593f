//! The calls, against a server on this machine that plays the provider.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod server;
mod failures;
mod shopline;
mod selldone;
mod scalapay;
mod scalev;
mod client;
