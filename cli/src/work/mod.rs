//! Shared by several commands: options and ids as they are typed, deliveries that the tool signs and sends itself, and
//! long work that can be resumed.

pub mod selection;
pub mod ids;
pub mod reading;
pub mod event_lines;
pub mod sending;
pub mod samples;
pub mod delivering;
pub mod journal;
pub mod replay_run;
pub mod replaying;
pub mod rebuilding;
pub mod apis;
