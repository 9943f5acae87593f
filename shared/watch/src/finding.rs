//! Findings of the watch: one line each, with the command to run next.

use edge::aws::log::LogLine;
use edge::keep::time_index::SourceId;
use serde::Serialize;

/// The subject of a finding; each kind has its own metric and alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A source sends nothing although it usually does.
    Silence,
    /// Events have new fields, or lack fields that they always had.
    Drift,
    /// Webhooks are not registered with the provider as they should be.
    Subscriptions,
    /// Deliveries are still signed with a previous key.
    OldKeys,
    /// An event was kept and not sent on.
    Unrelayed,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WatchFinding {
    /// Its kind.
    pub kind: FindingKind,
    /// The provider.
    pub provider: String,
    /// The source.
    pub source: String,
    /// A word for it.
    pub word: String,
    /// A sentence for people.
    pub message: String,
    /// The next command or step.
    pub next: String,
}

impl WatchFinding {
    /// A finding about a source.
    pub fn new(kind: FindingKind, source: &SourceId, word: &str, message: String, next: String) -> Self {
        let SourceId { provider, source } = source.clone();
        WatchFinding { kind, provider, source, word: word.to_owned(), message, next }
    }

    /// Writes its line.
    pub fn log(&self, now_ms: i64) {
        LogLine::warn(&self.message)
            .with("finding", self.kind.word())
            .with("provider", self.provider.as_str())
            .with("source", self.source.as_str())
            .with("kind", self.word.as_str())
            .with("next", self.next.as_str())
            .write(now_ms);
    }
}

impl FindingKind {
    /// Returns the word in logs.
    pub fn word(self) -> &'static str {
        match self {
            FindingKind::Silence => "silence",
            FindingKind::Drift => "drift",
            FindingKind::Subscriptions => "subscriptions",
            FindingKind::OldKeys => "old_keys",
            FindingKind::Unrelayed => "unrelayed",
        }
    }
}
