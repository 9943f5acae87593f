//! Queues behind the SDK's HTTP seam: they take, drop repeats, hide and give back as SQS does, and refuse what a test
//! has them refuse. Every other service's calls go through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use crate::vault::Vault;

pub(crate) const WORK: &str = "https://queues/work.fifo";
pub(crate) const ORDERS: &str = "https://queues/orders.fifo";
pub(crate) const WORK_DEAD_LETTERS: &str = "https://queues/work-dead.fifo";
pub(crate) const ORDERS_DEAD_LETTERS: &str = "https://queues/orders-dead.fifo";
pub(crate) const RELAY_DEAD_LETTERS: &str = "https://queues/relay-dead";

/// Decides an entry's fate by queue and body: a code refuses it.
type Refuse = Box<dyn Fn(&str, &str) -> Option<&'static str> + Send>;

/// The queues and what went through them.
#[derive(Default)]
pub(crate) struct Queues {
    state: Mutex<State>,
    /// The deployed reader's answers, by event id.
    pub(crate) deployed: Mutex<BTreeMap<String, Value>>,
}

#[derive(Default)]
struct State {
    messages: BTreeMap<String, Vec<Kept>>,
    deduplicated: BTreeSet<(String, String)>,
    calls: Vec<(String, Value)>,
    refuse: Option<Refuse>,
    refuse_calls: Option<(&'static str, &'static str)>,
    next: usize,
    secrets: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
struct Kept {
    id: String,
    body: String,
    group: String,
    deduplication: String,
    receives: usize,
    hidden: bool,
}

impl std::fmt::Debug for Queues {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Queues").finish_non_exhaustive()
    }
}

impl Queues {
    /// Refuses entries from now on; what was there before is given up.
    pub(crate) fn refuse(&self, refuse: impl Fn(&str, &str) -> Option<&'static str> + Send + 'static) {
        self.state.lock().unwrap().refuse = Some(Box::new(refuse));
    }

    /// Has Secrets Manager hold a secret; those that were never given are not there.
    pub(crate) fn secret(&self, name: &str, value: &str) {
        self.state.lock().unwrap().secrets.insert(name.to_owned(), value.to_owned());
    }

    /// Refuses no entry any more.
    pub(crate) fn accept(&self) {
        self.state.lock().unwrap().refuse = None;
    }

    /// Refuses every call of an action by a code.
    pub(crate) fn refuse_calls(&self, action: &'static str, code: &'static str) {
        self.state.lock().unwrap().refuse_calls = Some((action, code));
    }

    /// Entries of a queue: body, group and deduplication id.
    pub(crate) fn taken(&self, url: &str) -> Vec<(Value, String, String)> {
        let state = self.state.lock().unwrap();
        let kept = state.messages.get(url).into_iter().flatten();
        kept.map(|kept| (serde_json::from_str(&kept.body).unwrap(), kept.group.clone(), kept.deduplication.clone()))
            .collect()
    }

