//! An event's way on: from the table's stream to the queues, and the sweep for what was never relayed.

pub mod stream;
#[expect(clippy::module_inception, reason = "the room is named after its main part")]
pub mod relay;
mod outlets;
mod outgoing;
mod batch_log;
pub mod relay_log;
pub mod error;
pub mod sweep;
pub mod backlog;
