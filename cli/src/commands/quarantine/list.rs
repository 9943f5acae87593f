//! `hookmill quarantine list`.

use clap::Args;
use edge::receive::refused::{Refused, RefusedBody};
use serde::Serialize;

use super::{Query, find};
use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, dash};
use crate::terminal::time::instant;
use stack::quarantine::{Now, Present, RefusedLine};

#[derive(Debug, Clone, Args)]
pub struct RefusedListArgs {
    #[command(flatten)]
    pub query: Query,
    /// Only those that would pass now
    #[arg(long)]
    pub passing: bool,
}

/// A refused delivery and what would become of it now.
#[derive(Debug, Clone, Serialize)]
pub struct CheckedLine {
    /// Its name in the quarantine.
    pub name: String,
    /// The delivery in short.
    #[serde(flatten)]
    pub line: RefusedLine,
    /// When its slot is free again.
    pub expires: String,
    /// The part of the body that is kept: `whole`, `sealed`, `cut` or `nothing`.
    pub kept: &'static str,
    /// True if it would pass now; `None` if that is not known.
    pub passes: Option<bool>,
    /// The reason.
    pub now: String,
    /// The event's first name, where it would pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl CheckedLine {
    /// The line of a refused delivery.
    pub fn of(refused: &Refused, now: &Now) -> Self {
        CheckedLine {
            name: refused.name(),
            line: RefusedLine::of(refused),
            expires: instant(refused.expires_ms),
            kept: kept(refused),
            passes: now.passes(),
            now: now.description(),
            id: match now {
                Now::Passes { id, .. } => Some(id.clone()),
                Now::Fails(_) | Now::Unknown(_) => None,
            },
        }
    }

    fn cells(&self, paint: Paint) -> Vec<String> {
        let now = if self.passes == Some(true) { paint.good(&self.now) } else { paint.odd(&self.now) };
        let named = dash(self.line.named.as_deref());
        vec![
            paint.time(&self.line.received),
            self.name.clone(),
            named,
            self.line.reason.clone(),
            self.kept.to_owned(),
            now,
        ]
    }
}

/// Returns the part of a refused body that is kept, in a word.
pub fn kept(refused: &Refused) -> &'static str {
    match (&refused.body, &refused.sealed) {
        (RefusedBody::Whole(_), _) => "whole",
        (RefusedBody::Redacted(_) | RefusedBody::Gone, Some(_)) => "sealed",
        (RefusedBody::Redacted(_), None) => "cut",
        (RefusedBody::Gone, None) => "nothing",
    }
}

/// Lists refused deliveries.
pub async fn run(context: &Context, args: RefusedListArgs) -> Result<Exit, Error> {
    let refused = find(context, &args.query).await?;
    let present = Present::of(context, &refused).await;
    let mut lines: Vec<CheckedLine> =
        refused.iter().map(|refused| CheckedLine::of(refused, &present.now(refused))).collect();
    lines.retain(|line| !args.passing || line.passes == Some(true));
    context.output.list(&lines, &COLUMNS, CheckedLine::cells)?;
    let passing = lines.iter().filter(|line| line.passes == Some(true)).count();
    context.output.note(&match (lines.len(), passing) {
        (0, _) => "Nothing of that is in quarantine.".to_owned(),
        (all, 0) => format!("{all} in quarantine; none would pass now."),
        (all, some) => format!("{all} in quarantine; {some} would pass now: hookmill quarantine admit"),
    });
    Ok(Exit::Ok)
}

const COLUMNS: [&str; 6] = ["received", "refused", "called", "reason", "body", "now"];
