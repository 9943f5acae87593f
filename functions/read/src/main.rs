//! Answers with one event, canonical, or one order's view.

use edge::{Reader, ViewConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), edge::Error> {
    edge::start_logging();
    let reader = Reader::from_config(ViewConfig::from_env()?).await;
    edge::serve(reader).await
}
