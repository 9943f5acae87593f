//! The deployed build's reading of an event, as the stack's own reader gives it.

use aws_sdk_lambda::primitives::Blob;
use serde_json::{Value, json};

use crate::aws::failed;
use crate::connection::Stack;
use crate::error::Error;

/// The deployed reader's answer about an event.
#[derive(Debug, Clone, PartialEq)]
pub enum DeployedReading {
    /// The event, as that build reads it.
    Event(Value),
    /// Nothing is kept under its id.
    Unknown,
    /// Its body was erased.
    Erased,
}

/// Asks the deployed reader for an event.
pub async fn read(stack: &Stack, id: &str) -> Result<DeployedReading, Error> {
    let function = stack.deployment().await?.output("ReadFunction")?;
    let question = Blob::new(json!({"id": id}).to_string());
    let sent = stack.lambda().invoke().function_name(function).payload(question).send().await;
    let output = sent.map_err(|error| failed("ask the deployed reader", &error))?;
    let payload = output.payload.map(Blob::into_inner).unwrap_or_default();
    let answer: Value = serde_json::from_slice(&payload)
        .map_err(|error| Error::service(format!("the deployed reader's answer is not JSON: {error}")))?;
    if output.function_error.is_none() {
        return Ok(DeployedReading::Event(answer));
    }
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("errorType") {
        "Unknown" => Ok(DeployedReading::Unknown),
        "Erased" => Ok(DeployedReading::Erased),
        other => Err(Error::service(format!("the deployed reader failed: {other}: {}", text("errorMessage")))
            .next(format!("Look at the log of the function {function}."))),
    }
}
