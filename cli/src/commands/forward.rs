//! `hookmill forward`: a deployed stack's events to a machine that no provider can reach.
//!
//! Each event is posted in the order of receipt, an order's one after the other, until the target takes it; what it has
//! taken is recorded in a position file, from which the next run goes on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use edge::keep::time_index::IndexEntry;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio::sync::watch;
use webhook::claim::EventKey;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::interrupt::until_interrupted;
use crate::terminal::output::{Paint, visible};
use crate::terminal::time::{Instant, Span, instant};
use crate::work::ids::entry_of;
use crate::work::selection::EventFilter;
use crate::work::selection::{SourceArgs, chosen};
use stack::following::Following;
use stack::history::{EventLine, KeptEvent, fetch};
use stack::sources::SourceName;

pub mod position;
pub mod target;

use position::PositionFile;
use target::{Target, body_of};

/// Clocks of this machine and of AWS may differ by this much without an event being missed at the start.
const CLOCKS_MS: i64 = 5 * 60 * 1_000;
/// Events that are fetched at a time, and held until all of them are through.
const STRIDE: usize = 40;
/// Events that one look finds at most: of a long past the rest is found by the next ones.
const LOOK_MAX: usize = 1_000;
/// The first wait before another try; each further one is twice as long.
const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Tries of one event with --once, which has to end.
const TRIES_ONCE: u32 = 4;

/// Arguments of `forward`.
#[derive(Debug, Clone, Args)]
pub struct ForwardArgs {
    /// Post the canonical events to this URL, as application/cloudevents+json
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// Also forward without TLS to another machine
    #[arg(long)]
    pub allow_http: bool,
    /// Of which sources.
    #[command(flatten)]
    pub sources: SourceArgs,
    /// Which of them.
    #[command(flatten)]
    pub filter: EventFilter,
    /// Begin at this time of receipt, not where the last run ended
    #[arg(long, value_name = "TIME", group = "start", help_heading = "Where to begin")]
    pub from: Option<Instant>,
    /// Begin with what was received within this long
    #[arg(long, value_name = "SPAN", group = "start", help_heading = "Where to begin")]
    pub since: Option<Span>,
    /// Begin after this event
    #[arg(long, value_name = "ID", group = "start", help_heading = "Where to begin")]
    pub after: Option<String>,
    /// Remember in this file what was forwarded, not in your state folder
    #[arg(long, value_name = "FILE", help_heading = "Where to begin")]
    pub position: Option<PathBuf>,
    /// Time between two looks
    #[arg(long, value_name = "SPAN", default_value = "2s")]
    pub every: Span,
    /// Time that an event may show up behind later ones and still be forwarded
    #[arg(long, value_name = "SPAN", default_value = "60s")]
    pub overlap: Span,
    /// Orders to forward at once; an order's own events go one after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub concurrency: u32,
    /// End when all there is has been forwarded
    #[arg(long)]
    pub once: bool,
}

/// The outcome of one event.
#[derive(Debug, Clone, Serialize)]
pub struct ForwardedLine {
    /// The event in short.
    #[serde(flatten)]
    pub event: EventLine,
    /// `forwarded`, or `gone`: its body is no longer kept; or `unsendable`: it cannot be written.
    pub outcome: ForwardOutcome,
    /// The target's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<u16>,
    /// The duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// The number of tries.
    pub tries: u32,
    /// The body's secrets that were cut before it was kept, and so are cut in what was sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<String>,
    /// The reason for which it was not forwarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The possible outcomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ForwardOutcome {
    /// The target has it.
    Forwarded,
    /// Its body is no longer kept.
    Gone,
    /// It cannot be written.
    Unsendable,
}

/// The state of a forwarding.
struct Forwarding<'a> {
    context: &'a Context,
    args: &'a ForwardArgs,
    target: Arc<Target>,
    file: PositionFile,
    position: Following,
    forwarded: usize,
    lost: usize,
    failing: bool,
    stop: watch::Receiver<bool>,
}

/// Forwards events. The first Ctrl-C lets what is on its way arrive and be noted; a second one ends at once.
pub async fn run(context: &Context, args: ForwardArgs) -> Result<Exit, Error> {
    let (stopper, stop) = watch::channel(false);
    until_interrupted(&context.output, || stopper.send_replace(true), forward(context, &args, stop)).await
}

