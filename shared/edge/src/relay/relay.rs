//! Sends events from the table's stream to the queues.
//!
//! It never fails on a record's content. For outages it retries inside the invocation, then fails the whole of it, and
//! the batch comes again. What was sent of it is remembered and not sent again (`batch_log`), an order's
//! events wait for those before them, and what only one event is to blame for is parked after a while: so each attempt
//! begins where the last one ended, and no batch is impossible, however large, slow or odd its events are.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use webhook::claim::EventKey;
use webhook::event::Event;
use webhook::providers::Provider;

use crate::aws::client::{BACKGROUND, sdk_config};
use crate::aws::clock::Clock;
use crate::aws::config::{RELAY_TIMEOUT_MS, RelayConfig};
use crate::aws::log::LogLine;
use crate::aws::queue::Unsent;
use crate::aws::serve::Handler;
use crate::keep::error::StoreError;
use crate::keep::item::{self, Item, StoredRow};
use crate::keep::store::Store;
use crate::keep::time_index::ms_of;
use crate::relay::batch_log::{BatchLog, BatchState};
use crate::relay::error::RelayError;
use crate::relay::outgoing::Outgoing;
use crate::relay::outlets::{OTHERS_MS_MAX, Outlets};
use crate::relay::relay_log::{RelayLog, RelayLogEntry, name_of};
use crate::relay::stream::StreamBatch;

/// Events are sent before more bodies than this have been read, and before reading has taken longer than this.
const SLICE_BYTES_MAX: usize = 8 * 1024 * 1024;
const SLICE_MS_MAX: i64 = 5_000;

/// Of an invocation of 60 seconds or more: no event is read and no call to the first queue begins later than this, and
/// none to the others later than that. A call takes 8 seconds at most, as do parking and the relay log at the end. A
/// shorter timeout has the same parts.
const DECISIVE_MS_MAX: i64 = 20_000;
const OTHERS_END_MS_MAX: i64 = 36_000;

/// A batch whose first event is younger has not been tried so often that a queue would take a repeat; one from later
/// than that is of another clock, and may have been.
const FRESH_MS: i64 = 10_000;

/// Age from which an event that is itself to blame is parked; until then it may be the queue or this build after all.
const PARK_AGE_MS: i64 = 15 * 60 * 1_000;

/// The relay.
#[derive(Debug)]
pub struct Relay {
    store: Store,
    relayed: RelayLog,
    batches: BatchLog,
    outlets: Outlets,
    clock: Clock,
    timeout_ms: i64,
}

/// An attempt at a batch.
#[derive(Debug)]
struct BatchAttempt {
    first_id: String,
    state: BatchState,
    /// The state is kept from the beginning, and not only if something is left.
    is_kept: bool,
    deadline_ms: i64,
    others_end_ms: i64,
    others_left_ms: i64,
    /// Events that were read and are to be sent, the bytes of their bodies, and when the first one was read.
    slice: Vec<Outgoing>,
    slice_bytes: usize,
    slice_started_ms: i64,
    /// Partition keys whose events wait for one of theirs that could not be sent.
    stopped: HashSet<String>,
    /// Events that need not be sent again, for the relay log.
    done: Vec<RelayLogEntry>,
    /// This attempt has sent something.
    has_sent: bool,
    /// Number of events that are left, and why the first of them is.
    left: usize,
    failure: Option<RelayError>,
    /// Nothing more can be sent in this invocation.
    is_over: bool,
}

impl BatchAttempt {
    /// Leaves an event for the next attempt, and with it what is behind it in its order.
    fn leave(&mut self, pk: &str, failure: impl FnOnce() -> RelayError) {
        self.left += 1;
        self.stopped.insert(pk.to_owned());
        self.failure.get_or_insert_with(failure);
    }

    fn is_done(&mut self, id: &str, received_at: Option<String>) {
        self.state.sent.insert(name_of(id));
        self.state.has_progressed();
        self.has_sent = true;
        self.log(id, received_at);
    }

