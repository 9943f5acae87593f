//! Compares orders one by one, and fetches and keeps them if that is wanted.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use edge::keep::store::{Kept, Store};
use edge::keep::time_index::{IndexEntry, WalkOrder};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use platforms::Cause;
use platforms::order::{FetchedOrder, OrderName, RefundRow, Refunds};
use platforms::reconcile::{Standing, standing};
use serde::Serialize;
use webhook::claim::Part;
use webhook::row::NewRow;
use webhook::source::Source;

use super::ours::{concerns_an_order, held, is_forgotten, of_webhooks, timeless};
use super::theirs;
use crate::context::Context;
use crate::terminal::error::Error;
use crate::terminal::time::Range;
use crate::work::apis::{Api, api_failed};
use crate::work::reading::note_damage;
use stack::history::{KeptEvent, of_order};
use stack::reader::walk;

/// Orders whose events are read at once.
const AT_ONCE: usize = 16;
/// Entries of the time index that one call asks for.
const PAGE: i32 = 40;

/// An order on one line.
#[derive(Debug, Clone, Serialize)]
pub struct ComparedLine {
    /// The order as events and views name it; `None` if the answer does not name it.
    pub order: Option<String>,
    /// The provider's id of it.
    pub id: Option<String>,
    /// `missing`, `behind`, `equal`, `ahead`, `unknown`, `gone` or `unnamed`.
    pub standing: &'static str,
    /// When it last changed at the provider, if it says so.
    pub updated_at: Option<String>,
    /// `new` if it was kept now, `repeat` if the very same was kept before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<&'static str>,
    /// The events that it was kept as: the order, and each refund that is accounted for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// True if it cannot be read as the provider documents it. It is kept anyway.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unrecognised: bool,
}

/// The outcome of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ComparisonSummary {
    /// Orders that were compared.
    pub compared: usize,
    /// Of which nothing is kept.
    pub missing: usize,
    /// Of which something older is kept.
    pub behind: usize,
    /// Without a time on either side, and with another content than what is kept.
    pub unknown: usize,
    /// Which are kept as they are.
    pub equal: usize,
    /// Of which something newer is kept.
    pub ahead: usize,
    /// Which the provider no longer has.
    pub gone: usize,
    /// Orders whose name here is unknown.
    pub unnamed: usize,
    /// Events that were kept now.
    pub kept: usize,
    /// Answers that had been kept before.
    pub repeats: usize,
    /// Orders that cannot be read as the provider documents them.
    pub unrecognised: usize,
    /// True if everything that was asked for was compared.
    pub complete: bool,
}

/// A comparison on its way.
#[derive(Debug)]
pub struct Comparison<'a> {
    context: &'a Context,
    api: &'a Api,
    source: &'a Source,
    store: Store,
    keeps: bool,
    /// True if the source's webhooks have no times; looked up when it first matters.
    timeless: Option<bool>,
    accounted: Vec<RefundRow>,
    /// True if something could not be fetched.
    partial: bool,
    /// True if something that is kept could not be read.
    damaged: Cell<bool>,
    seen: HashMap<String, Option<Timestamp>>,
    lines: Vec<ComparedLine>,
    summary: ComparisonSummary,
}

/// An order as the provider returned it, under its name here.
struct NamedOrder {
    order: FetchedOrder,
    subject: Part,
    pk: String,
    /// True if it was asked for by name: then it is kept in any case.
    asked: bool,
}

impl ComparisonSummary {
    /// Returns the number of orders that are to be fetched.
    pub fn wanting(&self) -> usize {
        self.missing + self.behind + self.unknown
    }
}

impl<'a> Comparison<'a> {
    /// Prepares a comparison that keeps what is missing, or only lists it.
    pub async fn new(context: &'a Context, api: &'a Api, source: &'a Source, keeps: bool) -> Result<Self, Error> {
        Ok(Comparison {
            context,
            api,
            source,
            store: context.store().await?,
            keeps,
            timeless: None,
            accounted: Vec::new(),
            partial: false,
            damaged: Cell::new(false),
            seen: HashMap::new(),
            lines: Vec::new(),
            summary: ComparisonSummary::default(),
        })
    }

    /// Takes the lines so far, with the counts.
    pub fn outcome(&mut self) -> (Vec<ComparedLine>, ComparisonSummary) {
        (std::mem::take(&mut self.lines), self.summary.clone())
    }

    /// Returns whether something could not be asked for or read.
    pub fn is_partial(&self) -> bool {
        self.partial || self.damaged.get()
    }

    /// Compares the orders that were named, then those of the range.
    pub async fn carry_out(&mut self, range: Option<Range>, named: &[String], stop: &Cell<bool>) -> Result<(), Error> {
        self.accounted = self.refunds(range).await?;
        self.named(named, stop).await?;
        let Some(range) = range else { return Ok(()) };
        self.listed(range, stop).await?;
        if let Some(unlisted) = self.api.account.platform.unlisted {
            self.context.output.note(unlisted);
            self.received(range, stop).await?;
        }
        Ok(())
    }

