//! hookmill's receivers beside what their users would pick instead, in one run on one machine.
//!
//! In reading order: [`workload`], the deliveries; [`server`], which answers on loopback; [`runtime_api`], Lambda's side
//! of a function process; [`aws`], a stand-in that answers every call in constant time and counts; [`item_size`],
//! DynamoDB's billing; [`process`], a function's processor time and memory; [`contenders`]; [`measure`], the turns;
//! [`growth`] of the cost, and the cost of the relay and the orders function; [`report`].
//!
//! Figures of time depend on the machine; what is reported are ratios within one run, and counts.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a tool for measuring stops at the first surprise, and its figures are approximate"
)]

pub mod workload;
pub mod server;
pub mod runtime_api;
pub mod aws;
pub mod item_size;
pub mod process;
pub mod contenders;
pub mod measure;
pub mod growth;
pub mod report;
