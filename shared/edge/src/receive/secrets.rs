//! Fetches a provider's sources from its secret: when first needed, by age, and when a check fails.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use webhook::providers::Provider;
use webhook::source::Sources;

use crate::aws::client::CallFailure;
use crate::aws::clock::Clock;
use crate::aws::log::LogLine;
use crate::receive::limiter::TokenBucket;

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

/// Fetches that a function without any secret in memory may make at once, and then one in [`RETRY_MS_MIN`]: each is a
/// stranger's request, if nobody has set the provider up.
const FETCHES_MAX: u32 = 10;

/// Part of what Secrets Manager says of a secret that was made and never filled.
const NO_VALUE: &str = "can't find the specified secret value";

/// A reason why there are no sources; the log has more of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// It cannot be fetched or read.
    #[error("the provider's secret cannot be fetched")]
    Failed,
    /// It was made and never filled.
    #[error("the provider's secret has no value yet")]
    Empty,
}

#[derive(Debug, Default)]
struct SecretState {
    sources: Option<Arc<Sources>>,
    fetched_ms: i64,
    failed_ms: Option<i64>,
    forced_ms: Option<i64>,
    /// The last fetch's failure, and the budget of further ones while there are no sources at all.
    without: Option<(Unavailable, TokenBucket)>,
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
        if stale.is_none()
            && let Some((unavailable, fetches)) = &mut self.state().without
            && !fetches.take(now_ms)
        {
            return Err(*unavailable);
        }
        self.fetch(now_ms).await.or_else(|unavailable| stale.ok_or(unavailable))
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
            Ok(output) => match output.secret_string().unwrap_or_default() {
                text if text.trim().is_empty() => Err((Unavailable::Empty, Unavailable::Empty.to_string())),
                text => Sources::parse(&self.provider.admission, text)
                    .map_err(|defect| (Unavailable::Failed, defect.to_string())),
            },
            // A secret that was made and not filled has no value to get. One that is gone has the same code.
            Err(SdkError::ServiceError(error)) if error.err().message().is_some_and(|text| text.contains(NO_VALUE)) => {
                Err((Unavailable::Empty, Unavailable::Empty.to_string()))
            }
            Err(error) => Err((Unavailable::Failed, CallFailure::of(error).to_string())),
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
                    without: None,
                };
                Ok(sources)
            }
            Err((unavailable, reason)) => {
                self.line("the provider's secret cannot be used").with("reason", reason).write(now_ms);
                let mut state = self.state();
                state.failed_ms = Some(now_ms);
                let full = || TokenBucket::new(FETCHES_MAX, RETRY_MS_MIN, now_ms);
                state.without = Some((unavailable, state.without.map_or_else(full, |(_, fetches)| fetches)));
                Err(unavailable)
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
