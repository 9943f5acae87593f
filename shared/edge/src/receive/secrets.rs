//! Fetches a provider's sources from its secret: when first needed, by age, and when a check fails.

use std::sync::{Arc, Mutex, PoisonError};

use webhook::providers::Provider;
use webhook::source::Sources;

use crate::aws::client::CallFailure;
use crate::aws::clock::Clock;
use crate::aws::log::LogLine;

/// Age from which a secret is fetched again.
pub const AGE_MS_MAX: i64 = 5 * 60 * 1_000;

/// Age up to which a secret is used while the service is down.
pub const STALE_MS_MAX: i64 = 60 * 60 * 1_000;

/// Shortest time between two fetches because of failed checks.
pub const FORCED_MS_MIN: i64 = 60 * 1_000;

/// Time for which the stale secret is used after a failed fetch, before the next one.
const RETRY_MS_MIN: i64 = 5 * 1_000;

/// A provider's secret, kept in memory.
#[derive(Debug)]
pub struct Secrets {
    client: aws_sdk_secretsmanager::Client,
    secret_id: String,
    provider: &'static Provider,
    clock: Clock,
    state: Mutex<SecretState>,
}

/// The secret cannot be fetched; the log has the reason.
#[derive(Debug, thiserror::Error)]
#[error("the provider's secret cannot be fetched")]
pub struct Unavailable;

#[derive(Debug, Default)]
struct SecretState {
    sources: Option<Arc<Sources>>,
    fetched_ms: i64,
    failed_ms: Option<i64>,
    forced_ms: Option<i64>,
}

impl Secrets {
    /// A secret that is fetched when first needed.
    pub fn new(
        client: aws_sdk_secretsmanager::Client,
        secret_id: String,
        provider: &'static Provider,
        clock: Clock,
    ) -> Self {
        Secrets { client, secret_id, provider, clock, state: Mutex::default() }
    }

    /// Returns the sources, at most [`AGE_MS_MAX`] old, or [`STALE_MS_MAX`] while the service is down.
    pub async fn sources(&self) -> Result<Arc<Sources>, Unavailable> {
        let now_ms = self.clock.now_ms();
        let stale = {
            let state = self.state();
            let age_ms = now_ms - state.fetched_ms;
            match &state.sources {
                Some(sources) if age_ms <= AGE_MS_MAX => return Ok(Arc::clone(sources)),
                Some(sources) if age_ms <= STALE_MS_MAX => {
                    if state.failed_ms.is_some_and(|failed_ms| now_ms - failed_ms < RETRY_MS_MIN) {
                        return Ok(Arc::clone(sources));
                    }
                    Some(Arc::clone(sources))
                }
                Some(_) | None => None,
            }
        };
        match self.fetch(now_ms).await {
            Ok(sources) => Ok(sources),
            Err(Unavailable) => stale.ok_or(Unavailable),
        }
    }

    /// Fetches the sources after a failed check, so that a new source or key needs no deployment. Returns `None` if the
    /// last such fetch is too recent or this one fails.
    pub async fn refreshed(&self) -> Option<Arc<Sources>> {
        let now_ms = self.clock.now_ms();
        {
            let mut state = self.state();
            let recent = |then_ms: i64| now_ms - then_ms < FORCED_MS_MIN;
            if state.forced_ms.is_some_and(recent) {
                return None;
            }
            state.forced_ms = Some(now_ms);
        }
        self.fetch(now_ms).await.ok()
    }

    async fn fetch(&self, now_ms: i64) -> Result<Arc<Sources>, Unavailable> {
        let fetched = self.client.get_secret_value().secret_id(&self.secret_id).send().await;
        let parsed = match &fetched {
            Ok(output) => {
                let text = output.secret_string().unwrap_or_default();
                Sources::parse(&self.provider.admission, text).map_err(|defect| defect.to_string())
            }
            Err(error) => Err(CallFailure::of(error).to_string()),
        };
        match parsed {
            Ok(sources) => {
                for (source, defect) in sources.defective() {
                    self.line("a source cannot be used")
                        .with("source", source)
                        .with("reason", defect.to_string())
                        .write(now_ms);
                }
                if let Some(defect) = sources.quarantine_key_defect() {
                    self.line("refused bodies are not sealed").with("reason", defect.to_string()).write(now_ms);
                }
                let sources = Arc::new(sources);
                let mut state = self.state();
                *state = SecretState {
                    sources: Some(Arc::clone(&sources)),
                    fetched_ms: now_ms,
                    failed_ms: None,
                    forced_ms: state.forced_ms,
                };
                Ok(sources)
            }
            Err(reason) => {
                self.line("the provider's secret cannot be used").with("reason", reason).write(now_ms);
                self.state().failed_ms = Some(now_ms);
                Err(Unavailable)
            }
        }
    }

    fn line(&self, message: &str) -> LogLine {
        LogLine::error(message).with("provider", self.provider.name)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, SecretState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
