//! Looks after the rest: what was never relayed, what went silent, what changed its shape.

use edge::WatchConfig;
use watch::Watch;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), edge::Error> {
    edge::start_logging();
    let watch = Watch::from_config(WatchConfig::from_env()?).await;
    edge::serve(watch).await
}
