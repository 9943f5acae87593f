//! Joins the orders queue's events into order views.

use edge::{Orders, ViewConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), edge::Error> {
    edge::start_logging();
    let orders = Orders::from_config(ViewConfig::from_env()?).await;
    edge::serve(orders).await
}
