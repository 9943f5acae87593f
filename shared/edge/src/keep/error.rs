//! Failures of a table, and which error type to use where.
//!
//! - A call to AWS failed: [`CallFailure`]. It keeps the service's code apart from its message, so that nobody has to
//!   parse text. Never log an SDK error itself: it may hold a body.
//! - A table was read or written: [`StoreError`], made by [`StoreError::service`] from a failed call, by
//!   `StoreError::row` from a row that is not as documented. The views' table and the watch's rows use it too.
//! - One row among many: ask [`StoreError::is_outage`]. An outage ends the work, which is tried again later. Anything
//!   else is a matter of that row: note it with its key, and go on.
//! - Content is never an error. A delivery that cannot be read is kept and becomes an event that says so; only who
//!   cannot prove itself is refused, with a `webhook::signature::Refusal`.
//! - A function has an error type of its own if its caller acts on the variant: `ReadError` of the reader, whose caller
//!   sees it, and `RelayError`, `SweepError`, `ConfigError`, whose text ends in the function's log. They hold the text
//!   of what caused them, not its type: nobody matches on it, and their sizes stay small.
//! - `Unavailable` of the secrets says nothing, since the reason was logged where it was known.
//! - What a sender sees is not an error but an `Answer`: a status, and nothing of the reason.
//! - Text for a log or a report comes from [`StoreError::chain`]: `Display` never repeats its source.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::aws::client::CallFailure;
use crate::keep::compression::DecompressError;

/// A failure of the table.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The service refused or could not be reached.
    #[error("the events table cannot {operation}: {failure}")]
    Service {
        /// Continues "cannot".
        operation: &'static str,
        /// The service's code and message.
        failure: CallFailure,
    },
    /// A row that is not of its documented form.
    #[error("the row {id} cannot be read")]
    Row {
        /// The event's id, or the row's key.
        id: String,
        /// The defect.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An event of which there is nothing to read, although its row is sound.
    #[error("{0}")]
    Unreadable(&'static str),
    /// A body that a later build wrote: nothing is wrong with it, and that build can read it.
    #[error("the body of {id} is compressed with dictionary {number}, which this build does not have")]
    OtherBuild {
        /// The event's id.
        id: String,
        /// The dictionary's number.
        number: u32,
    },
    /// A view that a later build made: this one would take back what that one understood.
    #[error("mapping {made} made the view of {pk}, and this build is of mapping {ours}, which may understand less")]
    LaterMapping {
        /// The view's key.
        pk: String,
        /// The version of the mapping that made it.
        made: u32,
        /// This build's.
        ours: u32,
    },
    /// The body could not be compressed.
    #[error("the body cannot be compressed")]
    Compression(#[source] std::io::Error),
    /// Other writers took the name or wrote the view each time.
    #[error("the name was contended too often")]
    Contended,
}

impl StoreError {
    /// A failed call to a table.
    pub fn service<E: ProvideErrorMetadata, R>(operation: &'static str, error: &SdkError<E, R>) -> Self {
        StoreError::Service { operation, failure: CallFailure::of(error) }
    }

    /// A row that is not of its documented form.
    pub(crate) fn row(id: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        StoreError::Row { id: id.into(), source: source.into() }
    }

    /// Something under this id that was not decompressed.
    pub(crate) fn compressed(id: impl Into<String>, error: DecompressError) -> Self {
        match error {
            DecompressError::UnknownDictionary(number) => StoreError::OtherBuild { id: id.into(), number },
            DecompressError::Damaged(error) => StoreError::row(id, error),
        }
    }

    /// Returns whether the same work can succeed later or with another build. If not, the row itself is at fault.
    pub fn is_outage(&self) -> bool {
        match self {
            StoreError::Row { .. } | StoreError::Unreadable(_) => false,
            StoreError::Service { .. }
            | StoreError::OtherBuild { .. }
            | StoreError::LaterMapping { .. }
            | StoreError::Compression(_)
            | StoreError::Contended => true,
        }
    }

    /// Returns the error and its causes in one line.
    pub fn chain(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |cause| cause.source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }
}

/// Returns whether a conditional write's condition held; every other failure is an error.
pub(crate) fn condition_held<T, E: ProvideErrorMetadata, R>(
    operation: &'static str,
    sent: Result<T, SdkError<E, R>>,
) -> Result<bool, StoreError> {
    match sent {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
        Err(error) => Err(StoreError::service(operation, &error)),
    }
}
