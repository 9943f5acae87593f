//! A table that is not there: an hour of any number of events of one source, made up as it is asked for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::test_util::infallible_client_fn;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge::keep::item::{TIME_SHARDS, instant};
use edge::relay::relay_log::name_of;
use serde_json::{Value, json};

const HOUR_MS: usize = 60 * 60 * 1_000;

/// Entries of a page of the index and names of a row of the log.
const ROWS_A_PAGE: usize = 1_000;
const NAMES_A_ROW: usize = 20_000;

/// The table, and what was asked of it.
#[derive(Debug)]
pub(crate) struct Played {
    from_ms: i64,
    count: usize,
    /// One in this number of events is not in the relay log.
    one_missing_in: usize,
    /// Entries of the index that were answered, as many of them as at the last look at the log, and the largest number
    /// between two looks: they were in memory.
    answered: AtomicUsize,
    looked_at: AtomicUsize,
    pub(crate) held_max: AtomicUsize,
    /// The state that was put, by sort key.
    put: Mutex<Vec<Value>>,
}

impl Played {
    pub(crate) fn new(from_ms: i64, count: usize, one_missing_in: usize) -> Arc<Self> {
        let (answered, looked_at, held_max, put) = Default::default();
        Arc::new(Played { from_ms, count, one_missing_in, answered, looked_at, held_max, put })
    }

    pub(crate) fn client(self: &Arc<Self>) -> aws_sdk_dynamodb::Client {
        let table = Arc::clone(self);
        let http = infallible_client_fn(move |request| {
            let call: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            let target = request.headers()["x-amz-target"].to_str().unwrap().to_owned();
            let answer = match target.split('.').next_back().unwrap() {
                "Query" if call["IndexName"].is_string() => table.index(&call),
                "Query" => table.log(&call),
                "GetItem" => table.item(&call),
                "PutItem" => {
                    table.put.lock().unwrap().push(call["Item"].clone());
                    json!({})
                }
                other => unreachable!("{other}"),
            };
            http::Response::builder().status(200).body(answer.to_string()).unwrap()
        });
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .http_client(http)
            .build();
        aws_sdk_dynamodb::Client::from_conf(config)
    }

    pub(crate) fn missing(&self) -> usize {
        (0..self.count).filter(|number| self.is_missing(*number)).count()
    }

    /// Returns the number of entries of the index that were answered so far.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    fn is_missing(&self, number: usize) -> bool {
        number % self.one_missing_in == self.one_missing_in / 2
    }

    fn at_ms(&self, number: usize) -> i64 {
        self.from_ms + i64::try_from(number * HOUR_MS / self.count).unwrap()
    }

    /// Number of events before a time.
    fn before(&self, time: &str) -> usize {
        let ms = edge::keep::time_index::ms_of(time).unwrap() - self.from_ms;
        let ms = usize::try_from(ms.max(0)).unwrap();
        (ms * self.count).div_ceil(HOUR_MS).min(self.count)
    }

    fn key(number: usize) -> (String, String) {
        (format!("scalev/main/O{number}"), format!("order.updated/e{number}"))
    }

    fn index(&self, call: &Value) -> Value {
        let values = &call["ExpressionAttributeValues"];
        let bucket = values[":bucket"]["S"].as_str().unwrap();
        let Some(shard) = bucket.strip_prefix("scalev/main/") else { return json!({"Items": []}) };
        let (shard, step): (usize, usize) = (shard.parse().unwrap(), usize::from(TIME_SHARDS));
        let from = self.before(values[":from"]["S"].as_str().unwrap());
        let begin = call["ExclusiveStartKey"]["sk"]["S"]
            .as_str()
            .map_or(from, |sk| sk.strip_prefix("order.updated/e").unwrap().parse::<usize>().unwrap() + 1);
        let to = values[":to"]["S"].as_str().map_or(self.count, |to| {
            let to_ms = edge::keep::time_index::ms_of(to).unwrap();
            self.before(&instant(to_ms + 1))
        });
        let limit = usize::try_from(call["Limit"].as_u64().unwrap()).unwrap().min(ROWS_A_PAGE);
        let numbers = (begin..to).filter(|number| number % step == shard);
        let numbers: Vec<usize> = numbers.take(limit).collect();
        self.answered.fetch_add(numbers.len(), Ordering::SeqCst);
        let item = |number: &usize| {
            let (pk, sk) = Self::key(*number);
            let received_at = instant(self.at_ms(*number));
            json!({"pk": {"S": pk}, "sk": {"S": sk}, "bucket": {"S": bucket}, "received_at": {"S": received_at}})
        };
        let items: Vec<Value> = numbers.iter().map(item).collect();
        let is_whole = numbers.len() < limit;
        let mut answer = json!({"Items": items, "Count": numbers.len(), "ScannedCount": numbers.len()});
        if !is_whole {
            answer["LastEvaluatedKey"] = answer["Items"].as_array().unwrap().last().unwrap().clone();
        }
        answer
    }

    fn log(&self, call: &Value) -> Value {
        let slot = call["ExpressionAttributeValues"][":pk"]["S"].as_str().unwrap().strip_prefix("relayed/").unwrap();
        let first = format!("{slot}0:00.000Z");
        let end = instant(edge::keep::time_index::ms_of(&first).unwrap() + edge::relay::relay_log::SLOT_MS);
        let (from, to) = (self.before(&first), self.before(&end));
        if call["ExclusiveStartKey"].is_null() {
            let answered = self.answered.load(Ordering::SeqCst);
            let before = self.looked_at.swap(answered, Ordering::SeqCst);
            self.held_max.fetch_max(answered - before, Ordering::SeqCst);
        }
        let begin = call["ExclusiveStartKey"]["sk"]["S"].as_str().map_or(from, |sk| sk.parse().unwrap());
        let next = (begin + NAMES_A_ROW).min(to);
        let names: Vec<u8> = (begin..next)
            .filter(|number| !self.is_missing(*number))
            .flat_map(|number| {
                let (pk, sk) = Self::key(number);
                name_of(&format!("{pk}/{sk}"))
            })
            .collect();
        let mut answer = json!({"Items": [{"names": {"B": STANDARD.encode(names)}}], "Count": 1, "ScannedCount": 1});
        if next < to {
            answer["LastEvaluatedKey"] = json!({"pk": {"S": "x"}, "sk": {"S": next.to_string()}});
        }
        answer
    }

    fn item(&self, call: &Value) -> Value {
        let (pk, sk) = (call["Key"]["pk"]["S"].as_str().unwrap(), call["Key"]["sk"]["S"].as_str().unwrap());
        if pk == "watch" || pk.starts_with("relayed/") {
            let put = self.put.lock().unwrap();
            let item = put.iter().rev().find(|item| item["pk"]["S"] == pk && item["sk"]["S"] == sk);
            return item.map_or(json!({}), |item| json!({"Item": item}));
        }
        let number: usize = sk.strip_prefix("order.updated/e").unwrap().parse().unwrap();
        let body = json!({"event": "order.updated", "unique_id": format!("e{number}"), "data": {"order_id": format!("O{number}")}});
        let body = edge::keep::compression::compress(body.to_string().as_bytes()).unwrap();
        json!({"Item": {
            "pk": {"S": pk}, "sk": {"S": sk}, "kind": {"S": "event"}, "claim": {"N": "1"},
            "received_at": {"S": instant(self.at_ms(number))}, "hash": {"B": STANDARD.encode([7; 32])},
            "body": {"B": STANDARD.encode(body)},
        }})
    }
}
