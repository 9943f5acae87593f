//! Announces changes of facts: sends their messages to FactsQueue.

use aws_sdk_sqs::Client;
use webhook::facts::message::FactMessage;

use crate::aws::clock::Clock;
use crate::aws::config::FactsConfig;
use crate::aws::queue::{QueueMessage, Unsent, send_all};

/// No call begins later than this in an invocation: the shortest time-out of the function is 10 seconds, and what was
/// not sent comes again with its event.
const SEND_MS_MAX: i64 = 6_000;

/// The sender to FactsQueue.
#[derive(Debug)]
pub struct Announcer {
    sqs: Client,
    config: FactsConfig,
    clock: Clock,
}

impl Announcer {
    /// A sender with this client and this clock.
    pub fn new(config: FactsConfig, sqs: Client, clock: Clock) -> Self {
        Announcer { sqs, config, clock }
    }

    /// Sends the messages of facts that are selected. Returns what could not be sent.
    pub async fn send(&self, messages: &[FactMessage], started_ms: i64) -> Vec<Unsent> {
        let selected = messages.iter().filter(|message| self.config.takes(&message.message_type));
        let selected: Vec<QueueMessage> = selected.map(QueueMessage::of_fact).collect();
        if selected.is_empty() {
            return Vec::new();
        }
        send_all(&self.sqs, &self.config.queue_url, selected, &self.clock, started_ms + SEND_MS_MAX).await
    }
}