/// Forwards until it is asked to stop.
pub async fn forward(context: &Context, args: &ForwardArgs, stop: watch::Receiver<bool>) -> Result<Exit, Error> {
    let sources = chosen(context, &args.sources).await?;
    if sources.is_empty() {
        return Err(Error::deployment("no source is set up, so nothing can arrive")
            .next("Fill a provider's secret, or name a source with --source."));
    }
    let target = Arc::new(Target::of(context, &args.to, args.allow_http).await?);
    let path = match &args.position {
        Some(path) => path.clone(),
        None => position::default_path(context, &target, &args.sources).await?,
    };
    let file = PositionFile::open(&path, context.deployment().await?.events_table()?, target.name())?;
    let (position, begins) = begin(context, args, &sources, &file).await?;
    file.write(&position)?;
    let names: Vec<String> = sources.iter().map(ToString::to_string).collect();
    context.output.note(&format!(
        "Forwarding {} to {}, {begins}. The position is in {}",
        names.join(", "),
        target.name(),
        path.display()
    ));
    if !args.once {
        let units = read_units(sources.len(), args.every);
        context.output.note(&format!("Each look costs at least half a read unit a partition: {units} an hour."));
    }
    let (forwarded, lost, failing) = (0, 0, false);
    let mut run = Forwarding { context, args, target, file, position, forwarded, lost, failing, stop };
    let outcome = run.follow(&sources).await;
    let begins = args.from.is_some() || args.since.is_some() || args.after.is_some();
    context.output.note(&format!(
        "{} forwarded. To go on: the same command{}; the position is in {}",
        run.forwarded,
        if begins { " without --from, --since and --after" } else { " again" },
        path.display()
    ));
    outcome?;
    Ok(Exit::of_problems(run.lost))
}

/// Returns the read units of an hour while nothing comes: half a unit a partition and look.
fn read_units(sources: usize, every: Span) -> u128 {
    let partitions = u128::try_from(sources).unwrap_or_default() * u128::from(edge::keep::item::TIME_SHARDS);
    partitions * 3_600_000 / every.0.as_millis().max(1) / 2
}

/// Returns the position to begin at, and where that is in words: that of the command line, else the end of the last run,
/// else now.
async fn begin(
    context: &Context,
    args: &ForwardArgs,
    sources: &[SourceName],
    file: &PositionFile,
) -> Result<(Following, String), Error> {
    let now_ms = context.clock.now_ms();
    let overlap_ms = args.overlap.ms();
    if let Some(id) = &args.after {
        let (last_ms, last) = entry_of(context, id).await?;
        let mut position = Following::new(last_ms, overlap_ms);
        // Of the same millisecond, those up to the event by name count as forwarded, as in a list.
        for entry in position.look(context, sources, usize::MAX).await? {
            if entry <= last {
                position.skip(entry);
            }
        }
        return Ok((position, format!("what was received after {id}")));
    }
    let since =
        |from_ms: i64| (Following::new(from_ms, overlap_ms), format!("what was received since {}", instant(from_ms)));
    if let Some(from) = args.from {
        return Ok(since(from.0));
    }
    if let Some(span) = args.since {
        return Ok(since(now_ms.saturating_sub(span.ms())));
    }
    if let Some(position) = file.read(overlap_ms)? {
        return Ok((position, "from where the last run ended".to_owned()));
    }
    let mut position = Following::new(now_ms.saturating_sub(CLOCKS_MS), overlap_ms);
    position.skip_present(context, sources).await?;
    Ok((position, "what is received from now on; --since 1h or --from begins earlier".to_owned()))
}

