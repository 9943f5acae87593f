//! `hookmill`, for operators: see `hookmill --help`.

use std::process::ExitCode;

use hookmill::{Cli, Exit, Output, StackOptions, args};

fn main() -> ExitCode {
    let cli = match Cli::from_words(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && args::asks_for_json(&std::env::args_os().collect::<Vec<_>>()) => {
            return Output::of_process(true).failed(&args::mistake(&error)).into();
        }
        Err(error) => {
            // Help and versions are not mistakes; clap knows which goes where.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() };
        }
    };
    let output =
        || Output::of_process(cli.global.json).about(StackOptions::of(&cli.global.options(), &args::command()));
    let (output, errors) = (output(), output());
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| hookmill::Error::service(format!("the runtime cannot be started: {error}")))
        .and_then(|runtime| runtime.block_on(Box::pin(hookmill::run(cli, output))));
    outcome.unwrap_or_else(|error| errors.failed(&error)).into()
}
