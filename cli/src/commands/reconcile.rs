//! `hookmill reconcile`: compares a provider's orders with what is kept of them, and fetches what is missing.

use std::cell::Cell;

use clap::Args;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::interrupt::until_stopped;
use crate::terminal::output::{Paint, counted, counts};
use crate::terminal::time::RangeArgs;
use crate::work::apis::{Api, registered};
use stack::sources::SourceName;

pub mod comparison;
pub mod ours;
pub mod theirs;

use comparison::{ComparedLine, Comparison, ComparisonSummary};

#[derive(Debug, Clone, Args)]
pub struct ReconcileArgs {
    /// The source whose provider is asked
    #[arg(long, value_name = "PROVIDER/SOURCE")]
    pub source: SourceName,
    /// When orders changed at the provider; where its API does not list them, when their events were received.
    #[command(flatten)]
    pub range: RangeArgs,
    /// This order, by the id that webhooks name it by, with its kind if the provider has several: KIND:17; may be repeated
    #[arg(long = "order", value_name = "ID")]
    pub orders: Vec<String>,
    /// Fetch and keep what is missing; without it, only list it
    #[arg(long)]
    pub yes: bool,
}

/// Reconciles. The first Ctrl-C lets the current order be kept and reported; a second one ends at once.
pub async fn run(context: &Context, args: ReconcileArgs) -> Result<Exit, Error> {
    until_stopped(&context.output, async |stop| reconcile(context, &args, stop).await).await
}

/// Reconciles until `stop` is set. The outcome is reported however it ends.
pub async fn reconcile(context: &Context, args: &ReconcileArgs, stop: &Cell<bool>) -> Result<Exit, Error> {
    let bounded = args.range.from.is_some() || args.range.to.is_some() || args.range.since.is_some();
    if !bounded && args.orders.is_empty() {
        return Err(Error::usage("no orders were selected")
            .next("Name a time, --since 2d or --from and --to, or orders, --order; --from 1970-01-01 is everything."));
    }
    let range = if bounded { Some(args.range.range(context.clock.now_ms())?) } else { None };
    let source = registered(context, &args.source).await?;
    let api = Api::of(context, &args.source).await?;
    let mut comparison = Comparison::new(context, &api, &source, args.yes).await?;
    let outcome = comparison.carry_out(range, &args.orders, stop).await;
    let (lines, mut summary) = comparison.outcome();
    summary.complete = outcome.is_ok();
    context.output.list(&lines, &COLUMNS, cells)?;
    context.output.print(&summary, sentence)?;
    if let Err(error) = outcome {
        context.output.note(
            "It ended before everything was compared. What was kept stays kept: the same again goes on and keeps \
             nothing twice.",
        );
        return Err(error);
    }
    if !args.yes && summary.wanting() > 0 {
        context
            .output
            .note(&format!("Nothing was kept. {} would be fetched: add --yes", counted(summary.wanting(), "order")));
    }
    Ok(exit(args, &summary, comparison.is_partial()))
}

fn exit(args: &ReconcileArgs, summary: &ComparisonSummary, partial: bool) -> Exit {
    let behind = !args.yes && summary.missing + summary.behind > 0;
    match summary {
        ComparisonSummary { gone, .. } if *gone > 0 && !args.orders.is_empty() => Exit::NotFound,
        ComparisonSummary { unnamed, unrecognised, .. } if *unnamed + *unrecognised > 0 || behind || partial => {
            Exit::Problems
        }
        _ => Exit::Ok,
    }
}

const COLUMNS: [&str; 4] = ["standing", "changed", "kept", "order"];

fn cells(line: &ComparedLine, paint: Paint) -> Vec<String> {
    let standing = match line.standing {
        "equal" | "ahead" => line.standing.to_owned(),
        other => paint.odd(other),
    };
    let name = line.order.clone().or_else(|| line.id.clone()).unwrap_or("?".to_owned());
    let kept = line.kept.map_or("–".to_owned(), |kept| paint.good(kept));
    let kept = if line.unrecognised { format!("{kept},{}", paint.odd("unrecognised")) } else { kept };
    vec![standing, line.updated_at.clone().unwrap_or("unknown".to_owned()), kept, name]
}

fn sentence(summary: &ComparisonSummary, _: Paint) -> String {
    let counted = counts([
        (summary.missing, "missing"),
        (summary.behind, "behind"),
        (summary.unknown, "unknown"),
        (summary.equal, "equal"),
        (summary.ahead, "ahead"),
        (summary.gone, "gone"),
        (summary.unnamed, "unnamed"),
        (summary.kept, "events kept"),
        (summary.repeats, "kept before"),
        (summary.unrecognised, "unrecognised"),
    ]);
    format!("{} compared: {}", summary.compared, if counted.is_empty() { "none" } else { &counted })
}
