//! A request's arrival: its parts, the source it was sent to, and the proof that the provider sent it.

pub mod request;
pub mod secret;
pub mod scheme;
pub mod source;
pub mod signature;
#[cfg(feature = "signing")]
pub mod signing;
