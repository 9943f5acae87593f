//! Sends what a replay planned: paced, in small batches, each recorded before the next one goes.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use edge::aws::queue::{ENTRIES_MAX, QueueMessage, Unsent, deduplication_of, send_all};
use serde::Serialize;
use webhook::claim::EventKey;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::Paint;
use crate::terminal::time::instant;
use crate::work::replay_run::{Planned, Replay, ReplayHead, ReplayLine};
use stack::aws::of_failure;
use stack::destination::Destination;
use stack::difference::fingerprint;
use stack::history::{KeptEvent, fetch};

/// The number of batches in a row of which a queue took nothing after which the work is given up.
const REFUSED_BATCHES_MAX: u32 = 2;

/// The number of events of a type that go to a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CountLine {
    /// The queue.
    pub queue: Destination,
    /// The type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The number of events.
    pub events: usize,
}

/// A run's name: two of one moment are of two processes.
pub fn run_id(context: &Context) -> String {
    format!("{}-{}", instant(context.clock.now_ms()).replace(':', ""), std::process::id())
}

/// A file names the queues that it was sent to; another stack has others.
pub(crate) async fn check_queues(context: &Context, run: &Replay) -> Result<(), Error> {
    let deployment = context.deployment().await?;
    for (queue, url) in &run.head.queues {
        if queue.url(deployment)? != url {
            return Err(Error::usage(format!("the run file is of another stack's {} queue: {url}", queue.name()))
                .next("Name the stack that it was begun on: --stack, --region, --profile."));
        }
    }
    Ok(())
}

/// Returns the counts of events that are still to be sent.
pub(crate) fn counts(run: &Replay) -> Vec<CountLine> {
    let mut counts: BTreeMap<(Destination, &str), usize> = BTreeMap::new();
    for event in &run.planned {
        for queue in event.queues.iter().filter(|queue| run.is_due(event, **queue)) {
            *counts.entry((*queue, event.event_type.as_str())).or_default() += 1;
        }
    }
    let line = |((queue, event_type), events): ((Destination, &str), usize)| CountLine {
        queue,
        event_type: event_type.to_owned(),
        events,
    };
    counts.into_iter().map(line).collect()
}

/// Prints what is still to be sent.
pub(crate) fn list_counts(context: &Context, lines: &[CountLine]) -> Result<(), Error> {
    context.output.list(lines, &["queue", "type", "events"], |line, _| {
        vec![line.queue.name().to_owned(), line.event_type.clone(), line.events.to_string()]
    })
}

/// The outcome of one event at one queue.
#[derive(Debug, Clone, Serialize)]
pub struct ReplayedLine {
    /// The event's id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The queue.
    pub queue: Destination,
    /// Its outcome.
    pub outcome: SendOutcome,
    /// The reason for which it was not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The possible outcomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SendOutcome {
    /// The queue has it.
    Sent,
    /// The queue does not have it.
    Failed,
    /// An earlier event of its order failed, so it was not tried.
    Held,
    /// It, or its body, is no longer kept, or it was disowned.
    Gone,
    /// It no longer reads as planned.
    Changed,
}

/// A replay under way.
pub(crate) struct ReplaySender<'a> {
    context: &'a Context,
    sqs: aws_sdk_sqs::Client,
    run: Replay,
    rate: u32,
    /// Groups that stopped at a failure.
    held: HashSet<(Destination, String)>,
    /// Batches in a row of which a queue took nothing.
    refused: HashMap<Destination, u32>,
    counts: BTreeMap<SendOutcome, usize>,
}

impl<'a> ReplaySender<'a> {
    pub(crate) fn new(context: &'a Context, run: Replay, rate: u32) -> Self {
        let (held, refused, counts) = (HashSet::new(), HashMap::new(), BTreeMap::new());
        ReplaySender { context, sqs: context.sqs(), run, rate, held, refused, counts }
    }

    /// Sends everything that is due.
    pub(crate) async fn send(mut self, stop: &Cell<bool>) -> Result<Exit, Error> {
        let sent = self.send_due(stop).await;
        self.context.output.note(&self.summary());
        let count = |outcome: SendOutcome| self.counts.get(&outcome).copied().unwrap_or_default();
        sent.map_err(|error| {
            let error = match error.message.is_empty() {
                true => Error::new(Exit::Interrupted, "nobody reads what this prints any more"),
                false => error,
            };
            error.and_next(&self.how_to_go_on())
        })?;
        if count(SendOutcome::Failed) > 0 {
            self.context.output.note(&self.how_to_go_on());
            return Ok(Exit::Service);
        }
        Ok(Exit::of_problems(count(SendOutcome::Gone) + count(SendOutcome::Changed)))
    }

