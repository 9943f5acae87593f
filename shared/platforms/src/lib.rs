//! The providers' own APIs: webhook subscriptions, and snapshots of orders.
//!
//! Nothing here knows AWS, the environment or a file: credentials come as text, answers go as values.
//! In reading order: [`platform`] the differences between the providers' APIs, as a value each; [`account`] a shop's
//! credential for one; [`transport`] the one way in which all are called; [`error`] the ways in which that can fail;
//! [`subscription`] and [`order`] their answers, in one form; [`reconcile`] theirs beside ours; [`client`] the calls, as
//! a trait that refuses whatever a provider does not implement; [`providers`] a folder for each.
//!
//! An answer's bytes are always kept beside what was read of them: the providers' documents leave much open, and what
//! they leave open is `None` or `Unknown` here, never a guess.

pub mod platform;
pub mod account;
pub mod token;
pub mod address;
pub mod retry_timer;
pub mod pace;
pub mod transport;
pub mod error;
pub mod raw;
pub mod subscription;
pub mod check;
pub mod order;
pub mod reconcile;
pub mod client;
pub mod providers;

pub use account::{Account, Accounts};
pub use client::Client;
pub use error::{ApiError, Cause};
pub use platform::Platform;
pub use providers::PLATFORMS;
pub use raw::Raw;
pub use retry_timer::RetryTimer;
pub use transport::{Limits, Settings};
