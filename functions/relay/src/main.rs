//! Relays the events table's stream to the queues.

use edge::{Relay, RelayConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), edge::Error> {
    edge::start_logging();
    let relay = Relay::from_config(RelayConfig::from_env()?).await;
    edge::serve(relay).await
}
