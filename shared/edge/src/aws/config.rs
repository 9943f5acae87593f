//! The environment, read once and nowhere else.

use std::env;

use serde::Deserialize;

/// Longest body that is accepted, unless the environment has another limit.
pub const BODY_LIMIT_BYTES: usize = 1024 * 1024;

/// The relay's timeout where the environment has none, as an earlier template's, in milliseconds.
pub const RELAY_TIMEOUT_MS: i64 = 60_000;

/// A reason why a function cannot start. Names the variable, never a value.
#[derive(thiserror::Error)]
pub enum ConfigError {
    /// A variable is not set or empty.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// A variable is not of its form.
    #[error("the environment variable {0} is not {1}")]
    Form(&'static str, &'static str),
}

impl std::fmt::Debug for ConfigError {
    /// The runtime prints a function's start error by `Debug`: the sentence is clearer than the variant.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{self}")
    }
}

/// A receiver's settings.
#[derive(Debug, Clone)]
pub struct ReceiverConfig {
    /// The events table's name: `EVENTS_TABLE`.
    pub events_table: String,
    /// The provider's secret, by name or ARN: `SECRET_ID`.
    pub secret_id: String,
    /// Longest body, in bytes: `BODY_LIMIT_BYTES`.
    pub body_limit_bytes: usize,
}

/// The relay's settings.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// The events table's name: `EVENTS_TABLE`.
    pub events_table: String,
    /// The queues, the one whose failure fails the batch first: `QUEUES`.
    pub queues: Vec<QueueConfig>,
    /// The dead letter queue for failures of the other queues: `RELAY_DEAD_LETTER_QUEUE_URL`.
    pub dead_letter_queue_url: String,
    /// Longest time of an invocation, in milliseconds: `TIMEOUT_SECONDS`.
    pub timeout_ms: i64,
}

/// One queue and the events that it takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueConfig {
    /// The queue's URL.
    pub url: String,
    /// Event types, `order.*` for a family; empty for all.
    #[serde(default)]
    pub types: Vec<String>,
    /// Messages carry the kept body too.
    #[serde(default)]
    pub bodies: bool,
}

/// The settings of `orders` and `read`.
#[derive(Debug, Clone)]
pub struct ViewConfig {
    /// The events table's name: `EVENTS_TABLE`.
    pub events_table: String,
    /// The order views' table: `ORDERS_TABLE`.
    pub orders_table: String,
}

/// The queue that facts are announced to.
#[derive(Debug, Clone)]
pub struct FactsConfig {
    /// The queue's URL: `FACTS_QUEUE_URL`.
    pub queue_url: String,
    /// The facts that it takes, by name; empty for all: `FACTS`.
    pub facts: Vec<String>,
}

/// The watch's settings.
#[derive(Debug, Clone)]
pub struct WatchConfig {
    /// The relay's settings: the sweeper sends as the relay does.
    pub relay: RelayConfig,
    /// The receivers whose sources are watched: `RECEIVERS`.
    pub receivers: Vec<ReceiverOf>,
    /// The secret with the credentials for the providers' own APIs: `ACCOUNTS_SECRET_ID`.
    pub accounts_secret_id: String,
    /// Longest time of a run, in milliseconds: `TIMEOUT_SECONDS`.
    pub timeout_ms: i64,
}

/// A receiver whose sources are watched.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiverOf {
    /// The provider.
    pub provider: String,
    /// Its secret, by name or ARN.
    pub secret_id: String,
    /// Its base URL.
    pub url: String,
}

impl ReceiverConfig {
    /// Reads the environment. An error names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        let body_limit_bytes = match env::var("BODY_LIMIT_BYTES") {
            Err(_) => BODY_LIMIT_BYTES,
            Ok(text) => text.parse().map_err(|_| ConfigError::Form("BODY_LIMIT_BYTES", "a number of bytes"))?,
        };
        Ok(ReceiverConfig {
            events_table: required("EVENTS_TABLE")?,
            secret_id: required("SECRET_ID")?,
            body_limit_bytes,
        })
    }
}

