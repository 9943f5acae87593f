//! The events table: what a row is, how a body is compressed into it, and how it is found again.

pub mod store;
pub mod item;
pub mod compression;
pub mod time_index;
pub mod memory;
pub mod contribution;
pub mod error;
