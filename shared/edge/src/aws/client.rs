//! SDK clients: one configuration for all functions, and one form of their failures.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

/// A failed call: never holds a body that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFailure {
    /// The service's code; `None` if the service did not answer, or without one.
    pub code: Option<String>,
    /// The service's message, or why there is none.
    pub message: String,
}

impl CallFailure {
    /// The failure of a call by the SDK.
    pub fn of<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Self {
        match error {
            SdkError::ServiceError(refused) => {
                let (code, message) = (refused.err().code(), refused.err().message().unwrap_or("no message"));
                CallFailure { code: code.map(str::to_owned), message: message.to_owned() }
            }
            SdkError::TimeoutError(_) => CallFailure::without_code("no answer in time"),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                CallFailure::without_code("no connection in time")
            }
            SdkError::DispatchFailure(_) => CallFailure::without_code("no connection"),
            SdkError::ResponseError(_) => CallFailure::without_code("an answer that cannot be read"),
            SdkError::ConstructionFailure(_) => CallFailure::without_code("a request that cannot be made"),
            _ => CallFailure::without_code("an unknown failure"),
        }
    }

    /// A failure for which no service gave a code.
    pub fn without_code(message: impl Into<String>) -> Self {
        CallFailure { code: None, message: message.into() }
    }
}

impl std::fmt::Display for CallFailure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.code {
            Some(code) => write!(formatter, "{code}: {}", self.message),
            None => formatter.write_str(&self.message),
        }
    }
}

/// The stages of a secret's version in use, and of the one before.
pub const CURRENT: &str = "AWSCURRENT";
/// See [`CURRENT`].
pub const PREVIOUS: &str = "AWSPREVIOUS";

/// Reads a version of a secret; `None` if there is none, as in a secret that was made and never filled.
pub async fn secret_value(client: &Client, id: &str, stage: &str) -> Result<Option<GetSecretValueOutput>, CallFailure> {
    match client.get_secret_value().secret_id(id).version_stage(stage).send().await {
        Ok(output) => Ok(Some(output)),
        Err(SdkError::ServiceError(error)) if error.err().is_resource_not_found_exception() => Ok(None),
        Err(error) => Err(CallFailure::of(&error)),
    }
}

/// Time limits and attempts of one call.
#[derive(Debug, Clone, Copy)]
pub struct RetrySetting {
    /// Limit of the whole call, retries included.
    pub call: Duration,
    /// Limit of one attempt.
    pub attempt: Duration,
    /// Attempts in all.
    pub attempts: u32,
}

/// For receivers, which answer within two seconds.
pub const FOREGROUND: RetrySetting =
    RetrySetting { call: Duration::from_millis(1_500), attempt: Duration::from_millis(600), attempts: 3 };

/// For functions behind the table and the queues, whose caller does not wait.
pub const BACKGROUND: RetrySetting =
    RetrySetting { call: Duration::from_secs(8), attempt: Duration::from_secs(3), attempts: 4 };

/// Returns the configuration that all clients of a function share, under its role.
pub async fn sdk_config(setting: RetrySetting) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(setting.attempt)
        .operation_timeout(setting.call)
        .operation_attempt_timeout(setting.attempt)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(setting.attempts)
        .with_initial_backoff(Duration::from_millis(40))
        .with_max_backoff(Duration::from_secs(1));
    aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts)
        .retry_config(retries)
        // A function's role has its keys in the environment; the chain of other providers takes milliseconds.
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        // Each attempt has its own time limit, however slowly bytes arrive.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .load()
        .await
}