impl RelayConfig {
    /// Reads the environment. An error names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        let events_table = required("EVENTS_TABLE")?;
        let queues: Vec<QueueConfig> = serde_json::from_str(&required("QUEUES")?).map_err(|_| {
            ConfigError::Form("QUEUES", r#"a JSON list of {"url": "...", "types": [...], "bodies": false}"#)
        })?;
        if queues.is_empty() {
            return Err(ConfigError::Form("QUEUES", "a list of at least one queue"));
        }
        let dead_letter_queue_url = required("RELAY_DEAD_LETTER_QUEUE_URL")?;
        let timeout_ms = timeout_ms()?.unwrap_or(RELAY_TIMEOUT_MS);
        Ok(RelayConfig { events_table, queues, dead_letter_queue_url, timeout_ms })
    }
}

/// Reads the function's timeout; `None` if the environment does not have it.
fn timeout_ms() -> Result<Option<i64>, ConfigError> {
    let Ok(text) = env::var("TIMEOUT_SECONDS") else { return Ok(None) };
    let seconds: i64 = text.parse().map_err(|_| ConfigError::Form("TIMEOUT_SECONDS", "a number of seconds"))?;
    Ok(Some(seconds.saturating_mul(1_000)))
}

impl ViewConfig {
    /// Reads the environment. An error names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(ViewConfig { events_table: required("EVENTS_TABLE")?, orders_table: required("ORDERS_TABLE")? })
    }
}

impl FactsConfig {
    /// Reads the environment; `None` if there is no queue.
    pub fn from_env() -> Option<Self> {
        let queue_url = required("FACTS_QUEUE_URL").ok()?;
        let facts = required("FACTS").unwrap_or_default();
        let names = facts.split(',').map(str::trim).filter(|name| !name.is_empty());
        Some(FactsConfig { queue_url, facts: names.map(str::to_owned).collect() })
    }

    /// Returns whether the queue takes messages of this type, `fact.paid`.
    pub fn takes(&self, message_type: &str) -> bool {
        let is_named = |name: &String| message_type.strip_prefix("fact.") == Some(name.as_str());
        self.facts.is_empty() || self.facts.iter().any(is_named)
    }
}

impl WatchConfig {
    /// Reads the environment. An error names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        let form = r#"a JSON list of {"provider": "...", "secret_id": "...", "url": "..."}"#;
        let receivers =
            serde_json::from_str(&required("RECEIVERS")?).map_err(|_| ConfigError::Form("RECEIVERS", form))?;
        let timeout_ms = timeout_ms()?.ok_or(ConfigError::Missing("TIMEOUT_SECONDS"))?;
        Ok(WatchConfig {
            relay: RelayConfig::from_env()?,
            receivers,
            accounts_secret_id: required("ACCOUNTS_SECRET_ID")?,
            timeout_ms,
        })
    }
}

impl QueueConfig {
    /// Returns whether the queue takes events of this type.
    pub fn takes(&self, event_type: &str) -> bool {
        takes(&self.types, event_type)
    }
}

/// Returns whether a list of types (`order.created`, `order.*`) has this one; an empty list has all.
pub fn takes<T: AsRef<str>>(types: &[T], event_type: &str) -> bool {
    let matches = |filter: &T| match filter.as_ref().strip_suffix('*') {
        Some(family) => event_type.starts_with(family),
        None => event_type == filter.as_ref(),
    };
    types.is_empty() || types.iter().any(matches)
}

/// Returns the stack's name, a dimension of every metric: `STACK`.
pub(crate) fn stack_name() -> Option<String> {
    required("STACK").ok()
}

fn required(name: &'static str) -> Result<String, ConfigError> {
    env::var(name).ok().filter(|value| !value.is_empty()).ok_or(ConfigError::Missing(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_takes_the_facts_that_are_named() {
        let queue = |facts: &[&str]| FactsConfig {
            queue_url: String::new(),
            facts: facts.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert!(queue(&[]).takes("fact.paid") && queue(&["paid", "shipped"]).takes("fact.shipped"));
        assert!(!queue(&["paid"]).takes("fact.payment_failed"));
    }

    #[test]
    fn filters_take_families_or_single_types() {
        let queue = |types: &[&str]| QueueConfig {
            url: String::new(),
            types: types.iter().map(|text| (*text).to_owned()).collect(),
            bodies: false,
        };
        for (types, event_type, taken) in [
            (&[][..], "ping", true),
            (&["order.*"], "order.created", true),
            (&["order.*"], "payment.paid", false),
            (&["order.created", "payment.*"], "order.updated", false),
            (&["order.created", "payment.*"], "payment.paid", true),
        ] {
            assert_eq!(queue(types).takes(event_type), taken, "{types:?} {event_type}");
        }
    }
}
