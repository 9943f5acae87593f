//! `hookmill events tail`.

use std::time::Duration;

use clap::Args;
use webhook::claim::EventKey;

use super::unkept::{self, Unkept};
use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, visible};
use crate::terminal::time::Span;
use crate::work::event_lines::marks;
use crate::work::reading::note_damage;
use crate::work::selection::EventFilter;
use crate::work::selection::at_least_one;
use crate::work::selection::{SourceArgs, chosen};
use stack::following::Following;
use stack::history::EventLine;
use stack::history::fetch;
use stack::sources::{ProviderName, SourceName};

/// Clocks of this machine and of AWS may differ by this much without an event being missed at the start.
const CLOCKS_MS: i64 = 5 * 60 * 1_000;
/// Events that are fetched at a time.
const ROWS: usize = 40;
/// Looks that fail one after the other before it gives up.
const FAILURES_MAX: u32 = 10;

#[derive(Debug, Clone, Args)]
pub struct TailArgs {
    #[command(flatten)]
    pub sources: SourceArgs,
    #[command(flatten)]
    pub filter: EventFilter,
    /// Begin with what was received within this long
    #[arg(long, value_name = "SPAN")]
    pub since: Option<Span>,
    /// Also refused deliveries, and repeats, which are read in the receivers' logs and show some seconds late
    #[arg(long)]
    pub all: bool,
    /// Time between two looks
    #[arg(long, value_name = "SPAN", default_value = "2s")]
    pub every: Span,
    /// Time that an event may show up behind later ones and still be listed
    #[arg(long, value_name = "SPAN", default_value = "60s")]
    pub overlap: Span,
    /// End after this number of events
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub count: Option<usize>,
}

/// Follows events until Ctrl-C.
pub async fn run(context: &Context, args: TailArgs) -> Result<Exit, Error> {
    tokio::select! {
        outcome = follow(context, &args) => outcome,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Ok),
    }
}

async fn follow(context: &Context, args: &TailArgs) -> Result<Exit, Error> {
    let sources = chosen(context, &args.sources).await?;
    if sources.is_empty() {
        return Err(Error::deployment("no source is set up, so nothing can arrive")
            .next("Fill a provider's secret, or name a source with --source."));
    }
    let now_ms = context.clock.now_ms();
    let begin_ms = args.since.map_or(CLOCKS_MS, Span::ms);
    let mut tail = Following::new(now_ms.saturating_sub(begin_ms), args.overlap.ms());
    if args.since.is_none() {
        tail.skip_present(context, &sources).await?;
    }
    let mut unkept = Unkept::new(now_ms.saturating_sub(begin_ms));
    if args.all && args.since.is_none() {
        unkept.look(context, &sources, everywhere(args)).await?;
    }
    let names: Vec<String> = sources.iter().map(ToString::to_string).collect();
    context.output.note(&format!("Following {}; Ctrl-C ends it.", names.join(", ")));
    let (mut printed, mut failures) = (Printed::default(), 0);
    loop {
        match print_new(context, args, (&mut tail, &mut unkept), &sources, &mut printed).await {
            Ok(true) => return Ok(Exit::of_problems(usize::from(printed.damaged))),
            Ok(false) => failures = 0,
            Err(error) if error.kind == Exit::Service && failures < FAILURES_MAX => {
                failures += 1;
                context.output.note(&format!("{error}; looking again"));
                context.clock.sleep(args.every.0.saturating_mul(failures)).await;
            }
            Err(error) => return Err(error),
        }
        context.clock.sleep(args.every.0.max(Duration::from_millis(100))).await;
    }
}

/// The lines that were printed so far.
#[derive(Debug, Default)]
struct Printed {
    lines: usize,
    damaged: bool,
}

/// Prints what is new. Returns true if the requested number of lines has been printed.
async fn print_new(
    context: &Context,
    args: &TailArgs,
    (tail, unkept): (&mut Following, &mut Unkept),
    sources: &[SourceName],
    printed: &mut Printed,
) -> Result<bool, Error> {
    let fresh = tail.look(context, sources, usize::MAX).await?;
    for some in fresh.chunks(ROWS) {
        let keys: Vec<EventKey> = some.iter().map(|entry| entry.key.clone()).collect();
        for kept in fetch(context, &keys).await? {
            let damaged = note_damage(context, &kept);
            printed.damaged |= damaged;
            if !damaged && !args.filter.takes(&kept) {
                continue;
            }
            context.output.print(&EventLine::of(&kept), line)?;
            printed.lines += 1;
            if args.count.is_some_and(|count| printed.lines >= count) {
                return Ok(true);
            }
        }
        // Only now: what could not be fetched is looked for again.
        some.iter().for_each(|entry| tail.done(entry));
    }
    if !args.all {
        return Ok(false);
    }
    for line in unkept.look(context, sources, everywhere(args)).await? {
        context.output.print(&line, unkept::text)?;
        printed.lines += 1;
        if args.count.is_some_and(|count| printed.lines >= count) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deliveries to unknown sources belong to no source, so they are left out when a source is named.
fn everywhere(args: &TailArgs) -> Option<Option<ProviderName>> {
    args.sources.source.is_none().then_some(args.sources.provider)
}

/// Wide enough for nearly every type and mark, since a tail cannot know what comes.
fn line(line: &EventLine, paint: Paint) -> String {
    let marks = if line.marks.is_empty() { String::new() } else { format!("  {}", marks(&line.marks, paint)) };
    let others = "00:00:00".len() + 2 + 22 + 2 + visible(&marks);
    let id = paint.id(&line.id, others);
    format!("{}  {:<22}  {id}{marks}", paint.dim(&paint.hour(&line.received)), line.event_type)
}
