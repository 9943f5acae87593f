//! `hookmill quarantine show`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use edge::receive::refused::{Refused, RefusedBody};
use serde::Serialize;
use webhook::json;
use webhook::redact::redact;

use super::list::CheckedLine;
use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::Paint;
use stack::quarantine::{Now, Present, Slot, of_slot};

#[derive(Debug, Clone, Args)]
pub struct RefusedShowArgs {
    /// The refused delivery: provider, source and slot, as listed
    #[arg(value_name = "PROVIDER/SOURCE/SLOT")]
    pub slot: Slot,
    /// Only the body, byte by byte, without the secrets that are redacted from every kept body
    #[arg(long)]
    pub raw: bool,
}

/// Everything about one refused delivery.
#[derive(Debug, Serialize)]
pub struct ShownRefused {
    /// It in short.
    #[serde(flatten)]
    pub line: CheckedLine,
    /// Headers that were kept; `?name` is a query parameter.
    pub headers: BTreeMap<String, String>,
    /// The query, where it had one that was short enough to keep.
    pub query: Option<String>,
    /// True if it came with a URL token.
    pub url_token: bool,
    /// The fingerprint of the key or token that matches now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The body as text, secrets redacted.
    pub text: Option<String>,
    /// The body in Base64 if it is not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

/// Shows a refused delivery.
pub async fn run(context: &Context, args: RefusedShowArgs) -> Result<Exit, Error> {
    let refused = of_slot(context, &args.slot).await?;
    let present = Present::of(context, std::slice::from_ref(&refused)).await;
    let body = body(&refused, &present);
    if args.raw {
        let body = body.ok_or_else(|| {
            Error::not_found(format!("the body of {} is not there: it was too long to keep, or is sealed", args.slot))
        })?;
        context.output.bytes(&body)?;
        return Ok(Exit::Ok);
    }
    let now = present.now(&refused);
    let (text_body, base64) = match body.map(String::from_utf8) {
        None => (None, None),
        Some(Ok(text)) => (Some(text), None),
        Some(Err(bytes)) => (None, Some(STANDARD.encode(bytes.as_bytes()))),
    };
    let shown = ShownRefused {
        line: CheckedLine::of(&refused, &now),
        headers: refused.headers.clone(),
        query: refused.query.clone(),
        url_token: refused.url_token_digest.is_some(),
        fingerprint: match now {
            Now::Passes { fingerprint, .. } => Some(fingerprint),
            Now::Fails(_) | Now::Unknown(_) => None,
        },
        text: text_body,
        base64,
    };
    context.output.print(&shown, text)?;
    Ok(Exit::Ok)
}

/// The body without its secrets; made of the sealed one where there was room for that alone.
fn body(refused: &Refused, present: &Present) -> Option<Vec<u8>> {
    match &refused.body {
        RefusedBody::Whole(body) | RefusedBody::Redacted(body) => Some(body.clone()),
        RefusedBody::Gone => {
            let sources = present.sources(refused.provider).ok()?;
            let original = refused.original(sources.quarantine_key()).ok()?;
            let readable = json::parse(&original);
            Some(redact(&original, &readable, refused.provider.secrets).body)
        }
    }
}

fn text(shown: &ShownRefused, paint: Paint) -> String {
    let mut lines = vec![paint.bold(&shown.line.name)];
    let mut row = |name: &str, value: &str| lines.push(format!("  {}  {value}", paint.dim(&format!("{name:<9}"))));
    let line = &shown.line;
    row("received", &paint.moment(&line.line.received));
    line.line.named.iter().for_each(|named| row("called", named));
    row("reason", &line.line.reason);
    row("now", &line.now);
    line.id.iter().for_each(|id| row("event", id));
    shown.fingerprint.iter().for_each(|fingerprint| row("key", fingerprint));
    row("free", &line.expires);
    row("body", &format!("{}, sha256 {}", line.kept, line.line.hash));
    row("URL token", if shown.url_token { "yes" } else { "no" });
    shown.query.iter().for_each(|query| row("query", query));
    shown.headers.iter().for_each(|(name, value)| row("header", &format!("{name}: {value}")));
    if let Some(body) = shown.text.as_ref().or(shown.base64.as_ref()) {
        lines.push(String::new());
        lines.push(body.clone());
    }
    lines.join("\n")
}
