//! Deliveries that leave no event behind: refused ones, which lie in quarantine, and repeats, which write
//! no row at all and are read in the receivers' logs.

use std::collections::{BTreeMap, HashSet};

use edge::receive::refused::Refused;
use serde::Serialize;
use serde_json::Value;
use webhook::providers::Provider;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, visible};
use crate::terminal::time::{LATEST_MS, Range, instant};
use crate::work::reading::noting;
use stack::aws::failed_for;
use stack::quarantine::refused;
use stack::sources::{ProviderName, SourceName};

/// A log line may come this late, and clocks differ.
const LATE_MS: i64 = 10 * 60 * 1_000;
/// Logs are not read more often: an account's quota for it is a few calls a second.
const LOGS_EVERY_MS: i64 = 5_000;

/// A delivery that made no event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnkeptLine {
    /// When it was received.
    pub received: String,
    /// `repeat` or `refused`.
    pub outcome: &'static str,
    /// The source, as far as it is known.
    pub source: String,
    /// The reason for the refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The event that it repeats, or the refused delivery's name in quarantine.
    pub id: String,
}

/// Deliveries that made no event, each given once.
#[derive(Debug)]
pub struct Unkept {
    from_ms: i64,
    seen: HashSet<(String, String)>,
    /// Log groups by provider; `None` until they are asked for.
    groups: Option<BTreeMap<&'static str, String>>,
    /// When the logs are read next; `None` if they cannot be.
    logs_at_ms: Option<i64>,
}

impl Unkept {
    /// Begins at a time of receipt.
    pub fn new(from_ms: i64) -> Self {
        Unkept { from_ms, seen: HashSet::new(), groups: None, logs_at_ms: Some(0) }
    }

    /// Looks once: what was not given yet, by time of receipt.
    pub async fn look(
        &mut self,
        context: &Context,
        sources: &[SourceName],
        everywhere: Option<Option<ProviderName>>,
    ) -> Result<Vec<UnkeptLine>, Error> {
        let range = Range { from_ms: self.from_ms, to_ms: LATEST_MS };
        let mut found: Vec<(String, UnkeptLine)> =
            noting(context, refused(context, sources, everywhere, range).await?).iter().map(refused_line).collect();
        let now_ms = context.clock.now_ms();
        if self.logs_at_ms.is_some_and(|at| at <= now_ms) {
            self.logs_at_ms = Some(now_ms.saturating_add(LOGS_EVERY_MS));
            match self.repeats(context, sources).await {
                Ok(repeats) => found.extend(repeats),
                Err(error) if error.kind == Exit::Deployment => {
                    self.logs_at_ms = None;
                    context.output.note(&format!("Repeats are not shown: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        self.from_ms = self.from_ms.max(now_ms.saturating_sub(LATE_MS));
        found.retain(|(name, line)| self.seen.insert((name.clone(), line.received.clone())));
        let mut lines: Vec<UnkeptLine> = found.into_iter().map(|(_, line)| line).collect();
        lines.sort_by(|a, b| a.received.cmp(&b.received));
        Ok(lines)
    }

    /// The repeats in the receivers' logs; a log line comes some seconds after its delivery.
    async fn repeats(&mut self, context: &Context, sources: &[SourceName]) -> Result<Vec<(String, UnkeptLine)>, Error> {
        let client = aws_sdk_cloudwatchlogs::Client::new(context.sdk());
        let groups = match self.groups.take() {
            Some(groups) => groups,
            None => log_groups(context, sources).await?,
        };
        let mut found = Vec::new();
        for (provider, group) in &groups {
            let request = client.filter_log_events().log_group_name(group).start_time(self.from_ms);
            let request = request.filter_pattern(r#"{ $.outcome = "repeat" }"#);
            let mut pages = request.into_paginator().send();
            while let Some(page) = pages.next().await {
                let page =
                    page.map_err(|error| failed_for("logs:FilterLogEvents", "read the receiver's log", &error))?;
                for event in page.events() {
                    let (at, message) = (event.timestamp().unwrap_or_default(), event.message().unwrap_or_default());
                    let line = repeat_line(provider, at, message);
                    let line = line.filter(|line| sources.iter().any(|source| source.to_string() == line.source));
                    found.extend(line.map(|line| (event.event_id().unwrap_or_default().to_owned(), line)));
                }
            }
        }
        self.groups = Some(groups);
        Ok(found)
    }
}

/// The log groups of the sources' receivers.
async fn log_groups(context: &Context, sources: &[SourceName]) -> Result<BTreeMap<&'static str, String>, Error> {
    let providers: BTreeMap<&'static str, &'static Provider> =
        sources.iter().map(|source| (source.provider.name, source.provider)).collect();
    let mut groups = BTreeMap::new();
    for (name, provider) in providers {
        let function = context.deployment().await?.function(provider)?.to_owned();
        let sent = context.lambda().get_function_configuration().function_name(&function).send().await;
        let output =
            sent.map_err(|error| failed_for("lambda:GetFunctionConfiguration", "look for the receiver's log", &error))?;
        let group = output.logging_config().and_then(|logging| logging.log_group()).map(str::to_owned);
        groups.insert(name, group.unwrap_or_else(|| format!("/aws/lambda/{function}")));
    }
    Ok(groups)
}

fn refused_line(refused: &Refused) -> (String, UnkeptLine) {
    let named = refused.source.as_deref().unwrap_or("~");
    let line = UnkeptLine {
        received: instant(refused.received_ms),
        outcome: "refused",
        source: format!("{}/{named}", refused.provider.name),
        reason: Some(refused.reason.clone()),
        id: refused.name(),
    };
    (refused.name(), line)
}

/// Reads a receiver's log line; `None` if it is not a repeat's.
fn repeat_line(provider: &str, logged_ms: i64, message: &str) -> Option<UnkeptLine> {
    let line: Value = serde_json::from_str(message).ok()?;
    let text = |name: &str| line.get(name).and_then(Value::as_str);
    (text("outcome") == Some("repeat")).then_some(())?;
    Some(UnkeptLine {
        received: instant(logged_ms),
        outcome: "repeat",
        source: format!("{provider}/{}", text("source")?),
        reason: None,
        id: text("id")?.to_owned(),
    })
}

/// Shows a line in the columns of the events around it.
pub fn text(line: &UnkeptLine, paint: Paint) -> String {
    let reason = line.reason.as_ref().map(|reason| format!(" {reason}")).unwrap_or_default();
    let outcome = format!("{}{reason}", line.outcome);
    let id = paint.id(&line.id, "00:00:00".len() + 4 + visible(&outcome).max(22));
    let outcome = format!("{outcome:<22}");
    let outcome = if line.outcome == "refused" { paint.bad(&outcome) } else { paint.dim(&outcome) };
    format!("{}  {outcome}  {id}", paint.dim(&paint.hour(&line.received)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_read_in_the_receivers_own_lines() {
        let message =
            r#"{"level":"INFO","message":"delivery kept","id":"scalev/main/1/w/i","source":"main","outcome":"repeat"}"#;
        let line = repeat_line("scalev", 0, message).unwrap();
        assert_eq!((line.source.as_str(), line.id.as_str()), ("scalev/main", "scalev/main/1/w/i"));
        assert_eq!(repeat_line("scalev", 0, &message.replace("\"repeat\"", "\"kept\"")), None);
        assert_eq!(repeat_line("scalev", 0, "END RequestId: 1"), None);
    }
}
