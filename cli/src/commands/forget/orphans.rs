//! Large bodies that no event owns, of deliveries that were not kept in the end: erased with the events beside them.

use std::collections::{BTreeSet, HashSet};

use edge::keep::time_index::SourceId;
use edge::orders::orphans::{Orphan, Orphans};
use webhook::claim::EventKey;
use webhook::event::Event;
use webhook::providers::Provider;
use webhook::row::Row;

use crate::context::Context;
use crate::terminal::error::Error;
use stack::aws::store_failed;

/// Returns whether a planned item is such a body.
pub fn is_orphan(item: &str) -> bool {
    item.starts_with(Orphan::PREFIX)
}

/// Returns those that were written for orders.
pub async fn of_orders(context: &Context, orders: &[String]) -> Result<Vec<String>, Error> {
    let chosen: HashSet<&String> = orders.iter().collect();
    let sources: BTreeSet<SourceId> = orders.iter().filter_map(|pk| SourceId::of_partition(pk)).collect();
    let found = of_sources(context, sources, None).await?;
    Ok(found.iter().filter(|orphan| chosen.contains(&orphan.owner.pk)).map(Orphan::id).collect())
}

/// Returns those that were written for sources before a time.
pub async fn older(
    context: &Context,
    sources: impl IntoIterator<Item = SourceId>,
    before_ms: i64,
) -> Result<Vec<String>, Error> {
    Ok(of_sources(context, sources, Some(before_ms)).await?.iter().map(Orphan::id).collect())
}

/// Returns those of a source of which `names` says that they name a person, by their event and body, and those of which
/// nobody can say: they belong to nobody.
pub async fn of_person(
    context: &Context,
    source: SourceId,
    names: impl Fn(Option<&Event>, &[u8]) -> bool,
) -> Result<Vec<String>, Error> {
    let orphans = orphans(context).await?;
    let mut chosen = Vec::new();
    for orphan in of_sources(context, [source], None).await? {
        let body = orphans.body(&orphan).await.map_err(|error| store_failed(&error))?;
        if body.is_none_or(|body| names(event(&orphan.owner, &body).as_ref(), &body)) {
            chosen.push(orphan.id());
        }
    }
    Ok(chosen)
}

/// Deletes one, unless its row has come in the meantime.
pub async fn delete(context: &Context, item: &str) -> Result<(), Error> {
    let orphans = orphans(context).await?;
    let Some(orphan) = orphans.named(item).await.map_err(|error| store_failed(&error))? else { return Ok(()) };
    orphans.delete(&orphan).await.map_err(|error| store_failed(&error))
}

async fn of_sources(
    context: &Context,
    sources: impl IntoIterator<Item = SourceId>,
    before_ms: Option<i64>,
) -> Result<Vec<Orphan>, Error> {
    let orphans = orphans(context).await?;
    let mut found = Vec::new();
    for source in sources {
        found.extend(orphans.of_source(&source, before_ms).await.map_err(|error| store_failed(&error))?);
    }
    Ok(found)
}

async fn orphans(context: &Context) -> Result<Orphans, Error> {
    let table = context.deployment().await?.events_table()?.to_owned();
    Ok(Orphans::new(context.dynamodb(), table, context.clock.clone()))
}

fn event(owner: &EventKey, body: &[u8]) -> Option<Event> {
    let row = Row {
        key: owner.clone(),
        received_ms: 0,
        hash: [0; 32],
        headers: Default::default(),
        signed_at: None,
        mark: None,
        body: body.to_vec(),
    };
    Provider::of(owner).map(|provider| provider.read(&row))
}
