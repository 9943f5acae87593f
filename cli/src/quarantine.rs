//! Refused deliveries.

use aws_sdk_dynamodb::types::AttributeValue;
use edge::item::{Item, KIND_REFUSED, text};
use edge::quarantine::UNKNOWN;
use serde::Serialize;
use webhook::providers::PROVIDERS;

use crate::aws::failed;
use crate::context::Context;
use crate::error::Error;
use crate::output::Paint;
use crate::sources::{ProviderName, SourceName};
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
    /// What it called an unknown source, where that was short enough to be a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
    /// Why it was refused.
    pub reason: String,
    /// SHA-256 of its body.
    pub hash: String,
    /// Whether its body was small enough to keep.
    pub body: bool,
    /// Its slot: with provider and source, its name in the quarantine.
    pub slot: String,
}

impl RefusedLine {
    /// The columns of a table of lines.
    pub const COLUMNS: [&'static str; 5] = ["received", "source", "slot", "reason", "body"];

    /// The line's cells.
    pub fn cells(&self, paint: Paint) -> Vec<String> {
        vec![
            self.received.clone(),
            format!("{}/{}", self.provider, self.named.as_ref().unwrap_or(&self.source)),
            self.slot.clone(),
            paint.odd(&self.reason),
            if self.body { "kept".to_owned() } else { "too large".to_owned() },
        ]
    }
}

/// The refused deliveries of some sources, and where `unknown` is given, those at unknown sources of its providers.
pub async fn refused(
    context: &Context,
    sources: &[SourceName],
    unknown: Option<Option<ProviderName>>,
    range: Range,
) -> Result<Vec<RefusedLine>, Error> {
    let meant = |name: &str| unknown.is_some_and(|only| only.is_none_or(|wanted| wanted.0.name == name));
    let strangers =
        PROVIDERS.into_iter().filter(|provider| meant(provider.name)).map(|provider| (provider.name, UNKNOWN));
    let named = sources.iter().map(|source| (source.provider.name, source.source.as_str()));
    let (client, table) = (context.dynamodb(), context.deployment().await?.events_table()?);
    let mut found = Vec::new();
    for (provider, source) in named.chain(strangers) {
        let query = client.query().table_name(table).key_condition_expression("pk = :pk");
        let query = query.expression_attribute_values(":pk", text(&format!("refused/{provider}/{source}")));
        let mut pages = query.into_paginator().items().send();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| failed("read the quarantine", &error))?;
            found.extend(line(provider, source, &item));
        }
    }
    let (from, to) = (instant(range.from_ms), instant(range.to_ms));
    found.retain(|line| from <= line.received && line.received < to);
    Ok(found)
}

fn line(provider: &str, source: &str, item: &Item) -> Option<RefusedLine> {
    let string = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    if string("kind")? != KIND_REFUSED {
        return None;
    }
    Some(RefusedLine {
        received: string("received_at")?,
        provider: provider.to_owned(),
        source: source.to_owned(),
        named: string("source"),
        reason: string("reason")?,
        hash: hex::encode(item.get("hash").and_then(|value| value.as_b().ok()).map(AsRef::as_ref).unwrap_or_default()),
        body: item.get("body").is_some_and(AttributeValue::is_b),
        slot: string("sk")?,
    })
}