impl Forwarding<'_> {
    async fn follow(&mut self, sources: &[SourceName]) -> Result<(), Error> {
        let mut wait = WAIT_FIRST;
        loop {
            match self.look_and_forward(sources).await {
                Ok(0) if self.args.once => return Ok(()),
                Ok(_) => wait = WAIT_FIRST,
                // This machine may be offline for as long as it likes: what comes meanwhile is kept over there.
                Err(error) if error.kind == Exit::Service && !self.args.once => {
                    if wait == WAIT_FIRST {
                        self.context.output.note(&format!("{error}; looking again until it can be done"));
                    }
                    self.pause(wait).await;
                    wait = (wait * 2).min(WAIT_MAX);
                }
                Err(error) => return Err(error),
            }
            if self.stopped() {
                return Ok(());
            }
            if !self.args.once {
                self.pause(self.args.every.0.max(Duration::from_secs(1))).await;
            }
            if self.stopped() {
                return Ok(());
            }
        }
    }

    /// Looks once and forwards what is new. Gives how many that were.
    async fn look_and_forward(&mut self, sources: &[SourceName]) -> Result<usize, Error> {
        let fresh = self.position.look(self.context, sources, LOOK_MAX).await?;
        let count = fresh.len();
        for some in fresh.chunks(STRIDE) {
            let keys: Vec<EventKey> = some.iter().map(|entry| entry.key.clone()).collect();
            let mut rows: BTreeMap<EventKey, KeptEvent> =
                fetch(self.context, &keys).await?.into_iter().map(|kept| (kept.key.clone(), kept)).collect();
            let mut orders: Vec<Vec<(IndexEntry, KeptEvent)>> = Vec::new();
            let mut passed = false;
            for entry in some {
                let selected =
                    |kept: &KeptEvent| kept.damage.is_some() || !kept.is_disowned() && self.args.filter.takes(kept);
                match rows.remove(&entry.key).filter(selected) {
                    // It is not selected, or is gone or disowned.
                    None => {
                        self.position.done(entry);
                        passed = true;
                    }
                    Some(kept) => match orders.iter_mut().find(|order| same_order(order, entry)) {
                        Some(order) => order.push((entry.clone(), kept)),
                        None => orders.push(vec![(entry.clone(), kept)]),
                    },
                }
            }
            if passed {
                self.file.write(&self.position)?;
            }
            self.forward_orders(orders).await?;
            if self.stopped() {
                break;
            }
        }
        Ok(count)
    }

    async fn forward_orders(&mut self, orders: Vec<Vec<(IndexEntry, KeptEvent)>>) -> Result<(), Error> {
        let at_once = usize::try_from(self.args.concurrency).unwrap_or(1);
        // One at a time they go in the order of receipt, whichever order they are of.
        let mut orders = orders;
        if at_once == 1 {
            let mut all: Vec<(IndexEntry, KeptEvent)> = orders.into_iter().flatten().collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            orders = vec![all];
        }
        let shared = tokio::sync::Mutex::new(&mut *self);
        let shared = &shared;
        let work = orders.into_iter().map(|order| async move {
            for (entry, kept) in order {
                if !forward_one(shared, &entry, &kept).await? {
                    break;
                }
            }
            Ok::<(), Error>(())
        });
        stream::iter(work).buffer_unordered(at_once).try_collect::<()>().await
    }

    fn stopped(&self) -> bool {
        *self.stop.borrow()
    }

    async fn pause(&mut self, time: Duration) {
        pause(self.context, &mut self.stop, time).await;
    }

    /// Notes and prints that an event is through.
    fn through(&mut self, entry: &IndexEntry, line: &ForwardedLine) -> Result<(), Error> {
        self.position.done(entry);
        self.file.write(&self.position)?;
        match line.outcome {
            ForwardOutcome::Forwarded => self.forwarded += 1,
            ForwardOutcome::Gone | ForwardOutcome::Unsendable => self.lost += 1,
        }
        self.context.output.print(line, text)
    }

    /// Tells once that the target takes nothing, and once that it does again.
    fn tell_failing(&mut self, id: &str, why: Option<&str>) {
        match why {
            Some(why) if !self.failing => {
                let name = self.target.name();
                self.context.output.note(&format!("{name} does not take {id}: {why}; trying again until it does"));
            }
            None if self.failing => self.context.output.note(&format!("{} takes events again", self.target.name())),
            Some(_) | None => {}
        }
        self.failing = why.is_some();
    }
}

