//! hookmill's AWS side: everything that can fail.
//!
//! Five rooms on three floors. An event comes in through [`receive`], goes on through [`relay`] and becomes part of its
//! order in [`orders`]; none of the three knows another. All three use [`keep`], the events table, and that uses
//! [`aws`].

pub mod receive;
pub mod relay;
pub mod orders;
pub mod keep;
pub mod aws;

pub use aws::config::{FactsConfig, ReceiverConfig, RelayConfig, ViewConfig, WatchConfig};
pub use aws::log::start_logging;
pub use aws::serve::serve;
pub use lambda_runtime::Error;
pub use orders::consumer::Orders;
pub use orders::erasure::Eraser;
pub use orders::read::Reader;
pub use orders::rebuild::Rebuilder;
pub use orders::views::Views;
pub use receive::receiver::Receiver;
pub use relay::relay::Relay;
