//! Receives one delivery: admits it, keeps it, answers.

use std::convert::Infallible;
use std::time::Duration;

use webhook::claim::EventKey;
use webhook::providers::Provider;
use webhook::scheme::SchemeName;
use webhook::signature::{Refusal, Verified, admit};
use webhook::source::{Merchants, Source, Sources};

use crate::aws::client::{FOREGROUND, sdk_config};
use crate::aws::clock::Clock;
use crate::aws::config::ReceiverConfig;
use crate::aws::log::LogLine;
use crate::aws::serve::Handler;
use crate::keep::store::{KeepOutcome, Kept, Store};
use crate::receive::http::{Arrived, HttpAnswer, Request, Response};
use crate::receive::quarantine::Quarantine;
use crate::receive::reports::Reports;
use crate::receive::secrets::{Secrets, Unavailable};

/// Time limit of a whole delivery. SHOPLINE apps allow three seconds.
pub const DELIVERY_MS_MAX: u64 = 2_000;

/// Time limit of quarantining a refused delivery: its sender gets the same answer either way.
const QUARANTINE_MS_MAX: u64 = 500;

/// A provider's receiver.
#[derive(Debug)]
pub struct Receiver {
    provider: &'static Provider,
    body_limit_bytes: usize,
    secrets: Secrets,
    store: Store,
    quarantine: Quarantine,
    clock: Clock,
    /// One for each scheme of the provider.
    decoys: Vec<Source>,
    reports: Reports,
}

const LATE: &str = "late";
const SECRET_UNAVAILABLE: &str = "secret_unavailable";

/// The end of a delivery, for its answer and its line in the log.
#[derive(Debug)]
enum DeliveryEnd {
    Kept(KeepOutcome, String),
    Refused(Refusal),
    Rejected(HttpAnswer),
    /// Longer than the limit, at a source that there is.
    TooLarge,
    Failed(&'static str, String),
    /// The provider's secret has no value: nobody has set the provider up.
    NotSetUp,
}

impl Handler for Receiver {
    type Payload = Request;
    type Answer = Response;
    type Error = Infallible;

    async fn handle(&self, request: Request) -> Result<Response, Infallible> {
        Ok(self.receive(request).await)
    }
}

impl Receiver {
    /// A receiver configured from the environment.
    pub async fn from_config(provider: &'static Provider, config: ReceiverConfig) -> Self {
        let sdk = sdk_config(FOREGROUND).await;
        let dynamodb = aws_sdk_dynamodb::Client::new(&sdk);
        let secrets = aws_sdk_secretsmanager::Client::new(&sdk);
        Receiver::new(provider, config, dynamodb, secrets, Clock::system())
    }

    /// A receiver with these clients and this clock.
    pub fn new(
        provider: &'static Provider,
        config: ReceiverConfig,
        dynamodb: aws_sdk_dynamodb::Client,
        secrets: aws_sdk_secretsmanager::Client,
        clock: Clock,
    ) -> Self {
        Receiver {
            provider,
            body_limit_bytes: config.body_limit_bytes,
            secrets: Secrets::new(secrets, config.secret_id, provider, clock.clone()),
            store: Store::new(dynamodb.clone(), config.events_table.clone()),
            quarantine: Quarantine::new(dynamodb, config.events_table, provider, clock.clone()),
            clock,
            decoys: provider.admission.schemes.iter().map(|(scheme, _)| decoy(*scheme)).collect(),
            reports: Reports::default(),
        }
    }

    /// Answers one request. 200 means that the row is durable; nothing runs after the answer.
    pub async fn receive(&self, request: Request) -> Response {
        let received_ms = self.clock.now_ms();
        let named = request.source();
        let (source, end) = match request.open(self.body_limit_bytes) {
            Err(HttpAnswer::TooLarge) if self.is_source(&named).await => (Some(named), DeliveryEnd::TooLarge),
            Err(answer) => (None, DeliveryEnd::Rejected(answer)),
            Ok(arrived) => {
                let deadline = Duration::from_millis(DELIVERY_MS_MAX);
                let end = self.clock.within(deadline, self.decide(&arrived, received_ms)).await;
                (Some(arrived.source), end.unwrap_or_else(|| DeliveryEnd::Failed(LATE, "out of time".to_owned())))
            }
        };
        self.log(source, &end, received_ms);
        end.answer().response()
    }

