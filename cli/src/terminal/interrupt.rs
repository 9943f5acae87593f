//! Ctrl-C on long work: the first lets what is under way come to its end and be told; a second one ends at once.

use std::cell::Cell;
use std::pin::pin;

use crate::terminal::error::{Error, Exit};
use crate::terminal::output::Output;

/// Carries work out that looks at the flag between its steps.
pub async fn until_stopped<F>(output: &Output, work: F) -> Result<Exit, Error>
where
    F: AsyncFnOnce(&Cell<bool>) -> Result<Exit, Error>,
{
    let stop = Cell::new(false);
    until_told(output, || stop.replace(true), work(&stop)).await
}

/// Carries work out that `tell` tells to stop; `tell` says whether it had been told already.
pub async fn until_told(
    output: &Output,
    tell: impl Fn() -> bool,
    work: impl Future<Output = Result<Exit, Error>>,
) -> Result<Exit, Error> {
    let mut work = pin!(work);
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            biased;
            outcome = &mut work => return outcome,
            _ = &mut interrupt => {
                if tell() {
                    return Err(Error::interrupted());
                }
                output.note("Ending when what is on its way has arrived; Ctrl-C again ends at once.");
                interrupt.set(tokio::signal::ctrl_c());
            }
        }
    }
}