    fn log(&mut self, id: &str, received_at: Option<String>) {
        self.done.extend(received_at.map(|received_at| RelayLogEntry { received_at, id: id.to_owned() }));
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
        let table = || config.events_table.clone();
        let relayed = RelayLog::new(dynamodb.clone(), table());
        let batches = BatchLog::new(dynamodb.clone(), table());
        let store = Store::new(dynamodb, table());
        let timeout_ms = config.timeout_ms;
        Relay { store, relayed, batches, outlets: Outlets::new(config, sqs, clock.clone()), clock, timeout_ms }
    }

    /// Sends one batch to every queue that takes it.
    pub async fn relay(&self, batch: StreamBatch) -> Result<(), RelayError> {
        let inserted = batch.records.into_iter().filter_map(crate::relay::stream::Record::inserted_event);
        self.send_kept(inserted.collect()).await
    }

    /// Sends events to every queue that takes them, in the order of their items, and writes the relay log. After an
    /// error, what was sent is remembered for the next call that begins with the same event.
    pub async fn send_kept(&self, items: Vec<Item>) -> Result<(), RelayError> {
        let Some(first) = items.iter().find_map(item::key_of) else { return Ok(()) };
        let age_ms = items.first().map_or(0, |first| self.age_ms(received_at(first).as_deref()));
        let mut attempt = self.begin(first.id(), age_ms).await;
        let stride = attempt.state.stride();
        let mut in_stride = 0;
        for item in items {
            let Some(key) = item::key_of(&item) else { continue };
            if attempt.state.sent.contains(&name_of(&key.id())) {
                // The attempt that sent it may have ended before it could write the relay log.
                attempt.log(&key.id(), received_at(&item));
                continue;
            }
            if attempt.is_over || attempt.stopped.contains(&key.pk) {
                attempt.left += 1;
                continue;
            }
            self.add(&mut attempt, &key, &item).await;
            in_stride += 1;
            // Bodies from chunks are not bounded by what an invocation can carry.
            let is_full = attempt.slice_bytes >= SLICE_BYTES_MAX
                || self.clock.now_ms() - attempt.slice_started_ms >= SLICE_MS_MAX;
            if is_full || in_stride >= stride {
                self.send_slice(&mut attempt).await;
            }
            if in_stride >= stride {
                in_stride = 0;
                self.keep(&attempt, attempt.state.ends + 1).await;
            }
        }
        self.send_slice(&mut attempt).await;
        self.end(attempt).await
    }

    /// Begins an attempt at the batch that begins with this event. If nothing can be remembered of it, everything is sent.
    async fn begin(&self, first_id: String, age_ms: i64) -> BatchAttempt {
        let is_kept = age_ms.saturating_abs() >= FRESH_MS;
        let state = match is_kept {
            true => self.batches.read(&first_id).await.unwrap_or_else(|error| {
                self.warn_of_memory(&error);
                BatchState::default()
            }),
            false => BatchState::default(),
        };
        let started_ms = self.clock.now_ms();
        let attempt = BatchAttempt {
            first_id,
            is_kept,
            deadline_ms: started_ms + self.part_ms(DECISIVE_MS_MAX),
            others_end_ms: started_ms + self.part_ms(OTHERS_END_MS_MAX),
            others_left_ms: self.part_ms(OTHERS_MS_MAX),
            slice: Vec::new(),
            slice_bytes: 0,
            slice_started_ms: started_ms,
            stopped: HashSet::new(),
            done: Vec::new(),
            has_sent: false,
            left: 0,
            failure: None,
            is_over: false,
            state,
        };
        if is_kept {
            self.keep(&attempt, attempt.state.ends + 1).await;
        }
        attempt
    }

    /// Returns the part of this function's timeout that is as large as a time of the usual one.
    fn part_ms(&self, of_usual_ms: i64) -> i64 {
        of_usual_ms * self.timeout_ms.clamp(0, RELAY_TIMEOUT_MS) / RELAY_TIMEOUT_MS
    }

    /// Keeps what was sent of the batch, and how often it ended the function if this attempt does so too.
    async fn keep(&self, attempt: &BatchAttempt, ends: u32) {
        let state = BatchState { sent: attempt.state.sent.clone(), ends };
        if let Err(error) = self.batches.write(&attempt.first_id, &state, self.clock.now_ms()).await {
            self.warn_of_memory(&error);
        }
    }

