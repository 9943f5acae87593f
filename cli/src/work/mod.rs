//! Deliveries that the tool signs and sends itself, and long work that can be resumed.

pub mod sending;
pub mod samples;
pub mod run_file;
pub mod journal;
pub mod apis;
