//! The simulator's short form: what runs on every change.

#![expect(clippy::unwrap_used, reason = "tests")]

mod runs;
mod dynamo;
