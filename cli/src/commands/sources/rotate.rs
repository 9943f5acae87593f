//! `hookmill sources rotate`.
//!
//! The receivers accept every key of a source's list, so a key is changed in two steps: the new one in front of the old
//! one, and the old one out when the provider no longer uses it. A row's fingerprint says which key its delivery was
//! verified with.

use std::collections::BTreeMap;

use clap::Args;
use edge::keep::time_index::WalkOrder;
use serde::Serialize;
use serde_json::{Map, Value};
use webhook::claim::EventKey;
use webhook::scheme::SchemeName;
use webhook::secret::Secret;
use webhook::source::Source;

use super::steps::change;
use super::{KeyArgs, credentials_of, edit, entries, key, known, summary_text, url};
use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, dash};
use crate::terminal::time::{LATEST_MS, Range, Span};
use stack::history::fingerprints;
use stack::reader::walk;
use stack::sources::{SourceName, of_provider};

#[derive(Debug, Clone, Args)]
pub struct RotateArgs {
    /// The source
    #[arg(value_name = "PROVIDER/SOURCE")]
    pub name: SourceName,
    /// The provider's new key; without one a URL token is made.
    #[command(flatten)]
    pub key: KeyArgs,
    /// Second step: remove every key but the newest, if no delivery used it recently
    #[arg(long, conflicts_with = "KeyArgs")]
    pub finish: bool,
    /// With --finish: even if an old key is in use or this is unknown
    #[arg(long, requires = "finish")]
    pub anyway: bool,
    /// Only report which keys are in use
    #[arg(long, conflicts_with_all = ["KeyArgs", "finish"])]
    pub status: bool,
    /// Span that counts as recent; by default as long as the provider may send again, two to three days
    #[arg(long, value_name = "SPAN")]
    pub horizon: Option<Span>,
}

/// A rotation that was begun.
#[derive(Debug, Clone, Serialize)]
pub struct Begun {
    /// Provider and source.
    pub source: String,
    /// Its keys by fingerprint, the new one first.
    pub keys: Vec<String>,
    /// The URL to enter, with its new token if it has one: shown only now.
    pub url: String,
    /// The next steps, in order.
    pub steps: Vec<String>,
}

/// A key of a source, and whether it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyLine {
    /// Provider and source.
    pub source: String,
    /// By fingerprint.
    pub key: String,
    /// `newest` or `old`.
    pub place: &'static str,
    /// The number of events came by it within the horizon.
    pub events: usize,
    /// When the latest of them came.
    pub last: Option<String>,
    /// `in use`, `no longer used`, `not known`; `removed` where it was taken out just now.
    pub used: &'static str,
}

const IN_USE: &str = "in use";
const NO_LONGER: &str = "no longer used";

/// Events that are read at a time.
const PAGE: i32 = 200;
const STRIDE: usize = 200;

/// Rotates a source's key.
pub async fn run(context: &Context, args: RotateArgs) -> Result<Exit, Error> {
    if args.status || args.finish { finish(context, &args).await } else { begin(context, &args).await }
}

/// Puts the new key in front.
async fn begin(context: &Context, args: &RotateArgs) -> Result<Exit, Error> {
    let name = &args.name;
    let sources = of_provider(context, name.provider).await?;
    let scheme = known(&sources, name)?.scheme;
    let key = key(context, &args.key, name.provider, scheme)?;
    let keys = edit(context, name.provider, Some(&name.source), |document| {
        let list = list(document, name, scheme)?;
        list.retain(|known| known.as_str() != Some(key.reveal()));
        list.insert(0, Value::String(key.reveal().to_owned()));
        Ok(list.iter().filter_map(Value::as_str).map(|text| Secret::new(text).fingerprint()).collect::<Vec<_>>())
    })
    .await?;
    let token = Some(&key).filter(|_| scheme == SchemeName::UrlToken);
    let url = url(context, name, token).await?;
    let mut steps = change(name, scheme, &url)?;
    if scheme == SchemeName::Signed {
        steps.push(format!("What was refused before: hookmill quarantine admit --source {name}"));
    }
    steps.push(format!("See which are in use: hookmill sources rotate {name} --status"));
    steps.push(format!("When the old one is no longer used: hookmill sources rotate {name} --finish"));
    let steps = steps.iter().map(|step| context.output.hint(step)).collect();
    context.output.print(&Begun { source: name.to_string(), keys, url, steps }, begun_text)?;
    Ok(Exit::Ok)
}

