//! Lambda's side of a function process: the Runtime API over loopback, one invocation at a time.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{mpsc, oneshot};

use crate::server::serve;

/// A function has this long for one invocation.
const INVOCATION: Duration = Duration::from_secs(30);

/// One function process's Runtime API.
#[derive(Debug)]
pub struct RuntimeApi {
    /// The address for the process: `AWS_LAMBDA_RUNTIME_API`.
    pub address: SocketAddr,
    polls: mpsc::UnboundedReceiver<oneshot::Sender<Bytes>>,
    answers: mpsc::UnboundedReceiver<FunctionReply>,
    waiting: Option<oneshot::Sender<Bytes>>,
}

/// A function's answer.
#[derive(Debug)]
pub struct FunctionReply {
    /// The response's JSON.
    pub body: Bytes,
    /// True if it was posted as an error.
    pub is_error: bool,
    at: Instant,
}

type Polls = mpsc::UnboundedSender<oneshot::Sender<Bytes>>;
type Answers = mpsc::UnboundedSender<FunctionReply>;

impl RuntimeApi {
    /// Listens on a free port.
    pub async fn start() -> Self {
        let (to_polls, polls) = mpsc::unbounded_channel();
        let (to_answers, answers) = mpsc::unbounded_channel();
        let address = serve(move |request| answer(request, to_polls.clone(), to_answers.clone())).await;
        RuntimeApi { address, polls, answers, waiting: None }
    }

    /// Waits until the function asks for its next invocation.
    pub async fn polled(&mut self) {
        if self.waiting.is_none() {
            let poll = tokio::time::timeout(INVOCATION, self.polls.recv()).await;
            self.waiting = Some(poll.expect("the function starts in time").expect("the API is there"));
        }
    }

    /// Hands an event over, and waits for the answer to it: the answer, and how long it took.
    pub async fn invoke(&mut self, event: Vec<u8>) -> (FunctionReply, Duration) {
        self.polled().await;
        let started = Instant::now();
        self.waiting.take().unwrap().send(Bytes::from(event)).expect("the function waits");
        let reply = tokio::time::timeout(INVOCATION, self.answers.recv()).await;
        let reply = reply.expect("the function answers in time").expect("the API is there");
        let took = reply.at - started;
        (reply, took)
    }
}

async fn answer(request: Request<Incoming>, polls: Polls, answers: Answers) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    if request.method() == Method::GET && path.ends_with("/invocation/next") {
        let (send, event) = oneshot::channel();
        let _ = polls.send(send);
        // A driver that has gone leaves the function waiting, as Lambda leaves an idle one.
        let Ok(event) = event.await else { return std::future::pending().await };
        return next(event);
    }
    let is_error = path.ends_with("/error");
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    if is_error && path.ends_with("/init/error") {
        eprintln!("a function could not start: {}", String::from_utf8_lossy(&body));
    } else {
        let _ = answers.send(FunctionReply { body, is_error, at: Instant::now() });
    }
    Response::builder().status(StatusCode::ACCEPTED).body(Full::default()).unwrap()
}

fn next(event: Bytes) -> Response<Full<Bytes>> {
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + INVOCATION;
    Response::builder()
        .header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        .header("lambda-runtime-deadline-ms", deadline.as_millis().to_string())
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:bench")
        .header("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0")
        .header("content-type", "application/json")
        .body(Full::new(event))
        .unwrap()
}
