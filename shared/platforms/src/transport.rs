//! The one way in which all four APIs are called.
//!
//! It keeps to the published limits, ends every attempt in time, tries again what may be tried again, takes no more of
//! an answer than it can hold, and distinguishes every way of failing.
//! Redirects are not followed, since the credential would go along.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::account::Account;
use crate::address::BaseUrl;
use crate::error::{ApiError, Cause};
use crate::pace::Pace;
use crate::platform::Platform;
use crate::raw::Raw;
use crate::retry_timer::RetryTimer;
use crate::token::Token;

mod answer;
mod call;

use answer::Attempt;

pub(crate) use answer::Answer;
pub(crate) use call::{Call, Repeat};

/// Limits on time, attempts and size.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The greatest number of attempts of a call that may be repeated.
    pub attempts_max: u32,
    /// The time to connect.
    pub connect_time: Duration,
    /// The time of one attempt, connecting and reading included.
    pub attempt_time: Duration,
    /// The first wait before another attempt; each further one is twice as long.
    pub wait_first: Duration,
    /// The longest wait; a provider that asks for a longer one is not waited for.
    pub wait_max: Duration,
    /// The longest answer, in bytes.
    pub answer_bytes_max: usize,
    /// The most pages of one list.
    pub pages_max: u32,
}

impl Default for Limits {
    /// Ours: no provider publishes how long its API may take.
    fn default() -> Self {
        Limits {
            attempts_max: 4,
            connect_time: Duration::from_secs(5),
            attempt_time: Duration::from_secs(20),
            wait_first: Duration::from_millis(500),
            wait_max: Duration::from_secs(60),
            answer_bytes_max: 16 * 1024 * 1024,
            pages_max: 1_000,
        }
    }
}

/// The surroundings of a client, beside the account.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Limits on time, attempts and size.
    pub limits: Limits,
    /// Time, waiting and chance.
    pub timer: RetryTimer,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { limits: Limits::default(), timer: RetryTimer::system() }
    }
}

/// One account's API.
#[derive(Debug)]
pub(crate) struct Http {
    platform: &'static Platform,
    base: BaseUrl,
    token: Token,
    headers: HeaderMap,
    settings: Settings,
    pace: Mutex<Pace>,
    client: HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Http {
    /// An account's API; `user_agent` where the provider wants one of its own kind.
    pub(crate) fn new(account: &Account, settings: Settings, user_agent: Option<&str>) -> Result<Self, ApiError> {
        let platform = account.platform;
        let unsent = |cause| ApiError::unsent(platform.name, "make a client", cause);
        let mut headers = HeaderMap::new();
        let user_agent = user_agent.unwrap_or(concat!("hookmill/", env!("CARGO_PKG_VERSION")));
        let text = |what, text| HeaderValue::from_str(text).map_err(|_| unsent(Cause::Argument { what }));
        headers.insert(USER_AGENT, text("the name of the shop", user_agent)?);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let bearer = account.token.bearer().ok_or_else(|| unsent(Cause::Argument { what: "the credential" }))?;
        headers.insert(AUTHORIZATION, bearer);
        let client = client(&account.base, &settings.limits).map_err(|why| unsent(Cause::Connect { why }))?;
        Ok(Http {
            platform,
            base: account.base.clone(),
            token: account.token.clone(),
            headers,
            settings,
            pace: Mutex::new(Pace::new(platform.allowances)),
            client,
        })
    }

    /// Returns the limits on time, attempts and size.
    pub(crate) fn limits(&self) -> &Limits {
        &self.settings.limits
    }

    /// A failure of this provider that is nobody's answer.
    pub(crate) fn unsent(&self, operation: &'static str, cause: Cause) -> ApiError {
        ApiError::unsent(self.platform.name, operation, cause)
    }

    /// Makes a call, again and again where that is allowed.
    pub(crate) async fn send(&self, call: &Call) -> Result<Answer, ApiError> {
        let path = call.path_and_query().map_err(|cause| self.unsent(call.operation, cause))?;
        let attempts_max = if call.repeat == Repeat::Never { 1 } else { self.limits().attempts_max.max(1) };
        let mut attempts = 0;
        let mut wait = self.limits().wait_first;
        // Whether some attempt may have done it though its answer was not learnt.
        let mut uncertain = false;
        loop {
            attempts += 1;
            self.keep_pace().await;
            let (cause, said, asked) = match self.attempt(call, &path).await {
                Ok(attempt) => {
                    let asked = self.asked_wait(&attempt);
                    match answer::judge(call, attempt, &self.token) {
                        Ok(raw) => return Ok(Answer::new(self.platform.name, call, attempts, raw)),
                        // An earlier attempt has done it.
                        Err((Cause::NotFound | Cause::Gone, _)) if call.method == Method::DELETE && uncertain => {
                            return Ok(Answer::new(self.platform.name, call, attempts, Raw::default()));
                        }
                        Err((Cause::RateLimited { .. }, said)) => {
                            (Cause::RateLimited { retry_after: asked }, said, asked)
                        }
                        Err((cause, said)) => (cause, said, asked),
                    }
                }
                Err(cause) => (cause, None, None),
            };
            uncertain |= call.changes() && is_uncertain(&cause);
            let longer = asked.is_some_and(|asked| asked > self.limits().wait_max);
            if attempts >= attempts_max || !is_passing(&cause) || longer {
                let (provider, operation) = (self.platform.name, call.operation);
                return Err(ApiError { provider, operation, attempts, may_have_happened: uncertain, cause, said });
            }
            let jittered = self.settings.timer.jitter(wait.min(self.limits().wait_max));
            self.settings.timer.sleep(asked.unwrap_or_default().max(jittered)).await;
            wait = wait.saturating_mul(2);
        }
    }

    async fn keep_pace(&self) {
        let now = self.settings.timer.now();
        let wait = self.pace.lock().unwrap_or_else(PoisonError::into_inner).take(now);
        if !wait.is_zero() {
            self.settings.timer.sleep(wait).await;
        }
    }

    async fn attempt(&self, call: &Call, path: &str) -> Result<Attempt, Cause> {
        let limit = self.limits().attempt_time;
        match tokio::time::timeout(limit, self.exchange(call, path)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Cause::TimedOut { limit }),
        }
    }

