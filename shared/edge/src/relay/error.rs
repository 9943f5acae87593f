//! Reasons why the relay has to try a batch again.

use lambda_runtime::Diagnostic;

use crate::keep::error::StoreError;

/// A reason why a batch has to be retried.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// A body that is not in the record could not be fetched.
    #[error("a body cannot be fetched")]
    Body(#[source] StoreError),
    /// The first queue did not take everything.
    #[error("{count} events did not reach the first queue: {reason}")]
    Queue {
        /// Number of events.
        count: usize,
        /// The queue's last answer to one of them.
        reason: String,
    },
    /// Events that another queue did not take could not be parked either.
    #[error("{count} events could not be parked: {reason}")]
    Park {
        /// Number of events.
        count: usize,
        /// The dead letter queue's answer.
        reason: String,
    },
    /// The invocation's time was over before all events were read.
    #[error("{count} events are left for the next attempt: no time was left")]
    Time {
        /// Number of events.
        count: usize,
    },
}

impl From<RelayError> for Diagnostic {
    fn from(error: RelayError) -> Self {
        let error_type = match &error {
            RelayError::Body(_) => "Body",
            RelayError::Queue { .. } => "Queue",
            RelayError::Park { .. } => "Park",
            RelayError::Time { .. } => "Time",
        };
        Diagnostic { error_type: error_type.to_owned(), error_message: error.to_string() }
    }
}
