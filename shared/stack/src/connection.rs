//! The connection to a deployed stack: the account, the clients of its services, and a clock.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use edge::aws::clock::Clock;
use edge::keep::store::Store;
use edge::{Eraser, Rebuilder, ViewConfig, Views};
use tokio::sync::OnceCell;

use crate::aws::{in_words, no_credentials};
use crate::deployment::Deployment;
use crate::error::Error;

/// A call may take this long with its retries, and one attempt this long.
const CALL: Duration = Duration::from_secs(60);
const ATTEMPT: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 5;

/// Selects a stack and the credentials for it.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The CloudFormation stack's name.
    pub stack: String,
    /// The AWS region, if not that of the AWS settings.
    pub region: Option<String>,
    /// The profile in the AWS settings.
    pub profile: Option<String>,
    /// Another endpoint for every AWS service.
    pub endpoint_url: Option<String>,
    /// The port of the local stack on this machine.
    pub local: Option<u16>,
}

/// A deployed stack, connected to.
#[derive(Debug)]
pub struct Stack {
    /// Time and waiting.
    pub clock: Clock,
    name: String,
    /// The endpoint of the stack's services, if it is not that of AWS.
    endpoint: Option<String>,
    sdk: SdkConfig,
    dynamodb: aws_sdk_dynamodb::Client,
    secrets_manager: aws_sdk_secretsmanager::Client,
    sqs: aws_sdk_sqs::Client,
    lambda: aws_sdk_lambda::Client,
    deployment: OnceCell<Deployment>,
}

impl Stack {
    /// Connects to a stack. Asks for credentials, so that their absence is reported once and clearly; the stack is looked
    /// up when it is first needed.
    pub async fn connect(access: &Access) -> Result<Self, Error> {
        if let Some(profile) = &access.profile {
            check_profile(profile).await?;
        }
        let sdk = load(access).await;
        if let Some(endpoint) = sdk.endpoint_url() {
            check_listening(endpoint)?;
        }
        if sdk.region().is_none() {
            return Err(Error::deployment("no AWS region is set")
                .next("Name it with --region, AWS_REGION or in your AWS settings (aws configure); the local stack needs none: --local."));
        }
        match sdk.credentials_provider() {
            Some(provider) => {
                provider.provide_credentials().await.map_err(|error| no_credentials(&error))?;
            }
            None => {
                return Err(Error::deployment("there are no AWS credentials")
                    .next("Set up AWS credentials (aws configure), or name the local stack: --local"));
            }
        }
        Ok(Stack::new(sdk, access.stack.clone(), OnceCell::new(), Clock::system()))
    }

    /// Returns a stack with the given parts, for tests.
    pub fn of(sdk: SdkConfig, deployment: Deployment, clock: Clock) -> Self {
        Stack::new(sdk, deployment.stack().to_owned(), OnceCell::new_with(Some(deployment)), clock)
    }

    fn new(sdk: SdkConfig, name: String, deployment: OnceCell<Deployment>, clock: Clock) -> Self {
        Stack {
            clock,
            name,
            endpoint: sdk.endpoint_url().map(str::to_owned),
            dynamodb: aws_sdk_dynamodb::Client::new(&sdk),
            secrets_manager: aws_sdk_secretsmanager::Client::new(&sdk),
            sqs: aws_sdk_sqs::Client::new(&sdk),
            lambda: aws_sdk_lambda::Client::new(&sdk),
            sdk,
            deployment,
        }
    }

    /// The stack, looked up once.
    pub async fn deployment(&self) -> Result<&Deployment, Error> {
        self.deployment
            .get_or_try_init(|| async {
                let client = aws_sdk_cloudformation::Client::new(&self.sdk);
                let region = self.sdk.region().map_or("", |region| region.as_ref());
                Deployment::find(&client, &self.name, region).await
            })
            .await
    }

    /// Returns the configuration for clients of further services.
    pub fn sdk(&self) -> &SdkConfig {
        &self.sdk
    }

