//! Ids as they are typed: whole, by any unique beginning, or shortened in the middle as a terminal shows them.

use std::collections::BTreeSet;

use edge::keep::item::{Item, is_event, key_of, text};
use edge::keep::time_index::{IndexEntry, WalkOrder};
use webhook::claim::EventKey;
use webhook::event::corrected;
use webhook::providers::Provider;

use crate::context::Context;
use crate::terminal::error::Error;
use crate::terminal::output::{ELLIPSIS, shortened};
use crate::terminal::time::{Range, instant};
use stack::aws::failed;
use stack::dead_letters::DeadLetter;
use stack::history::{KeptEvent, fetch};
use stack::reader::walk;
use stack::sources::SourceName;

/// The limits of DynamoDB: a longer key names nothing, and a request with one fails.
const PK_BYTES_MAX: usize = 2_048;
const ID_BYTES_MAX: usize = PK_BYTES_MAX + 1 + 1_024;
/// Candidates that an error lists.
const CANDIDATES: usize = 8;
/// Entries of the time index that one call asks for.
const PAGE: i32 = 500;

/// A pattern of ids: their beginning, and their end if the middle was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pattern<'a> {
    beginning: &'a str,
    end: &'a str,
}

impl<'a> Pattern<'a> {
    fn of(typed: &'a str) -> Self {
        let (beginning, end) = typed.split_once(ELLIPSIS).unwrap_or((typed, ""));
        Pattern { beginning, end }
    }

    fn fits(&self, id: &str) -> bool {
        id.strip_prefix(self.beginning).is_some_and(|rest| rest.ends_with(self.end))
    }

    /// Returns the source that the beginning names, with the whole partition key where it is complete.
    fn place(&self) -> Option<(SourceName, Option<String>)> {
        let mut parts = self.beginning.splitn(4, '/');
        let (provider, source, subject, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next());
        let source: SourceName = format!("{provider}/{source}").parse().ok()?;
        Some((source.clone(), rest.map(|_| format!("{source}/{subject}"))))
    }
}

/// Fetches the event that a typed id names. A correction's row is that of the event that it corrects.
pub async fn event(context: &Context, typed: &str) -> Result<KeptEvent, Error> {
    check_length(typed)?;
    let id = event_of_correction(typed)?;
    let exact = EventKey::from_id(id).filter(|key| !id.contains(ELLIPSIS) && Provider::of(key).is_some());
    let mut found = match &exact {
        Some(key) => fetch(context, std::slice::from_ref(key)).await?,
        None => Vec::new(),
    };
    if found.is_empty() {
        let place = Pattern::of(id).place().ok_or_else(|| {
            Error::usage(format!("{id} is not an event id")).next(
                "An id has five parts, provider/source/subject/word/identity; from the third part on any unique \
                 beginning will do. hookmill events list shows some.",
            )
        })?;
        let keys = candidates(context, &Pattern::of(id), place, |key| key.id()).await?;
        let key = only(id, "event", keys)?;
        let key = key.as_deref().and_then(EventKey::from_id).ok_or_else(|| unknown_event(id))?;
        found = fetch(context, std::slice::from_ref(&key)).await?;
    }
    found.into_iter().next().ok_or_else(|| unknown_event(id))
}

/// Returns the place of an event in the time index.
pub async fn entry_of(context: &Context, id: &str) -> Result<(i64, IndexEntry), Error> {
    let found = event(context, id).await?;
    let indexed_ms = found.indexed_ms();
    Ok((indexed_ms, IndexEntry { received_at: instant(indexed_ms), key: found.key }))
}

/// Returns the order that a typed id of an order or of one of its events names.
pub async fn order(context: &Context, typed: &str) -> Result<String, Error> {
    check_length(typed)?;
    let id = event_of_correction(typed)?;
    let pattern = Pattern::of(id);
    let (source, pk) = pattern.place().ok_or_else(|| {
        Error::usage(format!("{id} is not an order's id")).next(
            "An order's id has three parts, provider/source/subject; any unique beginning of the third will do. \
             hookmill orders list shows some.",
        )
    })?;
    if let Some(pk) = pk.or_else(|| Some(id.to_owned()).filter(|id| !id.contains(ELLIPSIS)))
        && is_kept(context, &pk).await?
    {
        return Ok(pk);
    }
    let found = candidates(context, &pattern, (source, None), |key| key.pk.clone()).await?;
    only(id, "order", found)?.ok_or_else(|| {
        Error::not_found(format!("no order {id} is kept"))
            .next("hookmill orders list shows what there is; subjects are percent-encoded as in event ids.")
    })
}

/// Returns the dead letters that a typed id names: its own id or its event's, whole, by a unique beginning, or as a
/// terminal shortens it. An event may have one in several queues.
pub fn dead_letters<'l>(all: &'l [DeadLetter], typed: &str) -> Result<Vec<&'l DeadLetter>, Error> {
    let names = |one: &'l DeadLetter| std::iter::once(one.message_id.as_str()).chain(one.says.event_id());
    let pattern = Pattern::of(typed);
    let exact: Vec<&DeadLetter> = all.iter().filter(|one| names(one).any(|name| name == typed)).collect();
    if !exact.is_empty() {
        return Ok(exact);
    }
    let fitting = |one: &'l DeadLetter| names(one).find(|name| pattern.fits(name)).map(|name| (name, one));
    let found: Vec<(&str, &DeadLetter)> = all.iter().filter_map(fitting).collect();
    let ids: BTreeSet<String> = found.iter().map(|(name, _)| (*name).to_owned()).collect();
    only(typed, "dead letter", ids)?.ok_or_else(|| {
        Error::not_found(format!("no dead letter {typed} was found"))
            .next("hookmill dlq list shows some; one that a consumer holds, or behind others of its order, is hidden.")
    })?;
    Ok(found.into_iter().map(|(_, one)| one).collect())
}

