//! A consumer of WorkQueue in Rust: an order's events in their order, acting on the envelope alone.
//!
//! It never looks into `data`, so a message that carries a `dataref` instead is like any other.

use std::collections::HashSet;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;

/// The members of an event that this consumer needs. A type that it does not know is text like any other.
#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    event_type: String,
    subject: String,
    #[serde(default)]
    test: bool,
    #[serde(default)]
    revision: bool,
    #[serde(default)]
    conflict: bool,
    #[serde(default)]
    possiblyrepeated: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(async |batch: LambdaEvent<SqsEvent>| Ok::<_, Error>(take_all(batch.payload)))).await
}

/// Answers with the messages that have to come again: a group goes on in its order or not at all.
fn take_all(batch: SqsEvent) -> SqsBatchResponse {
    let mut stopped = HashSet::new();
    let mut response = SqsBatchResponse::default();
    for message in batch.records {
        let group = message.attributes.get("MessageGroupId").cloned().unwrap_or_default();
        if stopped.contains(&group) || take(&message).is_err() {
            stopped.insert(group);
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message.message_id.unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
    }
    response
}

/// Your part. An event can come twice: pass its id on as the idempotency key of what you call. It decides nothing alone
/// either: the order may be cancelled, or paid by another event, so its view is asked for before anything is packed.
fn take(message: &SqsMessage) -> Result<(), serde_json::Error> {
    let event: Event = serde_json::from_str(message.body.as_deref().unwrap_or_default())?;
    let action = match event.event_type.as_str() {
        _ if event.test || event.revision => "none",
        _ if event.conflict || event.possiblyrepeated => "ask a person",
        "payment.paid" | "payment.captured" => "ask for the order's view",
        _ => "none",
    };
    println!("{}", serde_json::json!({"id": event.id, "subject": event.subject, "action": action}));
    Ok(())
}
