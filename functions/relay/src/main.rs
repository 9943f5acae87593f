//! Relays the events table's stream to the queues.

use edge::{Error, Relay, RelayConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    edge::start_logging();
    let relay = Relay::from_config(RelayConfig::from_env()?).await;
    edge::serve(async |batch| relay.relay(batch).await).await
}