/// The error for an event that is not kept.
fn unknown_event(id: &str) -> Error {
    Error::not_found(format!("no event {id} is kept"))
        .next("hookmill events list shows what there is; was it refused? hookmill events list --quarantined")
}

fn check_length(typed: &str) -> Result<(), Error> {
    let partition = typed.splitn(4, '/').take(3).map(str::len).sum::<usize>() + 2;
    if typed.len() <= ID_BYTES_MAX && partition <= PK_BYTES_MAX {
        return Ok(());
    }
    Err(Error::usage(format!("{} is too long for an id: {} bytes", shortened(typed, 60), typed.len()))
        .next("hookmill events list and hookmill orders list show ids."))
}

/// Takes the mapping's version off a correction's id. A version that this build does not know names nothing.
fn event_of_correction(typed: &str) -> Result<&str, Error> {
    let Some((id, version)) = corrected(typed) else { return Ok(typed) };
    let provider = id.split('/').next().and_then(Provider::named);
    match provider.map(|provider| provider.mapping_version) {
        Some(newest) if version == 0 || version > newest => Err(Error::not_found(format!(
            "there is no correction {typed}: the newest mapping here is version {newest}"
        ))
        .next(format!("The event itself: hookmill events show '{id}'"))),
        Some(_) | None => Ok(id),
    }
}

/// Returns whether an order has an event or a view.
async fn is_kept(context: &Context, pk: &str) -> Result<bool, Error> {
    let (client, table) = (context.dynamodb(), context.deployment().await?.events_table()?);
    let query = client.query().table_name(table).consistent_read(true).limit(1);
    let query = query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", text(pk));
    let output = query.send().await.map_err(|error| failed("look for the order", &error))?;
    if !output.items().is_empty() {
        return Ok(true);
    }
    let view = context.views().await?.view(pk).await?;
    Ok(view.is_some())
}

/// The ids that fit, up to one more than an error lists.
async fn candidates(
    context: &Context,
    pattern: &Pattern<'_>,
    (source, pk): (SourceName, Option<String>),
    id_of: impl Fn(&EventKey) -> String,
) -> Result<BTreeSet<String>, Error> {
    let table = context.deployment().await?.events_table()?;
    let mut found = BTreeSet::new();
    if let Some(pk) = pk {
        let query = context.dynamodb().query().table_name(table).consistent_read(true);
        let query = query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", text(&pk));
        let mut pages = query.into_paginator().items().send();
        while let Some(item) = pages.next().await {
            let item: Item = item.map_err(|error| failed("look for the id", &error))?;
            let id = key_of(&item).filter(|_| is_event(&item)).map(|key| id_of(&key));
            found.extend(id.filter(|id| pattern.fits(id)));
        }
        return Ok(found);
    }
    let sources = std::slice::from_ref(&source);
    let mut walk = walk(context, sources, Range::ALL, WalkOrder::NewestFirst, PAGE).await?;
    let mut progress = context.output.progress("ids looked at", 0);
    while found.len() <= CANDIDATES
        && let Some(entry) = walk.next().await?
    {
        progress.step();
        found.extend(Some(id_of(&entry.key)).filter(|id| pattern.fits(id)));
    }
    Ok(found)
}

/// The one id that fits, `None` if none does.
fn only(typed: &str, what: &str, found: BTreeSet<String>) -> Result<Option<String>, Error> {
    if found.len() < 2 {
        return Ok(found.into_iter().next());
    }
    let more = if found.len() > CANDIDATES { "\n  …" } else { "" };
    let listed: Vec<String> = found.into_iter().take(CANDIDATES).collect();
    let next = format!("Type more of one of these:\n  {}{more}", listed.join("\n  "));
    Err(Error::usage(format!("{typed} fits more than one {what}")).next(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_beginnings_or_have_a_gap() {
        let id = "scalev/main/250130/order.created/event_1";
        for (typed, fits) in [
            ("scalev/main/25", true),
            ("scalev/main/25…event_1", true),
            ("scalev/main/25…", true),
            ("scalev/main/25…event_2", false),
            ("scalev/main/26", false),
        ] {
            assert_eq!(Pattern::of(typed).fits(id), fits, "{typed}");
        }
        let place = |typed| Pattern::of(typed).place().map(|(source, pk)| (source.to_string(), pk));
        assert_eq!(place("scalev/main/2"), Some(("scalev/main".to_owned(), None)));
        assert_eq!(place("scalev/main/2/o").unwrap().1.as_deref(), Some("scalev/main/2"));
        assert_eq!(place("scalev/main"), None);
        assert_eq!(place("nobody/main/2"), None);
    }
}
