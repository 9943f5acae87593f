//! `hookmill events show`.

use clap::Args;
use edge::keep::item::KeptBody;
use serde::Serialize;
use webhook::claim::EventKey;
use webhook::event::Event;
use webhook::providers::Provider;
use webhook::secret::Secret;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, table};
use crate::work::event_lines::marks;
use crate::work::ids;
use crate::work::reading::note_damage;
use stack::history::EventLine;
use stack::history::{KeptEvent, of_order};
use stack::provenance::{Origin, origins};
use stack::sources::of_provider;

/// Arguments of `events show`.
#[derive(Debug, Clone, Args)]
pub struct EventShowArgs {
    /// The event's id: five parts, as lists and messages have it
    pub id: String,
    /// Only the body, byte by byte as it is kept
    #[arg(long, conflicts_with = "fields")]
    pub raw: bool,
    /// Also show from which field of the body each canonical field comes
    #[arg(long)]
    pub fields: bool,
}

/// Everything about one event.
#[derive(Debug, Serialize)]
pub struct ShownEvent {
    /// The event in short.
    #[serde(flatten)]
    pub line: EventLine,
    /// The delivery.
    pub delivery: Option<ShownDelivery>,
    /// The reading of this build.
    pub event: Event,
    /// The origin of each field, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<Origin>>,
    /// Its neighbours in the order.
    pub order: Neighbours,
}

/// A delivery as its row has it.
#[derive(Debug, Serialize)]
pub struct ShownDelivery {
    /// SHA-256 of the body as received.
    pub hash: String,
    /// The kept body's length in bytes; `None` if it was stripped.
    pub body_bytes: Option<usize>,
    /// When the body was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erased: Option<String>,
    /// When it was disowned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disowned: Option<String>,
    /// The event whose row holds the body of this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_of: Option<String>,
    /// Headers that were kept.
    pub headers: std::collections::BTreeMap<String, String>,
    /// The time that the signature covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<String>,
    /// The key or token that matched, by fingerprint.
    pub fingerprint: String,
    /// Which of the source's that is now.
    pub key: String,
    /// Secrets that were redacted from the body.
    pub cut: Vec<String>,
    /// The subject's other name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The claim contract's version.
    pub claim: u32,
}

/// The neighbours of an event in its order.
#[derive(Debug, Serialize)]
pub struct Neighbours {
    /// Its place, from 1.
    pub place: usize,
    /// The number of events the order has.
    pub of: usize,
    /// The event before.
    pub before: Option<EventLine>,
    /// The event after.
    pub after: Option<EventLine>,
}

/// Shows an event.
pub async fn run(context: &Context, args: EventShowArgs) -> Result<Exit, Error> {
    let kept = &ids::event(context, &args.id).await?;
    if let Some(damage) = kept.damage.as_ref().filter(|_| args.raw) {
        return Err(Error::problems(format!("the row of {} cannot be read: {}", kept.key.id(), damage.reason)));
    }
    if args.raw {
        let stored = kept.stored.as_ref().filter(|stored| stored.body != KeptBody::Gone && !stored.is_erased());
        let stored =
            stored.ok_or_else(|| Error::not_found(format!("the body of {} is no longer kept", kept.key.id())))?;
        context.output.bytes(&stored.row.body)?;
        return Ok(Exit::Ok);
    }
    let shown = shown(context, kept, args.fields).await?;
    context.output.print(&shown, text)?;
    Ok(if note_damage(context, kept) { Exit::Problems } else { Exit::Ok })
}

async fn shown(context: &Context, kept: &KeptEvent, fields: bool) -> Result<ShownEvent, Error> {
    let order = of_order(context, &kept.key.pk).await?;
    let at = order.iter().position(|other| other.key == kept.key).unwrap_or_default();
    let neighbour = |at: Option<usize>| at.and_then(|at| order.get(at)).map(EventLine::of);
    let order = Neighbours {
        place: at + 1,
        of: order.len(),
        before: neighbour(at.checked_sub(1)),
        after: neighbour(at.checked_add(1)),
    };
    let stored = kept.stored.as_ref();
    let mut delivery = stored.map(|stored| ShownDelivery {
        hash: hex::encode(stored.row.hash),
        body_bytes: (stored.body != KeptBody::Gone && !stored.is_erased()).then_some(stored.row.body.len()),
        erased: match &stored.body {
            KeptBody::Erased(erased) => Some(erased.at.clone()),
            KeptBody::Inline(_) | KeptBody::Chunks { .. } | KeptBody::Of(_) | KeptBody::Gone => None,
        },
        disowned: stored.disowned_at.clone(),
        body_of: match &stored.body {
            KeptBody::Of(sk) => Some(format!("{}/{sk}", stored.row.key.pk)),
            KeptBody::Inline(_) | KeptBody::Chunks { .. } | KeptBody::Gone | KeptBody::Erased(_) => None,
        },
        headers: stored.row.headers.clone(),
        signed_at: stored.row.signed_at.clone(),
        fingerprint: stored.fingerprint.clone(),
        key: String::new(),
        cut: stored.redacted.clone(),
        alias: stored.alias.clone(),
        claim: stored.claim_version,
    });
    if let Some(delivery) = &mut delivery {
        delivery.key = which_key(context, &kept.key, &delivery.fingerprint).await;
    }
    let fields = stored.filter(|_| fields).map(|stored| origins(&stored.row));
    Ok(ShownEvent { line: EventLine::of(kept), delivery, event: kept.event.clone(), fields, order })
}

