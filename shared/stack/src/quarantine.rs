//! Refused deliveries, and which of them would pass now.

use std::collections::BTreeMap;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use edge::keep::item::{Item, text};
use edge::receive::quarantine::{UNKNOWN, partition};
use edge::receive::refused::{Fails, Refused, RefusedBody};
use serde::Serialize;
use webhook::claim::EventKey;
use webhook::providers::{PROVIDERS, Provider};
use webhook::source::{Sources, is_source_name};

use crate::aws::{failed, store_failed};
use crate::connection::Stack;
use crate::error::Error;
use crate::sources::{ProviderName, SourceName, of_provider};
use crate::time::{Range, instant};

/// A refused delivery on one line.
#[derive(Debug, Clone, Serialize)]
pub struct RefusedLine {
    /// When it was received.
    pub received: String,
    /// The provider whose receiver refused it.
    pub provider: String,
    /// The source; `~` for all unknown ones.
    pub source: String,
    /// The name of an unknown source, if it was short enough to be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
    /// The reason for the refusal.
    pub reason: String,
    /// SHA-256 of its body.
    pub hash: String,
    /// True if its body was small enough to keep.
    pub body: bool,
    /// Its slot: with provider and source, its name in the quarantine.
    pub slot: String,
}

impl RefusedLine {
    /// The line of a refused delivery.
    pub fn of(refused: &Refused) -> Self {
        let source = refused.source.as_ref().filter(|_| !refused.unknown);
        RefusedLine {
            received: instant(refused.received_ms),
            provider: refused.provider.name.to_owned(),
            source: source.map_or(UNKNOWN, String::as_str).to_owned(),
            named: refused.source.clone().filter(|_| refused.unknown),
            reason: refused.reason.clone(),
            hash: hex::encode(refused.hash),
            body: refused.body != RefusedBody::Gone || refused.sealed.is_some(),
            slot: refused.slot.clone(),
        }
    }
}

/// A slot of the quarantine on the command line: `<provider>/main/0165`, `<provider>/~/0165`.
#[derive(Debug, Clone)]
pub struct Slot {
    provider: &'static Provider,
    source: String,
    slot: String,
}

impl FromStr for Slot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form =
            || format!("a refused delivery is <provider>/<source>/<slot>, such as {}/main/0165", PROVIDERS[0].name);
        let mut parts = text.split('/');
        let (Some(provider), Some(source), Some(slot), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(form());
        };
        let ProviderName(provider) = provider.parse()?;
        let known = source == UNKNOWN || is_source_name(source);
        let four = slot.len() == 4 && slot.bytes().all(|byte| byte.is_ascii_digit());
        if !known || !four {
            return Err(form());
        }
        Ok(Slot { provider, source: source.to_owned(), slot: slot.to_owned() })
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}/{}", self.provider.name, self.source, self.slot)
    }
}

/// The verdict of the stack's present secrets on a refused delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Now {
    /// It would be kept under this name, by this key or token.
    Passes {
        /// The event's first name.
        id: String,
        /// The fingerprint of what matches.
        fingerprint: String,
    },
    /// It would not.
    Fails(Fails),
    /// The provider's secret cannot be asked.
    Unknown(String),
}

impl Now {
    /// Returns whether it passes; `None` if that is not known.
    pub fn passes(&self) -> Option<bool> {
        match self {
            Now::Passes { .. } => Some(true),
            Now::Fails(_) => Some(false),
            Now::Unknown(_) => None,
        }
    }

    /// Describes the verdict in words.
    pub fn description(&self) -> String {
        match self {
            Now::Passes { .. } => "passes".to_owned(),
            Now::Fails(fails) => fails.to_string(),
            Now::Unknown(why) => format!("not known: {why}"),
        }
    }
}

