//! hookmill's AWS side: everything that can fail.
//!
//! Five rooms on three floors. An event comes in through [`receive`], goes on through [`relay`] and becomes part of its
//! order in [`orders`]; none of the three knows another. All three use [`keep`], the events table, and that uses
//! [`aws`].

use serde::{Deserialize, Serialize};

pub mod receive;
pub mod relay;
pub mod orders;
pub mod keep;
pub mod aws;

pub use aws::config::{ReceiverConfig, RelayConfig, ViewConfig, WatchConfig};
pub use aws::log::start_logging;
pub use lambda_runtime::Error;
pub use orders::consumer::Orders;
pub use orders::erasure::Eraser;
pub use orders::read::Reader;
pub use receive::receiver::Receiver;
pub use relay::relay::Relay;

/// Serves invocations until the runtime ends: each payload through the handler, its output or error back.
pub async fn serve<P, O, E, F>(handler: impl Fn(P) -> F) -> Result<(), Error>
where
    P: for<'de> Deserialize<'de>,
    O: Serialize,
    E: Into<lambda_runtime::Diagnostic> + std::fmt::Debug,
    F: Future<Output = Result<O, E>>,
{
    let service = lambda_runtime::service_fn(|event: lambda_runtime::LambdaEvent<P>| {
        // On the heap, since an SDK call's future is tens of kilobytes deep.
        let answer: std::pin::Pin<Box<dyn Future<Output = Result<O, E>> + '_>> = Box::pin(handler(event.payload));
        answer
    });
    Box::pin(lambda_runtime::run(service)).await
}
