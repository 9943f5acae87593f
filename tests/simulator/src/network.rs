//! The SDK's HTTP client. Every request of the functions passes here, and faults are applied here.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use crate::assumptions::{LATE_EFFECT_MS_MAX, TABLE_ORDERS};
use crate::cloud::{ServiceCall, Shared, summary};
use crate::executor::VirtualTime;
use crate::faults::{Actor, Fault, Step};
use crate::outage::Service;
use crate::random::Random;
use crate::table::TableAnswer;

/// A process of a function, with the actor that it works for now.
#[derive(Debug)]
pub struct SimulatedProcess {
    actor: Mutex<Actor>,
    dead: AtomicBool,
}

impl SimulatedProcess {
    /// A process that works for an actor.
    pub fn new(actor: Actor) -> Arc<Self> {
        Arc::new(SimulatedProcess { actor: Mutex::new(actor), dead: AtomicBool::new(false) })
    }

    /// Assigns the process to another actor.
    pub fn work_for(&self, actor: Actor) {
        *self.actor.lock().unwrap() = actor;
    }

    /// Returns true if it died.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    fn die(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }
}

/// An invocation of a process: its output, or nothing when the process died.
pub struct Invocation<F> {
    /// The process.
    pub process: Arc<SimulatedProcess>,
    /// Its work.
    pub work: Pin<Box<F>>,
}

impl<F: Future> Future for Invocation<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.work.as_mut().poll(context);
        if self.process.is_dead() {
            return Poll::Ready(None);
        }
        polled.map(Some)
    }
}

/// A process's connections.
#[derive(Debug, Clone)]
pub struct Network {
    /// The services.
    pub cloud: Shared,
    /// The clock.
    pub time: VirtualTime,
    /// The process.
    pub process: Arc<SimulatedProcess>,
}

impl Network {
    /// Returns an HTTP client for the SDK.
    pub fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }

    async fn exchange(self, call: ServiceCall) -> Result<HttpResponse, ConnectorError> {
        let actor = call.actor;
        let batch = call.target == "AmazonSQS.SendMessageBatch";
        let (fault, mut random, is_down) = {
            let mut cloud = self.cloud.lock();
            cloud.calls += 1;
            let (fault, random) = cloud.faults.next(actor, Step::Call { batch });
            let is_down = cloud.is_down(service(&call), self.time.now_ms());
            if fault.is_some() || is_down {
                cloud.sends.disturb(actor, self.time.now_ms());
            }
            cloud.note(&self.time, || describe(actor, &call, fault, is_down));
            (fault, random, is_down)
        };
        let there_ms = random.between(1, 8);
        self.time.wait_ms(there_ms).await;
        if is_down {
            return respond(&TableAnswer::error(500, "InternalServerError"));
        }
        self.before(fault, &call, &mut random).await?;
        if let Some(Fault::ErrorBefore | Fault::Throttle) = fault {
            return respond(&refusal(fault, &call));
        }
        let entries_failed = if fault == Some(Fault::PartlyFailed) { random.number() | 1 } else { 0 };
        let answer = self.cloud.lock().apply(&call, entries_failed, &self.time);
        self.after(fault).await?;
        self.time.wait_ms(random.between(1, 8)).await;
        match fault {
            Some(Fault::ErrorAfter) => respond(&refusal(fault, &call)),
            _ => respond(&answer),
        }
    }

    /// Applies faults from before the request arrives.
    async fn before(
        &self,
        fault: Option<Fault>,
        call: &ServiceCall,
        random: &mut Random,
    ) -> Result<(), ConnectorError> {
        match fault {
            Some(Fault::CrashBefore) => self.crash().await,
            Some(Fault::ResetBefore) => Err(ConnectorError::io("connection reset".into())),
            Some(Fault::TimeOutBefore) => std::future::pending().await,
            Some(Fault::EffectLate) => {
                let due_ms = self.time.now_ms() + random.between(1_000, LATE_EFFECT_MS_MAX);
                self.cloud.lock().defer(call.clone(), due_ms);
                std::future::pending().await
            }
            _ => Ok(()),
        }
    }

    /// Applies faults from after the service has done its part.
    async fn after(&self, fault: Option<Fault>) -> Result<(), ConnectorError> {
        match fault {
            Some(Fault::CrashAfter) => self.crash().await,
            Some(Fault::AnswerLost) => Err(ConnectorError::io("connection reset".into())),
            Some(Fault::TimeOutAfter) => std::future::pending().await,
            _ => Ok(()),
        }
    }

    async fn crash(&self) -> Result<(), ConnectorError> {
        self.process.die();
        self.cloud.lock().crashes += 1;
        std::future::pending().await
    }
}

impl HttpConnector for Network {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let actor = *self.process.actor.lock().unwrap();
        HttpConnectorFuture::new(self.clone().exchange(ServiceCall { actor, target, body }))
    }
}

fn service(call: &ServiceCall) -> Service {
    match call.target.split('.').next() {
        Some("DynamoDB_20120810") if call.body["TableName"] == TABLE_ORDERS => Service::Views,
        Some("DynamoDB_20120810") => Service::Events,
        Some("AmazonSQS") => Service::Queues,
        _ => Service::Secrets,
    }
}

fn refusal(fault: Option<Fault>, call: &ServiceCall) -> TableAnswer {
    match (fault, service(call)) {
        (Some(Fault::Throttle), Service::Events | Service::Views) => {
            TableAnswer::error(400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException")
        }
        (Some(Fault::Throttle), _) => TableAnswer::error(400, "ThrottlingException"),
        (_, Service::Events | Service::Views) => {
            TableAnswer::error(500, "com.amazonaws.dynamodb.v20120810#InternalServerError")
        }
        (..) => TableAnswer::error(503, "ServiceUnavailable"),
    }
}

fn describe(actor: Actor, call: &ServiceCall, fault: Option<Fault>, is_down: bool) -> String {
    let fault = fault.map(|fault| format!("  << {fault:?}")).unwrap_or_default();
    let down = if is_down { "  << down" } else { "" };
    format!("{actor:?}: {}{fault}{down}", summary(call))
}

fn respond(answer: &TableAnswer) -> Result<HttpResponse, ConnectorError> {
    let mut response =
        HttpResponse::new(StatusCode::try_from(answer.status).unwrap(), SdkBody::from(answer.body.to_string()));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    Ok(response)
}
