//! Deliveries of one's own: read from files, proved, posted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider as Tls, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use edge::receive::http::Request;
use webhook::providers::Provider;
use webhook::request::Delivery;

use crate::terminal::error::Error;
use stack::sources::{ProviderName, SourceName};
use webhook::signing;

/// The largest body that Lambda takes; receivers have a limit of their own.
const BODY_BYTES_MAX: usize = 6 * 1024 * 1024;
const CONNECT: Duration = Duration::from_secs(5);
const READ: Duration = Duration::from_secs(30);

/// The folder of answers of a provider's API: they are not deliveries.
const SNAPSHOTS: &str = "snapshots";

/// Headers that belong to one transport or were added on the way, not by the provider.
const NOT_SENT: &[&str] = &["host", "content-length", "connection", "transfer-encoding", "via", "accept-encoding"];
const NOT_SENT_PREFIXES: &[&str] = &["x-forwarded-", "x-amzn-", "x-amz-"];

/// A delivery read from a file.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    /// Its destination.
    pub source: SourceName,
    pub delivery: Delivery,
}

/// A receiver's answer, or the reason for which there was none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedStatus {
    pub status: Result<u16, String>,
    /// The duration.
    pub ms: u64,
}

/// The reply to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// When it was answered, as the other side says it.
    pub date: Option<String>,
}

/// The way in which files are read.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// The files are bodies, not Lambda request events.
    pub raw: bool,
    /// Their source, instead of the one that they name.
    pub source: Option<SourceName>,
    /// Whose they are, where the folder does not say it.
    pub provider: Option<ProviderName>,
}

/// Reads files, and folders of files to any depth; in folders, readings (`*.event.json`), answers of a provider's
/// API (`snapshots/`) and what names no provider are passed over.
pub fn cases(paths: &[PathBuf], reading: &Reading) -> Result<Vec<Case>, Error> {
    let mut found = Vec::new();
    for path in paths {
        let unreadable = |error: &std::io::Error| Error::usage(format!("{} cannot be read: {error}", path.display()));
        if !std::fs::metadata(path).map_err(|error| unreadable(&error))?.is_dir() {
            found.push(case(path, reading)?);
            continue;
        }
        let mut files = Vec::new();
        walk(path, &mut files).map_err(|error| unreadable(&error))?;
        files.sort();
        let samples = files.iter().filter(|file| is_sample(file, reading));
        for file in samples {
            found.push(case(file, reading)?);
        }
    }
    if found.is_empty() {
        return Err(Error::usage("there is no delivery in these folders").next(
            "A delivery is <provider>/<case>.json, a whole Lambda request event as in events/; see --raw for bodies.",
        ));
    }
    Ok(found)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { walk(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

fn is_sample(file: &Path, reading: &Reading) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let is_answer = file.parent().and_then(Path::file_name).is_some_and(|folder| folder == SNAPSHOTS);
    let event = name.ends_with(".json") && !name.ends_with(".event.json") && !is_answer;
    event && (reading.source.is_some() || reading.provider.is_some() || provider_of(file).is_some())
}

pub fn case(file: &Path, reading: &Reading) -> Result<Case, Error> {
    let shown = file.display();
    let bytes = std::fs::read(file).map_err(|error| Error::usage(format!("{shown} cannot be read: {error}")))?;
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if reading.raw {
        let source = reading.source.clone().ok_or_else(|| {
            Error::usage("a raw body does not say where it goes").next("Name its source: --source PROVIDER/SOURCE")
        })?;
        return Ok(Case { name: stem, source, delivery: signing::bare(bytes) });
    }
    let not_an_event = |why: String| {
        Error::usage(format!("{shown} is not a Lambda request event: {why}"))
            .next("Samples are in events/<provider>/; to send a file as a body: --raw --source <provider>/<source>")
    };
    let (named, delivery) = opened(&bytes).map_err(not_an_event)?;
    let source = match &reading.source {
        Some(source) => source.clone(),
        None => {
            let provider = reading.provider.map(|named| named.0).or_else(|| provider_of(file)).ok_or_else(|| {
                Error::usage(format!("{shown} is in no provider's folder"))
                    .next("Name its provider: --provider PROVIDER")
            })?;
            format!("{}/{named}", provider.name).parse().map_err(not_an_event)?
        }
    };
    Ok(Case { name: format!("{}/{stem}", source.provider.name), source, delivery })
}

/// Returns the source's name and the delivery of a Lambda request event, or why it is not one.
pub fn opened(bytes: &[u8]) -> Result<(String, Delivery), String> {
    let json: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if json.get("rawPath").is_none() || json.get("requestContext").is_none() {
        return Err("it has no rawPath or no requestContext".to_owned());
    }
    let request: Request = serde_json::from_value(json).map_err(|error| error.to_string())?;
    let arrived = request
        .open(BODY_BYTES_MAX)
        .map_err(|answer| format!("a receiver would answer {} to it at once", answer.status()))?;
    let mut delivery = arrived.delivery;
    delivery.headers.retain(|name, _| {
        !NOT_SENT.contains(&name.as_str()) && !NOT_SENT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    });
    Ok((arrived.source, delivery))
}

fn provider_of(file: &Path) -> Option<&'static Provider> {
    let file = std::path::absolute(file).ok()?;
    Provider::named(file.parent()?.file_name()?.to_str()?)
}

/// The client that deliveries go out by: the SDK's own.
#[derive(Debug)]
pub struct Sender {
    connector: Connector,
}

impl Default for Sender {
    fn default() -> Self {
        let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT).read_timeout(READ).build();
        let connector = Connector::builder()
            .tls_provider(Tls::Rustls(CryptoMode::AwsLc))
            .connector_settings(settings)
            .sleep_impl(TokioSleep::new())
            .build();
        Sender { connector }
    }
}

impl Sender {
    pub async fn post(&self, url: &str, headers: &BTreeMap<String, String>, body: Vec<u8>) -> TimedStatus {
        let began = Instant::now();
        let status = self.ask("POST", url, headers, body).await.map(|reply| reply.status);
        TimedStatus { status, ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX) }
    }

    /// Sends a request by any method.
    pub async fn ask(
        &self,
        method: &str,
        url: &str,
        headers: &BTreeMap<String, String>,
        body: Vec<u8>,
    ) -> Result<Reply, String> {
        match self.connector.call(request(method, url, headers, body)?).await {
            Ok(response) => Ok(Reply {
                status: response.status().as_u16(),
                date: response.headers().get("date").map(str::to_owned),
            }),
            Err(error) if error.is_timeout() => Err("no answer in time".to_owned()),
            Err(error) if error.is_io() => Err("no connection".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn request(method: &str, url: &str, headers: &BTreeMap<String, String>, body: Vec<u8>) -> Result<HttpRequest, String> {
    let mut request = HttpRequest::new(SdkBody::from(body));
    let invalid = |error: &dyn std::error::Error| format!("a request that cannot be made: {error}");
    request.set_method(method).map_err(|error| invalid(&error))?;
    request.set_uri(url).map_err(|error| invalid(&error))?;
    for (name, value) in headers {
        request.headers_mut().try_insert(name.clone(), value.clone()).map_err(|error| invalid(&error))?;
    }
    Ok(request)
}
