//! The target of forwarded events.

use std::collections::BTreeMap;

use platforms::address::Reach;
use webhook::providers::PROVIDERS;

use crate::context::Context;
use crate::terminal::error::Error;
use crate::work::sending::{Sender, TimedStatus};
use stack::history::KeptEvent;

/// A URL that takes canonical events.
#[derive(Debug)]
pub struct Target {
    url: String,
    sender: Sender,
}

impl Target {
    /// Makes sure that a URL is one to forward to.
    pub async fn of(context: &Context, url: &str, allow_http: bool) -> Result<Self, Error> {
        let url = with_scheme(url);
        check_url(&url, allow_http)?;
        refuse_loop(context, &url).await?;
        Ok(Target { url, sender: Sender::default() })
    }

    /// Returns what to call it.
    pub fn name(&self) -> &str {
        &self.url
    }

    pub async fn post(&self, body: Vec<u8>) -> TimedStatus {
        let kind = "application/cloudevents+json; charset=utf-8".to_owned();
        let headers = BTreeMap::from([("content-type".to_owned(), kind)]);
        self.sender.post(&self.url, &headers, body).await
    }
}

/// Makes an event into the body that a target takes.
pub fn body_of(kept: &KeptEvent) -> Result<Vec<u8>, String> {
    let body = kept.event.to_json().map_err(|error| format!("it cannot be written: {error}"))?;
    Ok(body.into_bytes())
}

/// Adds the scheme to a URL of this machine that has none: `localhost:3000`.
fn with_scheme(url: &str) -> String {
    let plain = format!("http://{url}");
    if !url.contains("://") && Reach::of(&plain) == Some(Reach::Here) { plain } else { url.to_owned() }
}

/// Events hold personal data: without TLS they go to this machine only, unless somebody says so.
fn check_url(url: &str, allow_http: bool) -> Result<(), Error> {
    match Reach::of(url) {
        Some(Reach::Secure | Reach::Here) => Ok(()),
        Some(Reach::Clear) if allow_http => Ok(()),
        Some(Reach::Clear) => Err(Error::usage(format!("{url} is on another machine and has no TLS"))
            .next("Events hold personal data: use https://, or say --allow-http where the way there is safe.")),
        None => Err(Error::usage(format!("{url} is not a URL to forward to"))
            .next("It begins with https://, or on this machine with http://, and names a host.")),
    }
}

/// A receiver of the very stack that is read from would keep each event again, for ever.
async fn refuse_loop(context: &Context, url: &str) -> Result<(), Error> {
    let deployment = context.deployment().await?;
    let ours = PROVIDERS.into_iter().filter_map(|provider| deployment.url(provider).ok());
    for own in ours {
        let label =
            own.split_once("://").map_or(own, |(_, rest)| rest).split(['.', '/', ':']).next().unwrap_or_default();
        if !label.is_empty() && url.split(['/', '.', ':']).any(|part| part == label) {
            return Err(Error::usage(
                "the target is the very stack that is read from: every event would come round again",
            )
            .next("Forward to another URL; to have events in the queues again: hookmill replay."));
        }
    }
    Ok(())
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
}