    async fn exchange(&self, call: &Call, path: &str) -> Result<Attempt, Cause> {
        let argument = || Cause::Argument { what: "the call" };
        let mut request = Request::builder().method(&call.method).uri(format!("{}{path}", self.base.as_str()));
        request.headers_mut().ok_or_else(argument)?.extend(self.headers.clone());
        let body = match &call.body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let request = request.body(Full::new(body)).map_err(|_| argument())?;
        let response = self.client.request(request).await.map_err(|error| {
            let why = innermost(&error);
            if error.is_connect() { Cause::Connect { why } } else { Cause::Disconnected { why } }
        })?;
        let (parts, body) = response.into_parts();
        let body = read(body, self.limits().answer_bytes_max).await?;
        Ok(Attempt { status: parts.status, headers: parts.headers, body })
    }

    /// Returns the wait that the provider asks for; if nothing is left of its allowance, the next call waits as well.
    fn asked_wait(&self, attempt: &Attempt) -> Option<Duration> {
        let now = self.settings.timer.now();
        let wait = answer::asked_wait(&attempt.headers, attempt.status, now)?;
        let held = now + wait.min(self.limits().wait_max);
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).hold(held);
        Some(wait)
    }
}

/// Returns whether the same call may succeed a little later.
fn is_passing(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::RateLimited { .. }
            | Cause::Failing { .. }
            | Cause::TimedOut { .. }
            | Cause::Connect { .. }
            | Cause::Disconnected { .. }
    )
}

/// Returns whether the provider may have done what was asked: it was sent, and no refusal came back.
fn is_uncertain(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::Failing { .. }
            | Cause::TimedOut { .. }
            | Cause::Disconnected { .. }
            | Cause::Empty
            | Cause::NotJson { .. }
            | Cause::TooLong { .. }
    )
}

async fn read(mut body: Incoming, limit: usize) -> Result<Vec<u8>, Cause> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(Cause::TooLong { limit });
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Cause::Disconnected { why: innermost(&error) })?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > limit {
                return Err(Cause::TooLong { limit });
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}

/// Returns the innermost message of an error: the outer ones say nothing more, and might one day hold an address.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// A client with the machine's certificates; without any where the API is on this machine and plain.
fn client(base: &BaseUrl, limits: &Limits) -> Result<HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>, String> {
    // Named, because a build with two libraries of cryptography has no default one.
    let cryptography = rustls::crypto::aws_lc_rs::default_provider();
    let builder = HttpsConnectorBuilder::new();
    let builder = if base.is_plain() {
        let config = rustls::ClientConfig::builder_with_provider(cryptography.into())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        builder.with_tls_config(config)
    } else {
        builder.with_provider_and_native_roots(cryptography).map_err(|error| error.to_string())?
    };
    let builder = if base.is_plain() { builder.https_or_http() } else { builder.https_only() };
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(limits.connect_time));
    connector.set_nodelay(true);
    let connector = builder.enable_http1().wrap_connector(connector);
    // A call that changes something is never sent twice, so not by the library either.
    Ok(HyperClient::builder(TokioExecutor::new())
        .retry_canceled_requests(false)
        .pool_idle_timeout(Duration::from_secs(5))
        .pool_timer(TokioTimer::new())
        .build(connector))
}
