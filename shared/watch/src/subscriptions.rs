//! Checks whether webhooks are registered with the providers as they should be, for every source with an account.
//!
//! Not every shop wants every topic that could be read, so a topic counts as missing if it was registered before: for a
//! week after it was last seen, in which an operator can put it back or decide that it is to stay away.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use edge::aws::config::ReceiverOf;
use edge::keep::time_index::SourceId;
use platforms::address::WebhookAddress;
use platforms::check::{Severity, SubscriptionFinding, check};
use platforms::subscription::Subscription;
use platforms::{Account, Accounts, ApiError, Cause, Limits, PLATFORMS, Platform, Settings};
use webhook::request::split_path;
use webhook::scheme::SchemeName;
use webhook::secret::Secret;
use webhook::source::Source;

use crate::finding::{FindingKind, WatchFinding};
use crate::sources::SourcesByProvider;

/// Time for which a topic that is no longer registered is missed.
const MISSED_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// Next steps for an unusable secret of the accounts, for an unusable account in it, and for an account that has
/// no source.
const FIX_SECRET: &str =
    "hookmill accounts list shows what is wrong with the stack's AccountsSecret, which is to be fixed by hand.";
const SET_AGAIN: &str = "hookmill accounts set {account} --credential-env NAME, with --shop where the API needs it. If \
                         that is refused, first: hookmill accounts remove {account} --yes";
const NO_SOURCE: &str = "hookmill sources list shows whether it is there and why it cannot be used. If it was removed: \
                         hookmill accounts remove {account} --yes";

/// By source, the topics that were registered, and the time at which each was last seen, in milliseconds.
pub type Registered = BTreeMap<String, BTreeMap<String, i64>>;

/// The result of the check.
#[derive(Debug, Default)]
pub struct CheckedWebhooks {
    /// Findings for an operator to fix.
    pub findings: Vec<WatchFinding>,
    /// Number of sources that were checked.
    pub sources: usize,
    /// Checks that failed, and why; the next run may succeed.
    pub failures: Vec<String>,
}

/// A run must end, so it makes fewer and shorter attempts than the tool.
pub fn settings() -> Settings {
    let limits = Limits {
        attempts_max: 2,
        connect_time: Duration::from_secs(3),
        attempt_time: Duration::from_secs(10),
        wait_max: Duration::from_secs(5),
        pages_max: 40,
        ..Limits::default()
    };
    Settings { limits, ..Settings::default() }
}

/// Checks all accounts of a secret, and remembers what is registered.
pub async fn check_all(
    secret: &str,
    receivers: &[ReceiverOf],
    secrets: &SourcesByProvider,
    settings: &Settings,
    registered: &mut Registered,
    now_ms: i64,
) -> CheckedWebhooks {
    let mut checked = CheckedWebhooks::default();
    // Webhooks that are registered by hand cannot be listed.
    for platform in PLATFORMS.into_iter().filter(|platform| platform.by_hand.is_none()) {
        let Some(receiver) = receivers.iter().find(|receiver| receiver.provider == platform.name) else { continue };
        // A provider whose sources could not be read is reported by another duty.
        let Some(sources) = secrets.get(platform.name) else { continue };
        let accounts = match Accounts::parse(platform, secret) {
            Ok(accounts) => accounts,
            Err(defect) => {
                checked.findings.push(unusable(platform, "*", &defect.to_string(), FIX_SECRET));
                continue;
            }
        };
        for (source, defect) in accounts.defective() {
            checked.findings.push(unusable(platform, source, &defect.to_string(), SET_AGAIN));
        }
        for account in accounts.usable() {
            let Some(source) = sources.get(&account.source) else {
                let reason = "no usable source has this name";
                checked.findings.push(unusable(platform, &account.source, reason, NO_SOURCE));
                continue;
            };
            checked.sources += 1;
            let id = SourceId { provider: platform.name.to_owned(), source: source.name.clone() };
            let before = registered.entry(id.to_string()).or_default();
            match list(account, settings).await {
                Ok(list) => {
                    checked.findings.extend(compared(&id, &ours(&receiver.url, source, &list), &list, before, now_ms))
                }
                Err(error) if matches!(error.cause, Cause::Unauthorized { .. }) => {
                    let message = format!("{id}: the credential for the provider's API is refused");
                    let set = format!("To replace it: hookmill accounts set {id} --credential-env NAME");
                    let next = format!("{} {set}", error.next_step());
                    let kind = FindingKind::Subscriptions;
                    checked.findings.push(WatchFinding::new(kind, &id, "unauthorized", message, next));
                }
                Err(error) => checked.failures.push(format!("{id}: {error}")),
            }
        }
    }
    checked
}

async fn list(account: &Account, settings: &Settings) -> Result<Vec<Subscription>, ApiError> {
    account.client(settings.clone())?.subscriptions().await
}

/// Returns what is wrong with a list, given the topics that were registered before.
fn compared(
    source: &SourceId,
    ours: &WebhookAddress,
    list: &[Subscription],
    before: &mut BTreeMap<String, i64>,
    now_ms: i64,
) -> Vec<WatchFinding> {
    let comes = list.iter().filter(|one| one.goes_to(ours) && one.is_sent());
    let topics: BTreeSet<&String> = comes.flat_map(|one| &one.topics).collect();
    before.extend(topics.into_iter().map(|topic| (topic.clone(), now_ms)));
    before.retain(|_, seen_ms| now_ms - *seen_ms < MISSED_MS);
    let handled: Vec<&str> = before.keys().map(String::as_str).collect();
    let wrong = check(ours, &handled, list);
    wrong.iter().filter(|wrong| wrong.severity() >= Severity::Warning).map(|wrong| finding_of(source, wrong)).collect()
}

fn finding_of(source: &SourceId, wrong: &SubscriptionFinding) -> WatchFinding {
    let message = format!("{source}: {}", wrong.message());
    let next = format!("hookmill subscriptions check --source {source}. {}", wrong.next_step(&source.to_string()));
    WatchFinding::new(FindingKind::Subscriptions, source, wrong.word(), message, next)
}

fn unusable(platform: &Platform, source: &str, reason: &str, next: &str) -> WatchFinding {
    let id = SourceId { provider: platform.name.to_owned(), source: source.to_owned() };
    let message = format!("{id}: its account cannot be used: {reason}");
    let next = next.replace("{account}", &id.to_string());
    WatchFinding::new(FindingKind::Subscriptions, &id, "account", message, next)
}

/// The address that the provider should have: where the path holds a token, the one in the list whose token is ours,
/// the current one before a previous one. Tokens are compared, never printed and never put together.
fn ours(base: &str, source: &Source, list: &[Subscription]) -> WebhookAddress {
    let plain = format!("{}/{}", base.trim_end_matches('/'), source.name);
    if source.scheme == SchemeName::Signed {
        return WebhookAddress::new(plain);
    }
    let registered = |token: &Secret| {
        // Parsed as the receivers do, which decode a token's percent-encoding.
        let is_ours = |address: &&WebhookAddress| {
            let path = address.reveal().strip_prefix(base.trim_end_matches('/'));
            path.map(split_path).is_some_and(|(name, presented)| {
                name == source.name.as_str() && presented.is_some_and(|presented| presented.matches(token).into())
            })
        };
        list.iter().filter_map(|one| one.address.as_ref()).find(is_ours)
    };
    let found = source.url_tokens.iter().find_map(registered);
    found.cloned().unwrap_or_else(|| WebhookAddress::new(format!("{plain}/~")))
}
