//! An embedded DynamoDB, a secret that a test can change, queues that a test can break, a clock that a test can turn.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Intercept, Region, RuntimeComponents};
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, Sleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_http_client::test_util::infallible_client_fn;
use aws_smithy_types::config_bag::ConfigBag;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge::aws::clock::Clock;
use edge::keep::item::Item;
use edge::receive::http::Request;
use edge::{Receiver, ReceiverConfig};
use serde_json::{Value, json};
use webhook::providers::Provider;
use webhook::request::{Delivery, split_path};
use webhook::scheme::SchemeName;
use webhook::signing;

#[path = "tables.rs"]
pub(crate) mod tables;

pub(crate) const EVENTS: &str = "events";
pub(crate) const ORDERS: &str = "orders";
pub(crate) const START_MS: i64 = 1_767_225_600_000;

/// Everything a test stands on.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) time: Arc<Time>,
    pub(crate) secret: Arc<Secret>,
}

/// A time that stands until it is turned.
#[derive(Debug)]
pub(crate) struct Time(AtomicI64);

impl Time {
    pub(crate) fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct Hand(Arc<Time>);

impl TimeSource for Hand {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0.0.load(Ordering::SeqCst).try_into().unwrap())
    }
}

/// Deadlines, sixty times as long as they are: no test waits for one, and a busy machine is not late.
#[derive(Debug, Clone)]
pub(crate) struct LongDeadline;

impl AsyncSleep for LongDeadline {
    fn sleep(&self, duration: Duration) -> Sleep {
        TokioSleep::new().sleep(duration * 60)
    }
}

/// A sleep that is over at once.
#[derive(Debug, Clone)]
struct NoSleep;

impl AsyncSleep for NoSleep {
    fn sleep(&self, _: Duration) -> Sleep {
        Sleep::new(std::future::ready(()))
    }
}

/// What Secrets Manager answers; `None` is an outage.
#[derive(Debug, Default)]
pub(crate) struct Secret {
    text: Mutex<Option<String>>,
    pub(crate) fetches: AtomicUsize,
}

impl Secret {
    pub(crate) fn set(&self, text: Option<String>) {
        *self.text.lock().unwrap() = text;
    }
}

pub(crate) async fn world() -> World {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));
    let dynamodb = aws_sdk_dynamodb::Client::from_conf(dynamodb_config().endpoint_url(endpoint).build());
    tables::create_tables(&dynamodb, EVENTS, ORDERS).await;
    World { dynamodb, time: Arc::new(Time(AtomicI64::new(START_MS))), secret: Arc::default() }
}

fn dynamodb_config() -> aws_sdk_dynamodb::config::Builder {
    aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
}

