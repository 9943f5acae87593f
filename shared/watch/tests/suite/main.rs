//! The watch against an embedded DynamoDB, secrets that a test sets, a provider on this machine, and a test's clock.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../../../edge/tests/suite/harness.rs"]
#[expect(dead_code, reason = "the edge's harness has more than is needed here")]
mod harness;
#[path = "../../../platforms/tests/suite/server.rs"]
#[expect(dead_code, reason = "the platforms' server has more than is needed here")]
mod server;
mod ground;
mod duties;
