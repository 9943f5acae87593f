//! Growth of the cost with the body, the table, the history of one order and the batch.

use serde::Serialize;
use serde_json::{Value, json};

use crate::aws::{Aws, CallCounts};
use crate::contenders::{OURS, Places, environment};
use crate::measure::{Running, WarmInvocations};
use crate::process::{FunctionProcess, Launch};
use crate::runtime_api::{FunctionReply, RuntimeApi};
use crate::workload::{BenchTarget, DeliveryKind};

/// One curve.
#[derive(Debug, Clone, Serialize)]
pub struct Curve {
    /// The quantity that grows.
    pub what: &'static str,
    /// Its points.
    pub points: Vec<CurvePoint>,
    /// The slope of processor time over size in logarithms: 0 is flat, 1 is linear.
    pub exponent: f64,
}

/// One point of a curve.
#[derive(Debug, Clone, Serialize)]
pub struct CurvePoint {
    /// The quantity's value here.
    pub size: usize,
    /// Processor time each, in microseconds.
    pub cpu_us: f64,
    /// Median latency, in microseconds.
    pub p50_us: f64,
    /// The process's peak memory in bytes.
    pub peak_bytes: u64,
    /// Events that the counts are of.
    pub events: usize,
    /// The calls to AWS for them.
    pub counts: CallCounts,
}

/// The measurements of growth.
#[derive(Debug, Clone, Serialize)]
pub struct Growth {
    /// The curves.
    pub curves: Vec<Curve>,
    /// A body with a random value in every leaf, which nothing compresses.
    pub random_leaf: CurvePoint,
}

/// The curve over the body's size.
pub const BODY: &str = "bytes of a body";
/// The curve over an order's events.
pub const HISTORY_OF_ORDER: &str = "events of one order";

const BODY_BYTES: [usize; 7] = [0, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000];
const ROWS: [usize; 4] = [1, 1_000, 100_000, 1_000_000];
const HISTORY: [usize; 4] = [1, 100, 1_000, 10_000];
/// Events that are measured from each of those on.
const PROBES: usize = 20;
const BATCHES: [usize; 4] = [1, 2, 5, 10];
const STREAM_BATCHES: [usize; 3] = [1, 10, 100];

/// Everything that grows, on one target.
pub async fn growth(places: &Places, target: &BenchTarget, aws: &Aws, invocations: usize) -> Growth {
    let mut curves = vec![bodies(places, target, aws, invocations).await, rows(places, target, aws, invocations).await];
    curves.extend(batches(places, target, aws, invocations).await);
    curves.push(history(places, target, aws).await);
    eprintln!("growth: a body with a random value in every leaf");
    Growth { curves, random_leaf: of_bodies(places, target, aws, target.of_random_leaves()).await }
}

async fn bodies(places: &Places, target: &BenchTarget, aws: &Aws, invocations: usize) -> Curve {
    let mut points = Vec::new();
    for more in BODY_BYTES {
        eprintln!("growth: a body with {more} bytes more");
        let events = target.grown(more);
        points.push(of_bodies(places, target, aws, &events[..invocations.min(events.len())]).await);
    }
    curve(BODY, points)
}

/// The receiver over deliveries of one size.
async fn of_bodies(places: &Places, target: &BenchTarget, aws: &Aws, events: &[Vec<u8>]) -> CurvePoint {
    aws.reset(&target.secret);
    let receiver = receiver(places, target, aws).await;
    let point = in_batches(receiver, events, 1, |one| one[0].clone(), aws).await;
    let event: Value = serde_json::from_slice(&events[0]).expect("a request event");
    CurvePoint { size: event["body"].as_str().map_or(0, str::len), ..point }
}

async fn rows(places: &Places, target: &BenchTarget, aws: &Aws, invocations: usize) -> Curve {
    let mut points = Vec::new();
    for rows in ROWS {
        eprintln!("growth: {rows} rows in the table");
        aws.reset(&target.secret);
        aws.fill(rows);
        let receiver = receiver(places, target, aws).await;
        let events: Vec<Vec<u8>> = (0..invocations).map(|number| target.delivery(number, DeliveryKind::New)).collect();
        let point = in_batches(receiver, &events, 1, |one| one[0].clone(), aws).await;
        points.push(CurvePoint { size: rows, ..point });
    }
    curve("rows in the table", points)
}

