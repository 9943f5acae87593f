//! `hookmill events list`.

use clap::Args;
use edge::keep::time_index::WalkOrder;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::Paint;
use crate::terminal::time::{LATEST_MS, Range, RangeArgs, instant};
use crate::work::event_lines;
use crate::work::ids::entry_of;
use crate::work::reading::{EventBatches, noting};
use crate::work::selection::EventFilter;
use crate::work::selection::at_least_one;
use crate::work::selection::{SourceArgs, chosen};
use stack::history::EventLine;
use stack::history::KeptEvent;
use stack::quarantine::{RefusedLine, refused};
use stack::sources::SourceName;

#[derive(Debug, Clone, Args)]
pub struct EventListArgs {
    #[command(flatten)]
    pub sources: SourceArgs,
    /// When they were received.
    #[command(flatten)]
    pub range: RangeArgs,
    #[command(flatten)]
    pub filter: EventFilter,
    /// Refused deliveries instead of events: the quarantine
    #[arg(long, conflicts_with_all = ["EventFilter", "after"])]
    pub quarantined: bool,
    /// Greatest number of lines
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = at_least_one)]
    pub limit: usize,
    /// The earliest first
    #[arg(long)]
    pub oldest_first: bool,
    /// Continue after this event, the last one of the page before
    #[arg(long, value_name = "ID")]
    pub after: Option<String>,
}

/// A page of events and whether there are more.
#[derive(Debug)]
pub struct EventPage {
    pub events: Vec<KeptEvent>,
    /// True if others follow.
    pub more: bool,
    pub exit: Exit,
}

/// Lists events.
pub async fn run(context: &Context, args: EventListArgs) -> Result<Exit, Error> {
    let range = args.range.range(context.clock.now_ms())?;
    let sources = chosen(context, &args.sources).await?;
    if sources.is_empty() && !args.quarantined {
        context.output.note("No source is set up, so nothing was received; or name one with --source.");
        return Ok(Exit::Ok);
    }
    if args.quarantined {
        return list_refused(context, &args, &sources, range).await;
    }
    let page = page(context, &args, &sources, range).await?;
    let lines: Vec<EventLine> = page.events.iter().map(EventLine::of).collect();
    event_lines::list(context, &lines)?;
    match lines.last() {
        None => context.output.note(&format!("No such event was received{}.", within(range))),
        Some(last) if page.more => context.output.note(&format!("There are more: --after '{}'", last.id)),
        Some(_) => {}
    }
    Ok(page.exit)
}

/// Reads one page of a list.
pub async fn page(
    context: &Context,
    args: &EventListArgs,
    sources: &[SourceName],
    range: Range,
) -> Result<EventPage, Error> {
    let order = if args.oldest_first { WalkOrder::OldestFirst } else { WalkOrder::NewestFirst };
    let mut range = range;
    let last = match &args.after {
        Some(id) => Some(entry_of(context, id).await?),
        None => None,
    };
    if let Some((last_ms, _)) = &last {
        match order {
            WalkOrder::OldestFirst => range.from_ms = range.from_ms.max(*last_ms),
            WalkOrder::NewestFirst => range.to_ms = range.to_ms.min(last_ms + 1),
        }
    }
    let mut page = EventPage { events: Vec::new(), more: false, exit: Exit::Ok };
    if range.from_ms >= range.to_ms {
        return Ok(page);
    }
    // One more than is shown says whether there are more.
    let wanted = if args.filter.is_open() { args.limit.saturating_add(1) } else { usize::MAX };
    let mut batches = EventBatches::of(context, sources, range, order, wanted).await?;
    if let Some((_, last)) = &last {
        batches.skip_to(last).await?;
    }
    while page.events.len() <= args.limit
        && let Some(events) = batches.next().await?
    {
        page.events.extend(events.into_iter().filter(|kept| args.filter.takes(kept)));
    }
    page.more = page.events.len() > args.limit;
    page.events.truncate(args.limit);
    page.exit = batches.exit();
    Ok(page)
}

/// The columns of a table of refused deliveries.
const COLUMNS: [&str; 5] = ["received", "source", "slot", "reason", "body"];

/// Returns the cells of a refused delivery.
fn cells(line: &RefusedLine, paint: Paint) -> Vec<String> {
    vec![
        paint.time(&line.received),
        format!("{}/{}", line.provider, line.named.as_ref().unwrap_or(&line.source)),
        line.slot.clone(),
        paint.odd(&line.reason),
        if line.body { "kept".to_owned() } else { "too large".to_owned() },
    ]
}

async fn list_refused(
    context: &Context,
    args: &EventListArgs,
    sources: &[SourceName],
    range: Range,
) -> Result<Exit, Error> {
    let found = noting(
        context,
        refused(context, sources, args.sources.source.is_none().then_some(args.sources.provider), range).await?,
    );
    let mut lines: Vec<RefusedLine> = found.iter().map(RefusedLine::of).collect();
    lines.sort_by(|a, b| if args.oldest_first { a.received.cmp(&b.received) } else { b.received.cmp(&a.received) });
    let all = lines.len();
    lines.truncate(args.limit);
    context.output.list(&lines, &COLUMNS, cells)?;
    if all == 0 {
        context.output.note(&nothing_refused(range));
    } else if all > lines.len() {
        context.output.note(&format!("There are {all} in all: --limit {all}"));
    }
    Ok(Exit::Ok)
}

fn nothing_refused(range: Range) -> String {
    match within(range) {
        all if all.is_empty() => "Nothing is in quarantine.".to_owned(),
        range => format!("Nothing that was received{range} is in quarantine."),
    }
}

/// Returns a range in words that continue "received"; nothing for a range without bounds.
fn within(range: Range) -> String {
    match (range.from_ms, range.to_ms) {
        (0, LATEST_MS) => String::new(),
        (0, to) => format!(" before {}", instant(to)),
        (from, LATEST_MS) => format!(" since {}", instant(from)),
        (from, to) => format!(" from {} to {}", instant(from), instant(to)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_is_a_sentence() {
        for (from_ms, to_ms, event, refused) in [
            (0, LATEST_MS, "No such event was received.", "Nothing is in quarantine."),
            (
                0,
                1,
                "No such event was received before 1970-01-01T00:00:00.001Z.",
                "Nothing that was received before 1970-01-01T00:00:00.001Z is in quarantine.",
            ),
            (
                1,
                LATEST_MS,
                "No such event was received since 1970-01-01T00:00:00.001Z.",
                "Nothing that was received since 1970-01-01T00:00:00.001Z is in quarantine.",
            ),
        ] {
            let range = Range { from_ms, to_ms };
            assert_eq!(format!("No such event was received{}.", within(range)), event);
            assert_eq!(nothing_refused(range), refused);
        }
    }
}
