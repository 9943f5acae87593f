//! `hookmill sources remove`.

use clap::Args;
use edge::keep::time_index::WalkOrder;
use serde::Serialize;

use super::{edit, entries, unknown};
use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, counted};
use crate::terminal::time::{LATEST_MS, Range, Span};
use stack::reader::walk;
use stack::sources::{SourceName, of_provider};

#[derive(Debug, Clone, Args)]
pub struct SourceRemoveArgs {
    /// The source
    #[arg(value_name = "PROVIDER/SOURCE")]
    pub name: SourceName,
    /// Report deliveries within this span; by default as long as the provider may send again
    #[arg(long, value_name = "SPAN")]
    pub horizon: Option<Span>,
    /// Remove it; without it, only report what that means
    #[arg(long)]
    pub yes: bool,
}

/// A source that was removed, or would be.
#[derive(Debug, Clone, Serialize)]
pub struct Removed {
    /// Provider and source.
    pub source: String,
    /// The number of events it received within the horizon.
    pub events: usize,
    /// When it received the latest of them.
    pub last: Option<String>,
    /// `due` in a dry run; `removed`.
    pub outcome: &'static str,
}

/// Events that are read at a time.
const PAGE: i32 = 500;

/// Removes a source. Its events stay.
pub async fn run(context: &Context, args: SourceRemoveArgs) -> Result<Exit, Error> {
    let name = &args.name;
    let sources = of_provider(context, name.provider).await?;
    if !sources.names().any(|known| known == name.source) {
        return Err(unknown(name));
    }
    let horizon_ms = args.horizon.map_or(name.provider.horizon_ms, Span::ms);
    let range = Range { from_ms: context.clock.now_ms().saturating_sub(horizon_ms), to_ms: LATEST_MS };
    let mut walk = walk(context, std::slice::from_ref(name), range, WalkOrder::NewestFirst, PAGE).await?;
    let (mut events, mut last) = (0, None);
    let mut progress = context.output.progress("events counted", 0);
    while let Some(entry) = walk.next().await? {
        events += 1;
        last = last.or(Some(entry.received_at));
        progress.step();
    }
    drop(progress);
    if args.yes {
        edit(context, name.provider, None, |document| {
            entries(document, name.provider)?.remove(&name.source).map(|_| ()).ok_or_else(|| unknown(name))
        })
        .await?;
    }
    let outcome = if args.yes { "removed" } else { "due" };
    let removed = Removed { source: name.to_string(), events, last, outcome };
    context.output.print(&removed, text)?;
    if !args.yes {
        context.output.note(&format!(
            "Nothing was changed. Removed, its deliveries are answered 401{}; what was kept stays. To remove it: add --yes",
            if events > 0 { ", and it is in use" } else { "" }
        ));
    }
    Ok(Exit::Ok)
}

fn text(removed: &Removed, paint: Paint) -> String {
    let events = match &removed.last {
        Some(last) => paint.odd(&format!("{} lately, the last at {last}", counted(removed.events, "event"))),
        None => "no events lately".to_owned(),
    };
    format!("{}  {}  {events}", removed.outcome, removed.source)
}
