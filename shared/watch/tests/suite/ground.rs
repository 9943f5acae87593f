//! A stack of one shop, and its watch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_smithy_http_client::test_util::infallible_client_fn;
use edge::Receiver;
use edge::aws::config::{QueueConfig, ReceiverOf, RelayConfig, WatchConfig};
use edge::relay::relay_log::{RelayLog, RelayLogEntry};
use platforms::Settings;
use serde_json::{Value, json};
use watch::{Report, Watch, WatchCall, WatchError};
use webhook::providers::{PROVIDERS, SCALEV};

use crate::harness::*;

pub(crate) const HOUR_MS: i64 = 60 * 60 * 1_000;
pub(crate) const WORK: &str = "https://queue/work.fifo";
const OLD_KEY: &str = "of-this-test-only-the-old-key";
const NEW_KEY: &str = "of-this-test-only-the-new-key";

/// A table, queues, secrets by their ids, a watch.
pub(crate) struct Ground {
    pub(crate) world: World,
    pub(crate) queues: Arc<Queues>,
    secrets: Arc<Mutex<BTreeMap<String, Option<String>>>>,
}

impl Ground {
    /// A stack before its first delivery: no secret has a value.
    pub(crate) async fn new() -> Self {
        Ground { world: world().await, queues: Arc::default(), secrets: Arc::default() }
    }

    /// Puts a secret's value: a provider's, or that of the accounts. `None` is an outage.
    pub(crate) fn put_secret(&self, id: &str, value: Option<Value>) {
        self.secrets.lock().unwrap().insert(id.to_owned(), value.map(|value| value.to_string()));
    }

    /// Puts a version of a secret that is not current any more; `AWSPREVIOUS` is the last one.
    pub(crate) fn put_version(&self, id: &str, version: &str, value: &Value) {
        self.put_secret(&format!("{id} {version}"), Some(value.clone()));
    }

    /// Registers Scalev's source `main`, with so many keys, the last one of which the shop still uses.
    pub(crate) fn put_scalev(&self, keys: usize) -> Receiver {
        let keys = &[NEW_KEY, OLD_KEY][2 - keys..];
        let source = json!({"scheme": "signed", "signing_keys": keys, "merchants": "any"});
        let secret = json!({"sources": {"main": source}});
        self.put_secret("scalev", Some(secret.clone()));
        self.world.secret.set(Some(secret.to_string()));
        self.world.receiver(&SCALEV)
    }

    /// Has Scalev's source receive an event, which is relayed.
    pub(crate) async fn receive(&self, receiver: &Receiver, number: usize, data: Value) {
        self.receive_under(receiver, number, data, OLD_KEY).await;
        self.relay().await;
    }

    /// Has Scalev's source receive an event while the relay does not run.
    pub(crate) async fn receive_unrelayed(&self, receiver: &Receiver, number: usize) {
        self.receive_under(receiver, number, json!({}), OLD_KEY).await;
    }

    /// Logs every event as relayed.
    pub(crate) async fn relay(&self) {
        let events = self.world.items(EVENTS).await.into_iter().filter(|item| text_of(item, "kind") == "event");
        let relayed: Vec<RelayLogEntry> = events
            .map(|item| RelayLogEntry {
                received_at: text_of(&item, "received_at"),
                id: format!("{}/{}", text_of(&item, "pk"), text_of(&item, "sk")),
            })
            .collect();
        let log = RelayLog::new(self.world.dynamodb.clone(), EVENTS.to_owned());
        log.note(&relayed, self.world.now_ms()).await.unwrap();
    }

    pub(crate) async fn receive_under_new_key(&self, receiver: &Receiver, number: usize) {
        self.receive_under(receiver, number, json!({}), NEW_KEY).await;
        self.relay().await;
    }

    async fn receive_under(&self, receiver: &Receiver, number: usize, mut data: Value, key: &str) {
        data["order_id"] = json!(format!("O{}", number % 7));
        let body = json!({"event": "order.updated", "unique_id": format!("e{number}"), "data": data}).to_string();
        let event = sample("scalev", "order.created.2026", |event| event["body"] = body.into());
        let event = sign_with("scalev", event, key);
        assert_eq!(status(receiver, &event).await, 200);
    }

    /// The watch, whose calls to providers take the given settings.
    pub(crate) fn watch(&self, settings: Settings) -> Watch {
        let receiver = |provider: &&'static webhook::providers::Provider| ReceiverOf {
            provider: provider.name.to_owned(),
            secret_id: provider.name.to_owned(),
            url: format!("https://{}.example/", provider.name),
        };
        let config = WatchConfig {
            relay: RelayConfig {
                events_table: EVENTS.to_owned(),
                queues: vec![QueueConfig { url: WORK.to_owned(), types: Vec::new(), bodies: false }],
                dead_letter_queue_url: "https://queue/parked".to_owned(),
                timeout_ms: 300_000,
            },
            receivers: PROVIDERS.iter().map(receiver).collect(),
            accounts_secret_id: "accounts".to_owned(),
            timeout_ms: 300_000,
        };
        let (dynamodb, sqs) = (self.world.dynamodb.clone(), self.queues.client());
        Watch::new(config, dynamodb, sqs, self.secrets_manager(), settings, self.world.clock())
    }

    /// A run by the schedule.
    pub(crate) async fn run(&self) -> Result<Report, WatchError> {
        self.watch(Settings::default()).run(serde_json::from_value(json!({"source": "aws.events"})).unwrap()).await
    }

    /// A run with the hourly duties.
    pub(crate) async fn run_hourly(&self) -> Report {
        self.watch(Settings::default()).run(WatchCall { hourly: true }).await.unwrap()
    }

    fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
        let secrets = Arc::clone(&self.secrets);
        let http = infallible_client_fn(move |request| {
            let call: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            let mut id = call["SecretId"].as_str().unwrap().to_owned();
            if request.headers()["x-amz-target"].to_str().unwrap().ends_with("ListSecretVersionIds") {
                return respond(200, &versions(&secrets.lock().unwrap(), &id));
            }
            if let Some(version) = call["VersionId"].as_str() {
                id = format!("{id} {version}");
            }
            match secrets.lock().unwrap().get(&id) {
                Some(Some(text)) => respond(200, &json!({"ARN": "arn", "Name": "secret", "SecretString": text})),
                Some(None) => respond(400, &json!({"__type": "AccessDeniedException", "Message": "no"})),
                None => respond(400, &json!({"__type": "ResourceNotFoundException", "Message": "no value"})),
            }
        });
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .http_client(http)
            .build();
        aws_sdk_secretsmanager::Client::from_conf(config)
    }
}

/// The list of a secret's versions: the current one has no name here, the others have theirs behind the secret's.
fn versions(secrets: &BTreeMap<String, Option<String>>, id: &str) -> Value {
    let version = |name: &String| {
        let version = name.strip_prefix(id)?.trim_start();
        let stages = match version {
            "" => vec!["AWSCURRENT"],
            "AWSPREVIOUS" => vec![version],
            _ => Vec::new(),
        };
        Some(json!({"VersionId": version, "VersionStages": stages, "CreatedDate": START_MS / 1_000}))
    };
    json!({"ARN": "arn", "Name": id, "Versions": secrets.keys().filter_map(version).collect::<Vec<_>>()})
}
