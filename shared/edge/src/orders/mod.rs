//! Order views: joined from the orders queue's events, their facts announced, read, rebuilt, and erased.

pub mod announcer;
pub mod consumer;
pub mod views;
pub mod rebuild;
pub mod read;
pub mod erasure;
pub mod disowning;
pub mod orphans;
