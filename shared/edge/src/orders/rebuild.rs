//! Rebuilds an order's view from its events alone, while live events flow.
//!
//! The view's etag is read first, the events after it. An event's row is durable before the event is joined, so whatever
//! was joined before the etag was read is among the events; whatever is joined later breaks the condition of the write.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use webhook::claim::EventKey;
use webhook::event::Event;
use webhook::facts::Facts;
use webhook::facts::announced::Announced;
use webhook::providers::{PROVIDERS, Provider};
use webhook::view::View;

use crate::aws::config::ViewConfig;
use crate::keep::contribution::Contribution;
use crate::keep::error::StoreError;
use crate::keep::item::StoredRow;
use crate::keep::store::Store;
use crate::orders::views::{ATTEMPTS_MAX, KeptView, Views, shorten};

/// Makes views from their events.
#[derive(Debug, Clone)]
pub struct Rebuilder {
    store: Store,
    views: Views,
    mapping: &'static [&'static Provider],
    over_later_mappings: bool,
}

/// A view and the one that its events make.
#[derive(Debug, Clone, PartialEq)]
pub struct Rebuild {
    /// The view in the table, if there was one.
    pub existing: Option<View>,
    /// The view that its events make.
    pub joined: View,
    /// The events that were joined.
    pub events: Vec<EventKey>,
    /// Events of them that are erased: their remainders were joined.
    pub erased: usize,
    /// Events that are disowned: they were not joined.
    pub disowned: usize,
    /// Events that cannot be read, and why. The view keeps what it has of them.
    pub unreadable: Vec<(EventKey, String)>,
    /// Values and registers that were left out, since the view is too large for its row. Its events have them.
    pub left_out: usize,
    /// The order's announcements, which are kept with the new view; `None` if the existing row is damaged.
    announced: Option<Announced>,
    /// A disowned event: where none is left, the orders function looks at the order by it.
    occasion: Option<EventKey>,
    etag: Option<String>,
}

impl Rebuild {
    /// Returns the event by which the orders function is to look at the order again, if a fact of the view was not
    /// announced yet: one of its own, sent as a replay is.
    pub fn reminder(&self) -> Option<Event> {
        let is_due = self.announced.as_ref().is_some_and(|known| known.facts() != known.due(&self.joined));
        let key = self.events.last().or(self.occasion.as_ref()).filter(|_| is_due)?;
        let event = Event::of_unreadable_row(key, 0, "").without_data();
        Some(Event { replay: true, unreadable: None, unrecognised: false, ..event })
    }

    /// Returns whether the view would change. An order of which no event is kept is left alone.
    pub fn is_change(&self) -> bool {
        let known = !self.events.is_empty() || !self.unreadable.is_empty() || self.disowned > 0;
        known && *self.existing.as_ref().unwrap_or(&View::default()) != self.joined
    }
}

impl Rebuilder {
    /// A rebuilder with this build's mapping.
    pub fn new(config: ViewConfig, client: Client) -> Self {
        let store = Store::new(client.clone(), config.events_table);
        Rebuilder {
            store,
            views: Views::new(client, config.orders_table),
            mapping: &PROVIDERS,
            over_later_mappings: false,
        }
    }

    /// The same rebuilder with another mapping than this build's.
    #[must_use]
    pub fn with_mapping(self, mapping: &'static [&'static Provider]) -> Self {
        Rebuilder { mapping, ..self }
    }

    /// The same rebuilder, also of views that a later mapping made: after a deployment that was taken back.
    #[must_use]
    pub fn over_later_mappings(self, allowed: bool) -> Self {
        Rebuilder { over_later_mappings: allowed, ..self }
    }

    /// Returns an error if a later mapping than this build's made a partition's view.
    pub(super) async fn check(&self, pk: &str) -> Result<(), StoreError> {
        self.check_mapping(pk, Some(&self.views.read_for_rebuild(pk).await?.0.view))
    }

    /// Returns an error if a later mapping than this build's made a view: its fields may be unknown here, and would be
    /// lost.
    fn check_mapping(&self, pk: &str, view: Option<&View>) -> Result<(), StoreError> {
        let made = view.map_or(0, View::mapping_version);
        let name = pk.split('/').next().unwrap_or_default();
        let ours = self.mapping.iter().find(|provider| provider.name == name).map(|provider| provider.mapping_version);
        match ours {
            Some(ours) if made > ours && !self.over_later_mappings => {
                Err(StoreError::LaterMapping { pk: pk.to_owned(), made, ours })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Returns what a rebuild would make of a view; nothing is written.
    pub async fn survey(&self, pk: &str) -> Result<Rebuild, StoreError> {
        let (KeptView { view, announced, etag }, is_damaged) = self.views.read_for_rebuild(pk).await?;
        // Of a view that is older than announcing only later changes are announced, this rebuild's among them.
        let announced = announced.or_else(|| (!is_damaged).then(|| Announced::adopted(&Facts::of(&view))));
        let existing = (etag.is_some() && !is_damaged).then_some(view);
        self.check_mapping(pk, existing.as_ref())?;
        let (joined, events, unreadable, occasion) = Default::default();
        let (erased, disowned, left_out) = Default::default();
        let mut rebuild =
            Rebuild { existing, joined, events, erased, disowned, unreadable, left_out, announced, occasion, etag };
        for row in self.store.partition(pk).await? {
            match row {
                Ok(stored) => self.add(&mut rebuild, stored).await?,
                Err((key, error)) => rebuild.unreadable.push((key, error.chain())),
            }
        }
        let lost: BTreeSet<String> = rebuild.unreadable.iter().map(|(key, _)| key.id()).collect();
        let mut kept = rebuild.existing.clone().unwrap_or_default();
        kept.retain(|register| lost.contains(&register.event));
        rebuild.joined.merge(kept);
        rebuild.left_out = shorten(&mut rebuild.joined);
        Ok(rebuild)
    }

    /// Makes a view from its events and writes it, unless it is the same as the existing one.
    pub async fn rebuild(&self, pk: &str) -> Result<Rebuild, StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            let rebuild = self.survey(pk).await?;
            if !rebuild.is_change() || self.replace(pk, &rebuild).await? {
                return Ok(rebuild);
            }
        }
        Err(StoreError::Contended)
    }

    async fn add(&self, rebuild: &mut Rebuild, mut stored: StoredRow) -> Result<(), StoreError> {
        let key = stored.row.key.clone();
        if stored.is_disowned() {
            rebuild.joined.merge(View::of_disowned());
            rebuild.disowned += 1;
            rebuild.occasion = Some(key);
            return Ok(());
        }
        match Contribution::load(&self.store, self.provider(&key), &mut stored).await {
            Ok(contribution) => {
                rebuild.joined.merge(contribution.view);
                rebuild.erased += usize::from(stored.is_erased());
                rebuild.events.push(key);
            }
            Err(error) if error.is_outage() => return Err(error),
            Err(error) => rebuild.unreadable.push((key, error.chain())),
        }
        Ok(())
    }

    fn provider(&self, key: &EventKey) -> Option<&'static Provider> {
        let (name, ..) = key.parts()?;
        self.mapping.iter().copied().find(|provider| provider.name == name)
    }

    async fn replace(&self, pk: &str, rebuild: &Rebuild) -> Result<bool, StoreError> {
        match &rebuild.etag {
            // Without events there is no view.
            Some(etag) if rebuild.joined == View::default() => self.views.delete(pk, etag).await,
            etag => self.views.write(pk, &rebuild.joined, rebuild.announced.as_ref(), etag.clone()).await,
        }
    }
}