    /// The ids of the events in a queue.
    pub(crate) fn ids(&self, url: &str) -> Vec<String> {
        self.taken(url).iter().map(|(body, ..)| body["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Puts a message into a queue, as somebody else would.
    pub(crate) fn put(&self, url: &str, body: &str, group: &str) {
        self.state.lock().unwrap().put(url, body, group.to_owned(), String::new());
    }

    /// Returns the number of a queue's messages that are hidden.
    pub(crate) fn hidden(&self, url: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.messages.get(url).into_iter().flatten().filter(|kept| kept.hidden).count()
    }

    /// Returns the number of calls of an action.
    pub(crate) fn calls(&self, action: &str) -> usize {
        self.state.lock().unwrap().calls.iter().filter(|(called, _)| called == action).count()
    }

    fn answer(&self, action: &str, call: &Value) -> (u16, Value) {
        let mut state = self.state.lock().unwrap();
        state.calls.push((action.to_owned(), call.clone()));
        if let Some((refused, code)) = state.refuse_calls
            && refused == action
        {
            return (400, json!({"__type": code, "message": "from a test"}));
        }
        let url = call["QueueUrl"].as_str().unwrap().to_owned();
        match action {
            "SendMessageBatch" => {
                let (mut successful, mut failed) = (Vec::new(), Vec::new());
                for entry in call["Entries"].as_array().unwrap() {
                    let body = entry["MessageBody"].as_str().unwrap();
                    match state.refuse.as_ref().and_then(|refuse| refuse(&url, body)) {
                        Some(code) => {
                            failed
                                .push(json!({"Id": entry["Id"], "Code": code, "SenderFault": false, "Message": "no"}));
                        }
                        None => {
                            let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
                            state.put(&url, body, text("MessageGroupId"), text("MessageDeduplicationId"));
                            successful.push(json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x"}));
                        }
                    }
                }
                (200, json!({"Successful": successful, "Failed": failed}))
            }
            "ReceiveMessage" => (200, json!({"Messages": state.receive(&url)})),
            "DeleteMessageBatch" | "ChangeMessageVisibilityBatch" => {
                let mut successful = Vec::new();
                for entry in call["Entries"].as_array().unwrap() {
                    let of_entry = |kept: &Kept| entry["ReceiptHandle"] == kept.id.as_str();
                    let kept = state.messages.entry(url.clone()).or_default();
                    match action {
                        "DeleteMessageBatch" => kept.retain(|kept| !of_entry(kept)),
                        _ => kept.iter_mut().filter(|kept| of_entry(kept)).for_each(|kept| kept.hidden = false),
                    }
                    successful.push(json!({"Id": entry["Id"]}));
                }
                (200, json!({"Successful": successful, "Failed": []}))
            }
            other => (400, json!({"__type": "InvalidAction", "message": other})),
        }
    }
}

impl State {
    fn put(&mut self, url: &str, body: &str, group: String, deduplication: String) {
        if !deduplication.is_empty() && !self.deduplicated.insert((url.to_owned(), deduplication.clone())) {
            return;
        }
        self.next += 1;
        let id = format!("message-{}", self.next);
        let kept = Kept { id, body: body.to_owned(), group, deduplication, receives: 0, hidden: false };
        self.messages.entry(url.to_owned()).or_default().push(kept);
    }
}

impl State {
    /// Up to ten messages that nobody holds; of a FIFO group nothing while one of it is held.
    fn receive(&mut self, url: &str) -> Vec<Value> {
        let kept = self.messages.entry(url.to_owned()).or_default();
        let held: BTreeSet<String> = kept.iter().filter(|kept| kept.hidden).map(|kept| kept.group.clone()).collect();
        let free = |kept: &&mut Kept| !kept.hidden && (kept.group.is_empty() || !held.contains(&kept.group));
        let given = kept.iter_mut().filter(free).take(10).map(|kept| {
            (kept.hidden, kept.receives) = (true, kept.receives + 1);
            let mut attributes = json!({"SentTimestamp": "1767225600000"});
            attributes["ApproximateReceiveCount"] = kept.receives.to_string().into();
            if !kept.group.is_empty() {
                attributes["MessageGroupId"] = kept.group.as_str().into();
            }
            json!({"MessageId": kept.id, "ReceiptHandle": kept.id, "Body": kept.body, "Attributes": attributes})
        });
        given.collect()
    }
}

/// Sends calls of SQS to the queues, those of Secrets Manager to a vault where there is one, and all others on.
#[derive(Debug, Clone)]
pub(crate) struct Switch {
    queues: Arc<Queues>,
    vault: Option<Arc<Vault>>,
    others: SharedHttpClient,
}

#[derive(Debug)]
struct Connector {
    queues: Arc<Queues>,
    vault: Option<Arc<Vault>>,
    others: SharedHttpConnector,
}

impl Switch {
    pub(crate) fn new(queues: &Arc<Queues>, vault: Option<&Arc<Vault>>) -> Self {
        Switch {
            queues: Arc::clone(queues),
            vault: vault.map(Arc::clone),
            others: aws_smithy_http_client::Builder::new().build_http(),
        }
    }
}

impl HttpClient for Switch {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let others = self.others.http_connector(settings, components);
        SharedHttpConnector::new(Connector { queues: Arc::clone(&self.queues), vault: self.vault.clone(), others })
    }
}

impl Connector {
    /// The deployed reader: the readings that a test gave it.
    fn read(&self, request: &HttpRequest) -> HttpConnectorFuture {
        let question: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let found = self.queues.deployed.lock().unwrap().get(question["id"].as_str().unwrap()).cloned();
        let unknown = json!({"errorType": "Unknown", "errorMessage": "nothing is kept under this name"});
        let is_error = found.is_none();
        let body = found.unwrap_or(unknown).to_string();
        let mut response = HttpResponse::new(200.try_into().unwrap(), SdkBody::from(body));
        if is_error {
            response.headers_mut().insert("x-amz-function-error", "Unhandled");
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        if request.uri().contains("/functions/ReadFunction/invocations") {
            return self.read(&request);
        }
        let call: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
        let secret = || self.queues.state.lock().unwrap().secrets.get(call["SecretId"].as_str()?).cloned();
        let (status, body) = match (target.split_once('.'), &self.vault) {
            (Some(("AmazonSQS", action)), _) => self.queues.answer(action, &call),
            (Some(("secretsmanager", action)), Some(vault)) => vault.answer(action, &call),
            (Some(("secretsmanager", "GetSecretValue")), None) if secret().is_some() => {
                (200, json!({"ARN": call["SecretId"], "Name": call["SecretId"], "SecretString": secret()}))
            }
            _ => return self.others.call(request),
        };
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()));
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        HttpConnectorFuture::ready(Ok(response))
    }
}