    /// Reports need a permission of their own: without it amounts stay unknown, and everything else is compared.
    async fn refunds(&mut self, range: Option<Range>) -> Result<Vec<RefundRow>, Error> {
        match theirs::refunds(&*self.api.client, range, self.context.clock.now_ms()).await {
            Ok(rows) => Ok(rows),
            Err(error) if matches!(error.cause, Cause::Unauthorized { .. } | Cause::NotFound) => {
                self.partial = true;
                self.context.output.note(&format!("The amounts of refunds stay unknown: {error}"));
                Ok(Vec::new())
            }
            Err(error) => Err(api_failed(&error)),
        }
    }

    async fn named(&mut self, named: &[String], stop: &Cell<bool>) -> Result<(), Error> {
        let mut progress = self.context.output.progress("orders read", named.len());
        for text in named {
            go_on(stop)?;
            let platform = self.api.account.platform;
            let name = theirs::of_argument(platform, text).ok_or_else(|| {
                let kinds = platform.order_kinds.join(", ");
                Error::usage(format!("{text} is not of a known kind of order"))
                    .next(format!("The kinds of order at {} are: {kinds}.", platform.title))
            })?;
            self.read(&name, None, true).await?;
            progress.step();
        }
        Ok(())
    }

    async fn listed(&mut self, range: Range, stop: &Cell<bool>) -> Result<(), Error> {
        let mut progress = self.context.output.progress("orders compared", 0);
        for list in self.api.account.platform.order_lists {
            let (mut cursor, mut first) = (None, None);
            loop {
                let page = self.api.client.orders(list.name, theirs::window(range), cursor.as_ref()).await;
                let page = page.map_err(|error| api_failed(&error))?;
                // A server that ignores the cursor would be asked for ever.
                let before = std::mem::replace(&mut first, page.items.first().and_then(|order| order.id.clone()));
                if first.is_some() && first == before {
                    return Err(api_failed(&platforms::ApiError::endless(self.api.name.provider.name, "list orders")));
                }
                let orders: Vec<NamedOrder> =
                    page.items.into_iter().filter_map(|order| self.name_order(order, list.kind, false)).collect();
                let known: Vec<Vec<KeptEvent>> = stream::iter(orders.iter().map(|named| self.known(&named.pk)))
                    .buffered(AT_ONCE)
                    .try_collect()
                    .await?;
                for (order, known) in orders.into_iter().zip(known) {
                    go_on(stop)?;
                    self.take(order, &known).await?;
                    progress.step();
                }
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Orders whose events were received in a range, each read by itself.
    async fn received(&mut self, range: Range, stop: &Cell<bool>) -> Result<(), Error> {
        let sources = std::slice::from_ref(&self.api.name);
        let mut walk = walk(self.context, sources, range, WalkOrder::OldestFirst, PAGE).await?;
        let mut looked_at: HashSet<String> = HashSet::new();
        let mut progress = self.context.output.progress("orders read", 0);
        while let Some(IndexEntry { key, .. }) = walk.next().await? {
            let subject = key.parts().map(|(.., subject)| subject).unwrap_or_default();
            let Some(name) = theirs::of_subject(self.api.account.platform, subject) else { continue };
            if self.seen.contains_key(&key.pk) || !looked_at.insert(key.pk.clone()) {
                continue;
            }
            go_on(stop)?;
            let known = self.known(&key.pk).await?;
            if concerns_an_order(&known) {
                self.read(&name, Some((&key.pk, &known)), false).await?;
                progress.step();
            }
        }
        Ok(())
    }

    /// Reads what is kept of an order, and notes what cannot be read.
    async fn known(&self, pk: &str) -> Result<Vec<KeptEvent>, Error> {
        let known = of_order(self.context, pk).await?;
        let damaged = known.iter().filter(|kept| note_damage(self.context, kept)).count();
        self.damaged.set(self.damaged.get() || damaged > 0);
        Ok(known)
    }

    async fn read(
        &mut self,
        name: &OrderName,
        known: Option<(&String, &[KeptEvent])>,
        asked: bool,
    ) -> Result<(), Error> {
        let Some(order) = theirs::read(&*self.api.client, name).await.map_err(|error| api_failed(&error))? else {
            self.summary.gone += 1;
            let order = known.map(|(pk, _)| pk.clone());
            self.lines.push(ComparedLine { order, ..line(Some(name.id.clone()), "gone") });
            return Ok(());
        };
        let Some(order) = self.name_order(order, name.kind, asked) else { return Ok(()) };
        match known {
            Some((pk, known)) if *pk == order.pk => self.take(order, known).await,
            Some(_) | None => {
                let known = self.known(&order.pk).await?;
                self.take(order, &known).await
            }
        }
    }

    /// Finds an order's name here; `None` if it has none, or was compared before.
    fn name_order(&mut self, order: FetchedOrder, kind: Option<&str>, asked: bool) -> Option<NamedOrder> {
        let Some(subject) = theirs::subject(self.api, self.source, &order, kind) else {
            self.summary.unnamed += 1;
            self.lines.push(line(order.id, "unnamed"));
            return None;
        };
        let pk = format!("{}/{subject}", self.api.name);
        // Pages of a list that changes have some orders twice.
        let is_old = order.id.is_some() && self.seen.get(&pk).is_some_and(|seen| *seen >= order.updated_at);
        if is_old {
            return None;
        }
        self.seen.insert(pk.clone(), order.updated_at);
        Some(NamedOrder { order, subject, pk, asked })
    }

    async fn take(&mut self, order: NamedOrder, known: &[KeptEvent]) -> Result<(), Error> {
        let NamedOrder { mut order, subject, pk, asked } = order;
        let timeless = self.timeless(known).await?;
        let rows: Vec<&RefundRow> = self.api.client.refunds_of(&self.accounted, &order);
        if !rows.is_empty() {
            order.refunds = Refunds::of(&rows);
        }
        let answers = std::iter::once(&order.raw).chain(rows.iter().map(|row| &row.raw));
        let (provider, source) = (self.api.name.provider, &self.api.name.source);
        let now_ms = self.context.clock.now_ms();
        let snapshots: Vec<NewRow> =
            answers.map(|raw| provider.snapshot(source, subject.clone(), raw.bytes(), timeless, now_ms)).collect();
        let is_kept = |snapshot: &NewRow| known.iter().any(|event| event.key == snapshot.row.key);
        let ours = held(known);
        // Without times, the bodies are compared. An erased order is only fetched again by name.
        let standing = match standing(&order, ours.as_ref()) {
            Standing::Unknown | Standing::Behind if snapshots.iter().all(is_kept) => Standing::Equal,
            _ if is_forgotten(known) => Standing::Equal,
            standing => standing,
        };
        self.count(standing);
        if !asked && !standing.needs_fetching() {
            return Ok(());
        }
        let unrecognised = snapshots.iter().any(|snapshot| {
            let event = provider.read(&snapshot.row);
            event.unrecognised || event.unreadable.is_some()
        });
        self.summary.unrecognised += usize::from(unrecognised);
        let updated_at = order.updated_at.map(|time| time.to_string());
        let mut compared =
            ComparedLine { order: Some(pk), updated_at, unrecognised, ..line(order.id, standing.word()) };
        if self.keeps {
            self.keep(snapshots, &mut compared).await?;
        }
        self.lines.push(compared);
        Ok(())
    }

    async fn keep(&mut self, snapshots: Vec<NewRow>, compared: &mut ComparedLine) -> Result<(), Error> {
        compared.kept = Some("repeat");
        for snapshot in snapshots {
            let kept = self.store.insert(snapshot).await?;
            match kept.kept {
                Kept::New | Kept::Marked(_) => {
                    self.summary.kept += 1;
                    compared.kept = Some("new");
                }
                Kept::Repeat => self.summary.repeats += 1,
            }
            compared.events.push(kept.key.id());
        }
        Ok(())
    }

    /// Returns whether the webhooks have no times. The order's own webhooks are the best evidence.
    async fn timeless(&mut self, known: &[KeptEvent]) -> Result<bool, Error> {
        if !self.api.account.platform.answers_have_times {
            return Ok(false);
        }
        if let Some(timeless) = of_webhooks(known) {
            return Ok(timeless);
        }
        if self.timeless.is_none() {
            self.timeless =
                Some(timeless(self.context, &self.api.name, self.api.account.platform, self.source.scheme).await?);
        }
        Ok(self.timeless.unwrap_or_default())
    }

    fn count(&mut self, standing: Standing) {
        self.summary.compared += 1;
        *match standing {
            Standing::Missing => &mut self.summary.missing,
            Standing::Behind => &mut self.summary.behind,
            Standing::Equal => &mut self.summary.equal,
            Standing::Ahead => &mut self.summary.ahead,
            Standing::Unknown => &mut self.summary.unknown,
        } += 1;
    }
}

fn line(id: Option<String>, standing: &'static str) -> ComparedLine {
    ComparedLine { order: None, id, standing, updated_at: None, kept: None, events: Vec::new(), unrecognised: false }
}

fn go_on(stop: &Cell<bool>) -> Result<(), Error> {
    if stop.get() { Err(Error::interrupted()) } else { Ok(()) }
}
