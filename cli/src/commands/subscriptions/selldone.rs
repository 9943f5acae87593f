//! `hookmill subscriptions reset`, `test` and `calls`, which Selldone's API alone has.

use clap::Args;
use platforms::Client;
use platforms::address::Address;
use platforms::providers::Selldone;
use serde::Serialize;
use serde_json::Value;
use webhook::secret::Secret;

use super::OneArgs;
use crate::apis::{Api, api_failed, registered};
use crate::context::Context;
use crate::error::{Error, Exit};

/// Arguments of `subscriptions test`.
#[derive(Debug, Clone, Args)]
pub struct TestArgs {
    /// Which webhook.
    #[command(flatten)]
    pub one: OneArgs,
    /// The action that the delivery is for, such as CheckoutOrder
    #[arg(long, value_name = "ACTION")]
    pub action: String,
}

/// What the provider said, without secrets.
#[derive(Debug, Serialize)]
struct Said {
    source: String,
    webhook: String,
    said: Value,
}

/// Clears a webhook's failures.
pub(super) async fn reset(context: &Context, args: &OneArgs) -> Result<Exit, Error> {
    let api = Api::of(context, &args.source).await?;
    selldone(&api.client)?.reset(&args.id).await.map_err(|error| api_failed(&error))?;
    let said = said(&api, &args.id, serde_json::json!("reset"));
    context.output.tell(&said, |said, _| format!("webhook {} is reset", said.webhook))?;
    context.output.note("What was not sent while it was off does not come by itself: hookmill reconcile fetches it.");
    Ok(Exit::Ok)
}

/// Has a delivery sent.
pub(super) async fn test(context: &Context, args: &TestArgs) -> Result<Exit, Error> {
    let api = Api::of(context, &args.one.source).await?;
    let sent = selldone(&api.client)?.test(&args.one.id, &args.action).await;
    let raw = sent.map_err(|error| match (api_failed(&error), error.may_have_happened) {
        (told, true) => told.next("It may have been sent all the same: hookmill events list --since 5m tells."),
        (told, false) => told,
    })?;
    let tokens = tokens(context, &api).await;
    let said = said(&api, &args.one.id, without_secrets(raw.bytes(), &tokens));
    context.output.tell(&said, |said, _| format!("webhook {} was tested: {}", said.webhook, said.said))?;
    context.output.note("The delivery is kept like any other, since nothing marks it: hookmill events list --since 5m");
    Ok(Exit::Ok)
}

/// Lists deliveries.
pub(super) async fn calls(context: &Context, args: &OneArgs) -> Result<Exit, Error> {
    let api = Api::of(context, &args.source).await?;
    let calls = selldone(&api.client)?.calls(&args.id).await.map_err(|error| api_failed(&error))?;
    let tokens = tokens(context, &api).await;
    let told: Vec<Said> =
        calls.iter().map(|call| said(&api, &args.id, without_secrets(call.bytes(), &tokens))).collect();
    context
        .output
        .tell_all(&told, |told, _| told.iter().map(|one| one.said.to_string()).collect::<Vec<_>>().join("\n"))?;
    if told.is_empty() {
        context.output.note(&format!("The provider has logged no call of webhook {}.", args.id));
    }
    Ok(Exit::Ok)
}

fn said(api: &Api, webhook: &str, said: Value) -> Said {
    Said { source: api.name.to_string(), webhook: webhook.to_owned(), said }
}

fn selldone(client: &Client) -> Result<&Selldone, Error> {
    match client {
        Client::Selldone(selldone) => Ok(selldone),
        Client::Shopline(_) | Client::Scalapay(_) | Client::Scalev(_) => {
            Err(Error::usage(format!("{} has no API for this", client.platform().name))
                .next("Only Selldone's webhooks can be reset, tested and asked for their calls."))
        }
    }
}

/// The tokens that the source's URLs may hold. Without the secret every URL is still told without its path.
async fn tokens(context: &Context, api: &Api) -> Vec<Secret> {
    registered(context, &api.name).await.map(|source| source.url_tokens).unwrap_or_default()
}

/// JSON in which no URL has what may be a secret, and no text a URL token.
fn without_secrets(bytes: &[u8], tokens: &[Secret]) -> Value {
    let mut value = serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String("not JSON".to_owned()));
    cut(&mut value, tokens);
    value
}

fn cut(value: &mut Value, tokens: &[Secret]) {
    match value {
        Value::String(text) => {
            if text.starts_with("https://") || text.starts_with("http://") {
                *text = Address::new(text.as_str()).shown();
            }
            for token in tokens {
                *text = text.replace(token.reveal(), "…");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| cut(item, tokens)),
        Value::Object(members) => members.values_mut().for_each(|member| cut(member, tokens)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_of_calls_is_told_without_tokens() {
        let token = Secret::new("q8Vq2b7xGkP4mZ1sW0aa22");
        let told = r#"{"url":"https:\/\/a.example\/main\/q8Vq2b7xGkP4mZ1sW0aa22","text":"to /main/q8Vq2b7xGkP4mZ1sW0aa22","n":[1,"http://b.example/x/y"]}"#;
        let cut = without_secrets(told.as_bytes(), &[token]);
        let expected = r#"{"n":[1,"http://b.example/x/…"],"text":"to /main/…","url":"https://a.example/main/…"}"#;
        assert_eq!(cut, serde_json::from_str::<serde_json::Value>(expected).unwrap());
    }
}
