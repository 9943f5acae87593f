//! The sources: those that the receivers' secrets name now, and all that they ever named.
//!
//! A source that was taken out of its secret may still have events that were never relayed, so it stays known.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_secretsmanager::Client;
use edge::aws::client::{CURRENT, CallFailure, PREVIOUS, secret_value};
use edge::aws::config::ReceiverOf;
use edge::aws::log::LogLine;
use edge::keep::time_index::SourceId;
use serde::{Deserialize, Serialize};
use webhook::providers::Provider;
use webhook::source::Sources;

use crate::silence::HOUR_MS;

/// Age of a secret's version up to which its sources are looked at: Secrets Manager keeps a version for a day at least,
/// also if another is current already.
const VERSIONS_MS: i64 = 24 * HOUR_MS;

/// The known sources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Sources that the secrets named last, by provider.
    pub current: BTreeMap<String, BTreeSet<String>>,
    /// Sources that they ever named, by provider.
    pub ever: BTreeMap<String, BTreeSet<String>>,
    /// Providers whose secret could not be read the last time.
    pub unread: BTreeSet<String>,
    /// Time of the last reading, in milliseconds.
    pub read_ms: i64,
}

/// The secrets' sources, by provider.
pub type SourcesByProvider = BTreeMap<&'static str, Sources>;

/// The content of the receivers' secrets.
#[derive(Debug, Default)]
pub struct ReceiverSecrets {
    /// Their sources.
    pub sources: SourcesByProvider,
    /// Sources of versions before: one that was added and removed between two readings is in no current one.
    pub before: Vec<SourceId>,
    /// Providers whose secret could not be read, with the reasons.
    pub unread: BTreeMap<String, String>,
}

impl Known {
    /// Updates the sources from the secrets as they are now.
    pub fn update(&mut self, secrets: &ReceiverSecrets, now_ms: i64) {
        for SourceId { provider, source } in &secrets.before {
            self.ever.entry(provider.clone()).or_default().insert(source.clone());
        }
        for (provider, sources) in &secrets.sources {
            let names: BTreeSet<String> = sources.names().map(str::to_owned).collect();
            self.ever.entry((*provider).to_owned()).or_default().extend(names.iter().cloned());
            self.current.insert((*provider).to_owned(), names);
        }
        self.unread = secrets.unread.keys().cloned().collect();
        self.read_ms = now_ms;
    }

    /// Returns the sources that deliveries come to.
    pub fn current(&self) -> Vec<SourceId> {
        listed(&self.current)
    }

    /// Returns all sources that ever were.
    pub fn ever(&self) -> Vec<SourceId> {
        listed(&self.ever)
    }
}

/// Reads the receivers' secrets.
pub async fn read(client: &Client, receivers: &[ReceiverOf], now_ms: i64) -> ReceiverSecrets {
    let mut secrets = ReceiverSecrets::default();
    for receiver in receivers {
        let Some(provider) = Provider::named(&receiver.provider) else {
            secrets.unread.insert(receiver.provider.clone(), "no provider has this name".to_owned());
            continue;
        };
        match sources(client, provider, &receiver.secret_id).await {
            Ok(sources) => drop(secrets.sources.insert(provider.name, sources)),
            Err(reason) => drop(secrets.unread.insert(receiver.provider.clone(), reason)),
        }
        match sources_before(client, provider, &receiver.secret_id, now_ms).await {
            Ok(before) => secrets.before.extend(before),
            // The sweep does not wait for them: for a day, each reading tries again.
            Err(failure) => LogLine::warn("the versions of a secret before the current one cannot be read")
                .with("provider", provider.name)
                .with("reason", failure.to_string())
                .write(now_ms),
        }
    }
    secrets
}

async fn sources(client: &Client, provider: &Provider, secret_id: &str) -> Result<Sources, String> {
    match value(client, secret_id).await? {
        None => Ok(Sources::default()),
        Some(text) => Sources::parse(&provider.admission, &text).map_err(|defect| defect.to_string()),
    }
}

/// Returns the sources of a secret's versions before the current one: the last one, and all of the last day.
async fn sources_before(
    client: &Client,
    provider: &Provider,
    secret_id: &str,
    now_ms: i64,
) -> Result<Vec<SourceId>, CallFailure> {
    let mut found = Vec::new();
    let list = client.list_secret_version_ids().secret_id(secret_id).include_deprecated(true);
    let mut pages = list.into_paginator().send();
    while let Some(page) = pages.next().await {
        for version in page.map_err(|error| CallFailure::of(&error))?.versions() {
            let has = |stage: &str| version.version_stages().iter().any(|name| name == stage);
            let created_ms = version.created_date().and_then(|date| date.to_millis().ok()).unwrap_or(now_ms);
            let is_read = !has(CURRENT) && (has(PREVIOUS) || now_ms - created_ms <= VERSIONS_MS);
            let Some(version_id) = version.version_id().filter(|_| is_read) else { continue };
            let get = client.get_secret_value().secret_id(secret_id).version_id(version_id);
            let output = get.send().await.map_err(|error| CallFailure::of(&error))?;
            // A version that nobody can use names nothing.
            let text = output.secret_string().unwrap_or_default();
            let Ok(sources) = Sources::parse(&provider.admission, text) else { continue };
            let source = |source: &str| SourceId { provider: provider.name.to_owned(), source: source.to_owned() };
            found.extend(sources.names().map(source));
        }
    }
    Ok(found)
}

/// Returns a secret's value; `None` if it has none yet.
pub async fn value(client: &Client, secret_id: &str) -> Result<Option<String>, String> {
    let output = secret_value(client, secret_id, CURRENT).await.map_err(|failure| failure.to_string())?;
    Ok(output.and_then(|output| output.secret_string).filter(|text| !text.trim().is_empty()))
}

fn listed(of_providers: &BTreeMap<String, BTreeSet<String>>) -> Vec<SourceId> {
    let of_provider = |(provider, names): (&String, &BTreeSet<String>)| {
        let source = |source: &String| SourceId { provider: provider.clone(), source: source.clone() };
        names.iter().map(source).collect::<Vec<_>>()
    };
    of_providers.iter().flat_map(of_provider).collect()
}
