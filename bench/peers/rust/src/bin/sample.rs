//! A receiver as the common samples in Rust write it: lambda_http, the AWS SDK with its default features, a
//! conditional put, then a send, then the answer.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use lambda_http::{Body, Error, Request, RequestExt, Response, run, service_fn, tracing};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Sources {
    sources: HashMap<String, Source>,
}

#[derive(Deserialize)]
struct Source {
    scheme: String,
    signing_keys: Vec<String>,
    url_tokens: Vec<String>,
}

struct App {
    provider: String,
    table: String,
    queue: String,
    sources: HashMap<String, Source>,
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
}

fn mac(key: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any length");
    parts.iter().fold(mac, |mac, part| mac.chain_update(part))
}

fn verified(app: &App, source: &Source, request: &Request, token: &str, body: &[u8]) -> bool {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if source.scheme == "url_token" {
        return source.url_tokens.iter().any(|known| known == token);
    }
    source.signing_keys.iter().any(|key| match app.provider.as_str() {
        "scalev" => STANDARD
            .decode(header("x-scalev-hmac-sha256"))
            .is_ok_and(|given| mac(key, &[body]).verify_slice(&given).is_ok()),
        "scalapay" => {
            let time = header("x-scalapay-timestamp");
            hex::decode(header("x-scalapay-hmac-v1"))
                .is_ok_and(|given| mac(key, &[b"V1:", time.as_bytes(), b":", body]).verify_slice(&given).is_ok())
        }
        _ => {
            let time = header("x-shopline-developer-event-timestamp");
            // serde_json's maps are sorted.
            let sorted = serde_json::from_slice::<Value>(body).map(|value| value.to_string()).unwrap_or_default();
            let query = request.query_string_parameters();
            hex::decode(query.first("sign").unwrap_or_default()).is_ok_and(|given| {
                mac(key, &[time.as_bytes(), b":", sorted.as_bytes()]).verify_slice(&given).is_ok()
            })
        }
    })
}

fn name(provider: &str, event: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match provider {
        "scalev" => text(&event["unique_id"]),
        "scalapay" => format!("{}/{}", text(&event["orderToken"]), text(&event["status"])),
        "shopline" if event["trace_id"].is_string() => text(&event["trace_id"]),
        _ => hex::encode(Sha256::digest(event.to_string())),
    }
}

async fn handle(app: &App, request: Request) -> Result<Response<Body>, Error> {
    let answer = |status: u16| Ok(Response::builder().status(status).body(Body::Empty)?);
    let body = request.body().to_vec();
    let path = request.uri().path().to_owned();
    let (source_name, token) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let source = app.sources.get(source_name).filter(|source| verified(app, source, &request, token, &body));
    if source.is_none() {
        tracing::warn!(source = source_name, "refused");
        return answer(401);
    }
    let event: Value = serde_json::from_slice(&body)?;
    let key = format!("{}/{source_name}/{}", app.provider, name(&app.provider, &event));
    let put = app
        .dynamodb
        .put_item()
        .table_name(&app.table)
        .item("id", AttributeValue::S(key.clone()))
        .item("body", AttributeValue::S(String::from_utf8_lossy(&body).into_owned()))
        .condition_expression("attribute_not_exists(id)")
        .send()
        .await;
    match put {
        Ok(_) => {}
        Err(error)
            if error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) =>
        {
            tracing::info!(key, "repeat");
            return answer(200);
        }
        Err(error) => return Err(error.into()),
    }
    app.sqs
        .send_message()
        .queue_url(&app.queue)
        .message_body(event.to_string())
        .message_group_id(&key[..key.len().min(128)])
        .message_deduplication_id(hex::encode(Sha256::digest(&key)))
        .send()
        .await?;
    tracing::info!(key, "kept");
    answer(200)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let secrets = aws_sdk_secretsmanager::Client::new(&config);
    let secret = secrets.get_secret_value().secret_id(variable("SECRET_ID")).send().await?;
    let sources: Sources = serde_json::from_str(secret.secret_string().unwrap_or_default())?;
    let app = App {
        provider: variable("PROVIDER"),
        table: variable("EVENTS_TABLE"),
        queue: variable("QUEUE_URL"),
        sources: sources.sources,
        dynamodb: aws_sdk_dynamodb::Client::new(&config),
        sqs: aws_sdk_sqs::Client::new(&config),
    };
    run(service_fn(|request| handle(&app, request))).await
}
