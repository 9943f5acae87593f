//! `hookmill send`: deliveries of one's own, as the provider would send them.

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::work::delivering::{SendArgs, deliver};
use crate::work::sending::{Reading, cases};

/// Sends deliveries.
pub async fn run(context: &Context, args: SendArgs) -> Result<Exit, Error> {
    let reading = Reading { raw: args.raw, source: args.source.clone(), provider: args.provider };
    let cases = cases(&args.paths, &reading)?;
    deliver(context, &args, cases).await
}