    /// Returns whether the name is a source's. A stranger's request is nobody's business, however long it is.
    async fn is_source(&self, name: &str) -> bool {
        let sources = self.clock.within(Duration::from_millis(DELIVERY_MS_MAX), self.secrets.sources()).await;
        sources.and_then(Result::ok).is_some_and(|sources| sources.names().any(|known| known == name))
    }

    async fn decide(&self, arrived: &Arrived, received_ms: i64) -> DeliveryEnd {
        let mut sources = match self.secrets.sources().await {
            Ok(sources) => sources,
            Err(Unavailable::Empty) => return DeliveryEnd::NotSetUp,
            Err(Unavailable::Failed) => {
                return DeliveryEnd::Failed(SECRET_UNAVAILABLE, "the provider's secret is unavailable".to_owned());
            }
        };
        let (mut end, may_be_stale) = self.admit_and_keep(&sources, arrived, received_ms).await;
        if may_be_stale && let Some(fresh) = self.secrets.refreshed().await {
            end = self.admit_and_keep(&fresh, arrived, received_ms).await.0;
            sources = fresh;
        }
        end.or_quarantine(self, arrived, &sources, received_ms).await
    }

    /// Returns the delivery's end, and whether a fresh secret could change it.
    async fn admit_and_keep(&self, sources: &Sources, arrived: &Arrived, received_ms: i64) -> (DeliveryEnd, bool) {
        if sources.is_defective(&arrived.source) {
            let reason = "the source's settings cannot be used".to_owned();
            return (DeliveryEnd::Failed("source_defective", reason), false);
        }
        let source = sources.get(&arrived.source);
        let refusal = match source.map(|source| admit(&self.provider.admission, source, &arrived.delivery)) {
            Some(Ok(verified)) => return (self.keep(&verified, received_ms).await, false),
            Some(Err(refusal)) => refusal,
            None => Refusal::UnknownSource,
        };
        // Every refusal costs one try of each scheme, so that its time reveals nothing of the source. The same tries
        // decide whether the secret is fetched again: a credential of no scheme passes with no secret.
        let mut may_be_stale = may_be_stale_secret(refusal);
        for decoy in self.decoys.iter().filter(|decoy| source.is_none_or(|source| source.scheme != decoy.scheme)) {
            let refused = admit(&self.provider.admission, decoy, &arrived.delivery).err();
            may_be_stale |= refused.is_some_and(may_be_stale_secret);
        }
        (DeliveryEnd::Refused(refusal), may_be_stale)
    }

    async fn keep(&self, verified: &Verified<'_>, received_ms: i64) -> DeliveryEnd {
        match self.store.keep(self.provider, verified, received_ms).await {
            Ok(outcome) => DeliveryEnd::Kept(outcome, verified.fingerprint().to_owned()),
            Err(error) => DeliveryEnd::Failed("table_unavailable", error.chain()),
        }
    }

    fn log(&self, source: Option<String>, end: &DeliveryEnd, received_ms: i64) {
        let now_ms = self.clock.now_ms();
        let attention = end.needs_attention();
        // What is kept is a verified delivery; everything else may be anybody's, and as often as they like.
        let deliveries = match end {
            DeliveryEnd::Kept(..) => Some(1),
            _ => self.reports.due(end.word(), attention, now_ms),
        };
        let Some(deliveries) = deliveries else { return };
        let line = match end {
            DeliveryEnd::Kept(outcome, fingerprint) => LogLine::info("delivery kept")
                .with("key", fingerprint.as_str())
                .with("id", outcome.key.id())
                .with("kind", word(&outcome.key))
                .with("write_units", outcome.write_units),
            DeliveryEnd::Refused(refusal) => LogLine::warn("deliveries refused").with("reason", refusal.word()),
            DeliveryEnd::TooLarge => LogLine::error("delivery over the limit"),
            DeliveryEnd::Rejected(_) => LogLine::warn("request refused"),
            DeliveryEnd::Failed(_, reason) => LogLine::error("delivery not kept").with("reason", reason.as_str()),
            DeliveryEnd::NotSetUp => {
                LogLine::warn("delivery not kept").with("reason", "the provider's secret has no value yet")
            }
        };
        let line = if attention { line.attention() } else { line };
        // The name of an unknown source is whatever a stranger typed, and may be a token in the wrong place.
        let unknown = match end {
            DeliveryEnd::Refused(refusal) => *refusal == Refusal::UnknownSource,
            DeliveryEnd::Failed(word, _) => *word == LATE || *word == SECRET_UNAVAILABLE,
            DeliveryEnd::NotSetUp => true,
            DeliveryEnd::Kept(..) | DeliveryEnd::Rejected(_) | DeliveryEnd::TooLarge => false,
        };
        line.with("provider", self.provider.name)
            .with("source", source.filter(|_| !unknown))
            .with("outcome", end.word())
            .metric("Deliveries", "Count", deliveries)
            .metric("DurationMs", "Milliseconds", now_ms - received_ms)
            .write(now_ms);
    }
}

impl DeliveryEnd {
    fn answer(&self) -> HttpAnswer {
        match self {
            DeliveryEnd::Kept(..) => HttpAnswer::Ok,
            DeliveryEnd::Refused(_) => HttpAnswer::Unauthorized,
            DeliveryEnd::Rejected(answer) => *answer,
            DeliveryEnd::TooLarge => HttpAnswer::TooLarge,
            DeliveryEnd::Failed(..) | DeliveryEnd::NotSetUp => HttpAnswer::Unavailable,
        }
    }

