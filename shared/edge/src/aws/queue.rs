//! Sends to FIFO queues: waves of one message a group, every entry's result read.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use sha2::{Digest, Sha256};
use webhook::event::Event;
use webhook::facts::message::FactMessage;

use crate::aws::client::CallFailure;
use crate::aws::clock::Clock;

/// Most messages in a call.
pub const ENTRIES_MAX: usize = 10;

/// Most bytes in a call, and in a message.
pub const BYTES_MAX: usize = 1024 * 1024;

/// Most bytes of a message with a body: more would pass no queue, and no bus behind one, that has the older limit.
pub const BYTES_WITH_BODY_MAX: usize = 256 * 1024;

/// Attempts at a group's head in one invocation.
const ATTEMPTS_MAX: u32 = 5;

/// Codes by which a queue refuses a whole call for its content. A user's queue may have a lower limit.
const CONTENT_CODES: &[&str] =
    &["BatchRequestTooLong", "InvalidMessageContents", "InvalidParameterValue", "MessageTooLong", "ValidationError"];

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// The sender's name for it: the event's id.
    pub name: String,
    /// The group within which a queue keeps the order: see [`group_of`].
    pub group: String,
    /// The id by which a queue drops repeats for five minutes: see [`deduplication_of`].
    pub deduplication: String,
    /// The canonical event.
    pub body: String,
    /// The event without the sender's content, in case the queue refuses the body itself.
    pub bare_body: String,
}

/// A message that could not be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsent {
    /// The sender's name for it.
    pub name: String,
    /// The queue's last answer.
    pub failure: CallFailure,
    /// The queue refused it for what it is, although nothing of the sender's content was left in it.
    pub is_refused: bool,
}

impl QueueMessage {
    /// Makes the message of an event under a partition key: whole, or by reference if it is too long for a queue.
    pub fn of(event: &Event, pk: &str) -> Self {
        QueueMessage::new(event, pk, text_within(event, BYTES_MAX))
    }

    fn new(event: &Event, pk: &str, whole: Option<String>) -> Self {
        let bare_body = event.without_data().to_json().unwrap_or_default();
        QueueMessage {
            name: event.id.clone(),
            group: group_of(pk),
            deduplication: deduplication_of(&event.id),
            body: whole.unwrap_or_else(|| bare_body.clone()),
            bare_body,
        }
    }

    /// Makes the message of a fact: with the order, or with a reference to it if it is too long for a queue.
    pub fn of_fact(fact: &FactMessage) -> Self {
        let bare_body = fact.without_data().to_json().unwrap_or_default();
        let whole = fact.to_json().ok().filter(|text| text.len() <= BYTES_MAX);
        QueueMessage {
            name: fact.id.clone(),
            group: group_of(&fact.order),
            deduplication: deduplication_of(&fact.id),
            body: whole.unwrap_or_else(|| bare_body.clone()),
            bare_body,
        }
    }

    /// Makes the message of an event with the body that it was read from, or with a reference to it if both together
    /// are too long.
    pub fn with_body(event: &Event, body: &[u8], pk: &str) -> Self {
        let with_body = event.clone().with_body(body);
        match text_within(&with_body, BYTES_WITH_BODY_MAX) {
            Some(whole) => QueueMessage::new(&with_body, pk, Some(whole)),
            None => QueueMessage::of(&event.with_bodyref(), pk),
        }
    }
}

/// Returns an event's text, unless it is longer than a number of bytes.
fn text_within(event: &Event, bytes_max: usize) -> Option<String> {
    event.to_json().ok().filter(|text| text.len() <= bytes_max)
}

/// Returns the group of everything under a partition key.
pub fn group_of(pk: &str) -> String {
    digest(pk)
}

/// Returns the deduplication id of a name: the event's id, unless it is sent again on purpose.
pub fn deduplication_of(name: &str) -> String {
    digest(name)
}

#[derive(Debug, Default)]
struct Group {
    waiting: VecDeque<QueueMessage>,
    attempts: u32,
    /// A call with its head was refused for its content: the head goes alone next time.
    alone: bool,
    failure: Option<CallFailure>,
    /// Its head was refused without its content too: another attempt would be refused as well.
    is_refused: bool,
}

