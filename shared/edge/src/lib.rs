//! hookmill's AWS side: everything that can fail.
//!
//! In the order in which an event passes through: [`http`], [`secrets`], [`receiver`], [`store`] with [`item`] and
//! [`compression`], [`quarantine`] with [`seal`]; then [`stream`], [`relay`], [`queue`], [`relayed`]; behind them
//! [`time_index`] and [`sweep`]; then [`orders`] and [`read`]; and when a body has to go, [`erasure`], which leaves a
//! [`residue`].

use serde::{Deserialize, Serialize};

pub mod config;
pub mod clock;
pub mod aws;
pub mod log;
pub mod http;
pub mod secrets;
pub mod receiver;
pub mod store;
pub mod item;
pub mod compression;
pub mod quarantine;
pub mod seal;
pub mod stream;
pub mod relay;
pub mod queue;
pub mod relayed;
pub mod time_index;
pub mod sweep;
pub mod orders;
pub mod residue;
pub mod erasure;
pub mod read;

pub use config::{ReceiverConfig, RelayConfig, ViewConfig, WatchConfig};
pub use erasure::Eraser;
pub use lambda_runtime::Error;
pub use log::start_logging;
pub use orders::Orders;
pub use read::Reader;
pub use receiver::Receiver;
pub use relay::Relay;

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