    fn warn_of_memory(&self, error: &StoreError) {
        let line = LogLine::warn("it is not known what was sent of a batch; some of it may be sent twice");
        line.with("reason", error.chain()).write(self.clock.now_ms());
    }

    /// Ends an attempt: the relay log has what was sent, and the batch's row if anything is left.
    async fn end(&self, attempt: BatchAttempt) -> Result<(), RelayError> {
        self.note(&attempt.done).await;
        let has_left_some = attempt.left > 0 && !attempt.state.sent.is_empty();
        if attempt.is_kept || has_left_some {
            self.keep(&attempt, attempt.state.ends).await;
        }
        match attempt.failure {
            None => Ok(()),
            Some(RelayError::Time { .. }) => Err(RelayError::Time { count: attempt.left }),
            Some(RelayError::Queue { reason, .. }) => Err(RelayError::Queue { count: attempt.left, reason }),
            Some(failure) => Err(failure),
        }
    }

    /// Reads one event into the slice.
    async fn add(&self, attempt: &mut BatchAttempt, key: &EventKey, item: &Item) {
        let received_at = received_at(item);
        let is_old = self.age_ms(received_at.as_deref()) >= PARK_AGE_MS;
        if self.clock.now_ms() >= attempt.deadline_ms {
            self.send_slice(attempt).await;
            attempt.is_over = true;
            return attempt.leave(&key.pk, || RelayError::Time { count: 0 });
        }
        if is_old && attempt.state.is_hopeless() {
            let reason = "the relay ended without an answer whenever it sent this event";
            return self.park_unread(attempt, key, received_at, reason).await;
        }
        if attempt.slice.is_empty() {
            attempt.slice_started_ms = self.clock.now_ms();
        }
        match self.derive(key.clone(), item, received_at.clone()).await {
            Ok((outgoing, body_bytes)) => {
                attempt.slice.push(outgoing);
                attempt.slice_bytes += body_bytes;
            }
            Err(error @ StoreError::OtherBuild { .. }) if is_old => {
                self.park_unread(attempt, key, received_at, &error.chain()).await;
            }
            Err(error) => {
                // What is before it in its order goes first, or it would count as left and go out again.
                self.send_slice(attempt).await;
                // Another build's body is this event's own matter; anything else is an outage, which the next meets too.
                attempt.is_over |= !matches!(error, StoreError::OtherBuild { .. });
                attempt.leave(&key.pk, || RelayError::Body(error));
            }
        }
    }

    async fn park_unread(&self, attempt: &mut BatchAttempt, key: &EventKey, received_at: Option<String>, reason: &str) {
        // What is before it in its order goes first.
        self.send_slice(attempt).await;
        if attempt.is_over || attempt.stopped.contains(&key.pk) {
            attempt.left += 1;
            return;
        }
        match self.outlets.park_unread(&key.id(), reason).await {
            Ok(()) => attempt.is_done(&key.id(), received_at),
            Err(error) => {
                attempt.is_over = true;
                attempt.leave(&key.pk, || error);
            }
        }
    }

