//! Surroundings of every function: settings, SDK clients, time, queues to send to, the log.

pub mod config;
pub mod client;
pub mod clock;
pub mod queue;
pub mod log;
pub mod serve;