/// Forwards one event, however long it takes. Whether to go on with the next one.
async fn forward_one(
    shared: &tokio::sync::Mutex<&mut Forwarding<'_>>,
    entry: &IndexEntry,
    kept: &KeptEvent,
) -> Result<bool, Error> {
    let (context, mut stop, target) = {
        let run = shared.lock().await;
        (run.context, run.stop.clone(), Arc::clone(&run.target))
    };
    let cut = kept.stored.as_ref().map(|stored| stored.redacted.clone()).unwrap_or_default();
    let mut line = ForwardedLine {
        event: EventLine::of(kept),
        outcome: ForwardOutcome::Forwarded,
        answer: None,
        ms: None,
        tries: 0,
        cut,
        reason: None,
    };
    if let Some(damage) = &kept.damage {
        if damage.later_build {
            return Err(Error::problems(format!("{} cannot be read: {}", line.event.id, damage.reason))
                .next("A later hookmill wrote it: use that version. Nothing is lost; it goes on from here."));
        }
        let reason = Some(format!("its row cannot be read: {}", damage.reason));
        line = ForwardedLine { outcome: ForwardOutcome::Unsendable, reason, ..line };
        return shared.lock().await.through(entry, &line).map(|()| true);
    }
    if kept.is_bodiless() {
        let reason = Some("its body is no longer kept".to_owned());
        line = ForwardedLine { outcome: ForwardOutcome::Gone, reason, ..line };
        return shared.lock().await.through(entry, &line).map(|()| true);
    }
    let body = match body_of(kept) {
        Ok(body) => body,
        Err(reason) => {
            line = ForwardedLine { outcome: ForwardOutcome::Unsendable, reason: Some(reason), ..line };
            return shared.lock().await.through(entry, &line).map(|()| true);
        }
    };
    let mut wait = WAIT_FIRST;
    loop {
        if *stop.borrow() {
            return Ok(false);
        }
        let answer = target.post(body.clone()).await;
        line.tries = line.tries.saturating_add(1);
        let why = match &answer.status {
            Ok(status @ 200..=299) => {
                line = ForwardedLine { answer: Some(*status), ms: Some(answer.ms), ..line };
                let mut run = shared.lock().await;
                run.tell_failing(&line.event.id, None);
                return run.through(entry, &line).map(|()| true);
            }
            Ok(status) => format!("it answers {status}"),
            Err(why) => why.clone(),
        };
        let mut run = shared.lock().await;
        if run.args.once && line.tries >= TRIES_ONCE {
            let message =
                format!("{} does not take {}: {why}, tried {TRIES_ONCE} times", run.target.name(), line.event.id);
            return Err(Error::service(message).next(
                "Nothing is lost. Is the target up, and the URL right? Then the same command again goes on from here.",
            ));
        }
        run.tell_failing(&line.event.id, Some(&why));
        drop(run);
        pause(context, &mut stop, wait).await;
        wait = (wait * 2).min(WAIT_MAX);
    }
}

fn same_order(order: &[(IndexEntry, KeptEvent)], entry: &IndexEntry) -> bool {
    order.first().is_some_and(|(first, _)| first.key.pk == entry.key.pk)
}

/// Waits, but no longer than until it is to stop.
async fn pause(context: &Context, stop: &mut watch::Receiver<bool>, time: Duration) {
    tokio::select! {
        () = context.clock.sleep(time) => {}
        // The sender lives as long as this runs.
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

fn text(line: &ForwardedLine, paint: Paint) -> String {
    let outcome = match (line.outcome, line.answer, line.ms) {
        (ForwardOutcome::Forwarded, Some(answer), Some(ms)) => paint.good(&format!("{answer}  {ms} ms")),
        (ForwardOutcome::Forwarded, ..) => paint.good("forwarded"),
        (ForwardOutcome::Gone, ..) => paint.bad("gone"),
        (ForwardOutcome::Unsendable, ..) => paint.bad("unsendable"),
    };
    let reason = line.reason.as_ref().map(|reason| format!("  {reason}")).unwrap_or_default();
    let cut = if line.cut.is_empty() { String::new() } else { format!("  cut: {}", line.cut.join(", ")) };
    let event = &line.event;
    let received = paint.dim(&paint.hour(&event.received));
    let others = "00:00:00".len() + 2 + 22 + 4 + visible(&outcome) + visible(&cut) + visible(&reason);
    let id = paint.id(&event.id, others);
    format!("{received}  {:<22}  {id}  {outcome}{}{reason}", event.event_type, paint.odd(&cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_looking_is_reported() {
        assert_eq!(read_units(1, "2s".parse().unwrap()), 7_200);
        assert_eq!(read_units(6, "60s".parse().unwrap()), 1_440);
    }
}