impl World {
    /// A client of a process that dies: every call from one on fails, and is not tried again.
    pub(crate) fn dying_client(&self, at: usize) -> aws_sdk_dynamodb::Client {
        let calls = AtomicUsize::new(0);
        let dies = BeforeCalls(move |_: &[u8]| match calls.fetch_add(1, Ordering::SeqCst) >= at {
            true => Err("the process died".into()),
            false => Ok(()),
        });
        let config = self.dynamodb.config().to_builder().interceptor(dies);
        let config = config.retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled());
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.hasty_clock().now_ms()
    }

    /// A DynamoDB that knows no table.
    pub(crate) fn dynamodb_without_tables(&self) -> aws_sdk_dynamodb::Client {
        let refusal = json!({"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "message": "no"});
        let http = infallible_client_fn(move |_| respond(400, &refusal));
        aws_sdk_dynamodb::Client::from_conf(dynamodb_config().http_client(http).build())
    }

    /// A receiver whose provider has a secret of its own, for worlds with several.
    pub(crate) fn receiver_of(&self, provider: &'static Provider) -> Receiver {
        let secret = Arc::new(Secret { text: Mutex::new(Some(secret_of(provider.name))), ..Secret::default() });
        World { secret, ..self.clone() }.receiver(provider)
    }

    /// A clock whose time is the test's and whose sleeps are deadlines.
    pub(crate) fn clock(&self) -> Clock {
        Clock::new(SharedTimeSource::new(Hand(Arc::clone(&self.time))), SharedAsyncSleep::new(LongDeadline))
    }

    /// A clock whose sleeps take no time: they are pauses between attempts.
    pub(crate) fn hasty_clock(&self) -> Clock {
        Clock::new(SharedTimeSource::new(Hand(Arc::clone(&self.time))), SharedAsyncSleep::new(NoSleep))
    }

    pub(crate) fn receiver(&self, provider: &'static Provider) -> Receiver {
        if self.secret.text.lock().unwrap().is_none() {
            self.secret.set(Some(secret_of(provider.name)));
        }
        self.receiver_over(provider, self.dynamodb.clone())
    }

    pub(crate) fn receiver_over(&self, provider: &'static Provider, dynamodb: aws_sdk_dynamodb::Client) -> Receiver {
        let config = ReceiverConfig {
            events_table: EVENTS.to_owned(),
            secret_id: "secret".to_owned(),
            body_limit_bytes: 1024 * 1024,
        };
        Receiver::new(provider, config, dynamodb, self.secrets_manager(), self.clock())
    }

    pub(crate) fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        let secret = Arc::clone(&self.secret);
        let http = infallible_client_fn(move |_| {
            secret.fetches.fetch_add(1, Ordering::SeqCst);
            match secret.text.lock().unwrap().clone() {
                Some(text) => respond(200, &json!({"ARN": "arn", "Name": "secret", "SecretString": text})),
                None => respond(400, &json!({"__type": "AccessDeniedException", "Message": "no"})),
            }
        });
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .http_client(http)
            .build();
        aws_sdk_secretsmanager::Client::from_conf(config)
    }

    /// Every item of a table, in key order.
    pub(crate) async fn items(&self, table: &str) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        let mut pages = self.dynamodb.scan().table_name(table).into_paginator().items().send();
        while let Some(item) = pages.next().await {
            items.push(item.unwrap());
        }
        items.sort_by_key(|item| (text_of(item, "pk"), text_of(item, "sk")));
        items
    }

    /// The sort keys under a partition key that begins so.
    pub(crate) async fn names(&self, pk: &str) -> Vec<String> {
        let items = self.items(EVENTS).await;
        items.iter().filter(|item| text_of(item, "pk").starts_with(pk)).map(|item| text_of(item, "sk")).collect()
    }
}

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What is done before each call of a client, with the request's body; an error fails the call.
pub(crate) struct BeforeCalls<F>(pub(crate) F);

impl<F> std::fmt::Debug for BeforeCalls<F> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("BeforeCalls")
    }
}

impl<F: Fn(&[u8]) -> Result<(), Failure> + Send + Sync> Intercept for BeforeCalls<F> {
    fn name(&self) -> &'static str {
        "BeforeCalls"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), Failure> {
        (self.0)(context.request().body().bytes().unwrap_or_default())
    }
}

/// A body as a later build would keep it: with a version of Scalev's dictionary that this one does not have.
pub(crate) fn of_a_later_build(body: &[u8]) -> Vec<u8> {
    let mut frame = edge::keep::compression::compress_body("scalev", body).unwrap();
    let number = frame.windows(2).position(|pair| pair == 40_001_u16.to_le_bytes()).unwrap();
    frame[number] += 98;
    frame
}

pub(crate) fn respond(status: u16, body: &Value) -> http::Response<String> {
    http::Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.0")
        .body(body.to_string())
        .unwrap()
}

pub(crate) fn text_of(item: &Item, name: &str) -> String {
    item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
}

fn events_folder() -> std::path::PathBuf {
    std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../events")
}

