//! Changing a secret so that two operators at once lose nothing.
//!
//! A new version is put beside the current one, under a label of our own; then `AWSCURRENT` is moved to it from the
//! version that was read. Secrets Manager refuses that when another version is current by now: then the secret is read
//! and changed again. The version before stays as `AWSPREVIOUS`. A run that ends in between leaves a version that nothing
//! reads, and its label goes to the next change's.

use std::time::Duration;

use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use edge::aws::client::{CURRENT, secret_value};
use serde_json::{Map, Value};
use webhook::json;

use crate::aws::{failed, of_failure};
use crate::connection::Stack;
use crate::error::Error;

/// The label of versions that are not current yet.
pub const STAGE: &str = "hookmill-edit";

/// Others may get in between this often.
const TRIES_MAX: u32 = 12;
const PAUSE_MS: u64 = 50;

/// Words by which Secrets Manager says that the label is not where it was.
const OUTRUN: &[&str] = &["InvalidParameterException", "InvalidRequestException", "ResourceNotFoundException"];

/// A secret's value and which version that is.
#[derive(Debug)]
pub struct SecretValue {
    /// The value; empty where none was ever put.
    pub text: String,
    version: Option<String>,
}

/// A secret and what to call it.
#[derive(Debug, Clone, Copy)]
pub struct SecretName<'a> {
    /// Its ARN or name.
    pub id: &'a str,
    /// Its name in messages, such as "the secret of" and a provider.
    pub called: &'a str,
}

/// Reads a secret.
pub async fn read(stack: &Stack, place: SecretName<'_>) -> Result<SecretValue, Error> {
    let read = secret_value(&stack.secrets_manager(), place.id, CURRENT).await;
    let output = read.map_err(|failure| of_failure(&format!("read {}", place.called), &failure))?;
    let (text, version) = output.map(|output| (output.secret_string, output.version_id)).unwrap_or_default();
    Ok(SecretValue { text: text.unwrap_or_default(), version })
}

/// Changes a secret that is a JSON object. `change` is made on what is current, perhaps more than once; `accept` says
/// whether those who read the secret will take what came of it. Members that `change` leaves alone stay as they are.
pub async fn edit<T>(
    stack: &Stack,
    place: SecretName<'_>,
    change: impl Fn(&mut Map<String, Value>) -> Result<T, Error>,
    accept: impl Fn(&str) -> Result<(), Error>,
) -> Result<T, Error> {
    for attempt in 0..TRIES_MAX {
        if attempt > 0 {
            // Those who met once should not meet again.
            let part = u64::from(std::process::id() % 7 + 1);
            stack.clock.sleep(Duration::from_millis(PAUSE_MS * part * u64::from(attempt))).await;
        }
        let held = read(stack, place).await?;
        let before = document(&held.text, place)?;
        let mut after = before.clone();
        let report = change(&mut after)?;
        if after == before {
            return Ok(report);
        }
        let text = serde_json::to_string_pretty(&after)
            .map_err(|error| Error::service(format!("{} cannot be written: {error}", place.called)))?;
        accept(&text)?;
        if replace(stack, place, &held, text).await? {
            return Ok(report);
        }
    }
    Err(Error::service(format!("{} was changed by somebody else each time that it was to be", place.called))
        .next("Nothing was changed by this command: run it again."))
}

/// Makes a new value current if the one that was read still is. Gives whether it was.
async fn replace(stack: &Stack, place: SecretName<'_>, held: &SecretValue, text: String) -> Result<bool, Error> {
    let client = stack.secrets_manager();
    let changing = format!("change {}", place.called);
    let put = client.put_secret_value().secret_id(place.id).secret_string(text).version_stages(STAGE).send().await;
    let put = put.map_err(|error| failed(&changing, &error))?;
    let new = put.version_id().unwrap_or_default().to_owned();
    // A secret's first version is current at once.
    let first = put.version_stages().iter().any(|stage| stage == CURRENT);
    let outcome = if first { Ok(true) } else { swing(stack, place, held, &new).await };
    // The label has done its work. Where it is not taken off, or is another's already, the next change takes it over.
    let _ = client
        .update_secret_version_stage()
        .secret_id(place.id)
        .version_stage(STAGE)
        .remove_from_version_id(&new)
        .send()
        .await;
    outcome
}

