//! Sends events from the table's stream to the queues.
//!
//! It never fails on a record's content. For outages it retries inside the invocation, then fails the whole of it:
//! FIFO deduplication absorbs what was already sent.

use lambda_runtime::Diagnostic;
use serde_json::json;
use webhook::claim::EventKey;
use webhook::event::Event;
use webhook::providers::Provider;

use crate::aws::client::{BACKGROUND, CallFailure, sdk_config};
use crate::aws::clock::Clock;
use crate::aws::config::RelayConfig;
use crate::aws::log::LogLine;
use crate::aws::queue::{QueueMessage, Unsent, send_all};
use crate::aws::serve::Handler;
use crate::keep::error::StoreError;
use crate::keep::item::{self, Item, StoredRow};
use crate::keep::store::Store;
use crate::relay::relay_log::{RelayLog, RelayLogEntry};
use crate::relay::stream::StreamBatch;

/// Events are sent before more bodies than this have been read.
const SLICE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// No call to the first queue begins later than this in an invocation, and none to the others later than that: the
/// template gives an invocation 60 seconds, and a call takes 8 at most, as does the relay log at the end.
const DECISIVE_MS_MAX: i64 = 25_000;
const OTHERS_MS_MAX: i64 = 40_000;

/// The relay.
#[derive(Debug)]
pub struct Relay {
    store: Store,
    relayed: RelayLog,
    sqs: aws_sdk_sqs::Client,
    config: RelayConfig,
    clock: Clock,
}

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
}

impl From<RelayError> for Diagnostic {
    fn from(error: RelayError) -> Self {
        let error_type = match &error {
            RelayError::Body(_) => "Body",
            RelayError::Queue { .. } => "Queue",
            RelayError::Park { .. } => "Park",
        };
        Diagnostic { error_type: error_type.to_owned(), error_message: error.to_string() }
    }
}

/// A canonical event and the queue group that it belongs to.
#[derive(Debug)]
struct Outgoing {
    event: Event,
    pk: String,
    /// The body that it was read from; `None` if that cannot be had.
    body: Option<Vec<u8>>,
}

impl Outgoing {
    fn message(&self, with_body: bool) -> QueueMessage {
        match self.body.as_deref().filter(|_| with_body) {
            Some(body) => QueueMessage::with_body(&self.event, body, &self.pk),
            None => QueueMessage::of(&self.event, &self.pk),
        }
    }
}

impl Handler for Relay {
    type Payload = StreamBatch;
    type Answer = ();
    type Error = RelayError;

    async fn handle(&self, batch: StreamBatch) -> Result<(), RelayError> {
        self.relay(batch).await
    }
}

impl Relay {
    /// A relay configured from the environment.
    pub async fn from_config(config: RelayConfig) -> Self {
        let sdk = sdk_config(BACKGROUND).await;
        let dynamodb = aws_sdk_dynamodb::Client::new(&sdk);
        Relay::new(config, dynamodb, aws_sdk_sqs::Client::new(&sdk), Clock::system())
    }

    /// A relay with these clients and this clock.
    pub fn new(
        config: RelayConfig,
        dynamodb: aws_sdk_dynamodb::Client,
        sqs: aws_sdk_sqs::Client,
        clock: Clock,
    ) -> Self {
        let relayed = RelayLog::new(dynamodb.clone(), config.events_table.clone());
        Relay { store: Store::new(dynamodb, config.events_table.clone()), relayed, sqs, config, clock }
    }

    /// Sends one batch to every queue that takes it.
    pub async fn relay(&self, batch: StreamBatch) -> Result<(), RelayError> {
        let inserted = batch.records.into_iter().filter_map(crate::relay::stream::Record::inserted_event);
        self.send_kept(inserted.collect()).await
    }

    /// Sends events to every queue that takes them, in the order of their items, and writes the relay log.
    pub async fn send_kept(&self, items: Vec<Item>) -> Result<(), RelayError> {
        let started_ms = self.clock.now_ms();
        let noted: Vec<RelayLogEntry> = items.iter().filter_map(noted).collect();
        let mut outgoing = Vec::with_capacity(items.len());
        let mut bytes = 0;
        for item in items {
            let Some((event, body_bytes)) = self.derive(&item).await? else { continue };
            outgoing.push(event);
            bytes += body_bytes;
            // Bodies from chunks are not bounded by what an invocation can carry.
            if bytes >= SLICE_BYTES_MAX {
                self.send(&outgoing, started_ms).await?;
                outgoing.clear();
                bytes = 0;
            }
        }
        self.send(&outgoing, started_ms).await?;
        self.note(&noted).await;
        Ok(())
    }

    /// Writes the relay log. The events are sent already, so a failure here must not retry them.
    async fn note(&self, events: &[RelayLogEntry]) {
        if let Err(error) = self.relayed.note(events, self.clock.now_ms()).await {
            let line = LogLine::warn("what was relayed could not be noted; the watch will send it once more");
            line.with("events", events.len()).with("reason", error.chain()).write(self.clock.now_ms());
        }
    }