    async fn send_due(&mut self, stop: &Cell<bool>) -> Result<(), Error> {
        let is_due = |event: &&Planned| event.queues.iter().any(|queue| self.run.is_due(event, *queue));
        let due: Vec<Planned> = self.run.planned.iter().filter(is_due).cloned().collect();
        let batch = usize::try_from(self.rate).unwrap_or(ENTRIES_MAX).min(ENTRIES_MAX);
        let began_ms = self.context.clock.now_ms();
        let mut tried: i64 = 0;
        for events in due.chunks(batch) {
            let since_began = tried.saturating_mul(1_000) / i64::from(self.rate);
            let early_ms = (began_ms + since_began).saturating_sub(self.context.clock.now_ms());
            if let Ok(early_ms @ 1..) = u64::try_from(early_ms) {
                self.context.clock.sleep(Duration::from_millis(early_ms)).await;
            }
            if stop.get() {
                return Err(Error::interrupted());
            }
            let keys: Vec<EventKey> = events.iter().filter_map(|event| EventKey::from_id(&event.id)).collect();
            let found = fetch(self.context, &keys).await?;
            let found: HashMap<String, KeptEvent> = found.into_iter().map(|kept| (kept.key.id(), kept)).collect();
            let queues = self.run.head.queues.clone();
            for (queue, url) in &queues {
                tried = tried.saturating_add(self.send_batch(*queue, url, events, &found).await?);
            }
        }
        Ok(())
    }

    /// Sends a batch's events to one queue. Gives how many were tried.
    async fn send_batch(
        &mut self,
        queue: Destination,
        url: &str,
        events: &[Planned],
        found: &HashMap<String, KeptEvent>,
    ) -> Result<i64, Error> {
        let mut lines: Vec<ReplayedLine> = Vec::new();
        let mut messages: Vec<QueueMessage> = Vec::new();
        let mut tried: Vec<(&Planned, String)> = Vec::new();
        for event in events.iter().filter(|event| self.run.is_due(event, queue)) {
            match found.get(&event.id) {
                None => lines.push(line(event, queue, SendOutcome::Gone, Some("it is no longer kept"))),
                Some(KeptEvent { damage: Some(damage), .. }) => {
                    let reason = format!("its row cannot be read: {}", damage.reason);
                    lines.push(line(event, queue, SendOutcome::Gone, Some(&reason)));
                }
                Some(kept) if kept.withheld().is_some() => {
                    lines.push(line(event, queue, SendOutcome::Gone, kept.withheld()));
                }
                Some(kept) if self.held.contains(&(queue, kept.key.pk.clone())) => {
                    lines.push(line(
                        event,
                        queue,
                        SendOutcome::Held,
                        Some("an earlier event of its order was not sent"),
                    ));
                }
                Some(kept) if event.reading.as_ref().is_some_and(|planned| *planned != fingerprint(&kept.event)) => {
                    lines.push(line(
                        event,
                        queue,
                        SendOutcome::Changed,
                        Some("this build reads it otherwise than planned"),
                    ));
                }
                Some(kept) => {
                    messages.push(message(kept, &self.run.head));
                    tried.push((event, kept.key.pk.clone()));
                }
            }
        }
        let unsent = send_all(&self.sqs, url, messages, &self.context.clock, i64::MAX).await;
        let reasons: HashMap<&str, String> =
            unsent.iter().map(|unsent| (unsent.name.as_str(), unsent.failure.to_string())).collect();
        let mut records = Vec::new();
        for (event, pk) in &tried {
            let id = event.id.clone();
            let (outcome, record) = match reasons.get(event.id.as_str()) {
                None => (SendOutcome::Sent, ReplayLine::Sent { id, queue }),
                Some(reason) => {
                    self.held.insert((queue, pk.clone()));
                    (SendOutcome::Failed, ReplayLine::Failed { id, queue, reason: reason.clone() })
                }
            };
            records.push(record);
            lines.push(line(event, queue, outcome, reasons.get(event.id.as_str()).map(String::as_str)));
        }
        self.run.write(&records)?;
        for line in &lines {
            *self.counts.entry(line.outcome).or_default() += 1;
            self.context.output.print(line, text)?;
        }
        self.give_up(queue, tried.len(), &unsent)?;
        Ok(i64::try_from(tried.len()).unwrap_or(i64::MAX))
    }