/// Sends messages, keeping order within a group; a group stops at its first failure and is tried again.
/// Returns what could not be sent.
///
/// No call begins after the deadline, in milliseconds since 1970.
pub async fn send_all(
    client: &Client,
    queue_url: &str,
    messages: Vec<QueueMessage>,
    clock: &Clock,
    deadline_ms: i64,
) -> Vec<Unsent> {
    let mut order: Vec<String> = Vec::new();
    let mut groups: HashMap<String, Group> = HashMap::new();
    for message in messages {
        if !groups.contains_key(&message.group) {
            order.push(message.group.clone());
        }
        groups.entry(message.group.clone()).or_default().waiting.push_back(message);
    }
    let mut round = 0;
    loop {
        let heads = order.iter().filter_map(|group| sendable_head(&groups, group));
        let (alone, together): (Vec<GroupHead>, Vec<GroupHead>) = heads.partition(|head| head.alone);
        if alone.is_empty() && together.is_empty() {
            return left_over(&order, groups);
        }
        let mut failed = false;
        let alone = alone.into_iter().map(|head| vec![head.message]);
        for wave in waves(together.into_iter().map(|head| head.message).collect()).into_iter().chain(alone) {
            if clock.now_ms() >= deadline_ms {
                return left_over(&order, groups);
            }
            let results = send_wave(client, queue_url, &wave).await;
            for (message, result) in wave.iter().zip(results) {
                let Some(group) = groups.get_mut(&message.group) else { continue };
                match result {
                    Ok(()) => {
                        group.waiting.pop_front();
                        group.attempts = 0;
                        group.alone = false;
                    }
                    Err(refused) => {
                        failed = true;
                        group.refused(refused);
                    }
                }
            }
        }
        if failed {
            round += 1;
            clock.sleep(backoff(round)).await;
        }
    }
}

struct RefusedEntry {
    failure: CallFailure,
    /// The queue blames the message itself.
    senders_fault: bool,
    /// The whole call was refused for the content of some message in it.
    content_of_call: bool,
}

impl Group {
    fn refused(&mut self, refused: RefusedEntry) {
        self.attempts += 1;
        self.failure = Some(refused.failure);
        self.alone = refused.content_of_call;
        if let Some(head) = self.waiting.front_mut().filter(|_| refused.senders_fault) {
            self.is_refused = head.body == head.bare_body;
            // No content may hold up the others: the bare event is short and has almost nothing of the sender's.
            head.body.clone_from(&head.bare_body);
        }
    }
}

struct GroupHead {
    message: QueueMessage,
    alone: bool,
}

fn sendable_head(groups: &HashMap<String, Group>, name: &str) -> Option<GroupHead> {
    let group = groups.get(name).filter(|group| group.attempts < ATTEMPTS_MAX && !group.is_refused)?;
    Some(GroupHead { message: group.waiting.front()?.clone(), alone: group.alone })
}

fn left_over(order: &[String], mut groups: HashMap<String, Group>) -> Vec<Unsent> {
    let mut unsent = Vec::new();
    for group in order.iter().filter_map(|name| groups.remove(name)) {
        let failure = group.failure.unwrap_or_else(|| CallFailure::without_code("no time was left"));
        for (place, message) in group.waiting.into_iter().enumerate() {
            let is_refused = group.is_refused && place == 0;
            unsent.push(Unsent { name: message.name, failure: failure.clone(), is_refused });
        }
    }
    unsent
}

/// Splits heads of different groups into calls that a queue accepts.
fn waves(heads: Vec<QueueMessage>) -> Vec<Vec<QueueMessage>> {
    let mut waves: Vec<Vec<QueueMessage>> = Vec::new();
    let mut bytes = 0;
    for head in heads {
        match waves.last_mut().filter(|wave| wave.len() < ENTRIES_MAX && bytes + head.body.len() <= BYTES_MAX) {
            Some(wave) => {
                bytes += head.body.len();
                wave.push(head);
            }
            None => {
                bytes = head.body.len();
                waves.push(vec![head]);
            }
        }
    }
    waves
}

