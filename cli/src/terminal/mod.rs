//! The terminal: what is read from it, what is written to it, and how a command ends.

pub mod error;
pub mod hint;
pub mod output;
pub mod time;
pub mod keys;
pub mod interrupt;