async fn swing(stack: &Stack, place: SecretName<'_>, held: &SecretValue, new: &str) -> Result<bool, Error> {
    let moved = stack
        .secrets_manager()
        .update_secret_version_stage()
        .secret_id(place.id)
        .version_stage(CURRENT)
        .move_to_version_id(new)
        .set_remove_from_version_id(held.version.clone())
        .send()
        .await;
    let Err(error) = moved else { return Ok(true) };
    // An answer may have been lost behind its effect, and a second attempt refused because of the first.
    let now = read(stack, place)
        .await
        .map_err(|unread| unread.and_next("Whether the change was made is not known: look before you repeat it."))?;
    if now.version.as_deref() == Some(new) {
        return Ok(true);
    }
    let outrun =
        error.as_service_error().and_then(ProvideErrorMetadata::code).is_some_and(|code| OUTRUN.contains(&code));
    if outrun { Ok(false) } else { Err(failed(&format!("change {}", place.called), &error)) }
}

/// The secret's object; an empty one where it was never filled. What could not be written back as it was is refused.
fn document(text: &str, place: SecretName<'_>) -> Result<Map<String, Value>, Error> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    let refuse = |why: &str| {
        Error::problems(format!("{} cannot be changed by this tool: {why}", place.called))
            .next("Put it right by hand: aws secretsmanager get-secret-value, then put-secret-value.")
    };
    let read = json::parse(text.as_bytes()).map_err(|_| refuse("it is not JSON"))?;
    if read.duplicate_keys {
        return Err(refuse("a name is in it twice"));
    }
    if !is_exact(&read.root) {
        return Err(refuse("it holds a number that would be changed"));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(document)) => Ok(document),
        Ok(_) => Err(refuse("it is not a JSON object")),
        Err(_) => Err(refuse("it is not JSON")),
    }
}

/// An object that is a member of a secret's own; made where it is not there.
pub fn object<'a>(
    document: &'a mut Map<String, Value>,
    member: &str,
    called: &str,
) -> Result<&'a mut Map<String, Value>, Error> {
    let found = document.entry(member).or_insert_with(|| Value::Object(Map::new()));
    found.as_object_mut().ok_or_else(|| {
        Error::problems(format!("\"{member}\" in {called} is not a JSON object"))
            .next("Nothing can use the secret as it is: fix it by hand.")
    })
}

/// Returns whether every number comes out as it went in.
fn is_exact(value: &json::Value<'_>) -> bool {
    match &value.kind {
        json::Kind::Number(written) => {
            let read = serde_json::from_str::<Value>(written).and_then(|number| serde_json::to_string(&number));
            read.is_ok_and(|again| again == *written)
        }
        json::Kind::Array(values) => values.iter().all(is_exact),
        json::Kind::Object(members) => members.iter().all(|(_, member)| is_exact(member)),
        json::Kind::Null | json::Kind::Bool(_) | json::Kind::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_written_back_is_refused() {
        for (text, why) in [
            ("", None),
            (" \n", None),
            (r#"{"a": [1, -2.5, "x", null, {"b": true}]}"#, None),
            (r#"{"a": 12345678901234567890123}"#, Some("a number")),
            (r#"{"a": 1.50}"#, Some("a number")),
            (r#"{"a": 1, "a": 2}"#, Some("twice")),
            ("[1]", Some("not a JSON object")),
            ("{", Some("not JSON")),
            (r#"{"a": "\ud800"}"#, Some("not JSON")),
        ] {
            let found = document(text, SecretName { id: "s", called: "the secret" });
            let message = found.err().map(|error| error.message);
            assert_eq!(message.is_some(), why.is_some(), "{text}: {message:?}");
            assert!(why.is_none_or(|why| message.unwrap().contains(why)), "{text}");
        }
    }
}