    /// A queue that takes nothing will not take the rest either.
    fn give_up(&mut self, queue: Destination, tried: usize, unsent: &[Unsent]) -> Result<(), Error> {
        if tried == 0 {
            return Ok(());
        }
        let refused = self.refused.entry(queue).or_default();
        let Some(first) = unsent.first().filter(|_| unsent.len() == tried) else {
            *refused = 0;
            return Ok(());
        };
        *refused += 1;
        let operation = format!("send to the {} queue", queue.name());
        let failure = of_failure(&operation, &first.failure);
        if failure.kind == Exit::Deployment || *refused >= REFUSED_BATCHES_MAX { Err(failure) } else { Ok(()) }
    }

    fn summary(&self) -> String {
        let count = |outcome: SendOutcome| self.counts.get(&outcome).copied().unwrap_or_default();
        let (sent, failed, changed) =
            (count(SendOutcome::Sent), count(SendOutcome::Failed), count(SendOutcome::Changed));
        let changed = if changed > 0 { format!(", {changed} changed") } else { String::new() };
        format!(
            "{sent} sent, {failed} failed, {} held, {} gone{changed}",
            count(SendOutcome::Held),
            count(SendOutcome::Gone)
        )
    }

    fn how_to_go_on(&self) -> String {
        how_to_go_on(&self.run.head, self.run.path())
    }
}

/// Returns the command that resumes a run.
pub fn how_to_go_on(head: &ReplayHead, file: Option<&Path>) -> String {
    let file = file.unwrap_or(Path::new("FILE")).display();
    format!("To go on: hookmill {} --resume {file} --yes", command(head))
}

fn command(head: &ReplayHead) -> &'static str {
    if head.corrections { "reread publish" } else { "replay" }
}

/// Returns an error unless a run is of corrections, or of a replay, as the command wants it.
pub fn of_kind(run: Replay, corrections: bool) -> Result<Replay, Error> {
    if run.head.corrections == corrections {
        return Ok(run);
    }
    let (is, not) = if corrections { ("a replay", "corrections") } else { ("corrections", "a replay") };
    Err(Error::usage(format!("the run file is of {is}, not of {not}"))
        .next(format!("To go on: hookmill {} --resume FILE --yes", command(&run.head))))
}

/// The relay's own message, marked as a replay and with a deduplication id of the replay's: under the event's own one a
/// queue would drop it for five minutes.
///
/// A correction has an id of its own, which differs from its event's and from other mappings' corrections.
fn message(kept: &KeptEvent, head: &ReplayHead) -> QueueMessage {
    let mut event = kept.event.clone();
    if head.corrections {
        return QueueMessage { name: kept.key.id(), ..QueueMessage::of(&event.into_correction(), &kept.key.pk) };
    }
    event.replay = true;
    let deduplication = deduplication_of(&format!("{}/{}", head.id, event.id));
    QueueMessage { deduplication, ..QueueMessage::of(&event, &kept.key.pk) }
}

fn line(event: &Planned, queue: Destination, outcome: SendOutcome, reason: Option<&str>) -> ReplayedLine {
    let reason = reason.map(str::to_owned);
    ReplayedLine { id: event.id.clone(), event_type: event.event_type.clone(), queue, outcome, reason }
}

fn text(line: &ReplayedLine, paint: Paint) -> String {
    let outcome = match line.outcome {
        SendOutcome::Sent => paint.good("sent  "),
        SendOutcome::Failed => paint.bad("failed"),
        SendOutcome::Held => paint.odd("held  "),
        SendOutcome::Gone => paint.bad("gone  "),
        SendOutcome::Changed => paint.bad("changed"),
    };
    let reason = line.reason.as_ref().map(|reason| format!("  {reason}")).unwrap_or_default();
    format!("{outcome}  {:<6}  {:<22}  {}{reason}", line.queue.name(), line.event_type, line.id)
}
