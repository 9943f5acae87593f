//! Receives Selldone webhooks.

use edge::{Error, Receiver, ReceiverConfig};
use webhook::providers::SELLDONE;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    edge::start_logging();
    let receiver = Receiver::from_config(&SELLDONE, ReceiverConfig::from_env()?).await;
    edge::serve(async |request| Ok::<_, Error>(receiver.receive(request).await)).await
}
