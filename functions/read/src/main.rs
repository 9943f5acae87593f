//! Answers with one event, canonical, or one order's view.

use edge::{Error, Reader, ViewConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    edge::start_logging();
    let reader = Reader::from_config(ViewConfig::from_env()?).await;
    edge::serve(async |question| reader.answer(question).await).await
}
