//! The queues that events go to: the decisive one, whose failures hold the stream up, and the others, which never do.
//!
//! The others have a time of their own in each invocation, and one that took nothing in it, or all of it, is left alone
//! for a minute: its events are parked at once, so that waiting for it cannot become the pace of the decisive queue.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use crate::aws::client::CallFailure;
use crate::aws::clock::Clock;
use crate::aws::config::{QueueConfig, RelayConfig};
use crate::aws::log::LogLine;
use crate::aws::queue::{QueueMessage, Unsent, send_all};
use crate::relay::error::RelayError;
use crate::relay::outgoing::Outgoing;

/// Time in an invocation that the queues besides the decisive one may take longer than that one: five attempts at a
/// message and their pauses.
pub(crate) const OTHERS_MS_MAX: i64 = 7_000;

/// Time for which a queue that took nothing is left alone.
const LEFT_ALONE_MS: i64 = 60_000;

/// Dead letters that are sent at once.
const DEAD_LETTERS_AT_ONCE: usize = 10;

/// The queues.
#[derive(Debug)]
pub(crate) struct Outlets {
    sqs: aws_sdk_sqs::Client,
    queues: Vec<QueueConfig>,
    dead_letter_queue_url: String,
    clock: Clock,
    /// Queues that took nothing, until when they are left alone, and their last answer.
    left_alone: Mutex<HashMap<String, (i64, CallFailure)>>,
}

impl Outlets {
    /// The queues of a configuration.
    pub(crate) fn new(config: RelayConfig, sqs: aws_sdk_sqs::Client, clock: Clock) -> Self {
        let RelayConfig { queues, dead_letter_queue_url, .. } = config;
        Outlets { sqs, queues, dead_letter_queue_url, clock, left_alone: Mutex::default() }
    }

    /// Returns whether any queue's messages have the bodies that were received.
    pub(crate) fn take_bodies(&self) -> bool {
        self.queues.iter().any(|queue| queue.bodies)
    }

    /// Sends to the decisive queue what it takes. Returns what it did not take, and whether it took anything.
    pub(crate) async fn send_decisive(&self, outgoing: &[Outgoing], deadline_ms: i64) -> (Vec<Unsent>, bool) {
        let Some(queue) = self.queues.first() else { return (Vec::new(), true) };
        let messages = messages_for(queue, outgoing);
        let count = messages.len();
        let unsent = send_all(&self.sqs, &queue.url, messages, &self.clock, deadline_ms).await;
        let has_taken = unsent.len() < count;
        (unsent, has_taken)
    }

    /// Sends to the other queues what they take, within the time that is left for them, and parks the rest.
    pub(crate) async fn send_others(
        &self,
        outgoing: &[Outgoing],
        left_ms: &mut i64,
        deadline_ms: i64,
    ) -> Result<(), RelayError> {
        for queue in self.queues.iter().skip(1) {
            let messages = messages_for(queue, outgoing);
            if messages.is_empty() {
                continue;
            }
            let unsent = match self.why_left_alone(&queue.url) {
                Some(failure) => refuse(messages, &failure),
                None => self.send_within(&queue.url, messages, left_ms, deadline_ms).await,
            };
            self.park(&queue.url, unsent).await?;
        }
        Ok(())
    }

    async fn send_within(
        &self,
        queue_url: &str,
        messages: Vec<QueueMessage>,
        left_ms: &mut i64,
        deadline_ms: i64,
    ) -> Vec<Unsent> {
        let (started_ms, count) = (self.clock.now_ms(), messages.len());
        let deadline_ms = deadline_ms.min(started_ms + *left_ms);
        let unsent = send_all(&self.sqs, queue_url, messages, &self.clock, deadline_ms).await;
        *left_ms -= self.clock.now_ms() - started_ms;
        if *left_ms <= 0 || unsent.len() == count {
            let failure = unsent.last().map(|unsent| unsent.failure.clone());
            let failure = failure.unwrap_or_else(|| CallFailure::without_code("it took too long"));
            let until_ms = self.clock.now_ms() + LEFT_ALONE_MS;
            let mut left_alone = self.left_alone.lock().unwrap_or_else(PoisonError::into_inner);
            left_alone.insert(queue_url.to_owned(), (until_ms, failure));
        }
        unsent
    }

    fn why_left_alone(&self, queue_url: &str) -> Option<CallFailure> {
        let left_alone = self.left_alone.lock().unwrap_or_else(PoisonError::into_inner);
        let (until_ms, failure) = left_alone.get(queue_url)?;
        (self.clock.now_ms() < *until_ms).then(|| failure.clone())
    }

    /// Parks events of the decisive queue.
    pub(crate) async fn park_decisive(&self, unsent: Vec<Unsent>) -> Result<(), RelayError> {
        match self.queues.first() {
            Some(queue) => self.park(&queue.url, unsent).await,
            None => Ok(()),
        }
    }

    /// Parks an event that cannot be read for every queue: which of them take it is not known.
    pub(crate) async fn park_unread(&self, id: &str, reason: &str) -> Result<(), RelayError> {
        for queue in &self.queues {
            let failure = CallFailure::without_code(reason);
            self.park(&queue.url, vec![Unsent { name: id.to_owned(), failure, is_refused: true }]).await?;
        }
        Ok(())
    }

    async fn park(&self, queue_url: &str, unsent: Vec<Unsent>) -> Result<(), RelayError> {
        let count = unsent.len();
        if count == 0 {
            return Ok(());
        }
        for some in unsent.chunks(DEAD_LETTERS_AT_ONCE) {
            let sends = some.iter().map(|Unsent { name, failure, .. }| {
                let dead_letter = json!({"queue": queue_url, "id": name, "reason": failure.to_string()}).to_string();
                self.sqs.send_message().queue_url(&self.dead_letter_queue_url).message_body(dead_letter).send()
            });
            futures_util::future::try_join_all(sends)
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
}

fn messages_for(queue: &QueueConfig, outgoing: &[Outgoing]) -> Vec<QueueMessage> {
    let taken = outgoing.iter().filter(|outgoing| queue.takes(outgoing.event.event_type.name()));
    taken.map(|outgoing| outgoing.message(queue.bodies)).collect()
}

fn refuse(messages: Vec<QueueMessage>, failure: &CallFailure) -> Vec<Unsent> {
    let unsent = |message: QueueMessage| Unsent { name: message.name, failure: failure.clone(), is_refused: false };
    messages.into_iter().map(unsent).collect()
}
