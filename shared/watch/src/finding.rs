//! What the watch found: one line each, with the command to type next.

use edge::aws::log::LogLine;
use edge::keep::time_index::SourceId;
use serde::Serialize;

/// What a finding is about; each kind has a number of its own, and an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A source from which nothing comes although something should.
    Silence,
    /// Events have fields that they never had, or not those that they always had.
    Drift,
    /// Our webhooks are not registered with the provider as they should be.
    Subscriptions,
    /// Deliveries still prove themselves by a key that is no longer the current one.
    OldKeys,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WatchFinding {
    /// What it is about.
    pub kind: FindingKind,
    /// The provider.
    pub provider: String,
    /// The source.
    pub source: String,
    /// A word for it.
    pub word: String,
    /// What it is, in a sentence.
    pub message: String,
    /// What to type or do next.
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
    /// The word in logs.
    pub fn word(self) -> &'static str {
        match self {
            FindingKind::Silence => "silence",
            FindingKind::Drift => "drift",
            FindingKind::Subscriptions => "subscriptions",
            FindingKind::OldKeys => "old_keys",
        }
    }
}
