//! `hookmill subscriptions create`, `update` and `delete`.

use clap::Args;
use platforms::Platform;
use platforms::address::WebhookAddress;
use platforms::subscription::{Created, Subscription};
use serde::Serialize;

use super::{OneArgs, WebhookLine, api, text};
use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::Paint;
use crate::work::apis::{Api, address_of, api_failed};
use stack::sources::SourceName;

#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// The source whose URL is registered
    #[arg(long, value_name = "PROVIDER/SOURCE")]
    pub source: SourceName,
    /// Only for this topic, as the provider calls it; may be repeated; without it, for all that are handled
    #[arg(long = "topic", value_name = "TOPIC")]
    pub topics: Vec<String>,
    /// Accept topics that no mapping knows
    #[arg(long)]
    pub unknown_topics: bool,
    /// Only show what would be created
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Clone, Args)]
pub struct UpdateArgs {
    /// The webhook.
    #[command(flatten)]
    pub one: OneArgs,
    /// For this topic, as the provider calls it; may be repeated; without it, for those that it has
    #[arg(long = "topic", value_name = "TOPIC")]
    pub topics: Vec<String>,
    /// Accept topics that no mapping knows
    #[arg(long)]
    pub unknown_topics: bool,
    /// Change it; without it, only report what would be changed
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Clone, Args)]
pub struct DeleteArgs {
    /// The webhook.
    #[command(flatten)]
    pub one: OneArgs,
    /// Remove it; without it, only report what would be removed
    #[arg(long)]
    pub yes: bool,
}

/// A change of one webhook.
#[derive(Debug, Serialize)]
struct Change {
    /// True if it was made.
    done: bool,
    /// The webhook before the change.
    before: WebhookLine,
    /// The webhook after the change; `None` if it is removed.
    after: Option<WebhookLine>,
}

/// Registers the topics that are not sent here yet. Running it twice creates nothing twice.
pub(super) async fn create(context: &Context, args: &CreateArgs) -> Result<Exit, Error> {
    let api = api(context, &args.source).await?;
    let wanted = wanted(context, api.account.platform, &args.topics, args.unknown_topics)?;
    let to = address_of(context, &api.name).await?;
    let there = api.client.subscriptions().await.map_err(|error| api_failed(&error))?;
    let comes =
        |topic: &String| there.iter().any(|one| one.goes_to(&to) && one.is_sent() && one.topics.contains(topic));
    let (known, missing): (Vec<String>, Vec<String>) = wanted.into_iter().partition(comes);
    if !known.is_empty() {
        context.output.note(&format!("These come to {to} already: {}.", known.join(", ")));
    }
    if missing.is_empty() {
        context.output.note("Nothing is left to create.");
        return Ok(Exit::Ok);
    }
    note_local(context, &to);
    if args.dry_run {
        context.output.print_all(&planned(&api, &to, &missing), text)?;
        context.output.note("Nothing was created: leave --dry-run out");
        return Ok(Exit::Ok);
    }
    let Created { done, failed } = api.client.subscribe(&to, &missing).await;
    let made: Vec<WebhookLine> = done.iter().map(|one| WebhookLine::of(&api.name, one, Some(&to))).collect();
    context.output.print_all(&made, text)?;
    match failed {
        None => Ok(Exit::Ok),
        Some((topic, error)) => Err(half_done(&api.name, made.len(), &topic, &error)),
    }
}

/// Notes that only a provider on this machine can reach a local stack.
fn note_local(context: &Context, to: &WebhookAddress) {
    if to.reveal().starts_with("http://") {
        context.output.note(&format!("{to} is on a local stack: no provider outside this machine can reach it."));
    }
}

/// Returns the webhooks that would be created.
fn planned(api: &Api, to: &WebhookAddress, topics: &[String]) -> Vec<WebhookLine> {
    let several = if api.account.platform.several_topics { topics.len() } else { 1 };
    let line = |topics: &[String]| WebhookLine {
        source: api.name.to_string(),
        id: "–".to_owned(),
        address: Some(to.shown()),
        ours: Some(true),
        status: "planned".to_owned(),
        topics: topics.to_vec(),
        format: None,
        webhook_version: None,
        merchant_id: None,
        failures: None,
        created_at: None,
        updated_at: None,
    };
    topics.chunks(several.max(1)).map(line).collect()
}