    async fn send(&self, outgoing: &[Outgoing], started_ms: i64) -> Result<(), RelayError> {
        for (index, queue) in self.config.queues.iter().enumerate() {
            // A queue that hangs must leave the invocation time to park what it did not take.
            let budget_ms = if index == 0 { DECISIVE_MS_MAX } else { OTHERS_MS_MAX };
            let taken = outgoing.iter().filter(|outgoing| queue.takes(outgoing.event.event_type.name()));
            let unsent = send_all(
                &self.sqs,
                &queue.url,
                taken.map(|outgoing| outgoing.message(queue.bodies)).collect(),
                &self.clock,
                started_ms + budget_ms,
            )
            .await;
            match unsent.first() {
                None => {}
                Some(first) if index == 0 => {
                    return Err(RelayError::Queue { count: unsent.len(), reason: first.failure.to_string() });
                }
                Some(_) => self.park(&queue.url, unsent).await?,
            }
        }
        outgoing.iter().for_each(|outgoing| self.log(&outgoing.event));
        Ok(())
    }

    /// Returns the event of an item and the length of its body.
    async fn derive(&self, item: &Item) -> Result<Option<(Outgoing, usize)>, RelayError> {
        let Some(key) = item::key_of(item) else { return Ok(None) };
        let mut stored = match StoredRow::from_item(item) {
            Ok(stored) => stored,
            Err(error) => return Ok(Some((self.unreadable_row(key, &error.to_string()), 0))),
        };
        // A row whose body is damaged or gone is content, not an outage.
        match self.store.require_body(&mut stored).await {
            Ok(()) => {}
            Err(error) if error.is_outage() => return Err(RelayError::Body(error)),
            Err(error) => return Ok(Some((self.unreadable_row(key, &error.chain()), 0))),
        }
        let provider = Provider::of(&key);
        let outgoing = match provider {
            Some(provider) => Outgoing { event: provider.read(&stored.row), pk: key.pk, body: None },
            None => self.unreadable_row(key, "no provider has this name"),
        };
        let bytes = stored.row.body.len();
        let body = self.config.queues.iter().any(|queue| queue.bodies).then_some(stored.row.body);
        Ok(Some((Outgoing { body, ..outgoing }, bytes)))
    }

    /// Makes an event of the id alone: it still goes out.
    fn unreadable_row(&self, key: EventKey, reason: &str) -> Outgoing {
        let id = key.id();
        let line = LogLine::error("a row cannot be read").with("id", id.as_str()).with("reason", reason);
        line.write(self.clock.now_ms());
        Outgoing { event: Event::of_unreadable_row(&key, self.clock.now_ms(), reason), pk: key.pk, body: None }
    }

    async fn park(&self, queue_url: &str, unsent: Vec<Unsent>) -> Result<(), RelayError> {
        let count = unsent.len();
        for Unsent { name, failure } in unsent {
            let letter = json!({"queue": queue_url, "id": name, "reason": failure.to_string()}).to_string();
            let request = self.sqs.send_message().queue_url(&self.config.dead_letter_queue_url).message_body(letter);
            request
                .send()
                .await
                .map_err(|error| RelayError::Park { count, reason: CallFailure::of(&error).to_string() })?;
        }
        let line =
            LogLine::error("events parked for a queue that does not take them").with("queue", queue_url).attention();
        line.with("provider", "all")
            .with("outcome", "parked")
            .metric("Events", "Count", count)
            .write(self.clock.now_ms());
        Ok(())
    }

    fn log(&self, event: &Event) {
        let outcome = match event {
            Event { unreadable: Some(_), .. } => "unreadable",
            Event { unrecognised: true, .. } => "unrecognised",
            Event { changedshape: true, .. } => "changed_shape",
            Event { conflict: true, .. } => "conflict",
            Event { .. } => "relayed",
        };
        let provider = event.id.split('/').next().unwrap_or_default();
        let source = event.id.split('/').nth(1).unwrap_or_default();
        let now_ms = self.clock.now_ms();
        let line = LogLine::info("event relayed");
        let line = if outcome == "relayed" { line } else { line.attention() };
        line.with("provider", provider)
            .with("source", source)
            .with("id", event.id.as_str())
            .with("kind", event.event_type.name())
            .with("outcome", outcome)
            .metric("Events", "Count", 1)
            .metric("LagMs", "Milliseconds", now_ms - event.receivedtime.as_millisecond())
            .write(now_ms);
    }
}

/// Returns an event's entry in the relay log.
fn noted(item: &Item) -> Option<RelayLogEntry> {
    let received_at = item.get("received_at")?.as_s().ok()?.clone();
    Some(RelayLogEntry { received_at, id: item::key_of(item)?.id() })
}