/// The present sources of providers, each read once, or why they cannot be.
#[derive(Debug, Default)]
pub struct Present(BTreeMap<&'static str, Result<Sources, Error>>);

impl Present {
    /// The sources of all providers of some refused deliveries.
    pub async fn of(stack: &Stack, refused: &[Refused]) -> Self {
        let mut found = BTreeMap::new();
        for one in refused {
            if !found.contains_key(one.provider.name) {
                found.insert(one.provider.name, of_provider(stack, one.provider).await);
            }
        }
        Present(found)
    }

    /// A provider's sources.
    pub fn sources(&self, provider: &Provider) -> Result<&Sources, Error> {
        match self.0.get(provider.name) {
            Some(Ok(sources)) => Ok(sources),
            Some(Err(error)) => Err(error.clone()),
            None => Err(Error::service(format!("the secret of {} was not read", provider.name))),
        }
    }

    /// Returns their verdict on a refused delivery.
    pub fn now(&self, refused: &Refused) -> Now {
        let sources = match self.sources(refused.provider) {
            Ok(sources) => sources,
            Err(error) => return Now::Unknown(error.message),
        };
        verdict(refused, sources).unwrap_or_else(Now::Fails)
    }
}

fn verdict(refused: &Refused, sources: &Sources) -> Result<Now, Fails> {
    let source = refused.source_now(sources)?;
    let delivery = refused.delivery(sources.quarantine_key())?;
    let verified = refused.verify(source, &delivery)?;
    let key = EventKey::of(refused.provider.name, &source.name, &refused.provider.claim_of(&verified));
    Ok(Now::Passes { id: key.id(), fingerprint: verified.fingerprint().to_owned() })
}

/// The content of a part of the quarantine, and the amount that this build cannot read.
#[derive(Debug)]
pub struct Found<T> {
    /// The readable part.
    pub read: Vec<T>,
    /// The numbers of those that could not, by provider and source.
    pub unreadable: Vec<(usize, String)>,
}

impl<T> Default for Found<T> {
    fn default() -> Self {
        Found { read: Vec::new(), unreadable: Vec::new() }
    }
}

impl<T> Found<T> {
    fn append(&mut self, other: Found<T>) {
        self.read.extend(other.read);
        self.unreadable.extend(other.unreadable);
    }
}

/// The refused deliveries of some sources, the earliest first; where `unknown` is given, also those at unknown sources
/// of its providers.
pub async fn refused(
    stack: &Stack,
    sources: &[SourceName],
    unknown: Option<Option<ProviderName>>,
    range: Range,
) -> Result<Found<Refused>, Error> {
    let selected = |name: &str| unknown.is_some_and(|only| only.is_none_or(|wanted| wanted.0.name == name));
    let strangers = PROVIDERS.into_iter().filter(|provider| selected(provider.name));
    let named = sources.iter().map(|source| (source.provider, source.source.as_str()));
    let mut found = Found::default();
    for (provider, source) in named.chain(strangers.map(|provider| (provider, UNKNOWN))) {
        found.append(of_partition(stack, provider, source).await?);
    }
    found.read.retain(|refused| range.from_ms <= refused.received_ms && refused.received_ms < range.to_ms);
    found.read.sort_by_cached_key(|refused| (refused.received_ms, refused.name()));
    Ok(found)
}

/// The refused deliveries of one source, or of all unknown ones of a provider.
pub async fn of_partition(stack: &Stack, provider: &'static Provider, source: &str) -> Result<Found<Refused>, Error> {
    let (client, table) = (stack.dynamodb(), stack.deployment().await?.events_table()?);
    let query = client.query().table_name(table).consistent_read(true).key_condition_expression("pk = :pk");
    let query = query.expression_attribute_values(":pk", text(&partition(provider, source)));
    let (mut found, mut unreadable) = (Vec::new(), 0_usize);
    let mut pages = query.into_paginator().items().send();
    while let Some(item) = pages.next().await {
        let item = item.map_err(|error| failed("read the quarantine", &error))?;
        match Refused::from_item(&item) {
            Ok(refused) => found.push(refused),
            Err(_) => unreadable += 1,
        }
    }
    let unreadable = (unreadable > 0).then(|| (unreadable, format!("{}/{source}", provider.name)));
    Ok(Found { read: found, unreadable: unreadable.into_iter().collect() })
}

/// One refused delivery.
pub async fn of_slot(stack: &Stack, slot: &Slot) -> Result<Refused, Error> {
    find(stack, slot).await?.ok_or_else(|| {
        Error::not_found(format!("nothing is in quarantine under {slot}"))
            .next("hookmill quarantine list shows what there is; a slot is freed after three days.")
    })
}

async fn find(stack: &Stack, slot: &Slot) -> Result<Option<Refused>, Error> {
    let (client, table) = (stack.dynamodb(), stack.deployment().await?.events_table()?);
    let get = client.get_item().table_name(table).consistent_read(true);
    let get = get.key("pk", AttributeValue::S(partition(slot.provider, &slot.source))).key("sk", text(&slot.slot));
    let item: Option<Item> = get.send().await.map_err(|error| failed("read the quarantine", &error))?.item;
    let refused = item.as_ref().map(Refused::from_item).transpose();
    refused.map_err(|error| Error::problems(format!("{slot} cannot be read: {error}")))
}

/// Returns the refused deliveries, of a source and of unknown ones, whose bodies `is_selected` selects: each by its name and
/// its body's hash.
pub async fn slots(
    stack: &Stack,
    source: &SourceName,
    is_selected: impl Fn(&[u8]) -> bool,
) -> Result<Found<String>, Error> {
    let mut slots = Found::default();
    for name in [source.source.as_str(), UNKNOWN] {
        let found = of_partition(stack, source.provider, name).await?;
        slots.unreadable.extend(found.unreadable);
        for refused in found.read {
            let selected = match &refused.body {
                RefusedBody::Whole(body) | RefusedBody::Redacted(body) => is_selected(body),
                RefusedBody::Gone => false,
            };
            if selected {
                slots.read.push(format!("{REFUSED}{}/{}", refused.name(), hex::encode(refused.hash)));
            }
        }
    }
    Ok(slots)
}

/// The beginning of the names of [`slots`], which no event's name has.
const REFUSED: &str = "refused/";

/// Returns whether a name is one that [`slots`] gave.
pub fn is_slot(name: &str) -> bool {
    name.starts_with(REFUSED)
}

/// Removes a refused delivery that [`slots`] named, unless another one has taken its slot.
pub async fn remove(stack: &Stack, name: &str) -> Result<(), Error> {
    let nameless = || Error::usage(format!("{name} names no refused delivery"));
    let (slot, hash) = name.strip_prefix(REFUSED).and_then(|name| name.rsplit_once('/')).ok_or_else(nameless)?;
    let slot: Slot = slot.parse().map_err(|_| nameless())?;
    let (client, table) = (stack.dynamodb(), stack.deployment().await?.events_table()?);
    match find(stack, &slot).await? {
        Some(refused) if hex::encode(refused.hash) == hash => {
            let removed = refused.remove(&client, table).await;
            removed.map(|_| ()).map_err(|error| store_failed(&error))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_named_with_their_source() {
        let parse = |text: &str| text.parse::<Slot>().map(|slot| slot.to_string());
        assert_eq!(parse("scalev/main/0165").unwrap(), "scalev/main/0165");
        assert_eq!(parse("selldone/~/0001").unwrap(), "selldone/~/0001");
        for text in
            ["scalev/main", "scalev/main/165", "scalev/main/016x", "nobody/main/0165", "scalev/M/0165", "a/b/c/d"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
