//! A stand-in for DynamoDB, SQS and Secrets Manager: it keeps rows by their keys and honours the condition that a row
//! is not there, answers every call in constant time, and counts.
//!
//! It is not DynamoDB: it knows the expressions that the contenders send and nothing else. The rows and messages that a
//! contender left show that it did its job.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use md5::{Digest, Md5};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::item_size::{of_item, read_units, write_units};
use crate::server::serve;

/// The stand-in.
#[derive(Debug, Clone)]
pub struct Aws {
    /// The URL that it listens on: `AWS_ENDPOINT_URL`.
    pub address: SocketAddr,
    state: Arc<Mutex<StandInState>>,
}

/// The calls since it was last emptied.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CallCounts {
    /// Calls by operation.
    pub calls: BTreeMap<String, u64>,
    /// The bytes of their bodies.
    pub request_bytes: u64,
    /// Write units, indexes included; of failed conditions too, calculated from the larger of both items.
    pub write_units: u64,
    /// Read units.
    pub read_units: u64,
    /// Rows that were made.
    pub rows: u64,
    /// Messages that were sent.
    pub messages: u64,
}

#[derive(Debug, Default)]
struct StandInState {
    secret: String,
    rows: HashMap<String, TableRow>,
    /// The keys of the rows that were made since they were last taken, in their order.
    made: Vec<String>,
    /// Messages with the queue that each went to.
    sent: Vec<(String, Value)>,
    counts: CallCounts,
}

type TableRow = Map<String, Value>;

type Answered = Result<Value, (&'static str, Value)>;

impl Aws {
    /// Listens on a free port.
    pub async fn start() -> Self {
        let state: Arc<Mutex<StandInState>> = Arc::default();
        let answered = Arc::clone(&state);
        let address = serve(move |request| answer(request, Arc::clone(&answered))).await;
        Aws { address, state }
    }

    /// Empties it; its one secret has this value from now on.
    pub fn reset(&self, secret: &str) {
        *self.locked() = StandInState { secret: secret.to_owned(), ..StandInState::default() };
    }

    /// Returns the calls since the last emptying or taking.
    pub fn take_counts(&self) -> CallCounts {
        std::mem::take(&mut self.locked().counts)
    }

    /// The rows that were made since they were last taken, in their order.
    pub fn take_rows(&self) -> Vec<Map<String, Value>> {
        let mut state = self.locked();
        let made = std::mem::take(&mut state.made);
        made.iter().filter_map(|key| state.rows.get(key).cloned()).collect()
    }

    /// The messages that were sent to a queue since they were last taken, in their order; those to others go.
    pub fn take_messages(&self, queue: &str) -> Vec<Value> {
        let sent = std::mem::take(&mut self.locked().sent);
        sent.into_iter().filter(|(url, _)| url.ends_with(queue)).map(|(_, message)| message).collect()
    }

    /// Adds a number of rows that nobody asks for.
    pub fn fill(&self, rows: usize) {
        let mut state = self.locked();
        for number in 0..rows {
            let row = json!({"pk": {"S": format!("filled/{number}")}, "sk": {"S": "row"}});
            state.rows.insert(format!("filled/{number}"), row.as_object().cloned().unwrap_or_default());
        }
    }

    fn locked(&self) -> MutexGuard<'_, StandInState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(request: Request<Incoming>, state: Arc<Mutex<StandInState>>) -> Response<Full<Bytes>> {
    let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
    let json_version =
        if target.starts_with("DynamoDB") { "application/x-amz-json-1.0" } else { "application/x-amz-json-1.1" };
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let answered = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        *state.counts.calls.entry(operation.clone()).or_default() += 1;
        state.counts.request_bytes += body.len() as u64;
        let request: Value = serde_json::from_slice(&body).unwrap_or_default();
        state.answer(&operation, &request)
    };
    let (status, answer) = match answered {
        Ok(answer) => (200, answer),
        Err((code, mut answer)) => {
            answer["__type"] = json!(format!("com.amazonaws.dynamodb.v20120810#{code}"));
            (400, answer)
        }
    };
    let text = answer.to_string();
    Response::builder()
        .status(status)
        .header("content-type", json_version)
        .header("x-amzn-requestid", "BENCH")
        .header("x-amz-crc32", crc32(text.as_bytes()).to_string())
        .body(Full::new(Bytes::from(text)))
        .unwrap()
}

