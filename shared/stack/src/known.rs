//! The sources that a stack knows: which are selected, and whether one was ever there.

use std::collections::BTreeSet;

use edge::keep::item::{TIME_INDEX, source_of_bucket};
use edge::keep::time_index::WalkOrder;
use webhook::providers::PROVIDERS;
use webhook::source::Sources;

use crate::aws::failed;
use crate::connection::Stack;
use crate::error::Error;
use crate::reader::walk;
use crate::sources::{ProviderName, SourceName, of_provider};
use crate::time::Range;

/// Returns the selected sources: the one named, or all that the secrets have, of one provider or of every one.
pub async fn chosen(
    stack: &Stack,
    source: Option<&SourceName>,
    provider: Option<ProviderName>,
) -> Result<Vec<SourceName>, Error> {
    if let Some(source) = source {
        check_known(stack, source).await?;
        return Ok(vec![source.clone()]);
    }
    let mut found = Vec::new();
    for known in PROVIDERS.into_iter().filter(|known| provider.is_none_or(|wanted| wanted.0.name == known.name)) {
        let sources = of_provider(stack, known).await.map_err(|error| match &error.next {
            Some(_) => error.and_next("Or name one source with --source."),
            None => error,
        })?;
        found.extend(sources.names().map(|source| SourceName { provider: known, source: source.to_owned() }));
    }
    Ok(found)
}

/// The sources of which something is kept, those among them that were removed.
#[derive(Debug, Default)]
pub struct KeptSources {
    /// Those of providers that this build knows.
    pub sources: Vec<SourceName>,
    /// Those of other providers, by name: nothing of theirs can be read or erased by this build.
    pub unknown: Vec<String>,
}

/// Returns the sources of which something is kept, of one provider or of every one. Reads the names of all events, since
/// nothing else is certain to know a source that was removed.
pub async fn kept(stack: &Stack, provider: Option<ProviderName>) -> Result<KeptSources, Error> {
    let (client, table) = (stack.dynamodb(), stack.deployment().await?.events_table()?);
    let scan = client.scan().table_name(table).index_name(TIME_INDEX).projection_expression("#bucket");
    let mut items = scan.expression_attribute_names("#bucket", "bucket").into_paginator().items().send();
    let mut names = BTreeSet::new();
    while let Some(item) = items.next().await {
        let item = item.map_err(|error| failed("read the events' time index", &error))?;
        let source = item.get("bucket").and_then(|bucket| source_of_bucket(bucket.as_s().ok()?));
        if let Some(source) = source.filter(|source| !names.contains(*source)) {
            names.insert(source.to_owned());
        }
    }
    let mut kept = KeptSources::default();
    for name in names {
        match name.parse::<SourceName>() {
            Ok(source) if provider.is_none_or(|only| only.0.name == source.provider.name) => kept.sources.push(source),
            Ok(_) => {}
            Err(_) => kept.unknown.push(name),
        }
    }
    Ok(kept)
}

/// Returns an error for a source that the stack has never had: its secret does not name it and nothing is kept of it.
/// Where the secret may not be read, every source passes.
pub async fn check_known(stack: &Stack, name: &SourceName) -> Result<(), Error> {
    let Ok(known) = of_provider(stack, name.provider).await else { return Ok(()) };
    let configured = known.get(&name.source).is_some() || known.defective().any(|(source, _)| *source == name.source);
    if configured || has_events(stack, name).await? {
        return Ok(());
    }
    Err(unknown(&known, name))
}

/// The error for a source that the stack does not have.
pub fn unknown(known: &Sources, name: &SourceName) -> Error {
    let names: Vec<String> = known.names().map(|source| format!("{}/{source}", name.provider.name)).collect();
    let next = match names.as_slice() {
        [] => format!("{} has no source yet. To add this one: hookmill sources add {name}", name.provider.name),
        names => {
            format!("Sources of {} are: {}. hookmill sources list shows all.", name.provider.name, names.join(", "))
        }
    };
    Error::not_found(format!("the stack has no source {name}")).next(next)
}

/// Returns whether anything is kept of a source, which may have been removed since.
async fn has_events(stack: &Stack, name: &SourceName) -> Result<bool, Error> {
    let mut walk = walk(stack, std::slice::from_ref(name), Range::ALL, WalkOrder::NewestFirst, 1).await?;
    Ok(walk.next().await?.is_some())
}
