//! Receives Selldone webhooks.

use edge::{Receiver, ReceiverConfig};
use webhook::providers::SELLDONE;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), edge::Error> {
    edge::start_logging();
    let receiver = Receiver::from_config(&SELLDONE, ReceiverConfig::from_env()?).await;
    edge::serve(receiver).await
}
