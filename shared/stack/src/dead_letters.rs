//! Dead letters: what stands in the stack's dead letter queues, and what each of them says.

use std::collections::{BTreeMap, HashSet};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageSystemAttributeName,
};
use serde::Serialize;
use serde_json::Value;
use webhook::event::Event;
use webhook::facts::message::FactMessage;

use crate::aws::failed;
use crate::connection::Stack;
use crate::deployment::{Deployment, Queue};
use crate::destination::Destination;
use crate::error::Error;

/// A call takes and gives this many dead letters at most.
const MESSAGES_PER_CALL: i32 = 10;

/// A dead letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeadLetters {
    /// What did not reach a queue
    Relay,
    /// What did not get into a view
    Orders,
    /// What your own consumers failed at
    Work,
    /// The facts that your own consumers failed at
    Facts,
}

/// A dead letter, hidden from others while it is held.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The queue that it is in.
    pub from: DeadLetters,
    /// The queue's name for it.
    pub message_id: String,
    /// The receipt by which it is released or deleted.
    pub receipt: String,
    /// Its content.
    pub body: String,
    /// The FIFO group, of those that have one.
    pub group: Option<String>,
    /// When it was put into its queue, in milliseconds since 1970.
    pub sent_ms: Option<i64>,
    /// The number of times that it was received.
    pub receives: u32,
    /// Its meaning.
    pub says: Says,
}

/// The meaning of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// An event that a consumer failed at.
    Event {
        /// Its id.
        id: String,
        /// Its type.
        event_type: String,
    },
    /// An event that the relay parked, since a queue would not have it.
    Parked {
        /// The queue's URL.
        queue_url: String,
        /// The event's id.
        id: String,
        /// The queue's word.
        reason: String,
    },
    /// A stretch of the stream that Lambda gave up on.
    Stretch {
        /// The reason.
        reason: String,
        /// When its first record was written.
        first: Option<String>,
        /// When its last record was written.
        last: Option<String>,
    },
    /// Nothing that the stack writes.
    Unknown,
}

impl DeadLetters {
    /// All of them.
    pub const ALL: [DeadLetters; 4] = [DeadLetters::Relay, DeadLetters::Orders, DeadLetters::Work, DeadLetters::Facts];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            DeadLetters::Relay => "relay",
            DeadLetters::Orders => "orders",
            DeadLetters::Work => "work",
            DeadLetters::Facts => "facts",
        }
    }

    /// Its URL; `None` if the stack was deployed without that queue.
    pub fn url(self, deployment: &Deployment) -> Result<Option<&str>, Error> {
        match self {
            DeadLetters::Relay => deployment.output("RelayDeadLetterQueueUrl").map(Some),
            DeadLetters::Orders => deployment.output("OrdersDeadLetterQueueUrl").map(Some),
            DeadLetters::Work => Ok(deployment.queue(Queue::WorkDeadLetters)),
            DeadLetters::Facts => Ok(deployment.queue(Queue::FactsDeadLetters)),
        }
    }

    /// The queue that its dead letters came from, where it is the same for all of them.
    pub fn comes_from(self) -> Option<Destination> {
        match self {
            DeadLetters::Relay => None,
            DeadLetters::Orders => Some(Destination::Orders),
            DeadLetters::Work => Some(Destination::Work),
            DeadLetters::Facts => Some(Destination::Facts),
        }
    }
}

impl Says {
    /// Reads a dead letter.
    pub fn of(body: &str) -> Self {
        if let Ok(event) = serde_json::from_str::<Event>(body) {
            return Says::Event { id: event.id, event_type: event.event_type.name().to_owned() };
        }
        if let Ok(fact) = serde_json::from_str::<FactMessage>(body) {
            return Says::Event { id: fact.id, event_type: fact.message_type };
        }
        let json: Value = serde_json::from_str(body).unwrap_or_default();
        let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        if let (Some(queue_url), Some(id)) = (text("/queue"), text("/id")) {
            return Says::Parked { queue_url, id, reason: text("/reason").unwrap_or_default() };
        }
        if json.get("DDBStreamBatchInfo").is_some() {
            let reason = [text("/requestContext/condition"), text("/responseContext/functionError")];
            return Says::Stretch {
                reason: reason.into_iter().flatten().collect::<Vec<_>>().join(", "),
                first: text("/DDBStreamBatchInfo/approximateArrivalOfFirstRecord"),
                last: text("/DDBStreamBatchInfo/approximateArrivalOfLastRecord"),
            };
        }
        Says::Unknown
    }

    /// The event that it is about.
    pub fn event_id(&self) -> Option<&str> {
        match self {
            Says::Event { id, .. } | Says::Parked { id, .. } => Some(id),
            Says::Stretch { .. } | Says::Unknown => None,
        }
    }
}

