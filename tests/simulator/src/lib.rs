//! hookmill under crashes and faults, seeded: the real receivers, relay and orders function over a simulated AWS.
//!
//! Nothing here is a model of our code. [`process`] makes the functions themselves; [`network`] replaces the SDK's
//! HTTP client; [`executor`] has the time. The assumptions about AWS are in [`assumptions`], the providers' deliveries
//! in [`workload`], the invariants in [`check`].
//! One seed is one run: the same faults at the same steps, the same order of everything.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test tool stops at the first surprise"
)]

pub mod assumptions;
pub mod random;
pub mod executor;
pub mod faults;
pub mod violation;
pub mod expression;
pub mod table;
pub mod stream;
pub mod rows;
pub mod sends;
pub mod queue;
pub mod facts;
pub mod outage;
pub mod cloud;
pub mod network;
pub mod process;
pub mod redrive;
pub mod signing;
pub mod samples;
pub mod workload;
pub mod remapping;
pub mod world;
pub mod operators;
pub mod parallel;
pub mod run;
pub mod oracle;
pub mod compare;
pub mod erasure;
pub mod check;
pub mod shrink;
pub mod exhaustive;
pub mod report;