/// Returns the topics that were asked for, each once, or all that are handled. One that no mapping knows is most likely
/// misspelt, and would be registered as it is.
fn wanted(context: &Context, platform: &Platform, topics: &[String], unknown: bool) -> Result<Vec<String>, Error> {
    let handled = (platform.topics)();
    if topics.is_empty() {
        return Ok(handled.into_iter().map(str::to_owned).collect());
    }
    let mut wanted: Vec<String> = Vec::new();
    for topic in topics {
        if !wanted.contains(topic) {
            wanted.push(topic.clone());
        }
    }
    let strange: Vec<&str> = wanted.iter().map(String::as_str).filter(|topic| !handled.contains(topic)).collect();
    if let (Some(first), false) = (strange.first(), unknown) {
        let likeness = |known: &&str| strsim::jaro_winkler(first, known);
        let nearest = handled.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        return Err(Error::usage(format!("no topic of {} that is understood here is called {first}", platform.title))
            .next(format!(
                "The nearest is {}. If {first} is right: --unknown-topics, and its deliveries are kept as unrecognised.",
                nearest.unwrap_or_default()
            )));
    }
    if !strange.is_empty() {
        let words = strange.join(", ");
        context
            .output
            .note(&format!("Deliveries for {words} will be kept as unrecognised: no mapping has a word for it."));
    }
    Ok(wanted)
}

/// Explains a failure after some webhooks were made: they stay, and the rest was not tried.
fn half_done(source: &SourceName, made: usize, topic: &str, error: &platforms::ApiError) -> Error {
    let failure = api_failed(error);
    let so_far = if made == 0 { String::new() } else { format!(" ({made} were created before it)") };
    let failure = Error { message: format!("{} for {topic}{so_far}", failure.message), ..failure };
    if error.may_have_happened {
        return failure.next(format!(
            "It may have happened anyway; look: hookmill subscriptions list --source {source}. Creating again leaves \
             out what is there."
        ));
    }
    match &failure.next {
        Some(next) if made > 0 => {
            let next = format!("{next} Then create again, which leaves out what is there.");
            failure.next(next)
        }
        Some(_) | None => failure,
    }
}

/// Sends a webhook to its source's URL.
pub(super) async fn update(context: &Context, args: &UpdateArgs) -> Result<Exit, Error> {
    let api = api(context, &args.one.source).await?;
    let chosen = match args.topics.as_slice() {
        [] => None,
        topics => Some(wanted(context, api.account.platform, topics, args.unknown_topics)?),
    };
    let to = address_of(context, &api.name).await?;
    let before = api.client.subscription(&args.one.id).await.map_err(|error| api_failed(&error))?;
    let topics = chosen.unwrap_or_else(|| before.topics.clone());
    let planned = Subscription { address: Some(to.clone()), topics: topics.clone(), ..before.clone() };
    let line = |one: &Subscription| WebhookLine::of(&api.name, one, Some(&to));
    if !args.yes {
        let change = Change { done: false, before: line(&before), after: Some(line(&planned)) };
        context.output.print(&change, change_text)?;
        context.output.note("Nothing was changed: add --yes");
        return Ok(Exit::Ok);
    }
    note_local(context, &to);
    let after =
        api.client.resubscribe(&args.one.id, &to, &topics).await.map_err(|error| uncertain(&args.one, &error))?;
    context.output.print(&Change { done: true, before: line(&before), after: Some(line(&after)) }, change_text)?;
    Ok(Exit::Ok)
}

/// Removes a webhook.
pub(super) async fn delete(context: &Context, args: &DeleteArgs) -> Result<Exit, Error> {
    let api = api(context, &args.one.source).await?;
    let before = api.client.subscription(&args.one.id).await.map_err(|error| api_failed(&error))?;
    // A source that is no longer set up may be the reason to remove its webhook.
    let ours = address_of(context, &api.name).await.ok();
    if args.yes {
        api.client.delete(&args.one.id).await.map_err(|error| uncertain(&args.one, &error))?;
    }
    let before = WebhookLine::of(&api.name, &before, ours.as_ref());
    context.output.print(&Change { done: args.yes, before, after: None }, change_text)?;
    if !args.yes {
        context.output.note("Nothing was removed: add --yes");
    }
    Ok(Exit::Ok)
}

fn uncertain(one: &OneArgs, error: &platforms::ApiError) -> Error {
    let failure = api_failed(error);
    if !error.may_have_happened {
        return failure;
    }
    failure.next(format!(
        "It may have happened anyway; look: hookmill subscriptions list --source {}. Repeating the command does no \
         harm.",
        one.source
    ))
}

fn change_text(change: &Change, paint: Paint) -> String {
    let lines: Vec<WebhookLine> = std::iter::once(&change.before).chain(&change.after).cloned().collect();
    let verb = match (&change.after, change.done) {
        (Some(_), true) => "before, and as it is now",
        (Some(_), false) => "as it is, and as it would be",
        (None, true) => "removed",
        (None, false) => "would be removed",
    };
    format!("{}\n{verb}", text(&lines, paint))
}
