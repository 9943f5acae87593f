//! `hookmill subscriptions`: which webhooks a provider sends, and where.

use clap::{Args, Subcommand};
use platforms::address::WebhookAddress;
use platforms::subscription::{Activity, Subscription};
use serde::Serialize;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, table};
use crate::work::apis::{Api, address_of, api_failed, of_platform, platform};
use crate::work::selection::SourceArgs;
use stack::sources::{ProviderName, SourceName};

pub mod change;
pub mod check;

/// Commands about a provider's webhooks.
#[derive(Debug, Subcommand)]
pub enum Subscriptions {
    /// List the webhooks that are registered with the providers
    List(SubscriptionListArgs),
    /// Show one webhook with everything that its provider reports
    Get(OneArgs),
    /// Register a source's URL for the topics that are handled and do not come there yet
    Create(change::CreateArgs),
    /// Send a webhook to its source's URL, or for other topics: a dry run without --yes
    Update(change::UpdateArgs),
    /// Remove a webhook: a dry run without --yes
    Delete(change::DeleteArgs),
    /// Check every source's webhooks and report what is wrong
    Check(check::CheckArgs),
}

#[derive(Debug, Clone, Args)]
pub struct SubscriptionListArgs {
    /// Of which sources; without any, of all that have an account.
    #[command(flatten)]
    pub sources: SourceArgs,
}

/// One webhook of one source.
#[derive(Debug, Clone, Args)]
pub struct OneArgs {
    /// The webhook's id, as listed
    pub id: String,
    /// The source whose account is asked
    #[arg(long, value_name = "PROVIDER/SOURCE")]
    pub source: SourceName,
}

/// A registered webhook. Its address is shown without what may be a secret in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WebhookLine {
    /// The source whose account was asked.
    pub source: String,
    /// The provider's id of it.
    pub id: String,
    /// Its destination.
    pub address: Option<String>,
    /// True if that is the source's own URL; `None` if the source's URL is not known.
    pub ours: Option<bool>,
    /// `active`, `unknown`, or the provider's word for neither.
    pub status: String,
    pub topics: Vec<String>,
    /// The form of its deliveries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The version of its payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_version: Option<String>,
    /// The shop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merchant_id: Option<String>,
    /// Deliveries that failed, and how many switch it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<(u64, u64)>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// When it last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
}

impl WebhookLine {
    pub fn of(source: &SourceName, one: &Subscription, ours: Option<&WebhookAddress>) -> Self {
        WebhookLine {
            source: source.to_string(),
            id: one.id.clone(),
            address: one.address.as_ref().map(WebhookAddress::shown),
            ours: ours.map(|ours| one.goes_to(ours)),
            status: match &one.activity {
                Activity::Active => "active".to_owned(),
                Activity::Inactive(word) => word.clone(),
                Activity::Unknown => "unknown".to_owned(),
            },
            topics: one.topics.clone(),
            format: one.format.clone(),
            webhook_version: one.version.clone(),
            merchant_id: one.merchant.clone(),
            failures: one.failures.map(|failures| (failures.count, failures.limit)),
            created_at: one.created_at.map(|time| time.to_string()),
            updated_at: one.updated_at.map(|time| time.to_string()),
        }
    }

    fn cells(&self, paint: Paint) -> Vec<String> {
        let ours = match self.ours {
            Some(true) => paint.good("ours"),
            Some(false) => "another".to_owned(),
            None => "?".to_owned(),
        };
        let status = if self.status == "active" { self.status.clone() } else { paint.odd(&self.status) };
        let failures = self.failures.map_or("–".to_owned(), |(count, limit)| format!("{count} of {limit}"));
        let address = self.address.clone().unwrap_or("unknown".to_owned());
        vec![self.source.clone(), self.id.clone(), status, failures, ours, address, self.topics.join(",")]
    }
}

pub async fn run(context: &Context, command: Subscriptions) -> Result<Exit, Error> {
    match command {
        Subscriptions::List(args) => list(context, &args.sources).await,
        Subscriptions::Get(args) => get(context, &args).await,
        Subscriptions::Create(args) => change::create(context, &args).await,
        Subscriptions::Update(args) => change::update(context, &args).await,
        Subscriptions::Delete(args) => change::delete(context, &args).await,
        Subscriptions::Check(args) => check::run(context, &args).await,
    }
}

