//! Receives one delivery: admits it, keeps it, answers.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use webhook::claim::EventKey;
use webhook::providers::Provider;
use webhook::scheme::SchemeName;
use webhook::secret::QuarantineKey;
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
use crate::receive::secrets::Secrets;

/// Time limit of a whole delivery. SHOPLINE apps allow three seconds.
pub const DELIVERY_MS_MAX: u64 = 2_000;

/// Time limit of quarantining a refused delivery: its sender gets the same answer either way.
const QUARANTINE_MS_MAX: u64 = 500;

/// One line reports this many refusals, or those of this many milliseconds.
const REFUSALS_A_LINE: u64 = 20;
const REFUSALS_MS_MAX: i64 = 10_000;

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
    refusals: Mutex<Refusals>,
}

/// Refusals that no line has reported yet.
#[derive(Debug, Default)]
struct Refusals {
    unreported: u64,
    reported_ms: Option<i64>,
}

const LATE: &str = "late";
const SECRET_UNAVAILABLE: &str = "secret_unavailable";

/// The end of a delivery, for its answer and its line in the log.
#[derive(Debug)]
enum DeliveryEnd {
    Kept(KeepOutcome, String),
    Refused(Refusal),
    Rejected(HttpAnswer),
    Failed(&'static str, String),
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
            quarantine: Quarantine::new(dynamodb, config.events_table, provider),
            clock,
            decoys: provider.admission.schemes.iter().map(|(scheme, _)| decoy(*scheme)).collect(),
            refusals: Mutex::default(),
        }
    }

    /// Answers one request. 200 means that the row is durable; nothing runs after the answer.
    pub async fn receive(&self, request: Request) -> Response {
        let received_ms = self.clock.now_ms();
        let (source, end) = match request.open(self.body_limit_bytes) {
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

    async fn decide(&self, arrived: &Arrived, received_ms: i64) -> DeliveryEnd {
        let Ok(mut sources) = self.secrets.sources().await else {
            return DeliveryEnd::Failed(SECRET_UNAVAILABLE, "the provider's secret is unavailable".to_owned());
        };
        let mut end = self.admit_and_keep(&sources, arrived, received_ms).await;
        if let DeliveryEnd::Refused(refusal) = end
            && may_be_stale_secret(refusal)
            && let Some(fresh) = self.secrets.refreshed().await
        {
            end = self.admit_and_keep(&fresh, arrived, received_ms).await;
            sources = fresh;
        }
        end.or_quarantine(self, arrived, sources.quarantine_key(), received_ms).await
    }

    async fn admit_and_keep(&self, sources: &Sources, arrived: &Arrived, received_ms: i64) -> DeliveryEnd {
        if sources.is_defective(&arrived.source) {
            return DeliveryEnd::Failed("source_defective", "the source's settings cannot be used".to_owned());
        }
        let source = sources.get(&arrived.source);
        let refusal = match source.map(|source| admit(&self.provider.admission, source, &arrived.delivery)) {
            Some(Ok(verified)) => return self.keep(&verified, received_ms).await,
            Some(Err(refusal)) => refusal,
            None => Refusal::UnknownSource,
        };
        // Every refusal costs one try of each scheme, so that its time reveals nothing of the source.
        for decoy in self.decoys.iter().filter(|decoy| source.is_none_or(|source| source.scheme != decoy.scheme)) {
            let _ = admit(&self.provider.admission, decoy, &arrived.delivery);
        }
        DeliveryEnd::Refused(refusal)
    }

    async fn keep(&self, verified: &Verified<'_>, received_ms: i64) -> DeliveryEnd {
        match self.store.keep(self.provider, verified, received_ms).await {
            Ok(outcome) => DeliveryEnd::Kept(outcome, verified.fingerprint().to_owned()),
            Err(error) => DeliveryEnd::Failed("table_unavailable", error.chain()),
        }
    }

    fn log(&self, source: Option<String>, end: &DeliveryEnd, received_ms: i64) {
        let now_ms = self.clock.now_ms();
        let mut deliveries = 1;
        let line = match end {
            DeliveryEnd::Kept(outcome, fingerprint) => LogLine::info("delivery kept")
                .with("key", fingerprint.as_str())
                .with("id", outcome.key.id())
                .with("kind", word(&outcome.key))
                .with("write_units", outcome.write_units),
            DeliveryEnd::Refused(refusal) => {
                let Some(count) = self.refusals_to_report(now_ms) else { return };
                deliveries = count;
                let line = LogLine::warn("deliveries refused").with("reason", refusal.word());
                // The sender knows the URL: a forger, or the provider with a key that the secret does not have.
                let suspicious = matches!(refusal, Refusal::Mismatch | Refusal::WrongMerchant);
                if suspicious { line.attention() } else { line }
            }
            DeliveryEnd::Rejected(HttpAnswer::TooLarge) => LogLine::error("delivery over the limit").attention(),
            DeliveryEnd::Rejected(_) => LogLine::warn("request refused"),
            DeliveryEnd::Failed(_, reason) => {
                LogLine::error("delivery not kept").attention().with("reason", reason.as_str())
            }
        };
        // The name of an unknown source is whatever a stranger typed, and may be a token in the wrong place.
        let unknown = match end {
            DeliveryEnd::Refused(refusal) => *refusal == Refusal::UnknownSource,
            DeliveryEnd::Failed(word, _) => *word == LATE || *word == SECRET_UNAVAILABLE,
            DeliveryEnd::Kept(..) | DeliveryEnd::Rejected(_) => false,
        };
        line.with("provider", self.provider.name)
            .with("source", source.filter(|_| !unknown))
            .with("outcome", end.word())
            .metric("Deliveries", "Count", deliveries)
            .metric("DurationMs", "Milliseconds", now_ms - received_ms)
            .write(now_ms);
    }

    /// Returns the number of refusals to report; `None` while no line is due. A flood must not become a bill for logs.
    fn refusals_to_report(&self, now_ms: i64) -> Option<u64> {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.unreported += 1;
        let due = refusals.reported_ms.is_none_or(|reported_ms| now_ms - reported_ms >= REFUSALS_MS_MAX);
        if !due && refusals.unreported < REFUSALS_A_LINE {
            return None;
        }
        refusals.reported_ms = Some(now_ms);
        Some(std::mem::take(&mut refusals.unreported))
    }
}

impl DeliveryEnd {
    fn answer(&self) -> HttpAnswer {
        match self {
            DeliveryEnd::Kept(..) => HttpAnswer::Ok,
            DeliveryEnd::Refused(_) => HttpAnswer::Unauthorized,
            DeliveryEnd::Rejected(answer) => *answer,
            DeliveryEnd::Failed(..) => HttpAnswer::Unavailable,
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
            DeliveryEnd::Rejected(HttpAnswer::TooLarge) => "too_large",
            DeliveryEnd::Rejected(_) => "refused",
            DeliveryEnd::Failed(word, _) => word,
        }
    }

    async fn or_quarantine(
        self,
        receiver: &Receiver,
        arrived: &Arrived,
        key: Option<&QuarantineKey>,
        received_ms: i64,
    ) -> Self {
        if let DeliveryEnd::Refused(refusal) = self {
            let keeping = receiver.quarantine.keep(arrived, refusal, key, received_ms);
            let in_time = receiver.clock.within(Duration::from_millis(QUARANTINE_MS_MAX), keeping).await;
            if let Some(Err(error)) = in_time {
                let line = LogLine::warn("a refused delivery could not be quarantined").with("reason", error.chain());
                line.with("provider", receiver.provider.name).write(received_ms);
            }
        }
        self
    }
}

/// Returns whether a fresh secret could change the verdict.
fn may_be_stale_secret(refusal: Refusal) -> bool {
    match refusal {
        Refusal::UnknownSource | Refusal::Mismatch | Refusal::WrongMerchant => true,
        Refusal::Missing | Refusal::Malformed | Refusal::OtherProduct | Refusal::Ambiguous => false,
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
