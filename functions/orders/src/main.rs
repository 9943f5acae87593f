//! Joins the orders queue's events into order views, and announces their facts.

use edge::{FactsConfig, Orders, ViewConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), edge::Error> {
    edge::start_logging();
    let orders = Orders::from_config(ViewConfig::from_env()?, FactsConfig::from_env()).await;
    edge::serve(orders).await
}
