//! The providers' own APIs: webhook subscriptions, and orders read back.
//!
//! Nothing here knows AWS, the environment or a file: credentials come as text, answers go as values.
//! In reading order: [`platform`] what tells one provider's API from another's; [`account`] whose API is called and
//! with what; [`transport`] the one way in which all are called; [`error`] how that can fail; [`subscription`] and
//! [`order`] what they tell, in one form; [`reconcile`] theirs beside ours; [`providers`] the calls themselves;
//! [`client`] the calls that several of them have.
//!
//! An answer's bytes are always kept beside what was read of them: the providers' documents leave much open, and what
//! they leave open is `None` or `Unknown` here, never a guess.

pub mod platform;
pub mod account;
pub mod token;
pub mod address;
pub mod clock;
pub mod pace;
pub mod transport;
pub mod error;
pub mod raw;
pub mod subscription;
pub mod check;
pub mod order;
pub mod reconcile;
pub mod providers;
pub mod client;

pub use account::{Account, Accounts};
pub use client::Client;
pub use clock::Clock;
pub use error::{Cause, Error};
pub use platform::{PLATFORMS, Platform};
pub use raw::Raw;
pub use transport::{Limits, Settings};
