//! A function's handler and the loop around it. Whatever fails in it is one line in the function's log.

use std::fmt::Debug;
use std::pin::Pin;

use lambda_runtime::{Diagnostic, Error, LambdaEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::aws::clock::Clock;
use crate::aws::log::LogLine;

/// The work of a function.
pub trait Handler {
    /// The payload of an invocation.
    type Payload: DeserializeOwned;
    /// The answer of an invocation.
    type Answer: Serialize;
    /// The error that fails an invocation.
    type Error: Into<Diagnostic> + Debug;

    /// Handles one invocation.
    fn handle(&self, payload: Self::Payload) -> impl Future<Output = Result<Self::Answer, Self::Error>>;
}

/// Serves invocations until the runtime ends.
///
/// Lambda's custom runtimes print no error of a handler, and neither does `lambda_runtime` without a subscriber, so a
/// failed invocation would leave an empty log. The payload is taken as text and read here for the same reason.
pub async fn serve<H: Handler>(handler: H) -> Result<(), Error> {
    let handler = &handler;
    let clock = &Clock::system();
    let service = lambda_runtime::service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        // On the heap, since an SDK call's future is tens of kilobytes deep.
        let answer: Pin<Box<dyn Future<Output = Result<H::Answer, Diagnostic>> + '_>> = Box::pin(async move {
            let answer = match read(&event.payload) {
                Ok(payload) => handler.handle(payload).await.map_err(Into::into),
                Err(unreadable) => Err(unreadable),
            };
            answer.inspect_err(|error| failed(error).write(clock.now_ms()))
        });
        answer
    });
    Box::pin(lambda_runtime::run(service)).await
}

/// Reads a payload. An error names the place and the kind of error, never content.
fn read<P: DeserializeOwned>(payload: &RawValue) -> Result<P, Diagnostic> {
    serde_json::from_str(payload.get()).map_err(|error| Diagnostic {
        error_type: "Payload".to_owned(),
        error_message: format!(
            "the payload is not of the form that this function takes ({:?} error at line {}, column {})",
            error.classify(),
            error.line(),
            error.column()
        ),
    })
}

fn failed(error: &Diagnostic) -> LogLine {
    LogLine::error("the invocation failed")
        .with("error", error.error_type.as_str())
        .with("reason", error.error_message.as_str())
        .with("outcome", "failed")
        .attention()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Batch {
        #[serde(rename = "Records")]
        _records: Vec<String>,
    }

    #[test]
    fn a_payload_of_another_form_is_named_without_its_content() {
        for payload in [r#"{"Records":"a secret"}"#, r#"{"Records":null}"#, "{}", "[]", "5"] {
            let payload = RawValue::from_string(payload.to_owned()).unwrap();
            let error = read::<Batch>(&payload).unwrap_err();
            assert_eq!(error.error_type, "Payload");
            let line = failed(&error).render("shop", 0);
            assert!(line.contains("line 1") && line.contains("Attention") && !line.contains("secret"), "{line}");
        }
        let whole = RawValue::from_string(r#"{"Records":["x"]}"#.to_owned()).unwrap();
        assert!(read::<Batch>(&whole).is_ok());
    }

    #[test]
    fn a_failed_invocation_says_what_failed() {
        let error = Diagnostic { error_type: "Queue".to_owned(), error_message: "no access".to_owned() };
        let line: serde_json::Value = serde_json::from_str(&failed(&error).render("shop", 5)).unwrap();
        assert_eq!(
            (&line["level"], &line["error"], &line["reason"]),
            (&"ERROR".into(), &"Queue".into(), &"no access".into())
        );
    }
}
