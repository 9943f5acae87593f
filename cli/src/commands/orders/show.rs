//! `hookmill orders show`.

use std::collections::BTreeSet;

use clap::Args;
use edge::orders::views::KeptView;
use serde::Serialize;
use serde_json::Value;
use webhook::claim::Part;
use webhook::event::corrected;
use webhook::facts::{FactName, time_of};
use webhook::view::{Refunded, Summary, View};

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, table};
use crate::work::event_lines::marks;
use crate::work::ids;
use crate::work::reading::note_damage;
use crate::work::selection::{SourceArgs, chosen};
use stack::history::{EventLine, KeptEvent, of_order};
use stack::timeline::{Moment, timeline};

/// Arguments of `orders show`.
#[derive(Debug, Clone, Args)]
pub struct OrderShowArgs {
    /// The order's id, provider/source/subject, or the id of one of its events
    pub id: String,
    /// Also the whole view
    #[arg(long)]
    pub view: bool,
}

/// Everything about one order.
#[derive(Debug, Serialize)]
pub struct ShownOrder {
    /// The order's id.
    pub order: String,
    /// The axes and the money; `None` if no view is stored.
    pub summary: Option<Summary>,
    /// The latest change of each fact that was announced.
    pub facts: Vec<FactLine>,
    /// True if the stored view is what its events tell.
    pub current: bool,
    /// Names of the same order elsewhere.
    pub links: Vec<Link>,
    /// Its events by time of receipt.
    pub events: Vec<Moment>,
    /// The view itself, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<Value>,
}

/// The latest change of a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FactLine {
    /// The fact.
    pub fact: &'static str,
    /// True if it holds.
    pub holds: bool,
    /// The refunded sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The id of the change; `None` if the fact held when announcing began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The event that caused the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// When it became so, by the provider, or when that event was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// Another name that an order goes by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Link {
    /// The kind of name: `alias`, `merchant_reference` …
    pub kind: String,
    /// The name.
    pub name: String,
    /// The view under that name at another source, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
}

/// Shows an order.
pub async fn run(context: &Context, args: OrderShowArgs) -> Result<Exit, Error> {
    let pk = ids::order(context, &args.id).await?;
    let events = of_order(context, &pk).await?;
    let kept = context.views().await?.kept(&pk).await?;
    let facts = facts(&pk, &kept, &events);
    let view = kept.is_stored().then_some(kept.view);
    let (moments, whole) = timeline(&events, view.as_ref());
    let links = links(context, &pk, &events, view.as_ref().unwrap_or(&whole)).await?;
    let current = view.as_ref().map_or(whole.is_empty(), |view| !view.clone().merge(whole));
    let shown = ShownOrder {
        order: pk,
        summary: view.as_ref().map(View::summary),
        facts,
        current,
        links,
        events: moments,
        view: view.as_ref().filter(|_| args.view).map(View::render),
    };
    let rebuild = context.output.hint(&format!("hookmill orders rebuild {}", shown.order));
    context.output.print(&shown, |shown, paint| text(shown, &rebuild, paint))?;
    let damaged = events.iter().filter(|kept| note_damage(context, kept)).count();
    Ok(if current && damaged == 0 { Exit::Ok } else { Exit::Problems })
}

/// The facts that were announced, or held before anything was.
fn facts(pk: &str, kept: &KeptView, events: &[KeptEvent]) -> Vec<FactLine> {
    let Some(announced) = &kept.announced else { return Vec::new() };
    let line = |fact: &FactName| {
        let announcement = announced.of(*fact)?;
        let is_announced = announcement.number > 0;
        let because = announcement.cause_among(events.iter().map(|kept| kept.event.id.as_str()));
        let id = because.as_deref().map(|because| corrected(because).map_or(because, |(id, _)| id));
        let cause = events.iter().find(|kept| Some(kept.event.id.as_str()) == id);
        let reported = time_of(&kept.view, *fact).filter(|_| announcement.value.holds());
        let time = reported.or_else(|| cause.map(|kept| kept.event.time.unwrap_or(kept.event.receivedtime)));
        Some(FactLine {
            fact: fact.name(),
            holds: announcement.value.holds(),
            value: announcement.value.sum(),
            id: is_announced.then(|| format!("{pk};{};{}", fact.name(), announcement.number)),
            because,
            time: time.map(|time| time.to_string()),
        })
    };
    FactName::ALL.iter().filter_map(line).collect()
}