/// Returns the selected accounts, and the defects of those that cannot be used.
async fn apis(context: &Context, args: &SourceArgs) -> Result<(Vec<Api>, Vec<String>), Error> {
    if let Some(source) = &args.source {
        return Ok((vec![api(context, source).await?], Vec::new()));
    }
    let (mut apis, mut defects) = (Vec::new(), Vec::new());
    for provider in webhook::providers::PROVIDERS {
        if args.provider.is_none_or(|ProviderName(wanted)| wanted.name == provider.name) {
            let (usable, defective) = of_platform(context, provider).await?;
            apis.extend(usable);
            defects.extend(defective);
        }
    }
    Ok((apis, defects))
}

async fn list(context: &Context, args: &SourceArgs) -> Result<Exit, Error> {
    let (apis, defects) = apis(context, args).await?;
    defects.iter().for_each(|defect| context.output.note(&format!("{defect}.")));
    if apis.is_empty() {
        context.output.note("No source has an account with its provider's API: hookmill accounts set gives it one.");
    }
    let mut lines = Vec::new();
    for api in apis {
        // Of several, those without an API are only mentioned.
        if let Some(instead) = api.client.platform().by_hand {
            context.output.note(&format!("{} has no API for webhooks. {instead}", api.name.provider.name));
            continue;
        }
        let found = api.client.subscriptions().await.map_err(|error| api_failed(&error))?;
        // The source may not be set up yet: its webhooks are listed anyway.
        let ours = address_of(context, &api.name).await.ok();
        if found.is_empty() {
            context.output.note(&format!("No webhook is registered for {}.", api.name));
        }
        lines.extend(found.iter().map(|one| WebhookLine::of(&api.name, one, ours.as_ref())));
    }
    context.output.print_all(&lines, text)?;
    Ok(if defects.is_empty() { Exit::Ok } else { Exit::Problems })
}

async fn get(context: &Context, args: &OneArgs) -> Result<Exit, Error> {
    let api = api(context, &args.source).await?;
    let found = api.client.subscription(&args.id).await.map_err(|error| api_failed(&error))?;
    let ours = address_of(context, &api.name).await.ok();
    context.output.print(&WebhookLine::of(&api.name, &found, ours.as_ref()), shown)?;
    Ok(Exit::Ok)
}

fn text(lines: &[WebhookLine], paint: Paint) -> String {
    let heading = ["source", "id", "status", "failed", "goes to", "address", "topics"];
    table(&heading, &lines.iter().map(|line| line.cells(paint)).collect::<Vec<_>>(), paint)
}

/// Shows one webhook in full, a line a field.
fn shown(line: &WebhookLine, paint: Paint) -> String {
    let ours = match line.ours {
        Some(true) => " (this source's)",
        Some(false) => " (not this source's)",
        None => "",
    };
    let address = line.address.clone().unwrap_or("unknown".to_owned());
    let mut rows = vec![
        ("source", Some(line.source.clone())),
        ("address", Some(format!("{address}{ours}"))),
        ("status", Some(line.status.clone())),
        ("topics", Some(line.topics.join(", "))),
        ("format", line.format.clone()),
        ("version", line.webhook_version.clone()),
        ("merchant", line.merchant_id.clone()),
        ("failures", line.failures.map(|(count, limit)| format!("{count}, off at {limit}"))),
        ("created", line.created_at.clone()),
        ("updated", line.updated_at.clone()),
    ];
    rows.retain(|(_, value)| value.is_some());
    let row = |(name, value): (&str, Option<String>)| {
        format!("  {}  {}", paint.dim(&format!("{name:<8}")), value.unwrap_or_default())
    };
    [paint.bold(&line.id)].into_iter().chain(rows.into_iter().map(row)).collect::<Vec<_>>().join("\n")
}

/// Returns the API of a source, if its provider has one for webhooks. That is known before any credential is.
async fn api(context: &Context, name: &SourceName) -> Result<Api, Error> {
    let platform = platform(name.provider)?;
    if let Some(instead) = platform.by_hand {
        return Err(Error::usage(format!("{} has no API for webhooks", platform.name)).next(instead));
    }
    Api::of(context, name).await
}
