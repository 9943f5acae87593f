//! `hookmill quarantine`: what was refused, and taking it in when it was the secret that was wrong.

use clap::{Args, Subcommand};
use edge::receive::refused::Refused;
use webhook::signature::Refusal;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::time::RangeArgs;
use crate::work::reading::noting;
use crate::work::selection::{SourceArgs, chosen};
use stack::known::check_known;
use stack::quarantine::{of_partition, refused};

pub mod admit;
pub mod list;
pub mod show;

/// Commands about refused deliveries.
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// List refused deliveries, the earliest first, and which would pass now
    List(list::RefusedListArgs),
    /// Show one refused delivery, and the reason why it would pass now or not
    Show(show::RefusedShowArgs),
    /// Keep those that pass now, with their times of receipt: a dry run without --yes
    Admit(admit::AdmitArgs),
}

pub async fn run(context: &Context, command: QuarantineCommand) -> Result<Exit, Error> {
    match command {
        QuarantineCommand::List(args) => list::run(context, args).await,
        QuarantineCommand::Show(args) => show::run(context, args).await,
        QuarantineCommand::Admit(args) => admit::run(context, args).await,
    }
}

/// The selection of refused deliveries.
#[derive(Debug, Clone, Default, Args)]
pub struct Query {
    #[command(flatten)]
    pub sources: SourceArgs,
    /// When they were received.
    #[command(flatten)]
    pub range: RangeArgs,
    /// Only those refused for this reason, such as mismatch or unknown_source; may be repeated
    #[arg(long = "reason", value_name = "REASON", value_parser = reason)]
    pub reasons: Vec<Refusal>,
}

fn reason(text: &str) -> Result<Refusal, String> {
    let known = || Refusal::ALL.map(Refusal::word).join(", ");
    Refusal::of_word(text).ok_or_else(|| format!("a reason is one of {}", known()))
}

/// Finds the selected refused deliveries, the earliest first. One named source includes those that named it before it
/// was known.
pub async fn find(context: &Context, query: &Query) -> Result<Vec<Refused>, Error> {
    let range = query.range.range(context.clock.now_ms())?;
    // Deliveries are refused at sources that no secret has, so one that is named is looked for before it is judged.
    let sources = match &query.sources.source {
        Some(source) => vec![source.clone()],
        None => chosen(context, &query.sources).await?,
    };
    let everywhere = query.sources.source.is_none().then_some(query.sources.provider);
    let mut found = noting(context, refused(context, &sources, everywhere, range).await?);
    if let Some(wanted) = &query.sources.source {
        let strangers =
            noting(context, of_partition(context, wanted.provider, edge::receive::quarantine::UNKNOWN).await?);
        let ours = |one: &Refused| {
            one.source.as_ref() == Some(&wanted.source) && (range.from_ms..range.to_ms).contains(&one.received_ms)
        };
        found.extend(strangers.into_iter().filter(ours));
        found.sort_by_cached_key(|refused| (refused.received_ms, refused.name()));
        if found.is_empty() {
            check_known(context, wanted).await?;
        }
    }
    let wanted = |one: &Refused| query.reasons.iter().any(|reason| reason.word() == one.reason);
    found.retain(|one| query.reasons.is_empty() || wanted(one));
    Ok(found)
}