    /// Sends the events that were read: first to the decisive queue, then, of what it took, to the others.
    async fn send_slice(&self, attempt: &mut BatchAttempt) {
        let slice = std::mem::take(&mut attempt.slice);
        attempt.slice_bytes = 0;
        if slice.is_empty() {
            return;
        }
        let started_ms = self.clock.now_ms();
        // However long reading took, each attempt sends something.
        let least_ms = if attempt.has_sent { 0 } else { started_ms + 1 };
        let (unsent, has_taken) = self.outlets.send_decisive(&slice, attempt.deadline_ms.max(least_ms)).await;
        attempt.others_left_ms += self.clock.now_ms() - started_ms;
        // A queue that refuses an event for what it is takes others.
        let is_down = !has_taken && !unsent.iter().any(|unsent| unsent.is_refused);
        attempt.is_over |= !unsent.is_empty() && is_down;
        let mut unsent: std::collections::HashMap<String, Unsent> =
            unsent.into_iter().map(|unsent| (unsent.name.clone(), unsent)).collect();
        let (mut sent, mut refused) = (Vec::new(), Vec::new());
        for outgoing in slice {
            let is_old = self.age_ms(outgoing.received_at.as_deref()) >= PARK_AGE_MS;
            match unsent.remove(&outgoing.event.id) {
                _ if attempt.stopped.contains(&outgoing.pk) => attempt.left += 1,
                None => sent.push(outgoing),
                Some(unsent) if unsent.is_refused && is_old => {
                    refused.push(unsent);
                    sent.push(outgoing);
                }
                Some(unsent) => {
                    let reason = unsent.failure.to_string();
                    attempt.leave(&outgoing.pk, || RelayError::Queue { count: 0, reason });
                }
            }
        }
        let parked = self.outlets.park_decisive(refused).await;
        let others = match parked {
            Ok(()) => self.outlets.send_others(&sent, &mut attempt.others_left_ms, attempt.others_end_ms).await,
            Err(error) => Err(error),
        };
        if let Err(error) = others {
            attempt.is_over = true;
            attempt.left += sent.len();
            attempt.failure.get_or_insert(error);
            return;
        }
        for outgoing in sent {
            self.log(&outgoing.event);
            attempt.is_done(&outgoing.event.id, outgoing.received_at);
        }
    }

    /// Returns the time since an event was received. If that is not known, it is long: nothing is tried for ever.
    fn age_ms(&self, received_at: Option<&str>) -> i64 {
        received_at.and_then(ms_of).map_or(i64::MAX, |received_ms| self.clock.now_ms() - received_ms)
    }

    /// Writes the relay log. The events are sent already, so a failure here must not retry them.
    async fn note(&self, events: &[RelayLogEntry]) {
        if events.is_empty() {
            return;
        }
        if let Err(error) = self.relayed.note(events, self.clock.now_ms()).await {
            let line = LogLine::warn("what was relayed could not be noted; the watch will send it once more");
            line.with("events", events.len()).with("reason", error.chain()).write(self.clock.now_ms());
        }
    }

    /// Returns the event of an item and the length of its body.
    async fn derive(
        &self,
        key: EventKey,
        item: &Item,
        received_at: Option<String>,
    ) -> Result<(Outgoing, usize), StoreError> {
        let unreadable = |key: EventKey, reason: &str| {
            let event = self.unreadable_row(&key, reason);
            Outgoing { event, pk: key.pk, body: None, received_at: received_at.clone() }
        };
        let mut stored = match StoredRow::from_item(item) {
            Ok(stored) => stored,
            Err(error) => return Ok((unreadable(key, &error.to_string()), 0)),
        };
        // A row whose body is damaged or gone is content, not an outage.
        match self.store.require_body(&mut stored).await {
            Ok(()) => {}
            Err(error) if error.is_outage() => return Err(error),
            Err(error) => return Ok((unreadable(key, &error.chain()), 0)),
        }
        let Some(provider) = Provider::of(&key) else {
            return Ok((unreadable(key, "no provider has this name"), 0));
        };
        // A mistake in a mapping costs the event that shows it, not the batch.
        let event = catch_unwind(AssertUnwindSafe(|| provider.read(&stored.row)));
        let event = event.unwrap_or_else(|_| self.unreadable_row(&key, "reading it panicked"));
        let bytes = stored.row.body.len();
        let body = self.outlets.take_bodies().then_some(stored.row.body);
        Ok((Outgoing { event, pk: key.pk, body, received_at }, bytes))
    }

    /// Makes an event of the id alone: it still goes out.
    fn unreadable_row(&self, key: &EventKey, reason: &str) -> Event {
        let id = key.id();
        let line = LogLine::error("a row cannot be read").with("id", id.as_str()).with("reason", reason);
        line.write(self.clock.now_ms());
        Event::of_unreadable_row(key, self.clock.now_ms(), reason)
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

/// Returns an event's time of receipt as text.
fn received_at(item: &Item) -> Option<String> {
    Some(item.get("received_at")?.as_s().ok()?.clone())
}