/// The relay over stream batches and the orders function over queue batches.
async fn batches(places: &Places, target: &BenchTarget, aws: &Aws, invocations: usize) -> Vec<Curve> {
    let mut relay = Vec::new();
    for size in STREAM_BATCHES {
        eprintln!("growth: stream batches of {size}");
        let rows = kept(places, target, aws, invocations.max(10 * size)).await;
        relay.push(in_batches(function(places, "relay", aws).await, &rows, size, stream_event, aws).await);
    }
    let mut orders = Vec::new();
    for size in BATCHES {
        eprintln!("growth: queue batches of {size}");
        let rows = kept(places, target, aws, invocations.max(10 * size)).await;
        let messages = relayed(places, aws, &rows).await;
        orders.push(in_batches(function(places, "orders", aws).await, &messages, size, queue_event, aws).await);
    }
    vec![curve("relay: records in a batch", relay), curve("orders: messages in a batch", orders)]
}

/// Measures a function that gets batches of a size; a tenth of them warm it up.
async fn in_batches<T>(
    mut function: Running,
    items: &[T],
    size: usize,
    event: impl Fn(&[T]) -> Vec<u8>,
    aws: &Aws,
) -> CurvePoint {
    let warm_up = items.chunks(size).len() / 10 * size;
    let (first, measured) = items.split_at(warm_up);
    feed(&mut function, first.chunks(size).map(&event)).await;
    let warm = function.series(measured.chunks(size).map(&event), aws, succeeded).await;
    point(size, measured.len(), warm, &function.process)
}

/// One order with more and more events: what the next one costs the orders function.
async fn history(places: &Places, target: &BenchTarget, aws: &Aws) -> Curve {
    let others = kept(places, target, aws, 50).await;
    let others = relayed(places, aws, &others).await;
    aws.reset(&target.secret);
    let mut receiver = receiver(places, target, aws).await;
    let most = HISTORY[HISTORY.len() - 1];
    eprintln!("growth: one order with {most} events");
    for event in &target.of_one_order()[..most + PROBES] {
        receiver.api.invoke(event.clone()).await;
    }
    let rows = aws.take_rows();
    assert_eq!(rows.len(), most + PROBES, "every event of the order is kept");
    let messages = relayed(places, aws, &rows).await;
    let mut orders = function(places, "orders", aws).await;
    feed(&mut orders, others.chunks(1).map(queue_event)).await;
    let mut points = Vec::new();
    let mut done = 0;
    for size in HISTORY {
        feed(&mut orders, messages[done..size].chunks(10).map(queue_event)).await;
        let next = messages[size..size + PROBES].chunks(1).map(queue_event);
        let warm = orders.series(next, aws, succeeded).await;
        let puts = warm.counts.calls.get("PutItem").copied().unwrap_or_default();
        assert_eq!(puts, PROBES as u64, "every later event changes the view");
        done = size + PROBES;
        points.push(point(size, PROBES, warm, &orders.process));
    }
    curve(HISTORY_OF_ORDER, points)
}

async fn kept(places: &Places, target: &BenchTarget, aws: &Aws, count: usize) -> Vec<serde_json::Map<String, Value>> {
    aws.reset(&target.secret);
    let mut receiver = receiver(places, target, aws).await;
    for number in 0..count {
        receiver.api.invoke(target.delivery(number, DeliveryKind::New)).await;
    }
    let rows = aws.take_rows();
    assert_eq!(rows.len(), count, "every delivery is kept");
    rows
}

async fn relayed(places: &Places, aws: &Aws, rows: &[serde_json::Map<String, Value>]) -> Vec<Value> {
    let mut relay = function(places, "relay", aws).await;
    feed(&mut relay, rows.chunks(100).map(stream_event)).await;
    let messages = aws.take_messages("/orders.fifo");
    assert_eq!(messages.len(), rows.len(), "every row is relayed");
    messages
}

