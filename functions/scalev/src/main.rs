//! Receives Scalev webhooks.

use edge::{Error, Receiver, ReceiverConfig};
use webhook::providers::SCALEV;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    edge::start_logging();
    let receiver = Receiver::from_config(&SCALEV, ReceiverConfig::from_env()?).await;
    edge::serve(async |request| Ok::<_, Error>(receiver.receive(request).await)).await
}
