//! Where events are forwarded to, and as what: canonical events, or the original deliveries signed anew.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use webhook::providers::PROVIDERS;
use webhook::providers::Provider;
use webhook::request::Delivery;
use webhook::source::Source;

use super::ForwardArgs;
use crate::commands::send::{given_source, known_source};
use crate::context::Context;
use crate::stack::history::KeptEvent;
use crate::stack::sources::{SourceName, of_provider};
use crate::terminal::error::Error;
use crate::terminal::keys::given;
use crate::work::sending::Sender;
use webhook::signing::{path, sign};

/// Where an order's events go.
#[derive(Debug)]
pub struct Target {
    name: String,
    shape: Shape,
    sender: Arc<Sender>,
}

#[derive(Debug)]
enum Shape {
    /// Canonical events.
    Events { url: String },
    /// Original deliveries: by our source's name, the receiver's URL and the source there.
    Deliveries { receivers: BTreeMap<String, (String, Source)> },
}

/// A request that is ready to go.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Where to.
    pub url: String,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: Vec<u8>,
}

/// A stack to forward to: the local one, by its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stack {
    /// The port.
    pub port: u16,
}

impl FromStr for Stack {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let port = match text.strip_prefix("local") {
            Some("") => Some(4566),
            Some(rest) => rest.strip_prefix('=').and_then(|port| port.parse().ok()),
            None => None,
        };
        port.map(|port| Stack { port }).ok_or_else(|| "a stack to forward to is local or local=PORT".to_owned())
    }
}

impl Target {
    /// The target that the command line names, with all that it needs.
    pub async fn of(
        context: &Context,
        args: &ForwardArgs,
        sources: &[SourceName],
        other: Option<&Context>,
    ) -> Result<Self, Error> {
        let sender = Arc::new(Sender::default());
        if let Some(other) = other {
            let name =
                format!("the local stack on {}", other.reachable("http://x/").trim_end_matches("/_aws/lambda-url/x/"));
            let shape = Shape::Deliveries { receivers: of_stack(context, args, sources, other).await? };
            return Ok(Target { name, shape, sender });
        }
        let url = args.to.as_ref().or(args.to_receiver.as_ref()).ok_or_else(|| Error::usage("there is no target"))?;
        let url = &with_scheme(url);
        check_url(url, args.allow_http)?;
        refuse_loop(context, url).await?;
        let shape = if args.to.is_some() {
            Shape::Events { url: url.clone() }
        } else {
            Shape::Deliveries { receivers: of_receiver(context, args, sources, url).await? }
        };
        Ok(Target { name: url.clone(), shape, sender })
    }

    /// What to call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What posts to it.
    pub fn sender(&self) -> Arc<Sender> {
        Arc::clone(&self.sender)
    }

    /// Makes an event into what the target takes.
    pub fn prepare(&self, kept: &KeptEvent, now_ms: i64) -> Result<Prepared, String> {
        match &self.shape {
            Shape::Events { url } => {
                let body = kept.event.to_json().map_err(|error| format!("it cannot be written: {error}"))?;
                let kind = "application/cloudevents+json; charset=utf-8".to_owned();
                let headers = BTreeMap::from([("content-type".to_owned(), kind)]);
                Ok(Prepared { url: url.clone(), headers, body: body.into_bytes() })
            }
            Shape::Deliveries { receivers } => {
                if kept.key.is_snapshot() {
                    return Err("it was read back from the provider's API, and is no delivery".to_owned());
                }
                let provider = Provider::of(&kept.key).ok_or("this build knows no such provider")?;
                let stored = kept.stored.as_ref().ok_or("its row cannot be read")?;
                let (_, name, _) = kept.key.parts().map(|(a, b, c)| (a, b.to_owned(), c)).ok_or("its name is none")?;
                let there = receivers.get(&format!("{}/{name}", provider.name));
                let (base, source) = there.ok_or("its source is not among those that are forwarded")?;
                let mut headers = stored.row.headers.clone();
                headers.entry("content-type".to_owned()).or_insert_with(|| "application/json".to_owned());
                let body = stored.row.body.clone();
                let mut delivery = Delivery { headers, query: String::new(), url_token: None, body };
                let key = source.credentials().first().ok_or("the source there has no key")?;
                sign(&provider.admission, source.scheme, key, &mut delivery, now_ms, false)
                    .map_err(|unsigned| format!("it cannot be signed: {unsigned}"))?;
                let url = format!("{base}{}", path(&source.name, &delivery));
                Ok(Prepared { url, headers: delivery.headers, body: delivery.body })
            }
        }
    }
}

type Receivers = BTreeMap<String, (String, Source)>;

/// The receivers and sources of another stack, of the same names unless said otherwise.
async fn of_stack(
    context: &Context,
    args: &ForwardArgs,
    sources: &[SourceName],
    other: &Context,
) -> Result<Receivers, Error> {
    let (ours, theirs) = (context.deployment().await?, other.deployment().await?);
    if ours.events_table()? == theirs.events_table()? && ours.url(PROVIDERS[0])? == theirs.url(PROVIDERS[0])? {
        return Err(same_deployment());
    }
    let mut receivers = Receivers::new();
    for name in sources {
        let there = there(args, name)?;
        let known = of_provider(other, there.provider).await?;
        let source = known_source(Some(&known), &there).map_err(|error| {
            let message = format!("the stack to forward to cannot take {name}: {}", error.message);
            let next = "Add it to that stack's secret, choose others with --source, or name another of its sources \
                        with --to-source.";
            Error { message, ..error }.next(next)
        })?;
        let base = other.reachable(theirs.url(there.provider)?);
        receivers.insert(name.to_string(), (base, source));
    }
    Ok(receivers)
}