async fn receiver(places: &Places, target: &BenchTarget, aws: &Aws) -> Running {
    let api = RuntimeApi::start().await;
    let launch = OURS.launch(places, target, api.address, aws.address);
    let process = places.launcher.launch(launch).expect("the receiver starts");
    Running { api, process }
}

async fn function(places: &Places, name: &str, aws: &Aws) -> Running {
    let api = RuntimeApi::start().await;
    // Both of the template's.
    let url = |name: &str| format!("http://{}/000000000000/{name}.fifo", aws.address);
    let of_orders = ["order.*", "payment.*", "fulfillment.*", "return.*"];
    let queues = json!([{"url": url("orders"), "types": of_orders}, {"url": url("work")}]);
    let own = [
        ("ORDERS_TABLE", "orders".to_owned()),
        ("QUEUES", queues.to_string()),
        ("RELAY_DEAD_LETTER_QUEUE_URL", format!("http://{}/000000000000/dead", aws.address)),
    ];
    let environment = environment(api.address, aws.address, own);
    let command = vec![places.functions.join(name).to_string_lossy().into_owned()];
    let launch = Launch { command, folder: places.functions.clone(), environment };
    Running { api, process: places.launcher.launch(launch).expect("the function starts") }
}

/// Runs events that are not measured.
async fn feed(function: &mut Running, events: impl Iterator<Item = Vec<u8>>) {
    for event in events {
        let (reply, _) = function.api.invoke(event).await;
        succeeded(&reply);
    }
}

fn succeeded(reply: &FunctionReply) {
    assert!(!reply.is_error, "{}", String::from_utf8_lossy(&reply.body));
}

fn stream_event(rows: &[serde_json::Map<String, Value>]) -> Vec<u8> {
    let record = |row: &serde_json::Map<String, Value>| {
        json!({"eventID": "bench", "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1", "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/events/stream/1",
            "dynamodb": {"ApproximateCreationDateTime": 1_795_305_600, "Keys": {"pk": row["pk"], "sk": row["sk"]},
                "NewImage": row, "SequenceNumber": "1", "SizeBytes": 1, "StreamViewType": "NEW_IMAGE"}})
    };
    json!({"Records": rows.iter().map(record).collect::<Vec<_>>()}).to_string().into_bytes()
}

fn queue_event(messages: &[Value]) -> Vec<u8> {
    let record = |(number, message): (usize, &Value)| {
        json!({"messageId": format!("message-{number}"), "receiptHandle": "bench", "body": message["MessageBody"],
            "attributes": {"MessageGroupId": message["MessageGroupId"], "ApproximateReceiveCount": "1",
                "MessageDeduplicationId": message["MessageDeduplicationId"], "SequenceNumber": "1"},
            "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:orders.fifo"})
    };
    json!({"Records": messages.iter().enumerate().map(record).collect::<Vec<_>>()}).to_string().into_bytes()
}

fn point(size: usize, events: usize, warm: WarmInvocations, process: &FunctionProcess) -> CurvePoint {
    CurvePoint {
        size,
        cpu_us: warm.cpu_us,
        p50_us: warm.p50_us,
        peak_bytes: process.peak_bytes(),
        events,
        counts: warm.counts,
    }
}

fn curve(what: &'static str, points: Vec<CurvePoint>) -> Curve {
    let logarithms = points.iter().map(|point| ((point.size as f64).ln(), point.cpu_us.max(1e-3).ln()));
    Curve { what, exponent: slope(&logarithms.collect::<Vec<_>>()), points }
}

/// The slope of the line of least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let rise: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let run: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    rise / run
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_distinguish_flat_linear_and_quadratic() {
        let points = |power: i32| [1.0_f64, 10.0, 100.0].map(|x| (x.ln(), (3.0 * x.powi(power)).ln()));
        for power in [0, 1, 2] {
            assert!((slope(&points(power)) - f64::from(power)).abs() < 1e-9);
        }
    }
}
