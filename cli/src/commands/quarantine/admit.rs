//! `hookmill quarantine admit`.
//!
//! A refused delivery is verified with the stack's present secret and kept as its receiver would have kept it, with the
//! time at which it was received; only then is its slot freed. Each step may be made again: an event that was kept is a
//! repeat the next time, so an interrupted run is simply run again.

use std::collections::BTreeMap;

use clap::Args;
use edge::keep::error::StoreError;
use edge::keep::store::{Kept, Store};
use edge::receive::refused::{Fails, Refused};
use serde::Serialize;
use webhook::claim::EventKey;
use webhook::source::Sources;

use super::{Query, find};
use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{self, Paint};
use crate::terminal::time::instant;
use stack::aws::store_failed;
use stack::quarantine::{Present, Slot, of_slot};

#[derive(Debug, Clone, Args)]
pub struct AdmitArgs {
    /// These refused deliveries; else all that the options select
    #[arg(value_name = "PROVIDER/SOURCE/SLOT", conflicts_with_all = ["SourceArgs", "RangeArgs", "reasons"])]
    pub slots: Vec<Slot>,
    #[command(flatten)]
    pub query: Query,
    /// Keep them; without it, only report what would be kept
    #[arg(long)]
    pub yes: bool,
}

/// The outcome of a refused delivery, or would.
#[derive(Debug, Clone, Serialize)]
pub struct AdmittedLine {
    /// Its name in the quarantine.
    pub name: String,
    /// When it was received.
    pub received: String,
    /// `due` in a dry run; `new`, `repeat`, or the mark on a further row: `conflict`, `revision`, `possiblyrepeated`;
    /// `refused` where it still does not pass.
    pub outcome: &'static str,
    /// The event's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The reason for which it does not pass, or is still in its slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// True if its slot is free; `None` if nothing was to be freed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freed: Option<bool>,
}

/// Admits refused deliveries.
pub async fn run(context: &Context, args: AdmitArgs) -> Result<Exit, Error> {
    let mut refused = Vec::new();
    for slot in &args.slots {
        refused.push(of_slot(context, slot).await?);
    }
    if args.slots.is_empty() {
        refused = find(context, &args.query).await?;
    }
    refused.sort_by_cached_key(|refused| (refused.received_ms, refused.name()));
    refused.dedup_by_key(|refused| refused.name());
    let present = Present::of(context, &refused).await;
    // A provider whose secret cannot be read is an error before anything is kept.
    refused.iter().try_for_each(|refused| present.sources(refused.provider).map(|_| ()))?;
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut problems = false;
    let mut progress = context.output.progress("refused deliveries looked at", refused.len());
    let mut ended = Ok(());
    for one in &refused {
        let line = match admit(context, one, present.sources(one.provider)?, args.yes).await {
            Ok(line) => line,
            Err(error) => {
                ended = Err(error.and_next("What was admitted stays so; to go on, run the same command again."));
                break;
            }
        };
        *counts.entry(line.outcome).or_default() += 1;
        problems |= line.reason.is_some();
        context.output.print(&line, text)?;
        progress.step();
    }
    drop(progress);
    context.output.note(&summary(&counts, refused.len(), args.yes));
    ended?;
    Ok(if problems { Exit::Problems } else { Exit::Ok })
}

/// Verifies one again, keeps it and frees its slot.
async fn admit(context: &Context, refused: &Refused, sources: &Sources, yes: bool) -> Result<AdmittedLine, Error> {
    let line = AdmittedLine {
        name: refused.name(),
        received: instant(refused.received_ms),
        outcome: "refused",
        id: None,
        reason: None,
        freed: None,
    };
    let store = context.store().await?;
    let (outcome, id) = match kept_as(refused, sources, &store, yes).await {
        Ok(kept) => kept,
        Err(NotKept::Refused(fails)) => return Ok(AdmittedLine { reason: Some(fails.to_string()), ..line }),
        Err(NotKept::Forgotten(pk, at_ms)) => {
            let reason =
                format!("{pk} was forgotten at {}, after it came: it would bring its data back", instant(at_ms));
            return Ok(AdmittedLine { reason: Some(reason), ..line });
        }
        Err(NotKept::Store(error)) => return Err(error.into()),
    };
    let line = AdmittedLine { outcome, id: Some(id), ..line };
    if !yes {
        return Ok(line);
    }
    let table = context.deployment().await?.events_table()?;
    let (freed, reason) = match refused.remove(&context.dynamodb(), table).await {
        Ok(true) => (true, None),
        // Somebody else has freed it, or another delivery has it by now.
        Ok(false) => (true, None),
        Err(error) => (false, Some(format!("kept, but it still lies in its slot: {}", store_failed(&error).message))),
    };
    Ok(AdmittedLine { freed: Some(freed), reason, ..line })
}

/// The reason for which a refused delivery is not kept.
enum NotKept {
    Refused(Fails),
    /// The partition was forgotten at this time, after the delivery had been received.
    Forgotten(String, i64),
    Store(StoreError),
}

impl From<Fails> for NotKept {
    fn from(fails: Fails) -> Self {
        NotKept::Refused(fails)
    }
}

impl From<StoreError> for NotKept {
    fn from(error: StoreError) -> Self {
        NotKept::Store(error)
    }
}

/// Keeps a refused delivery if it passes, and returns as what; without `yes`, as what it would be kept.
async fn kept_as(
    refused: &Refused,
    sources: &Sources,
    store: &Store,
    yes: bool,
) -> Result<(&'static str, String), NotKept> {
    let source = refused.source_now(sources)?;
    let delivery = refused.delivery(sources.quarantine_key()).map_err(Fails::from)?;
    let verified = refused.verify(source, &delivery)?;
    let key = EventKey::of(refused.provider.name, &source.name, &refused.provider.claim_of(&verified));
    if let Some(at_ms) = store.forgotten_ms(&key.pk).await?.filter(|at_ms| *at_ms >= refused.received_ms) {
        return Err(NotKept::Forgotten(key.pk, at_ms));
    }
    if !yes {
        return Ok(("due", key.id()));
    }
    let now_ms = edge::aws::clock::Clock::system().now_ms();
    let outcome = store.admit(refused.provider, &verified, refused.received_ms, now_ms).await?;
    let word = match outcome.kept {
        Kept::New => "new",
        Kept::Marked(mark) => mark.word(),
        Kept::Repeat => "repeat",
    };
    Ok((word, outcome.key.id()))
}

fn text(line: &AdmittedLine, paint: Paint) -> String {
    let outcome = format!("{:<16}", line.outcome);
    let outcome = match line.outcome {
        "new" | "due" => paint.good(&outcome),
        "refused" | "conflict" => paint.bad(&outcome),
        _ => outcome,
    };
    let details = [line.id.as_deref(), line.reason.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("  ");
    format!("{outcome}  {}  {}  {details}", paint.time(&line.received), line.name)
}

fn summary(counts: &BTreeMap<&'static str, usize>, all: usize, yes: bool) -> String {
    let count = |word: &str| counts.get(word).copied().unwrap_or_default();
    match (all, yes, count("due")) {
        (0, ..) => "Nothing of that is in quarantine.".to_owned(),
        (_, true, _) => output::counts(counts.iter().map(|(outcome, count)| (*count, *outcome))),
        (_, false, 0) => format!("Nothing was kept. None of {all} would be."),
        (_, false, due) => format!("Nothing was kept. {due} of {all} would be: add --yes"),
    }
}