async fn send_wave(client: &Client, queue_url: &str, wave: &[QueueMessage]) -> Vec<Result<(), RefusedEntry>> {
    let mut request = client.send_message_batch().queue_url(queue_url);
    for (index, message) in wave.iter().enumerate() {
        let entry = SendMessageBatchRequestEntry::builder()
            .id(index.to_string())
            .message_body(&message.body)
            .message_group_id(&message.group)
            .message_deduplication_id(&message.deduplication)
            .build();
        match entry {
            Ok(entry) => request = request.entries(entry),
            Err(error) => return all_refused(wave, &CallFailure::without_code(error.to_string()), true),
        }
    }
    let output = match request.send().await {
        Ok(output) => output,
        Err(error) => {
            let code = error.code().unwrap_or_default();
            let content = CONTENT_CODES.iter().any(|known| code.ends_with(known));
            return all_refused(wave, &CallFailure::of(&error), content);
        }
    };
    let sent = |index: usize| output.successful().iter().any(|entry| entry.id() == index.to_string());
    let refused = |index: usize| output.failed().iter().find(|entry| entry.id() == index.to_string());
    (0..wave.len())
        .map(|index| match refused(index) {
            // What is neither named as sent nor as refused counts as not sent.
            None if sent(index) => Ok(()),
            None => Err(RefusedEntry {
                failure: CallFailure::without_code("the queue did not mention it"),
                senders_fault: false,
                content_of_call: false,
            }),
            Some(entry) => Err(RefusedEntry {
                failure: CallFailure {
                    code: Some(entry.code().to_owned()),
                    message: entry.message().unwrap_or("no message").to_owned(),
                },
                senders_fault: entry.sender_fault(),
                content_of_call: false,
            }),
        })
        .collect()
}

/// The results of a call that was refused as a whole. If for its content, only a message that went alone is to blame.
fn all_refused(wave: &[QueueMessage], failure: &CallFailure, content: bool) -> Vec<Result<(), RefusedEntry>> {
    let senders_fault = content && wave.len() == 1;
    let refused = || RefusedEntry { failure: failure.clone(), senders_fault, content_of_call: content };
    wave.iter().map(|_| Err(refused())).collect()
}

/// Group and deduplication ids are hashes: ASCII, and short enough whatever they name.
fn digest(name: &str) -> String {
    hex::encode(Sha256::digest(name.as_bytes()))
}

fn backoff(round: u32) -> Duration {
    Duration::from_millis(100 * 2_u64.saturating_pow(round.min(6)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(group: &str, bytes: usize) -> QueueMessage {
        QueueMessage {
            name: format!("{group}/e"),
            group: group.to_owned(),
            deduplication: String::new(),
            body: "x".repeat(bytes),
            bare_body: String::new(),
        }
    }

    #[test]
    fn a_body_is_carried_up_to_a_limit() {
        let key = webhook::claim::EventKey { pk: "scalev/main/1".to_owned(), sk: "order.created/e".to_owned() };
        let event = Event::of_unreadable_row(&key, 0, "a test");
        let small = QueueMessage::with_body(&event, br#"{"a":1}"#, &key.pk);
        assert!(small.body.contains(r#""body":"{\"a\":1}""#), "{}", small.body);
        assert!(
            small.bare_body.contains(&format!(r#""bodyref":"{}""#, event.id)) && !small.bare_body.contains("\"body\":")
        );
        let large = QueueMessage::with_body(&event, &[b'x'; BYTES_WITH_BODY_MAX], &key.pk);
        assert!(large.body.contains(r#""bodyref":"scalev/main/1/order.created/e""#) && !large.body.contains("xxx"));
        assert!(!QueueMessage::of(&event, &key.pk).body.contains("body"));
    }

    #[test]
    fn waves_keep_to_the_limits() {
        let sizes = |heads: Vec<QueueMessage>| waves(heads).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes((0..25).map(|n| message(&n.to_string(), 1)).collect()), [10, 10, 5]);
        assert_eq!(sizes(vec![message("a", 600_000), message("b", 448_576), message("c", 1)]), [2, 1]);
        assert_eq!(sizes(vec![message("a", BYTES_MAX), message("b", BYTES_MAX)]), [1, 1]);
    }
}
