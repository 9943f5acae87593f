//! Ctrl-C on long work: the first lets the current step end and be reported; a second one ends at once.

use std::cell::Cell;
use std::pin::pin;

use crate::terminal::error::{Error, Exit};
use crate::terminal::output::Output;

/// Runs work that looks at the flag between its steps.
pub async fn until_stopped<F>(output: &Output, work: F) -> Result<Exit, Error>
where
    F: AsyncFnOnce(&Cell<bool>) -> Result<Exit, Error>,
{
    let stop = Cell::new(false);
    until_interrupted(output, || stop.replace(true), work(&stop)).await
}

/// Runs work that `stop` asks to end; `stop` returns true if it had been called before.
pub async fn until_interrupted(
    output: &Output,
    stop: impl Fn() -> bool,
    work: impl Future<Output = Result<Exit, Error>>,
) -> Result<Exit, Error> {
    let mut work = pin!(work);
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            biased;
            outcome = &mut work => return outcome,
            _ = &mut interrupt => {
                if stop() {
                    return Err(Error::interrupted());
                }
                output.note("Ending when what is on its way has arrived; Ctrl-C again ends at once.");
                interrupt.set(tokio::signal::ctrl_c());
            }
        }
    }
}
