//! Ctrl-C on long work: the first lets what is under way come to its end and be told; a second one ends at once.

use std::cell::Cell;
use std::pin::pin;

use crate::context::Context;
use crate::error::{Error, Exit};

/// Carries work out that looks at the flag between its steps.
pub async fn until_stopped<F>(context: &Context, work: F) -> Result<Exit, Error>
where
    F: AsyncFnOnce(&Cell<bool>) -> Result<Exit, Error>,
{
    let stop = Cell::new(false);
    let mut work = pin!(work(&stop));
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            biased;
            outcome = &mut work => return outcome,
            _ = &mut interrupt => {
                if stop.replace(true) {
                    return Err(Error::interrupted());
                }
                context.output.note("Ending when what is on its way has arrived; Ctrl-C again ends at once.");
                interrupt.set(tokio::signal::ctrl_c());
            }
        }
    }
}