    /// The DynamoDB client: copies share its connections.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        self.dynamodb.clone()
    }

    /// The Secrets Manager client.
    pub fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        self.secrets_manager.clone()
    }

    /// The SQS client.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        self.sqs.clone()
    }

    /// The Lambda client.
    pub fn lambda(&self) -> aws_sdk_lambda::Client {
        self.lambda.clone()
    }

    /// The events table.
    pub async fn store(&self) -> Result<Store, Error> {
        let table = self.deployment().await?.events_table()?;
        Ok(Store::new(self.dynamodb(), table.to_owned()))
    }

    /// The order views.
    pub async fn views(&self) -> Result<Views, Error> {
        Ok(Views::new(self.dynamodb(), self.tables().await?.orders_table))
    }

    /// The rebuilder of order views.
    pub async fn rebuilder(&self) -> Result<Rebuilder, Error> {
        Ok(Rebuilder::new(self.tables().await?, self.dynamodb()))
    }

    /// Returns the eraser of bodies.
    pub async fn eraser(&self) -> Result<Eraser, Error> {
        Ok(Eraser::new(self.tables().await?, self.dynamodb(), self.clock.clone()))
    }

    /// The names of both tables.
    pub async fn tables(&self) -> Result<ViewConfig, Error> {
        let deployment = self.deployment().await?;
        Ok(ViewConfig {
            events_table: deployment.events_table()?.to_owned(),
            orders_table: deployment.orders_table()?.to_owned(),
        })
    }

    /// Returns the address of a function URL from here: unchanged, or by path on a local stack, whose function URLs no
    /// resolver knows. An endpoint without TLS is a local stack's; AWS has none.
    pub fn reachable(&self, function_url: &str) -> String {
        let Some(endpoint) = self.endpoint.as_ref().filter(|endpoint| endpoint.starts_with("http://")) else {
            return function_url.to_owned();
        };
        let host = function_url.split_once("://").map_or(function_url, |(_, rest)| rest);
        let id = host.split(['.', ':', '/']).next().unwrap_or_default();
        format!("{}/_aws/lambda-url/{id}/", endpoint.trim_end_matches('/'))
    }
}

/// Returns an error unless the AWS settings have this profile: without the check its absence shows as a missing region,
/// or not at all where the environment has credentials.
async fn check_profile(name: &str) -> Result<(), Error> {
    let own = || Some(name.to_owned().into());
    let profiles = aws_config::profile::load(&Default::default(), &Default::default(), &Default::default(), own())
        .await
        .map_err(|error| Error::deployment(format!("your AWS settings cannot be read: {}", in_words(&error))))?;
    if profiles.get_profile(name).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = profiles.profiles().collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(Error::deployment(format!("there are no credentials of {name}: your AWS settings have no such profile")).next(
        format!("Profiles there are: {known}. Choose one with --profile, or add it: aws configure --profile {name}"),
    ))
}

/// Returns an error at once where a port on this machine refuses connections. The SDK would try again for seconds, and
/// what listens on loopback is there or is not.
fn check_listening(endpoint: &str) -> Result<(), Error> {
    let authority = endpoint.strip_prefix("http://").unwrap_or_default().split('/').next().unwrap_or_default();
    let addresses = std::net::ToSocketAddrs::to_socket_addrs(authority).into_iter().flatten();
    let local: Vec<std::net::SocketAddr> = addresses.filter(|address| address.ip().is_loopback()).collect();
    let refused = |address: &std::net::SocketAddr| {
        let connected = std::net::TcpStream::connect_timeout(address, CONNECT);
        connected.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    };
    if local.is_empty() || !local.iter().all(refused) {
        return Ok(());
    }
    Err(Error::service(format!("no connection: nothing listens on {authority}"))
        .next("Start the local stack: make run. Or name the port that it is on: --local PORT"))
}

fn local_endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

async fn load(access: &Access) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_timeout(CALL)
        .operation_attempt_timeout(ATTEMPT)
        .build();
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).retry_config(retries);
    if let Some(profile) = &access.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(endpoint) = &access.endpoint_url {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(port) = access.local {
        // The local stack asks for some credentials and takes any.
        let anybody = Credentials::new("test", "test", None, None, "local stack");
        loader = loader.endpoint_url(local_endpoint(port)).credentials_provider(anybody);
        loader = loader.region(Region::new("us-east-1"));
    }
    if let Some(region) = &access.region {
        loader = loader.region(Region::new(region.clone()));
    }
    loader.load().await
}
