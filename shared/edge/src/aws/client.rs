//! SDK clients: one set-up for all functions.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

/// A failed call in words: the service's code and message, never a body that it sent.
pub fn reason<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    match error {
        SdkError::ServiceError(refused) => {
            let refused = refused.err();
            format!("{}: {}", refused.code().unwrap_or("no code"), refused.message().unwrap_or("no message"))
        }
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => "no connection in time".to_owned(),
        SdkError::DispatchFailure(_) => "no connection".to_owned(),
        SdkError::ResponseError(_) => "an answer that cannot be read".to_owned(),
        SdkError::ConstructionFailure(_) => "a request that cannot be made".to_owned(),
        _ => "an unknown failure".to_owned(),
    }
}

/// How long one call may take, retries included, and one attempt of it.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The whole call.
    pub call: Duration,
    /// One attempt.
    pub attempt: Duration,
    /// Attempts in all.
    pub attempts: u32,
}

/// For receivers, whose whole delivery has two seconds.
pub const HASTY: Patience =
    Patience { call: Duration::from_millis(1_500), attempt: Duration::from_millis(600), attempts: 3 };

/// For functions behind the table and the queues, whom nobody waits for.
pub const PATIENT: Patience = Patience { call: Duration::from_secs(8), attempt: Duration::from_secs(3), attempts: 4 };

/// The shared configuration of all clients of one function, under its role.
pub async fn sdk_config(patience: Patience) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(patience.attempt)
        .operation_timeout(patience.call)
        .operation_attempt_timeout(patience.attempt)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(patience.attempts)
        .with_initial_backoff(Duration::from_millis(40))
        .with_max_backoff(Duration::from_secs(1));
    aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts)
        .retry_config(retries)
        // A function's role has its keys in the environment; building the chain of all other ways takes milliseconds.
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        // Each attempt has its time, whatever trickles in.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .load()
        .await
}
