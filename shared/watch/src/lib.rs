//! hookmill's watch: what needs no delivery to be noticed.
//!
//! It runs by a schedule. In reading order: [`watch`] one run; [`sources`]
//! which sources there are; [`silence`] whether one is quiet for too long; [`learn`] what is usual for each;
//! [`shape`] which fields its events have; [`subscriptions`] how the providers have us registered; [`finding`] what
//! it tells. The sweeper itself is [`edge::relay::sweep`], beside the relay whose work it completes.

pub mod watch;
pub mod sources;
pub mod silence;
pub mod learn;
pub mod shape;
pub mod subscriptions;
pub mod finding;

pub use watch::{Report, Watch, WatchCall, WatchError};
