//! The functions as processes: the real code over clients whose network is simulated.

use std::sync::Arc;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use edge::aws::client::{BACKGROUND, FOREGROUND, RetrySetting};
use edge::aws::clock::Clock;
use edge::aws::config::QueueConfig;
use edge::relay::sweep::Sweeper;
use edge::{Eraser, FactsConfig, Orders, Rebuilder, Receiver, ReceiverConfig, Relay, RelayConfig, ViewConfig};
use webhook::providers::Provider;

use crate::assumptions::{TABLE_EVENTS, TABLE_ORDERS};
use crate::cloud::Shared;
use crate::executor::VirtualTime;
use crate::facts::FACTS_QUEUE;
use crate::faults::Actor;
use crate::network::{Network, SimulatedProcess};

/// The queue of the order views.
pub const ORDERS_QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/000000000000/orders.fifo";
/// The queue of the user's own work.
pub const WORK_QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/000000000000/work.fifo";
const DEAD_LETTER_QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/000000000000/relay-dead-letters";

/// Everything that a new process needs.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The services.
    pub cloud: Shared,
    /// The clock.
    pub time: VirtualTime,
}

macro_rules! client {
    ($sdk:ident, $network:expr, $setting:expr) => {{
        let network: &Network = $network;
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("us-east-1"))
                .credentials_provider(Credentials::new("simulated", "simulated", None, None, "simulated"))
                .time_source(network.time.source())
                .sleep_impl(network.time.sleep())
                .http_client(network.client())
                .timeout_config(timeouts($setting))
                .retry_config(retries($setting))
                // A process's own: the usual one is shared by all of this machine's, and would join runs together.
                .retry_partition($sdk::config::retry::RetryPartition::custom("process").build())
                .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
                .build(),
        )
    }};
}

impl Environment {
    fn network(&self, process: &Arc<SimulatedProcess>) -> Network {
        Network { cloud: self.cloud.clone(), time: self.time.clone(), process: Arc::clone(process) }
    }

    fn clock(&self) -> Clock {
        Clock::new(self.time.source(), self.time.sleep())
    }

    /// Makes a receiver in a new process.
    pub fn receiver(&self, provider: &'static Provider, actor: Actor) -> (Arc<SimulatedProcess>, Receiver) {
        let process = SimulatedProcess::new(actor);
        let network = self.network(&process);
        let config = ReceiverConfig {
            events_table: TABLE_EVENTS.to_owned(),
            secret_id: provider.name.to_owned(),
            body_limit_bytes: edge::aws::config::BODY_LIMIT_BYTES,
        };
        let dynamodb = client!(aws_sdk_dynamodb, &network, FOREGROUND);
        let secrets = client!(aws_sdk_secretsmanager, &network, FOREGROUND);
        (process, Receiver::new(provider, config, dynamodb, secrets, self.clock()))
    }

    /// Makes a relay in a new process.
    pub fn relay(&self, actor: Actor) -> (Arc<SimulatedProcess>, Relay) {
        let process = SimulatedProcess::new(actor);
        let network = self.network(&process);
        let config = RelayConfig {
            events_table: TABLE_EVENTS.to_owned(),
            queues: queues(),
            dead_letter_queue_url: DEAD_LETTER_QUEUE.to_owned(),
            timeout_ms: edge::aws::config::RELAY_TIMEOUT_MS,
        };
        let dynamodb = client!(aws_sdk_dynamodb, &network, BACKGROUND);
        let sqs = client!(aws_sdk_sqs, &network, BACKGROUND);
        (process, Relay::new(config, dynamodb, sqs, self.clock()))
    }

    /// Makes the orders function in a new process.
    pub fn orders(&self, actor: Actor) -> (Arc<SimulatedProcess>, Orders) {
        let (process, config, dynamodb) = self.over_views(actor);
        let facts = FactsConfig { queue_url: FACTS_QUEUE.to_owned(), facts: Vec::new() };
        let sqs = client!(aws_sdk_sqs, &self.network(&process), BACKGROUND);
        (process, Orders::new(config, dynamodb, self.clock()).with_facts(facts, sqs))
    }

    /// Makes a sweeper in a new process.
    pub fn sweeper(&self, actor: Actor) -> (Arc<SimulatedProcess>, Sweeper) {
        let (process, relay) = self.relay(actor);
        let dynamodb = client!(aws_sdk_dynamodb, &self.network(&process), BACKGROUND);
        (process, Sweeper::new(dynamodb, TABLE_EVENTS.to_owned(), relay, self.clock()))
    }

    /// An operator who erases.
    pub fn eraser(&self, actor: Actor) -> (Arc<SimulatedProcess>, Eraser) {
        let (process, config, dynamodb) = self.over_views(actor);
        (process, Eraser::new(config, dynamodb, self.clock()))
    }

    /// An operator who rebuilds views.
    pub fn rebuilder(&self, actor: Actor) -> (Arc<SimulatedProcess>, Rebuilder) {
        let (process, config, dynamodb) = self.over_views(actor);
        (process, Rebuilder::new(config, dynamodb))
    }

    /// A new process that reads events and writes views.
    fn over_views(&self, actor: Actor) -> (Arc<SimulatedProcess>, ViewConfig, aws_sdk_dynamodb::Client) {
        let process = SimulatedProcess::new(actor);
        let network = self.network(&process);
        let config = ViewConfig { events_table: TABLE_EVENTS.to_owned(), orders_table: TABLE_ORDERS.to_owned() };
        let dynamodb = client!(aws_sdk_dynamodb, &network, BACKGROUND);
        (process, config, dynamodb)
    }
}

/// Returns the queues as the template has them.
pub fn queues() -> Vec<QueueConfig> {
    let families = ["order.*", "payment.*", "fulfillment.*", "return.*"];
    vec![
        QueueConfig { url: ORDERS_QUEUE.to_owned(), types: families.map(str::to_owned).to_vec(), bodies: false },
        QueueConfig { url: WORK_QUEUE.to_owned(), types: Vec::new(), bodies: false },
    ]
}

/// As `edge::aws` has them, but with pauses that are the same on every run.
fn retries(setting: RetrySetting) -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(setting.attempts)
        .with_initial_backoff(std::time::Duration::from_millis(40))
        .with_max_backoff(std::time::Duration::from_secs(1))
        .with_use_static_exponential_base(true)
}

fn timeouts(setting: RetrySetting) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(setting.attempt)
        .operation_timeout(setting.call)
        .operation_attempt_timeout(setting.attempt)
        .build()
}
