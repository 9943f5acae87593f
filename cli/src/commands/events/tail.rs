//! `hookmill events tail`.
//!
//! An event shows up in the time index a little after the time of receipt that it stands under: a delivery takes up to
//! two seconds, clocks differ, and the index follows the table. So every look begins some time before the latest event
//! that was seen, and what was told already is told once. Our own clock only says where to begin.

use std::collections::HashSet;
use std::time::Duration;

use clap::Args;
use webhook::claim::EventKey;

use super::unkept::{self, Unkept};
use crate::args::at_least_one;
use crate::context::Context;
use crate::stack::history::EventLine;
use crate::stack::history::fetch;
use crate::stack::index::{Entry, Order, Walk};
use crate::stack::sources::{ProviderName, SourceName};
use crate::terminal::error::{Error, ErrorKind, Exit};
use crate::terminal::output::{Paint, visible};
use crate::terminal::time::{Instant, LATEST_MS, Range, Span, instant};
use crate::work::event_lines::marks;
use crate::work::selection::EventFilter;
use crate::work::selection::{SourceArgs, chosen};

/// Clocks of this machine and of AWS may differ by this much without an event being missed at the start.
const CLOCKS_MS: i64 = 5 * 60 * 1_000;
const PAGE: i32 = 100;
const STRIDE: usize = 40;
/// Looks that fail one after the other before it gives up.
const FAILURES_MAX: u32 = 10;

/// Arguments of `events tail`.
#[derive(Debug, Clone, Args)]
pub struct TailArgs {
    /// Of which sources.
    #[command(flatten)]
    pub sources: SourceArgs,
    /// Which of them.
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

/// What was seen so far.
#[derive(Debug)]
pub struct Tail {
    from_ms: i64,
    overlap_ms: i64,
    seen: HashSet<Entry>,
}

impl Tail {
    /// Begins at a time of receipt.
    pub fn new(from_ms: i64, overlap: Span) -> Self {
        Tail { from_ms: from_ms.max(0), overlap_ms: overlap.ms(), seen: HashSet::new() }
    }

    /// Looks once: events that were not told yet, by time of receipt.
    pub async fn look(&self, context: &Context, sources: &[SourceName]) -> Result<Vec<Entry>, Error> {
        let table = context.deployment().await?.events_table()?;
        let range = Range { from_ms: self.from_ms, to_ms: LATEST_MS };
        let mut walk = Walk::new(context.dynamodb(), table, sources, range, Order::OldestFirst, PAGE);
        let mut fresh = Vec::new();
        while let Some(entry) = walk.next().await? {
            if !self.seen.contains(&entry) {
                fresh.push(entry);
            }
        }
        Ok(fresh)
    }

    /// Notes events as told; what stands long enough before them is not looked for any more.
    pub fn told(&mut self, entries: &[Entry]) {
        self.seen.extend(entries.iter().cloned());
        let received = |entry: &Entry| entry.received_at.parse::<Instant>().ok().map(|at| at.0);
        if let Some(latest) = entries.iter().filter_map(received).max() {
            self.from_ms = self.from_ms.max(latest - self.overlap_ms);
            let from = instant(self.from_ms);
            self.seen.retain(|entry| entry.received_at >= from);
        }
    }
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
    let mut tail = match args.since {
        Some(span) => Tail::new(now_ms.saturating_sub(span.ms()), args.overlap),
        None => {
            let mut tail = Tail::new(now_ms.saturating_sub(CLOCKS_MS), args.overlap);
            let earlier = tail.look(context, &sources).await?;
            tail.told(&earlier);
            tail
        }
    };
    let begin_ms = args.since.map_or(CLOCKS_MS, Span::ms);
    let mut unkept = Unkept::new(now_ms.saturating_sub(begin_ms));
    if args.all && args.since.is_none() {
        unkept.look(context, &sources, everywhere(args)).await?;
    }
    let names: Vec<String> = sources.iter().map(ToString::to_string).collect();
    context.output.note(&format!("Following {}; Ctrl-C ends it.", names.join(", ")));
    let (mut told, mut failures) = (0, 0);
    loop {
        match look_and_tell(context, args, (&mut tail, &mut unkept), &sources, &mut told).await {
            Ok(true) => return Ok(Exit::Ok),
            Ok(false) => failures = 0,
            Err(error) if error.kind == ErrorKind::Service && failures < FAILURES_MAX => {
                failures += 1;
                context.output.note(&format!("{error}; looking again"));
                context.clock.sleep(args.every.0.saturating_mul(failures)).await;
            }
            Err(error) => return Err(error),
        }
        context.clock.sleep(args.every.0.max(Duration::from_millis(100))).await;
    }
}

/// Whether as many were told as were asked for.
async fn look_and_tell(
    context: &Context,
    args: &TailArgs,
    (tail, unkept): (&mut Tail, &mut Unkept),
    sources: &[SourceName],
    told: &mut usize,
) -> Result<bool, Error> {
    let fresh = tail.look(context, sources).await?;
    for some in fresh.chunks(STRIDE) {
        let keys: Vec<EventKey> = some.iter().map(|entry| entry.key.clone()).collect();
        for kept in fetch(context, &keys).await?.iter().filter(|kept| args.filter.takes(kept)) {
            context.output.tell(&EventLine::of(kept), line)?;
            *told += 1;
            if args.count.is_some_and(|count| *told >= count) {
                return Ok(true);
            }
        }
        // Only now: what could not be fetched is looked for again.
        tail.told(some);
    }
    if !args.all {
        return Ok(false);
    }
    for line in unkept.look(context, sources, everywhere(args)).await? {
        context.output.tell(&line, unkept::text)?;
        *told += 1;
        if args.count.is_some_and(|count| *told >= count) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deliveries to unknown sources are no one source's, so a source that is named has none.
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