/// One receiver by its URL, and the one source that is forwarded to it.
async fn of_receiver(
    context: &Context,
    args: &ForwardArgs,
    sources: &[SourceName],
    url: &str,
) -> Result<Receivers, Error> {
    let mut receivers = Receivers::new();
    let key = given(args.key_env.as_deref(), false, "key")?;
    for name in sources {
        let there = there(args, name)?;
        let source = match &key {
            None => {
                let known = of_provider(context, name.provider).await?;
                Source { name: there.source.clone(), ..known_source(Some(&known), name)? }
            }
            // How our own source proves itself is how the one there does, if that can be asked.
            Some(key) => {
                let known = of_provider(context, name.provider).await.ok();
                Source { name: there.source.clone(), ..given_source(known.as_ref(), name, key, None)? }
            }
        };
        let base = format!("{}/", url.trim_end_matches('/'));
        receivers.insert(name.to_string(), (base, source));
    }
    Ok(receivers)
}

fn there(args: &ForwardArgs, name: &SourceName) -> Result<SourceName, Error> {
    match &args.to_source {
        Some(there) if there.provider.name != name.provider.name => {
            Err(Error::usage(format!("{there} is of another provider than {name}"))
                .next("A delivery can only go to a source of its own provider."))
        }
        Some(there) => Ok(there.clone()),
        None => Ok(name.clone()),
    }
}

/// Adds the scheme to a URL of this machine that has none: `localhost:3000`.
fn with_scheme(url: &str) -> String {
    let plain = !url.contains("://") && is_loopback(host(url));
    if plain { format!("http://{url}") } else { url.to_owned() }
}

/// Events hold personal data: without TLS they go to this machine only, unless somebody says so.
fn check_url(url: &str, allow_http: bool) -> Result<(), Error> {
    let rest = match url.split_once("://") {
        Some(("https", rest)) => return no_host(rest).map_or(Ok(()), Err),
        Some(("http", rest)) => rest,
        Some(_) | None => {
            return Err(Error::usage(format!("{url} is no URL to forward to"))
                .next("It begins with https://, or on this machine with http://"));
        }
    };
    if let Some(error) = no_host(rest) {
        return Err(error);
    }
    if allow_http || is_loopback(host(rest)) {
        return Ok(());
    }
    Err(Error::usage(format!("{url} is on another machine and has no TLS"))
        .next("Events hold personal data: use https://, or say --allow-http where the way there is safe."))
}

fn no_host(rest: &str) -> Option<Error> {
    host(rest).is_empty().then(|| Error::usage("the URL to forward to has no host"))
}

fn host(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    match authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((host, _)) => host,
        None => authority.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A receiver of the very stack that is read from would keep each event again, for ever.
async fn refuse_loop(context: &Context, url: &str) -> Result<(), Error> {
    let deployment = context.deployment().await?;
    let ours = PROVIDERS.into_iter().filter_map(|provider| deployment.url(provider).ok());
    for own in ours {
        let label =
            own.split_once("://").map_or(own, |(_, rest)| rest).split(['.', '/', ':']).next().unwrap_or_default();
        if !label.is_empty() && url.split(['/', '.', ':']).any(|part| part == label) {
            return Err(same_deployment());
        }
    }
    Ok(())
}

fn same_deployment() -> Error {
    Error::usage("the target is the very stack that is read from: every event would come round again")
        .next("Forward to another stack; to have events in the queues again: hookmill replay.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_tls_only_this_machine_is_a_target() {
        for (url, allowed) in [
            ("https://example.com/hook", true),
            ("http://127.0.0.1:3000/", true),
            ("http://127.9.9.9", true),
            ("http://localhost:3000/x?y", true),
            ("http://[::1]:80/", true),
            ("http://example.com/", false),
            ("http://127.0.0.1@example.com/", false),
            ("http://localhost.example.com/", false),
            ("http://10.0.0.1/", false),
            ("https:///x", false),
            ("ftp://127.0.0.1/", false),
            ("localhost:3000", false),
        ] {
            assert_eq!(check_url(url, false).is_ok(), allowed, "{url}");
        }
        assert!(check_url("http://10.0.0.1/", true).is_ok());
        assert_eq!(with_scheme("localhost:3000/hook"), "http://localhost:3000/hook");
        assert_eq!(with_scheme("[::1]:3000"), "http://[::1]:3000");
        for url in ["example.com", "https://localhost", "10.0.0.1:80"] {
            assert_eq!(with_scheme(url), url);
        }
    }

    #[test]
    fn the_local_stack_has_a_port() {
        assert_eq!("local".parse(), Ok(Stack { port: 4566 }));
        assert_eq!("local=4577".parse(), Ok(Stack { port: 4577 }));
        for text in ["", "remote", "local4577", "local=", "local=x"] {
            assert!(text.parse::<Stack>().is_err(), "{text}");
        }
    }
}