/// Names the source's key or token that has a fingerprint. If the secret is out of reach, the event is shown anyway.
async fn which_key(context: &Context, key: &EventKey, fingerprint: &str) -> String {
    if key.is_snapshot() {
        return "none: fetched from the provider".to_owned();
    }
    let Some((name, source, _)) = key.parts() else { return "not known".to_owned() };
    let Some(provider) = Provider::named(name) else { return "not known".to_owned() };
    let Ok(sources) = of_provider(context, provider).await else {
        return "not known: the secret cannot be read".to_owned();
    };
    let Some(source) = sources.get(source) else { return "the source is no longer in the secret".to_owned() };
    let place = |secrets: &[Secret]| secrets.iter().position(|secret| secret.fingerprint() == fingerprint);
    match place(&source.signing_keys).or_else(|| place(&source.url_tokens)) {
        Some(0) => "the current one".to_owned(),
        Some(place) => format!("number {} in the secret", place + 1),
        None => "no longer in the secret".to_owned(),
    }
}

fn text(shown: &ShownEvent, paint: Paint) -> String {
    let mut lines = vec![paint.bold(&shown.line.id)];
    let mut row = |name: &str, value: &str| lines.push(format!("  {}  {value}", paint.dim(&format!("{name:<12}"))));
    row("type", shown.line.event_type);
    row("provider's", &shown.line.providerevent);
    row("received", &paint.moment(&shown.line.received));
    row("happened", shown.line.time.as_deref().unwrap_or("unknown"));
    row("marks", &marks(&shown.line.marks, paint));
    if let Some(delivery) = &shown.delivery {
        let gone = || match &delivery.erased {
            Some(at) => format!("erased on {at}"),
            None => "no longer kept".to_owned(),
        };
        let length = delivery.body_bytes.map_or_else(gone, |bytes| format!("{bytes} bytes"));
        row("body", &format!("{length}, sha256 {}", delivery.hash));
        delivery.disowned.iter().for_each(|at| row("disowned", at));
        delivery.body_of.iter().for_each(|id| row("body of", id));
        row("cut", &if delivery.cut.is_empty() { "nothing".to_owned() } else { delivery.cut.join(", ") });
        row("key", &format!("{} ({})", delivery.fingerprint, delivery.key));
        delivery.signed_at.iter().for_each(|time| row("signed at", time));
        delivery.alias.iter().for_each(|alias| row("also named", alias));
        delivery.headers.iter().for_each(|(name, value)| row("header", &format!("{name}: {value}")));
    }
    let neighbour = |line: &Option<EventLine>| {
        line.as_ref().map_or("–".to_owned(), |line| format!("{}  {}", line.event_type, line.id))
    };
    row("in the order", &format!("{} of {}", shown.order.place, shown.order.of));
    row("  before it", &neighbour(&shown.order.before));
    row("  after it", &neighbour(&shown.order.after));
    lines.push(String::new());
    lines.push(serde_json::to_string_pretty(&shown.event).unwrap_or_default());
    if let Some(fields) = &shown.fields {
        lines.push(String::new());
        lines.push(origins_text(fields, paint));
    }
    lines.join("\n")
}

/// Origins as a table.
fn origins_text(origins: &[Origin], paint: Paint) -> String {
    if origins.is_empty() {
        return "The body cannot be taken apart: not JSON, or of too many values.".to_owned();
    }
    let from = |origin: &Origin| if origin.from.is_empty() { "–".to_owned() } else { origin.from.join(", ") };
    let rows: Vec<_> = origins.iter().map(|origin| vec![origin.field.clone(), from(origin)]).collect();
    table(&["field", "changes without"], &rows, paint)
}
