//! The row of an event: its permanent name, its body without secrets, and the facts kept beside them.

pub mod claim;
pub mod redact;
pub mod row;