fn read_json(path: &std::path::Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The samples' sources with keys that are not public.
pub(crate) fn sources_of(provider: &str) -> Value {
    let sources = read_json(&events_folder().join("sources.json"))[provider].to_string();
    serde_json::from_str(&sources.replace("hookmill-sample-", "of-this-test-only-")).unwrap()
}

pub(crate) fn secret_of(provider: &str) -> String {
    sources_of(provider).to_string()
}

/// A sample as the test's own source would get it, perhaps changed before it is signed.
pub(crate) fn sample(provider: &str, case: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut event = read_json(&events_folder().join(provider).join(format!("{case}.json")));
    change(&mut event);
    sign(provider, event)
}

/// Signs or addresses a request with the source's first key or token.
pub(crate) fn sign(provider: &str, event: Value) -> Value {
    let name = event["rawPath"].as_str().unwrap().split('/').nth(1).unwrap().to_owned();
    let source = &sources_of(provider)["sources"][&name];
    let credential = [&source["signing_keys"][0], &source["url_tokens"][0]].into_iter().find_map(Value::as_str);
    sign_with(provider, event, credential.unwrap())
}

/// Signs or addresses a request with a key or token.
pub(crate) fn sign_with(provider: &str, mut event: Value, credential: &str) -> Value {
    let path = event["rawPath"].as_str().unwrap().to_owned();
    let (name, _) = split_path(&path);
    let scheme = &sources_of(provider)["sources"][name.as_ref()]["scheme"];
    if scheme == "url_token" {
        event["rawPath"] = format!("/{name}/{credential}").into();
        return event;
    }
    let mut delivery = Delivery {
        headers: serde_json::from_value(event["headers"].clone()).unwrap(),
        query: event["rawQueryString"].as_str().unwrap_or_default().to_owned(),
        url_token: None,
        body: body_of(&event),
    };
    let admission = &Provider::named(provider).unwrap().admission;
    let key = webhook::secret::Secret::new(credential);
    signing::sign(admission, SchemeName::Signed, &key, &mut delivery, START_MS, false).unwrap();
    event["headers"] = json!(delivery.headers);
    event["rawQueryString"] = delivery.query.into();
    event
}

pub(crate) fn body_of(event: &Value) -> Vec<u8> {
    let body = event["body"].as_str().unwrap();
    if event["isBase64Encoded"] == true { STANDARD.decode(body).unwrap() } else { body.as_bytes().to_vec() }
}

/// Every case of a provider, by name.
pub(crate) fn cases(provider: &str) -> Vec<String> {
    let entries = std::fs::read_dir(events_folder().join(provider)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter_map(|name| name.strip_suffix(".json").filter(|name| !name.ends_with(".event")).map(str::to_owned))
        .collect();
    names.sort();
    names
}

/// Which cases are the providers' own examples.
pub(crate) fn documented() -> BTreeMap<String, bool> {
    let origins = read_json(&events_folder().join("origins.json"));
    origins.as_object().unwrap().iter().map(|(case, told)| (case.clone(), told["origin"] == "documented")).collect()
}

/// The status that a receiver answers.
pub(crate) async fn status(receiver: &Receiver, event: &Value) -> u64 {
    let request: Request = serde_json::from_value(event.clone()).unwrap();
    let response = json!(receiver.receive(request).await);
    assert_eq!(response["body"], "");
    response["statusCode"].as_u64().unwrap()
}

/// Queues that remember what they took, and refuse what a test has them refuse.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    /// Every call as sent.
    pub(crate) calls: Mutex<Vec<Value>>,
    /// Bodies that were taken, by queue, in order.
    pub(crate) taken: Mutex<Vec<(String, Value)>>,
    /// Decides an entry's fate by queue URL, body and number of the call.
    pub(crate) refuse: Mutex<Option<Refuse>>,
    /// Refuses, by this code, every call that has a body of more than so many bytes in it.
    pub(crate) refuse_calls: Mutex<Option<(&'static str, usize)>>,
    /// The time that passes in each call, in milliseconds, by the queue's URL.
    pub(crate) takes_ms: Mutex<Option<Pace>>,
}

/// The clock, and the time that a call of the queue of a URL takes on it.
pub(crate) type Pace = (Arc<Time>, fn(&str) -> i64);

/// `None` takes the entry; a code refuses it, as the sender's fault or not; `Err` fails the whole call.
pub(crate) type Refuse = fn(&str, &str, usize) -> Result<Option<(&'static str, bool)>, ()>;

impl Queues {
    pub(crate) fn client(self: &Arc<Self>) -> aws_sdk_sqs::Client {
        let queues = Arc::clone(self);
        let http = infallible_client_fn(move |request| {
            let call: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            queues.answer(&call)
        });
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled())
            .http_client(http)
            .build();
        aws_sdk_sqs::Client::from_conf(config)
    }

    fn answer(&self, call: &Value) -> http::Response<String> {
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(call.clone());
            calls.len()
        };
        let url = call["QueueUrl"].as_str().unwrap();
        if let Some((time, takes_ms)) = &*self.takes_ms.lock().unwrap() {
            time.advance(takes_ms(url));
        }
        let entries = call["Entries"].as_array().cloned().unwrap_or_else(|| vec![call.clone()]);
        let too_long = |limit: usize| entries.iter().any(|entry| entry["MessageBody"].as_str().unwrap().len() > limit);
        if let Some((code, bytes_max)) = *self.refuse_calls.lock().unwrap()
            && too_long(bytes_max)
        {
            return respond(400, &json!({"__type": code, "message": "no"}));
        }
        let refuse = *self.refuse.lock().unwrap();
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in &entries {
            let body = entry["MessageBody"].as_str().unwrap();
            match refuse.map_or(Ok(None), |refuse| refuse(url, body, number)) {
                Err(()) => return respond(500, &json!({"__type": "InternalError", "message": "no"})),
                Ok(Some((code, fault))) => {
                    failed.push(json!({"Id": entry["Id"], "Code": code, "SenderFault": fault, "Message": "no"}));
                }
                Ok(None) => {
                    self.taken.lock().unwrap().push((url.to_owned(), entry.clone()));
                    successful.push(json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x"}));
                }
            }
        }
        if call["Entries"].is_array() {
            return respond(200, &json!({"Successful": successful, "Failed": failed}));
        }
        respond(200, &json!({"MessageId": "m", "MD5OfMessageBody": "x"}))
    }

    /// The taken bodies of one queue.
    pub(crate) fn bodies(&self, url: &str) -> Vec<Value> {
        let taken = self.taken.lock().unwrap();
        let of_queue = taken.iter().filter(|(queue, _)| queue == url);
        of_queue.map(|(_, entry)| serde_json::from_str(entry["MessageBody"].as_str().unwrap()).unwrap()).collect()
    }
}

/// The stream's record of an item's insertion.
pub(crate) fn inserted(item: &Item) -> Value {
    fn attribute(value: &aws_sdk_dynamodb::types::AttributeValue) -> Value {
        use aws_sdk_dynamodb::types::AttributeValue::{B, L, M, N, S};
        match value {
            S(text) => json!({"S": text}),
            N(number) => json!({"N": number}),
            B(bytes) => json!({"B": STANDARD.encode(bytes.as_ref())}),
            L(values) => json!({"L": values.iter().map(attribute).collect::<Vec<_>>()}),
            M(members) => {
                json!({"M": members.iter().map(|(name, value)| (name.clone(), attribute(value))).collect::<BTreeMap<_, _>>()})
            }
            _ => Value::Null,
        }
    }
    let image: BTreeMap<_, _> = item.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
    json!({"eventName": "INSERT", "dynamodb": {"NewImage": image}})
}

/// SplitMix64: enough randomness for incompressible text, the same on every machine.
pub(crate) fn random(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()[0]
    })
}