    /// Returns whether something genuine may be lost, so that somebody has to look.
    fn needs_attention(&self) -> bool {
        match self {
            // The sender knows the URL: a forger, or the provider with a key that the secret does not have.
            DeliveryEnd::Refused(refusal) => matches!(refusal, Refusal::Mismatch | Refusal::WrongMerchant),
            DeliveryEnd::TooLarge | DeliveryEnd::Failed(..) => true,
            DeliveryEnd::Kept(..) | DeliveryEnd::Rejected(_) | DeliveryEnd::NotSetUp => false,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            DeliveryEnd::Kept(outcome, _) => match outcome.kept {
                Kept::New => "kept",
                Kept::Repeat => "repeat",
                Kept::Marked(mark) => mark.word(),
            },
            DeliveryEnd::Refused(_) => "refused",
            DeliveryEnd::Rejected(HttpAnswer::MethodNotAllowed) => "method",
            DeliveryEnd::Rejected(HttpAnswer::TooLarge) | DeliveryEnd::TooLarge => "too_large",
            DeliveryEnd::Rejected(_) => "refused",
            DeliveryEnd::Failed(word, _) => word,
            DeliveryEnd::NotSetUp => SECRET_UNAVAILABLE,
        }
    }

    async fn or_quarantine(self, receiver: &Receiver, arrived: &Arrived, sources: &Sources, received_ms: i64) -> Self {
        if let DeliveryEnd::Refused(refusal) = self {
            let keeping = receiver.quarantine.keep(arrived, refusal, sources, received_ms);
            let in_time = receiver.clock.within(Duration::from_millis(QUARANTINE_MS_MAX), keeping).await;
            if let Some(Err(error)) = in_time {
                let line = LogLine::warn("a refused delivery could not be quarantined").with("reason", error.chain());
                line.with("provider", receiver.provider.name).write(received_ms);
            }
        }
        self
    }
}

/// Returns whether a fresh secret could change the verdict on a credential.
fn may_be_stale_secret(refusal: Refusal) -> bool {
    match refusal {
        Refusal::Mismatch | Refusal::WrongMerchant => true,
        // Of a source that is not known yet, the tries with what nobody has decide.
        Refusal::UnknownSource | Refusal::Missing | Refusal::Malformed | Refusal::OtherProduct | Refusal::Ambiguous => {
            false
        }
    }
}

/// A source that nobody can pass, for deliveries to unknown ones.
fn decoy(scheme: SchemeName) -> Source {
    let nobody_knows = || vec![webhook::secret::Secret::new("~".repeat(43))];
    let (signing_keys, url_tokens) = (nobody_knows(), nobody_knows());
    Source {
        name: String::new(),
        scheme,
        signing_keys,
        url_tokens,
        merchants: Merchants::Only(Vec::new()),
        several_merchants: false,
    }
}

/// Returns the provider's word in a key, which holds no personal data.
fn word(key: &EventKey) -> &str {
    key.sk.split('/').next().unwrap_or_default()
}
