//! What every function needs of its surroundings: settings, SDK clients, time, the log.

pub mod config;
pub mod client;
pub mod clock;
pub mod log;
pub mod serve;
