//! The commands over an embedded DynamoDB, with rows as the receivers' own code writes them.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod queues;
mod vault;
mod harness;
mod ids;
mod events;
mod orders;
mod replay;
mod rebuild;
mod reread;
mod forget;
mod disown;
mod dlq;
mod quarantine;
mod sources;
mod accounts;
mod doctor;
mod failures;
mod provider;
mod subscriptions;
mod reconcile;
mod damaged;
