//! Joins the orders queue's events into order views.

use edge::{Error, Orders, ViewConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    edge::start_logging();
    let orders = Orders::from_config(ViewConfig::from_env()?).await;
    edge::serve(async |batch| Ok::<_, Error>(orders.apply(batch).await)).await
}
