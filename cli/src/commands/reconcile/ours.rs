//! Our side: the events that are kept of an order, and whether a source's webhooks have times.

use std::collections::BTreeMap;

use edge::keep::time_index::WalkOrder;
use jiff::Timestamp;
use platforms::Platform;
use platforms::reconcile::Held;
use webhook::request::percent_decode;
use webhook::scheme::SchemeName;
use webhook::view::View;

use crate::context::Context;
use crate::terminal::error::Error;
use crate::terminal::time::Range;
use stack::history::KeptEvent;
use stack::reader::EventReader;
use stack::sources::SourceName;

/// The number of a source's latest events that are searched for times.
const EVENTS_LOOKED_AT: usize = 200;

/// Returns what is known of an order; `None` if no event concerns it.
pub fn held(events: &[KeptEvent]) -> Option<Held> {
    let mut events_of_order = concerning(events).peekable();
    events_of_order.peek()?;
    let mut view = View::default();
    let mut updated_at: Option<Timestamp> = None;
    for kept in events_of_order {
        // A payment's or delivery's own time is not the order's. Each event's time counts, also a superseded one's.
        let of_order = kept.view.registers().find(|(path, _)| *path == "order/updated_at");
        updated_at = updated_at.max(of_order.and_then(|(_, register)| register.value.as_str()?.parse().ok()));
        view.merge(kept.view.clone());
    }
    Some(Held { updated_at, refunds: refunds(&view) })
}

/// Returns whether any event concerns an order.
pub fn concerns_an_order(events: &[KeptEvent]) -> bool {
    concerning(events).next().is_some()
}

/// Returns whether everything that was said of an order has been erased: it was forgotten, and stays so.
pub fn is_forgotten(events: &[KeptEvent]) -> bool {
    concerns_an_order(events) && concerning(events).all(KeptEvent::is_erased)
}

fn concerning(events: &[KeptEvent]) -> impl Iterator<Item = &KeptEvent> {
    events.iter().filter(|kept| !kept.view.is_empty())
}

/// Refunds by their ids; `payments/<id>/refunds/<id>/…` in the view.
fn refunds(view: &View) -> BTreeMap<String, Option<webhook::money::Amount>> {
    let mut refunds = BTreeMap::new();
    for (path, register) in view.registers() {
        let Some((id, field)) = path.split_once("/refunds/").and_then(|(_, rest)| rest.split_once('/')) else {
            continue;
        };
        let known: &mut Option<_> = refunds.entry(percent_decode(id).into_owned()).or_default();
        if field == "amount" {
            let amount = register.value.get("amount").and_then(|amount| amount.as_str());
            *known = amount.and_then(|amount| amount.parse().ok());
        }
    }
    refunds
}

/// Returns whether a source's webhooks carry no times, which its latest ones show. If there are none yet, a form without
/// times is assumed where the provider has one: an order placed by its status gives way to a time, and not the other way
/// round.
pub async fn timeless(
    context: &Context,
    name: &SourceName,
    platform: &Platform,
    scheme: SchemeName,
) -> Result<bool, Error> {
    let of_shops = platform.timeless_scheme == Some(scheme);
    let sources = std::slice::from_ref(name);
    let mut reader = EventReader::new(context, sources, Range::ALL, WalkOrder::NewestFirst, EVENTS_LOOKED_AT).await?;
    let (mut any, mut looked_at) = (false, 0);
    while looked_at < EVENTS_LOOKED_AT
        && let Some(events) = reader.next().await?
    {
        match of_webhooks(&events) {
            Some(false) => return Ok(false),
            Some(true) => any = true,
            None => {}
        }
        looked_at += events.len().max(1);
    }
    Ok(any || of_shops)
}

/// Returns whether the webhooks among some events have no times; `None` if no webhook is about an order.
pub fn of_webhooks(events: &[KeptEvent]) -> Option<bool> {
    let mut webhooks = concerning(events).filter(|kept| !kept.key.is_snapshot()).peekable();
    webhooks.peek()?;
    Some(!webhooks.any(|kept| kept.event.sequence.starts_with("3.")))
}
