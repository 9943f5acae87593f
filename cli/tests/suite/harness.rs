//! A stack of tables alone: rows are made by the receivers' own `Store::keep`, views by the orders function's own
//! `Orders::apply`. Secrets Manager is not there unless a test asks for it, which every command that can do without must
//! survive.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, Sleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_types::retry::RetryConfig;
use edge::aws::clock::Clock;
use edge::keep::store::Kept;
use hookmill::stack::deployment::Deployment;
use hookmill::{Cli, Context, Error, Exit, Output, StackOptions};
use serde_json::{Value, json};
use webhook::claim::EventKey;
use webhook::providers::{PROVIDERS, Provider};
use webhook::scheme::SchemeName;
use webhook::secret::Secret;
use webhook::signature::admit;
use webhook::source::{Merchants, Source};

use crate::queues::{ORDERS, ORDERS_DEAD_LETTERS, Queues, RELAY_DEAD_LETTERS, Switch, WORK, WORK_DEAD_LETTERS};
use crate::vault::Vault;

#[path = "../../../shared/edge/tests/suite/tables.rs"]
pub(crate) mod tables;

/// 2026-01-01T00:00:00Z
pub(crate) const START_MS: i64 = 1_767_225_600_000;

/// A stack and what was said in it.
pub(crate) struct World {
    pub(crate) context: Context,
    pub(crate) queues: Arc<Queues>,
    pub(crate) vault: Arc<Vault>,
    results: Words,
    notes: Words,
    options: StackOptions,
}

/// A proposed command begins with this: the stack of these tests is not the one that is assumed without options.
pub(crate) const HOOKMILL: &str = "hookmill --stack tested";

/// Captured output.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words(Arc<Mutex<Vec<u8>>>);

impl Words {
    fn taken(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Write for Words {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(crate) async fn world() -> World {
    world_of(true, false).await
}

/// A stack with secrets, which are empty.
pub(crate) async fn world_with_secrets() -> World {
    world_of(true, true).await
}

/// A stack whose results are text.
pub(crate) async fn world_in_text() -> World {
    world_of(false, false).await
}

async fn world_of(json: bool, secrets: bool) -> World {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));
    let world = world_with(&endpoint, json, secrets);
    tables::create_tables(&world.context.dynamodb(), "EventsTable", "OrdersTable").await;
    world
}

/// A stack at an endpoint that may not even be there.
pub(crate) fn world_at(endpoint: &str, json: bool) -> World {
    world_with(endpoint, json, false)
}

fn world_with(endpoint: &str, json: bool, secrets: bool) -> World {
    let vault = Arc::new(Vault::default());
    let anybody = Credentials::new("test", "test", None, None, "test");
    let queues = Arc::new(Queues::default());
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(anybody))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint)
        .http_client(Switch::new(&queues, secrets.then_some(&vault)))
        .build();
    let names = ["EventsTable", "OrdersTable", "AccountsSecret", "ReadFunction"];
    let mut outputs: BTreeMap<String, String> =
        names.iter().map(|name| ((*name).to_owned(), (*name).to_owned())).collect();
    for provider in PROVIDERS {
        let (first, rest) = provider.name.split_at(1);
        let title = format!("{}{rest}", first.to_uppercase());
        outputs.insert(format!("{title}Secret"), format!("{title}Secret"));
        outputs.insert(format!("{title}Url"), format!("https://{}.lambda-url/", provider.name));
    }
    let queue_urls = [
        ("WorkQueueUrl", WORK),
        ("WorkDeadLetterQueueUrl", WORK_DEAD_LETTERS),
        ("OrdersQueueUrl", ORDERS),
        ("OrdersDeadLetterQueueUrl", ORDERS_DEAD_LETTERS),
        ("RelayDeadLetterQueueUrl", RELAY_DEAD_LETTERS),
    ];
    outputs.extend(queue_urls.map(|(name, url)| (name.to_owned(), url.to_owned())));
    let (results, notes) = (Words::default(), Words::default());
    let line = <Cli as clap::Parser>::try_parse_from(HOOKMILL.split(' ').chain(["doctor"])).unwrap();
    let options = StackOptions::of(&line.global.options(), &hookmill::args::command());
    let output = Output::to(json, Box::new(results.clone()), Box::new(notes.clone())).about(options.clone());
    let context = Context::of(sdk, Deployment::of("hookmill", outputs), output, Clock::system());
    World { context, queues, vault, results, notes, options }
}

/// A sleep that is over at once and remembered.
#[derive(Debug, Clone, Default)]
struct NoSleep(Arc<Mutex<Vec<Duration>>>);

impl AsyncSleep for NoSleep {
    fn sleep(&self, duration: Duration) -> Sleep {
        self.0.lock().unwrap().push(duration);
        Sleep::new(std::future::ready(()))
    }
}

impl World {
    /// From now on pauses take no time; gives how long they would have been.
    pub(crate) fn without_pauses(&mut self) -> Arc<Mutex<Vec<Duration>>> {
        let sleep = NoSleep::default();
        let time = SharedTimeSource::new(SystemTimeSource::new());
        self.context.stack.clock = Clock::new(time, SharedAsyncSleep::new(sleep.clone()));
        sleep.0
    }