/// The other names in an order's rows and view, and whose they are where that can be told: a payment's reference is
/// the shop's order number, and the shop may be another source.
async fn links(context: &Context, pk: &str, events: &[KeptEvent], view: &View) -> Result<Vec<Link>, Error> {
    let mut names: BTreeSet<(String, String)> = BTreeSet::new();
    let aliases = events.iter().filter_map(|kept| kept.stored.as_ref()?.alias.clone());
    names.extend(aliases.map(|alias| ("alias".to_owned(), alias)));
    for (path, register) in view.registers() {
        let field = path.rsplit('/').next().unwrap_or_default();
        let refers = matches!(field, "merchant_reference" | "gateway_reference" | "order_id" | "order_alias_id")
            || path.contains("/references/");
        if let (true, Some(name)) = (refers, register.value.as_str()) {
            names.insert((field.to_owned(), name.to_owned()));
        }
    }
    let subject = pk.splitn(3, '/').nth(2).unwrap_or_default();
    names.retain(|(_, name)| Part::one(name).to_string() != subject);
    let referred = names.iter().any(|(kind, _)| kind == "merchant_reference");
    // Without a look into the secrets the names are told all the same.
    let sources = if referred { chosen(context, &SourceArgs::default()).await.unwrap_or_default() } else { Vec::new() };
    let table = context.views().await?;
    let mut links = Vec::new();
    for (kind, name) in names {
        let mut order = None;
        for source in sources.iter().filter(|_| kind == "merchant_reference") {
            let candidate = format!("{source}/{}", Part::one(&name));
            if candidate != pk && table.view(&candidate).await?.is_some() {
                order = Some(candidate);
            }
        }
        links.push(Link { kind, name, order });
    }
    Ok(links)
}

fn text(shown: &ShownOrder, rebuild: &str, paint: Paint) -> String {
    let mut lines = vec![paint.bold(&shown.order)];
    let mut row = |name: &str, value: &str| lines.push(format!("  {}  {value}", paint.dim(&format!("{name:<18}"))));
    match &shown.summary {
        None => row("view", &paint.odd("none")),
        Some(summary) => {
            row("order", &word(summary.order_state.as_ref()));
            row("payment", &word(summary.payment_state.as_ref()));
            row("fulfilment", &word(summary.fulfillment_state.as_ref()));
            let total = summary.total.map_or("not told".to_owned(), |total| total.to_string());
            row("total", format!("{total} {}", summary.currency.as_deref().unwrap_or_default()).trim());
            row(
                "refunded",
                &match summary.refunded {
                    Refunded::Nothing => "nothing".to_owned(),
                    Refunded::Unknown => paint.odd("something, of unknown amount"),
                    Refunded::Amount(amount) => amount.to_string(),
                },
            );
        }
    }
    for fact in &shown.facts {
        let holds = if fact.holds { fact.value.clone().unwrap_or_else(|| "yes".to_owned()) } else { "no".to_owned() };
        let time = fact.time.as_deref().map(|time| format!("  {}", paint.time(time))).unwrap_or_default();
        let because = fact.because.as_ref().map(|because| format!("  {because}")).unwrap_or_default();
        row(&format!("fact {}", fact.fact), &format!("{holds}{time}{because}"));
    }
    for link in &shown.links {
        let at = link.order.as_ref().map(|order| format!("  → {order}")).unwrap_or_default();
        row(&link.kind, &format!("{}{at}", link.name));
    }
    if !shown.current {
        lines.push(paint.bad(&format!("  The stored view is not what its events tell: wait a moment, or: {rebuild}")));
    }
    lines.push(String::new());
    let rows: Vec<Vec<String>> = shown.events.iter().map(|moment| cells(moment, paint)).collect();
    lines.push(table(&["received", "happened", "type", "marks", "tells", "event"], &rows, paint));
    if let Some(view) = &shown.view {
        lines.push(String::new());
        lines.push(serde_json::to_string_pretty(view).unwrap_or_default());
    }
    lines.join("\n")
}

fn cells(moment: &Moment, paint: Paint) -> Vec<String> {
    let EventLine { received, time, event_type, id, .. } = &moment.line;
    let own = [("late", moment.late), ("superseded", moment.superseded), ("notjoined", moment.joined == Some(false))];
    let own = own.into_iter().filter_map(|(mark, holds)| holds.then_some(mark));
    let all: Vec<&str> = moment.line.marks.iter().copied().chain(own).collect();
    let (current, told) = moment.fields;
    vec![
        paint.time(received),
        time.as_deref().map(|time| paint.time(time)).unwrap_or_else(|| "–".to_owned()),
        (*event_type).to_owned(),
        marks(&all, paint),
        if told > 0 { format!("{current} of {told}") } else { "–".to_owned() },
        id.clone(),
    ]
}

fn word(state: Option<&impl Serialize>) -> String {
    let word = state.and_then(|state| serde_json::to_value(state).ok());
    word.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_else(|| "–".to_owned())
}
