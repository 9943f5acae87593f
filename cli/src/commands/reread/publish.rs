//! `hookmill reread publish`: corrections to the queues, and the touched orders rebuilt.

use std::cell::Cell;
use std::collections::HashSet;
use std::path::PathBuf;

use clap::Args;
use webhook::claim::EventKey;
use webhook::providers::Provider;

use super::plan::{Correction, Plan};
use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::interrupt::until_stopped;
use crate::terminal::output::{counted, counted_with};
use crate::work::journal::{EventChoice, HowArgs, Journal, Run};
use crate::work::rebuilding::{Telling, rebuild_all, totals};
use crate::work::replay_run::{Planned, Replay, ReplayHead};
use crate::work::replaying::{ReplaySender, check_queues, counts, how_to_go_on, list_counts, of_kind, run_id};
use crate::work::selection::SendTo;
use stack::deployed_reader::{self, DeployedReading};
use stack::destination::Destination;
use stack::difference::{fingerprint, fingerprint_of};
use stack::history::{KeptEvent, fetch};

/// Arguments of `reread publish`.
#[derive(Debug, Clone, Args)]
pub struct PublishArgs {
    /// The plan that hookmill reread --out wrote
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    pub plan: Option<PathBuf>,
    /// The queues, and the rate.
    #[command(flatten)]
    pub onto: SendTo,
    /// The way in which it is carried out.
    #[command(flatten)]
    pub how: HowArgs,
}

/// Publishes a plan. The first Ctrl-C lets what is on its way arrive and be recorded; a second one ends at once.
pub async fn run(context: &Context, args: PublishArgs) -> Result<Exit, Error> {
    until_stopped(&context.output, async |stop| Box::pin(publish(context, &args, stop)).await).await
}

async fn publish(context: &Context, args: &PublishArgs, stop: &Cell<bool>) -> Result<Exit, Error> {
    let mut run = match (&args.plan, &args.how.resume) {
        (_, Some(path)) => of_kind(Replay::resume(path)?, true)?,
        (Some(path), None) => planned(context, &Plan::read(context, path).await?, &args.onto).await?,
        (None, None) => return Err(Error::usage("no plan is named")),
    };
    check_queues(context, &run).await?;
    check_deployed(context, &run).await?;
    let orders = orders(&run);
    if !args.how.yes {
        let counts = counts(&run);
        list_counts(context, &counts)?;
        let total: usize = counts.iter().map(|line| line.events).sum();
        context.output.note(&format!(
            "Nothing was sent. {} would be, and {} be rebuilt: add --yes",
            counted(total, "correction"),
            counted(orders.len(), "order")
        ));
        return Ok(Exit::Ok);
    }
    run.record(context, &args.how, &format!("corrections-{}", run.head.id.clone()), "reread publish")?;
    let go_on = how_to_go_on(&run.head, run.path());
    let sent = ReplaySender::new(context, run, args.onto.rate).send(stop).await?;
    // Merging corrections would leave what only the older mapping read, and a time that it read wrongly, where they are.
    let mut journal = Journal::planned(context, "reread publish", orders, EventChoice::default()).await?;
    let rebuilt = rebuild_all(context, &context.rebuilder().await?, &mut journal, true, Telling::default(), stop).await;
    let rebuilt = rebuilt.map_err(|error| error.and_next(&go_on))?;
    context.output.print(&rebuilt, totals)?;
    Ok(sent.or(rebuilt.exit()))
}

/// Returns the run of a plan, if this build can carry it out.
async fn planned(context: &Context, plan: &Plan, onto: &SendTo) -> Result<Replay, Error> {
    plan.corrections.iter().try_for_each(check_versions)?;
    let deployment = context.deployment().await?;
    let queues = onto.urls(deployment)?;
    // Who got an event under its old type has to hear that it was another.
    let takes = |queue: &Destination, correction: &Correction| {
        let types = [&correction.old.event_type, &correction.new.event_type];
        types.iter().any(|event_type| queue.is_relayed(deployment, event_type))
    };
    let planned = |correction: &Correction| Planned {
        id: correction.id.clone(),
        event_type: correction.new.event_type.clone(),
        queues: queues.keys().copied().filter(|queue| takes(queue, correction)).collect(),
        reading: Some(correction.new.reading.clone()),
    };
    let planned: Vec<Planned> = plan.corrections.iter().map(planned).collect();
    let untaken = planned.iter().filter(|event| event.queues.is_empty()).count();
    if untaken > 0 {
        context.output.note(&format!(
            "{} of a type that no chosen queue takes; the orders are rebuilt.",
            counted_with(untaken, "event", ("is", "are"))
        ));
    }
    let head = ReplayHead { id: run_id(context), queues, events: planned.len(), corrections: true };
    Ok(Run::new(head, planned))
}

/// An order's view goes by the mapping's version: a correction under the same one would change nothing there.
fn check_versions(correction: &Correction) -> Result<(), Error> {
    let (old, new) = (correction.old.mapping, correction.new.mapping);
    let provider = EventKey::from_id(&correction.id).and_then(|key| Provider::of(&key));
    let provider = provider.ok_or_else(|| Error::usage(format!("{} is not an event's id", correction.id)))?;
    let name = provider.name;
    if new <= old {
        return Err(Error::usage(format!(
            "the readings of {name} differ, but the mapping's version was not raised: {old}, and now {new}"
        ))
        .next(format!("Raise mapping_version in shared/webhook/src/providers/{name}/, build, deploy, reread.")));
    }
    if new != provider.mapping_version {
        return Err(Error::usage(format!(
            "the plan is of mapping version {new} of {name}; this build has {}",
            provider.mapping_version
        ))
        .next("Make the plan again with this build: hookmill reread --out FILE"));
    }
    Ok(())
}

/// Events that arrive meanwhile are read by the deployed build: it must read as this one does.
async fn check_deployed(context: &Context, run: &Replay) -> Result<(), Error> {
    let mut asked: HashSet<&str> = HashSet::new();
    for event in &run.planned {
        let Some(key) = EventKey::from_id(&event.id) else { continue };
        let provider = event.id.split('/').next().unwrap_or_default();
        if asked.contains(provider) {
            continue;
        }
        let found = fetch(context, std::slice::from_ref(&key)).await?;
        // If the event is gone by now, the next one is asked.
        let Some(kept) = found.first().filter(|kept| kept.withheld().is_none()) else { continue };
        asked.insert(provider);
        compare(context, provider, kept).await?;
    }
    Ok(())
}

async fn compare(context: &Context, provider: &str, kept: &KeptEvent) -> Result<(), Error> {
    let same = match deployed_reader::read(context, &kept.key.id()).await? {
        DeployedReading::Event(event) => fingerprint_of(&event) == fingerprint(&kept.event),
        DeployedReading::Unknown | DeployedReading::Erased => false,
    };
    if same {
        return Ok(());
    }
    Err(Error::problems(format!("the deployed build does not read {provider} as this one does")).next(
        "Deploy this build first: what arrives meanwhile would still be read the old way. Then publish the same plan.",
    ))
}

/// The orders that a run touches, each once.
fn orders(run: &Replay) -> Vec<String> {
    let mut seen: HashSet<String> = HashSet::new();
    let keys = run.planned.iter().filter_map(|event| EventKey::from_id(&event.id));
    keys.map(|key| key.pk).filter(|pk| seen.insert(pk.clone())).collect()
}
