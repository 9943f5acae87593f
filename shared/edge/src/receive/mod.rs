//! A delivery's way in: from the request to a durable row, or to the quarantine.

pub mod http;
pub mod secrets;
pub mod receiver;
pub mod quarantine;
pub mod limiter;
pub mod reports;
pub mod refused;
pub mod seal;