impl StandInState {
    fn answer(&mut self, operation: &str, request: &Value) -> Answered {
        match operation {
            "PutItem" => self.put(request),
            "UpdateItem" => self.update(request),
            "GetItem" => Ok(self.get(request)),
            "SendMessage" => Ok(self.send(&request["QueueUrl"], request)),
            "SendMessageBatch" => {
                let entries = request["Entries"].as_array().cloned().unwrap_or_default();
                let sent: Vec<Value> = entries
                    .iter()
                    .map(|entry| {
                        let mut sent = self.send(&request["QueueUrl"], entry);
                        sent["Id"] = entry["Id"].clone();
                        sent
                    })
                    .collect();
                Ok(json!({"Successful": sent, "Failed": []}))
            }
            "GetSecretValue" => {
                Ok(json!({"ARN": "arn:aws:secretsmanager:us-east-1:000000000000:secret:bench", "Name": "bench",
                    "VersionId": "bench", "SecretString": self.secret, "VersionStages": ["AWSCURRENT"]}))
            }
            _ => Err(("UnknownOperationException", json!({"message": operation}))),
        }
    }

    fn put(&mut self, request: &Value) -> Answered {
        let item = request["Item"].as_object().cloned().unwrap_or_default();
        let key = row_key(request, &item);
        let old = self.rows.get(&key);
        let refused = old.is_some_and(|old| !holds(request, old));
        let bytes = old.map_or(0, of_item).max(of_item(&item));
        self.counts.write_units += write_units(bytes) as u64;
        if let Some(old) = old.filter(|_| refused) {
            let mut answer = json!({"message": "The conditional request failed"});
            if request["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD" {
                answer["Item"] = Value::Object(old.clone());
            }
            return Err(("ConditionalCheckFailedException", answer));
        }
        if old.is_none() {
            self.counts.rows += 1;
            self.made.push(key.clone());
        }
        // A row of ours is in the time index as well, by its keys alone.
        let units = write_units(bytes) + usize::from(item.contains_key("bucket"));
        self.counts.write_units += u64::from(item.contains_key("bucket"));
        let table = request["TableName"].clone();
        self.rows.insert(key, item);
        Ok(match request["ReturnConsumedCapacity"].as_str() {
            Some(_) => json!({"ConsumedCapacity": {"TableName": table, "CapacityUnits": units as f64}}),
            None => json!({}),
        })
    }

    /// `SET #a = :a, #b = :b`, which is all that the contenders ask for.
    fn update(&mut self, request: &Value) -> Answered {
        let mut item = request["Key"].as_object().cloned().unwrap_or_default();
        let key = row_key(request, &item);
        let old_bytes = self.rows.get(&key).map_or(0, of_item);
        item.extend(self.rows.get(&key).cloned().unwrap_or_default());
        let expression = request["UpdateExpression"].as_str().unwrap_or_default();
        for assignment in expression.trim_start_matches("SET ").split(',') {
            let Some((name, value)) = assignment.split_once('=') else { continue };
            let (name, value) = (name.trim(), value.trim());
            let name = request["ExpressionAttributeNames"][name].as_str().unwrap_or(name).to_owned();
            item.insert(name, request["ExpressionAttributeValues"][value].clone());
        }
        self.counts.write_units += write_units(old_bytes.max(of_item(&item))) as u64;
        self.rows.insert(key, item);
        Ok(json!({}))
    }

    fn get(&mut self, request: &Value) -> Value {
        let key = row_key(request, request["Key"].as_object().unwrap_or(&Map::new()));
        let found = self.rows.get(&key);
        self.counts.read_units += read_units(found.map_or(0, of_item)) as u64;
        found.map_or_else(|| json!({}), |item| json!({"Item": item}))
    }

    fn send(&mut self, queue: &Value, message: &Value) -> Value {
        self.counts.messages += 1;
        self.sent.push((queue.as_str().unwrap_or_default().to_owned(), message.clone()));
        let body = message["MessageBody"].as_str().unwrap_or_default();
        json!({"MessageId": "00000000-0000-0000-0000-000000000000", "SequenceNumber": "1",
            "MD5OfMessageBody": hex::encode(Md5::digest(body.as_bytes()))})
    }
}

/// Returns true if a put's condition, one of two, holds for the existing row.
fn holds(request: &Value, old: &TableRow) -> bool {
    match request["ConditionExpression"].as_str() {
        None => true,
        Some("etag = :etag") => old.get("etag") == Some(&request["ExpressionAttributeValues"][":etag"]),
        Some(_) => false,
    }
}

/// A row's name: its table and the key attributes, which every table of a contender calls by one of these names.
fn row_key(request: &Value, attributes: &Map<String, Value>) -> String {
    let part = |name: &str| attributes.get(name).map(Value::to_string).unwrap_or_default();
    format!("{}/{}/{}/{}", request["TableName"], part("pk"), part("sk"), part("id"))
}

/// DynamoDB's checksum of its answers, which some clients verify.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(!0, step)
}
