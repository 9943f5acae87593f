//! Failures of calls: each case apart, with what to do about it.

use std::fmt;
use std::time::Duration;

/// A call that failed. Its texts hold no credential and no webhook's secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The provider that was called.
    pub provider: &'static str,
    /// The operation, such as `read webhook`.
    pub operation: &'static str,
    /// The number of attempts; 0 if it never left this machine.
    pub attempts: u32,
    /// The call changes something and its outcome is unknown: the provider may have done it.
    pub may_have_happened: bool,
    /// The reason.
    pub cause: Cause,
    /// The provider's own text, shortened.
    pub said: Option<String>,
}

/// A reason why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// 401 or 403.
    #[error("the credential was refused ({status})")]
    Unauthorized {
        /// 401: nobody; 403: somebody who may not.
        status: u16,
    },
    /// 404.
    #[error("there is no such thing (404)")]
    NotFound,
    /// 410; SHOPLINE answers so for an archived order.
    #[error("it was there and is gone (410)")]
    Gone,
    /// 429, to the last attempt.
    #[error("too many calls (429)")]
    RateLimited {
        /// The wait that the provider asks for, if it does.
        retry_after: Option<Duration>,
    },
    /// 5xx, to the last attempt.
    #[error("the provider is failing ({status})")]
    Failing {
        /// The status.
        status: u16,
    },
    /// Any other answer that is not a success, or an error that came under a status of success.
    #[error("the provider refused the call ({status})")]
    Refused {
        /// The status.
        status: u16,
    },
    /// 3xx: not followed, since the credential would go along.
    #[error("the provider sends to another address ({status})")]
    Redirected {
        /// The status.
        status: u16,
    },
    /// Success, but no JSON.
    #[error("the answer is {} instead of JSON", kind(.html))]
    NotJson {
        /// It begins like HTML.
        html: bool,
    },
    /// Success, but nothing in it.
    #[error("the answer is empty")]
    Empty,
    /// More than we take.
    #[error("the answer is longer than {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// JSON, but not what is documented.
    #[error("the answer is not of the documented form: {missing}")]
    Form {
        /// The part that is missing.
        missing: &'static str,
    },
    /// No answer in time, to the last attempt.
    #[error("no answer within {} s", .limit.as_secs_f32())]
    TimedOut {
        /// The time one attempt has.
        limit: Duration,
    },
    /// No connection, to the last attempt.
    #[error("no connection: {why}")]
    Connect {
        /// The reason, such as `connection refused`.
        why: String,
    },
    /// The connection ended before the answer did, to the last attempt.
    #[error("the connection was cut: {why}")]
    Disconnected {
        /// The reason.
        why: String,
    },
    /// An id that a path cannot hold, or a text that no header carries.
    #[error("{what} cannot be sent")]
    Argument {
        /// The part that cannot be sent.
        what: &'static str,
    },
    /// The provider's API cannot do it.
    #[error("the provider has no API for it")]
    NotOffered {
        /// The way to do it at the provider by hand.
        instead: &'static str,
    },
}

impl ApiError {
    /// A failure before anything was sent.
    pub(crate) fn unsent(provider: &'static str, operation: &'static str, cause: Cause) -> Self {
        ApiError { provider, operation, attempts: 0, may_have_happened: false, cause, said: None }
    }

    /// A list whose pages do not end.
    pub fn endless(provider: &'static str, operation: &'static str) -> Self {
        ApiError::unsent(provider, operation, Cause::Form { missing: "an end of its pages" })
    }

    /// Returns what to do about it.
    pub fn next_step(&self) -> String {
        if self.may_have_happened {
            let looked = format!("It may have happened anyway: list what {} has before trying again.", self.provider);
            return looked;
        }
        match &self.cause {
            Cause::Unauthorized { status: 401 } => {
                "Check that the credential in the account is the current one, whole, and of this shop and environment."
                    .to_owned()
            }
            Cause::Unauthorized { .. } => {
                "Give the credential the permission that this call needs, and check its list of addresses.".to_owned()
            }
            Cause::NotFound => "Check the id, and that the account is of the shop that it belongs to.".to_owned(),
            Cause::Gone => "It can no longer be read here: a provider that archives has another way to it.".to_owned(),
            Cause::RateLimited { retry_after: Some(time) } => {
                format!("Try again in {} seconds, and call less often.", time.as_secs().max(1))
            }
            Cause::RateLimited { retry_after: None } => "Try again in some minutes, and call less often.".to_owned(),
            Cause::Failing { .. } | Cause::TimedOut { .. } | Cause::Disconnected { .. } => {
                "Try again later; if it stays so, look at the provider's status page.".to_owned()
            }
            Cause::Refused { .. } => "Fix what the provider reported, then retry.".to_owned(),
            Cause::Redirected { .. } | Cause::NotJson { .. } | Cause::Empty => {
                "Check the account's base_url: this looks like a web page or a proxy, not the API.".to_owned()
            }
            Cause::TooLong { .. } => "Ask for less at a time, or raise the limit.".to_owned(),
            Cause::Form { .. } => {
                "The provider's API seems to have changed: look at the raw answer, and report it.".to_owned()
            }
            Cause::Connect { .. } => "Check the network, a proxy or firewall, and the account's base_url.".to_owned(),
            Cause::Argument { .. } => "Check the spelling of the id.".to_owned(),
            Cause::NotOffered { instead } => (*instead).to_owned(),
        }
    }
}

/// Names an answer that is not JSON.
fn kind(html: &bool) -> &'static str {
    if *html { "a web page" } else { "something else" }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: {}", self.provider, self.operation, self.cause)?;
        if let Some(said) = &self.said {
            write!(formatter, ": \"{said}\"")?;
        }
        if self.attempts > 1 {
            write!(formatter, ", after {} attempts", self.attempts)?;
        }
        write!(formatter, ". {}", self.next_step())
    }
}

impl std::error::Error for ApiError {}
