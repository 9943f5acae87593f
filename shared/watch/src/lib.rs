//! hookmill's watch: finds problems that no delivery shows.
//!
//! It runs by a schedule. In reading order: [`watch`] is one run; [`sources`] lists the sources; [`silence`] judges the
//! time without events; [`learn`] learns each source's usual hours and events; [`shape`] compares the fields of events;
//! [`subscriptions`] compares the webhooks that providers have registered; [`finding`] is the result. The sweeper is
//! [`edge::relay::sweep`], beside the relay whose work it completes. State between two runs is [`edge::keep::memory`].

pub mod watch;
pub mod sources;
pub mod silence;
pub mod learn;
pub mod shape;
pub mod subscriptions;
pub mod finding;

pub use watch::{Report, Watch, WatchCall, WatchError};
