//! Failed AWS calls in words, each with its exit code and the next step.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use edge::aws::client::CallFailure;
use edge::keep::error::StoreError;

use crate::error::Error;

/// Codes by which AWS says that it does not know who asks.
const UNKNOWN_CALLER: &[&str] = &[
    "AuthFailure",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];
const EXPIRED: &[&str] = &["ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"];
const FORBIDDEN: &[&str] = &["AccessDenied", "AccessDeniedException", "UnauthorizedException", "UnauthorizedOperation"];
const THROTTLED: &[&str] = &[
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// Explains a failed call to the operator. `operation` continues "cannot".
pub fn failed<E, R>(operation: &str, error: &SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    if let SdkError::ServiceError(refused) = error {
        let refused = refused.err();
        let Some(code) = refused.code() else {
            // Not a refusal either: an answer that this client cannot read.
            return of_words(operation, &format!("an answer that cannot be read: {}", in_words(refused)));
        };
        return of_code(operation, code, refused.message().unwrap_or("no message"));
    }
    if let Some(error) = credentials_error(error) {
        return no_credentials(error);
    }
    let mut described = of_words(operation, &CallFailure::of(error).message);
    if let SdkError::DispatchFailure(failure) = error
        && let Some(failure) = failure.as_connector_error()
    {
        described.message = format!("{}: {}", described.message, in_words(failure));
    }
    described
}

/// Explains a failed call for which the caller has to be allowed an action.
pub fn failed_for<E, R>(action: &str, operation: &str, error: &SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let found = failed(operation, error);
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    if code.is_some_and(|code| FORBIDDEN.contains(&code)) {
        return found.next(format!("Your AWS user or role may not do this: {action} has to be allowed."));
    }
    found
}

/// Explains a failure of the store to the operator.
pub fn store_failed(error: &StoreError) -> Error {
    match error {
        StoreError::Service { operation, failure } => of_failure(operation, failure),
        StoreError::Row { id, source } => Error::problems(format!("the row {id} cannot be read: {source}"))
            .next("It is not of the form that this version writes. Was it made by a later one?"),
        StoreError::Unreadable(_) => Error::problems(error.to_string()),
        StoreError::OtherBuild { .. } => {
            Error::problems(error.to_string()).next("A later hookmill wrote it: use that version, or deploy it first.")
        }
        StoreError::LaterMapping { .. } => Error::problems(error.to_string()).next(
            "Use the tool of the stack's build. If that deployment was taken back: hookmill orders rebuild \
             --over-later-mapping.",
        ),
        StoreError::Compression(_) | StoreError::Contended => Error::service(error.to_string()),
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        store_failed(&error)
    }
}

/// Explains a failed call, with a code or without.
pub fn of_failure(operation: &str, failure: &CallFailure) -> Error {
    match &failure.code {
        Some(code) => of_code(operation, code, &failure.message),
        None => of_words(operation, &failure.message),
    }
}

/// Explains a service's code.
pub fn of_code(operation: &str, code: &str, message: &str) -> Error {
    let is = |codes: &[&str]| codes.contains(&code);
    let said = format!("cannot {operation}: {code}: {message}");
    if is(EXPIRED) {
        return Error::deployment(said).next("Your AWS credentials have expired: sign in again (aws sso login).");
    }
    if is(UNKNOWN_CALLER) {
        return Error::deployment(said)
            .next("AWS does not accept these credentials: aws sts get-caller-identity shows whose they are.");
    }
    if is(FORBIDDEN) {
        return Error::deployment(said)
            .next("Your AWS user or role may not do this: the message names the action to be allowed.");
    }
    if is(THROTTLED) {
        return Error::service(said).next("AWS throttles these calls: wait a little, or ask for less at once.");
    }
    Error::service(said).next("Try again; if it stays, look at the AWS status page and at the stack itself.")
}

/// Credentials that could not be had.
pub fn no_credentials(error: &CredentialsError) -> Error {
    let next = "Set up AWS credentials (aws configure, aws sso login, AWS_PROFILE) or choose some with --profile; the \
                local stack needs none: --local.";
    match error {
        CredentialsError::CredentialsNotLoaded(_) => Error::deployment("there are no AWS credentials").next(next),
        _ => Error::deployment(format!("there are no usable AWS credentials: {}", in_words(error))).next(next),
    }
}

/// Writes an error and its causes on one line, in words for people: the SDK's own chain adds the Debug form of the
/// whole error, with raw responses in it.
pub fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Many wrappers repeat the error that they wrap.
        if !words.contains(&said) {
            words = format!("{words}: {said}");
        }
        cause = error.source();
    }
    words.replace('\n', " ")
}

fn of_words(operation: &str, reason: &str) -> Error {
    Error::service(format!("cannot {operation}: {reason}"))
        .next("Is the network up, and are --region and --endpoint-url right? For the local stack: make run.")
}

/// The credentials' part in a failure, where they have one.
fn credentials_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a CredentialsError> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<CredentialsError>() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Exit;

    #[test]
    fn errors_are_words_and_no_debug_form() {
        let refused = std::io::Error::new(std::io::ErrorKind::PermissionDenied, "nobody\nis let in");
        let error = CredentialsError::provider_error(refused);
        let error = no_credentials(&error);
        assert_eq!(error.kind, Exit::Deployment);
        let words =
            "there are no usable AWS credentials: an error occurred while loading credentials: nobody is let in";
        assert_eq!(error.message, words);
    }

    #[test]
    fn codes_have_their_exits() {
        for (code, exit) in [
            ("ExpiredToken", Exit::Deployment),
            ("UnrecognizedClientException", Exit::Deployment),
            ("AccessDeniedException", Exit::Deployment),
            ("ThrottlingException", Exit::Service),
            ("InternalServerError", Exit::Service),
        ] {
            let error = of_code("read", code, "no");
            assert_eq!(error.kind, exit, "{code}");
            assert!(error.next.is_some() && error.message.contains(code), "{error:?}");
        }
        let error = StoreError::Service {
            operation: "get",
            failure: CallFailure { code: Some("ThrottlingException".to_owned()), message: "slow: down".to_owned() },
        };
        assert_eq!(store_failed(&error).message, "cannot get: ThrottlingException: slow: down");
    }
}