    /// Runs a command line and returns its exit code; an error is reported as the process would report it.
    pub(crate) async fn run(&self, line: &[&str]) -> Exit {
        let arguments = ["hookmill"].iter().chain(line);
        let cli = <hookmill::Cli as clap::Parser>::try_parse_from(arguments).unwrap();
        let outcome: Result<Exit, Error> = Box::pin(hookmill::commands::run(&self.context, cli.command)).await;
        outcome.unwrap_or_else(|error| self.context.output.failed(&error))
    }

    /// The lines of JSON that a command printed.
    pub(crate) async fn lines(&self, line: &[&str]) -> Vec<Value> {
        self.results.taken();
        let exit = self.run(line).await;
        assert!(matches!(exit, Exit::Ok | Exit::Problems), "{exit:?}: {}", self.notes());
        let text = String::from_utf8(self.results()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The bytes that were printed since they were last asked for.
    pub(crate) fn results(&self) -> Vec<u8> {
        self.name_the_stack(self.results.taken())
    }

    /// Checks that every command in what was printed names the stack that it is about.
    fn name_the_stack(&self, printed: Vec<u8>) -> Vec<u8> {
        let text = String::from_utf8_lossy(&printed);
        assert_eq!(self.options.add_to(&text), text, "a command that reaches another stack");
        printed
    }

    /// Returns what was written to stderr.
    pub(crate) fn notes(&self) -> String {
        String::from_utf8(self.name_the_stack(self.notes.taken())).unwrap()
    }

    /// Keeps a sample as its receiver would, perhaps with another body.
    pub(crate) async fn keep(
        &self,
        provider: &'static Provider,
        case: &str,
        received_ms: i64,
        change: impl Fn(&str) -> String,
    ) -> (EventKey, Kept) {
        let mut found = sample(provider, case);
        found.delivery.body = change(&String::from_utf8(found.delivery.body).unwrap()).into_bytes();
        let scheme =
            if found.delivery.url_token.is_some() { SchemeName::UrlToken } else { provider.admission.schemes[0].0 };
        let secret = Secret::new(KEY);
        let source = Source {
            name: found.source.source,
            scheme,
            signing_keys: if scheme == SchemeName::Signed { vec![secret.clone()] } else { Vec::new() },
            url_tokens: if scheme == SchemeName::UrlToken { vec![secret.clone()] } else { Vec::new() },
            merchants: Merchants::Any,
            several_merchants: false,
        };
        webhook::signing::sign(&provider.admission, scheme, &secret, &mut found.delivery, received_ms, false).unwrap();
        let verified = admit(&provider.admission, &source, &found.delivery).unwrap();
        let outcome = self.context.store().await.unwrap().keep(provider, &verified, received_ms).await.unwrap();
        (outcome.key, outcome.kept)
    }

    /// This build's reading of every kept event of a source, as a deployed reader of this build gives it.
    pub(crate) async fn readings(&self, source: &str) -> BTreeMap<String, Value> {
        let scan = self.context.dynamodb().scan().table_name("EventsTable").consistent_read(true);
        let text = |item: &HashMap<String, AttributeValue>, name: &str| item.get(name)?.as_s().ok().cloned();
        let mut readings = BTreeMap::new();
        for item in scan.send().await.unwrap().items() {
            let id = format!("{}/{}", text(item, "pk").unwrap(), text(item, "sk").unwrap());
            if id.starts_with(&format!("{source}/")) && text(item, "kind").as_deref() == Some("event") {
                let key = EventKey::from_id(&id).unwrap();
                let stored = self.context.store().await.unwrap().load(&key).await.unwrap().unwrap();
                let event = Provider::of(&key).unwrap().read(&stored.row);
                readings.insert(id, json!(event));
            }
        }
        readings
    }

    /// The orders function.
    pub(crate) async fn consumer(&self) -> edge::Orders {
        edge::Orders::new(self.context.tables().await.unwrap(), self.context.dynamodb(), self.context.clock.clone())
    }

    /// Joins a kept event into its order's view.
    pub(crate) async fn join(&self, key: &EventKey) {
        let stored = self.context.store().await.unwrap().load(key).await.unwrap().unwrap();
        let provider = Provider::named(key.parts().unwrap().0).unwrap();
        let body = provider.read(&stored.row).to_json().unwrap();
        let batch = json!({"Records": [{"messageId": "1", "body": body}]});
        let failures = self.consumer().await.apply(serde_json::from_value(batch).unwrap()).await;
        assert_eq!(json!(failures)["batchItemFailures"], json!([]));
    }
}

/// The key or token by which the tests' own events came.
pub(crate) const KEY: &str = "a key or token of these tests alone";

/// A sample as its file has it.
pub(crate) fn sample(provider: &Provider, case: &str) -> hookmill::work::sending::Case {
    let file = events_folder().join(provider.name).join(format!("{case}.json"));
    hookmill::work::sending::case(&file, &hookmill::work::sending::Reading::default()).unwrap()
}

/// A file's path that no other test has; the file is gone with it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hookmill-{name}-{}-{number}.jsonl", std::process::id()));
        let _ = std::fs::remove_file(&path);
        Scratch(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) fn events_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../events")
}
