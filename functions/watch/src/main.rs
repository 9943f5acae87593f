//! Looks after the rest: what was never relayed, what went silent, what changed its shape.

use edge::{Error, WatchConfig};
use watch::Watch;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    edge::start_logging();
    let watch = Watch::from_config(WatchConfig::from_env()?).await;
    edge::serve(async |call| watch.run(call).await).await
}