/// Tells which keys are used, and takes the old ones out where that was asked for.
async fn finish(context: &Context, args: &RotateArgs) -> Result<Exit, Error> {
    let name = &args.name;
    let sources = of_provider(context, name.provider).await?;
    let source = known(&sources, name)?;
    let mut lines = used(context, args, source).await?;
    let old = lines.iter().filter(|line| line.place == "old");
    let still: Vec<&KeyLine> = old.clone().filter(|line| line.used != NO_LONGER).collect();
    if args.status || old.count() == 0 {
        context.output.list(&lines, &COLUMNS, cells)?;
        if lines.len() == 1 {
            context.output.note("There is one key: no rotation is under way.");
        }
        return Ok(Exit::Ok);
    }
    if let (Some(first), false) = (still.first(), args.anyway) {
        let why = match &first.last {
            Some(last) => format!("the key {} is still used: the last delivery by it came at {last}", first.key),
            None => {
                format!("whether the key {} is still used is not known: no delivery came by the new one", first.key)
            }
        };
        context.output.list(&lines, &COLUMNS, cells)?;
        return Err(Error::problems(why)
            .next("Nothing was changed. Finish later, look again with another --horizon, or take it out --anyway."));
    }
    let newest = source.credentials().first().map(Secret::fingerprint);
    edit(context, name.provider, Some(&name.source), |document| {
        let list = list(document, name, source.scheme)?;
        let first = list.first().and_then(Value::as_str).map(|text| Secret::new(text).fingerprint());
        if first != newest {
            return Err(Error::problems(format!("the keys of {name} were changed meanwhile"))
                .next("Nothing was changed by this command: look again with --status."));
        }
        list.truncate(1);
        Ok(())
    })
    .await?;
    lines.iter_mut().filter(|line| line.place == "old").for_each(|line| line.used = "removed");
    context.output.list(&lines, &COLUMNS, cells)?;
    context.output.note("A running receiver may take a removed key for five more minutes.");
    Ok(Exit::Ok)
}

/// The list of a source's keys in the secret.
fn list<'a>(
    document: &'a mut Map<String, Value>,
    name: &SourceName,
    scheme: SchemeName,
) -> Result<&'a mut Vec<Value>, Error> {
    let (member, _) = credentials_of(scheme);
    let entry = entries(document, name.provider)?.get_mut(&name.source);
    let list = entry.and_then(|entry| entry.get_mut(member)).and_then(Value::as_array_mut);
    list.ok_or_else(|| Error::not_found(format!("the stack has no source {name} with {member} any more")))
}

/// Returns the use of each key within the horizon.
async fn used(context: &Context, args: &RotateArgs, source: &Source) -> Result<Vec<KeyLine>, Error> {
    let name = &args.name;
    let horizon_ms = args.horizon.map_or(name.provider.horizon_ms, Span::ms);
    let range = Range { from_ms: context.clock.now_ms().saturating_sub(horizon_ms), to_ms: LATEST_MS };
    let mut walk = walk(context, std::slice::from_ref(name), range, WalkOrder::NewestFirst, PAGE).await?;
    let mut counts: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut progress = context.output.progress("events looked at", 0);
    loop {
        let entries = walk.take(STRIDE).await?;
        if entries.is_empty() {
            break;
        }
        let ids: Vec<EventKey> = entries.iter().map(|entry| entry.key.clone()).collect();
        let found = fingerprints(context, &ids).await?;
        for entry in entries {
            progress.step();
            if let Some(key) = found.get(&entry.key) {
                // The latest comes first.
                counts.entry(key.clone()).or_insert((0, entry.received_at)).0 += 1;
            }
        }
    }
    drop(progress);
    let prints: Vec<String> = source.credentials().iter().map(Secret::fingerprint).collect();
    let new_is_used = prints.first().is_some_and(|newest| counts.contains_key(newest));
    let line = |(place, key): (usize, &String)| {
        let (events, last) = counts.get(key).map_or((0, None), |(events, last)| (*events, Some(last.clone())));
        let used = match (events, place) {
            (1.., _) => IN_USE,
            (0, 1..) if new_is_used => NO_LONGER,
            (0, _) => "not known",
        };
        let place = if place == 0 { "newest" } else { "old" };
        KeyLine { source: name.to_string(), key: key.clone(), place, events, last, used }
    };
    Ok(prints.iter().enumerate().map(line).collect())
}

fn begun_text(begun: &Begun, paint: Paint) -> String {
    summary_text(&begun.source, &[("keys", &begun.keys.join(", ")), ("URL", &begun.url)], &begun.steps, paint)
}

const COLUMNS: [&str; 6] = ["source", "key", "place", "events", "last", "used"];

fn cells(line: &KeyLine, paint: Paint) -> Vec<String> {
    let used = if line.used == IN_USE { paint.good(line.used) } else { paint.odd(line.used) };
    let (events, last) = (line.events.to_string(), dash(line.last.as_deref()));
    vec![line.source.clone(), line.key.clone(), line.place.to_owned(), events, last, used]
}
