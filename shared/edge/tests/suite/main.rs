//! The edge against an embedded DynamoDB and queues and secrets that a test can break.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod harness;
mod played;
mod receiver;
mod quarantine;
mod relay;
mod batches;
mod sweep;
mod backlog;
mod orders;
mod facts;
mod rebuild;
mod views;
mod time_index;
mod erasure;
mod disowning;
mod strangers;