/// Takes some dead letters of a queue, which are then hidden for so many seconds; none if it has no more to give.
pub async fn take(client: &Client, from: DeadLetters, url: &str, seconds: i32) -> Result<Vec<DeadLetter>, Error> {
    // The short wait asks all of a standard queue's servers, not only some.
    let request =
        client.receive_message().queue_url(url).max_number_of_messages(MESSAGES_PER_CALL).wait_time_seconds(1);
    let request = request.visibility_timeout(seconds).message_system_attribute_names(MessageSystemAttributeName::All);
    let output = request.send().await.map_err(|error| failed("read dead letters", &error))?;
    let dead_letter = |message: aws_sdk_sqs::types::Message| {
        let attributes = message.attributes.unwrap_or_default();
        let text = |name: &MessageSystemAttributeName| attributes.get(name).map(String::as_str);
        let body = message.body.unwrap_or_default();
        DeadLetter {
            from,
            message_id: message.message_id.unwrap_or_default(),
            receipt: message.receipt_handle.unwrap_or_default(),
            group: text(&MessageSystemAttributeName::MessageGroupId).map(str::to_owned),
            sent_ms: text(&MessageSystemAttributeName::SentTimestamp).and_then(|text| text.parse().ok()),
            receives: text(&MessageSystemAttributeName::ApproximateReceiveCount)
                .and_then(|text| text.parse().ok())
                .unwrap_or_default(),
            says: Says::of(&body),
            body,
        }
    };
    Ok(output.messages.unwrap_or_default().into_iter().map(dead_letter).collect())
}

/// Makes dead letters visible again at once. What cannot be let go becomes visible by itself a little later.
pub async fn release(client: &Client, url: &str, dead_letters: &[DeadLetter]) {
    for some in dead_letters.chunks(10) {
        let mut request = client.change_message_visibility_batch().queue_url(url);
        for (index, dead_letter) in some.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(index.to_string());
            if let Ok(entry) = entry.receipt_handle(&dead_letter.receipt).visibility_timeout(0).build() {
                request = request.entries(entry);
            }
        }
        let _ = request.send().await;
    }
}

/// Deletes dead letters. Gives why some could not be, by message id.
pub async fn delete(client: &Client, url: &str, dead_letters: &[DeadLetter]) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    for some in dead_letters.chunks(10) {
        let mut request = client.delete_message_batch().queue_url(url);
        for (index, dead_letter) in some.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            if let Ok(entry) = entry.receipt_handle(&dead_letter.receipt).build() {
                request = request.entries(entry);
            }
        }
        match request.send().await {
            Err(error) => {
                let reason = edge::aws::client::CallFailure::of(&error).to_string();
                kept.extend(some.iter().map(|dead_letter| (dead_letter.message_id.clone(), reason.clone())));
            }
            Ok(output) => {
                for (index, dead_letter) in some.iter().enumerate() {
                    let index = index.to_string();
                    if output.successful().iter().any(|entry| entry.id() == index) {
                        continue;
                    }
                    let refused = output.failed().iter().find(|entry| entry.id() == index);
                    let reason = refused.map_or("the queue did not mention it", |entry| entry.code());
                    kept.insert(dead_letter.message_id.clone(), reason.to_owned());
                }
            }
        }
    }
    kept
}

/// Looks at dead letters of the chosen queues and lets them go; at most so many of each.
pub async fn look(stack: &Stack, chosen: &[DeadLetters], limit: usize) -> Result<Vec<DeadLetter>, Error> {
    /// If this process dies, its dead letters are hidden for no longer than this.
    const HIDDEN_SECONDS: i32 = 30;
    let (client, deployment) = (stack.sqs(), stack.deployment().await?);
    let mut found = Vec::new();
    for from in chosen {
        let Some(url) = from.url(deployment)? else { continue };
        let (mut held, mut seen): (Vec<DeadLetter>, HashSet<String>) = Default::default();
        let looked = loop {
            if held.len() >= limit {
                break Ok(());
            }
            match take(&client, *from, url, HIDDEN_SECONDS).await {
                Err(error) => break Err(error),
                Ok(dead_letters) => {
                    // A dead letter that comes again has become visible in the meantime: the round is over.
                    let before = seen.len();
                    seen.extend(dead_letters.iter().map(|dead_letter| dead_letter.message_id.clone()));
                    let fresh = seen.len() > before;
                    held.extend(dead_letters);
                    if !fresh {
                        break Ok(());
                    }
                }
            }
        };
        release(&client, url, &held).await;
        looked?;
        let mut known: HashSet<String> = HashSet::new();
        held.retain(|dead_letter| known.insert(dead_letter.message_id.clone()));
        held.truncate(limit);
        found.extend(held);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dead_letters_are_distinguished() {
        let parked = json!({"queue": "https://q", "id": "scalev/main/1/order.created/e", "reason": "no"});
        let expected = ("https://q".to_owned(), "scalev/main/1/order.created/e".to_owned(), "no".to_owned());
        let (queue_url, id, reason) = expected;
        assert_eq!(Says::of(&parked.to_string()), Says::Parked { queue_url, id, reason });
        let stretch = json!({
            "requestContext": {"condition": "RecordAgeExceeded"},
            "responseContext": {"functionError": "Unhandled"},
            "DDBStreamBatchInfo": {
                "approximateArrivalOfFirstRecord": "2026-01-01T00:00:00Z",
                "approximateArrivalOfLastRecord": "2026-01-01T00:05:00Z",
            },
        });
        let Says::Stretch { reason, first, last } = Says::of(&stretch.to_string()) else { unreachable!() };
        assert_eq!(reason, "RecordAgeExceeded, Unhandled");
        assert!(first.unwrap() < last.unwrap());
        for body in ["", "hello", "{}", r#"{"id": "x"}"#] {
            assert_eq!(Says::of(body), Says::Unknown, "{body}");
        }
    }
}
