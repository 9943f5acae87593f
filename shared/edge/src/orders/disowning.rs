//! Disowns events that somebody else made with a key that had leaked, and takes that back.
//!
//! A disowned row stays as it is, with one attribute more. Its order's view is made without it and remembers that there
//! is such a row, so that of a message which is still on its way, or comes back from a dead letter queue, the row is
//! asked for first. The same event, when it comes again, is kept again: it may be the provider's own.

use aws_sdk_dynamodb::Client;
use webhook::claim::EventKey;
use webhook::event::Event;

use crate::aws::clock::Clock;
use crate::aws::config::ViewConfig;
use crate::keep::error::{StoreError, condition_held};
use crate::keep::item::{StoredRow, instant, text};
use crate::keep::store::Store;
use crate::orders::rebuild::Rebuilder;

/// Disowns events.
#[derive(Debug)]
pub struct Disowner {
    client: Client,
    table: String,
    store: Store,
    rebuilder: Rebuilder,
    clock: Clock,
}

/// The events that are disowned, or owned again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disowning {
    /// Those that this key or token let in, by its fingerprint.
    pub fingerprint: String,
    /// Those that were received at this time or later, in milliseconds since 1970.
    pub from_ms: i64,
    /// Those that were received before this.
    pub to_ms: i64,
    /// They are owned again.
    pub undo: bool,
}

/// The outcome for one partition, done or planned.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Disowned {
    /// Events that change hands.
    pub events: Vec<EventKey>,
    /// Events for which that was done before.
    pub done_before: usize,
    /// Events that stay as they are: of another key or another time.
    pub others: usize,
    /// Events that cannot be read, and why: nobody knows their key, so they stay.
    pub unreadable: Vec<(EventKey, String)>,
    /// True if the view changed; `None` in a dry run.
    pub view_changed: Option<bool>,
    /// The event by which the orders function is to look at the order again: [`crate::orders::rebuild::Rebuild::reminder`].
    pub reminder: Option<Event>,
}

impl Disowning {
    /// Returns whether an event is one of them, done or not.
    fn selects(&self, stored: &StoredRow) -> bool {
        stored.fingerprint == self.fingerprint && (self.from_ms..self.to_ms).contains(&stored.row.received_ms)
    }
}

impl Disowner {
    /// A disowner with this client and this clock.
    pub fn new(config: ViewConfig, client: Client, clock: Clock) -> Self {
        let store = Store::new(client.clone(), config.events_table.clone());
        let table = config.events_table.clone();
        Disowner { rebuilder: Rebuilder::new(config, client.clone()), store, table, client, clock }
    }

    /// Returns what would be done in a partition.
    pub async fn survey(&self, pk: &str, what: &Disowning) -> Result<Disowned, StoreError> {
        // Before a row is marked: a view that this build may not make would keep what its events are marked for.
        self.rebuilder.check(pk).await?;
        let mut disowned = Disowned::default();
        for row in self.store.partition(pk).await? {
            match row {
                Ok(stored) if !what.selects(&stored) => disowned.others += 1,
                Ok(stored) if stored.is_disowned() != what.undo => disowned.done_before += 1,
                Ok(stored) => disowned.events.push(stored.row.key),
                Err((key, error)) => disowned.unreadable.push((key, error.chain())),
            }
        }
        Ok(disowned)
    }

    /// Disowns a partition's events, or owns them again, and makes its view of the others. It finishes what an earlier
    /// run began: every row is marked before the view is made.
    pub async fn disown(&self, pk: &str, what: &Disowning) -> Result<Disowned, StoreError> {
        let mut disowned = self.survey(pk, what).await?;
        for key in &disowned.events {
            self.mark(key, what.undo).await?;
        }
        let touched = disowned.done_before + disowned.events.len() > 0;
        disowned.view_changed = Some(false);
        if touched {
            let rebuild = self.rebuilder.rebuild(pk).await?;
            disowned.view_changed = Some(rebuild.is_change());
            disowned.reminder = rebuild.reminder();
        }
        Ok(disowned)
    }

    async fn mark(&self, key: &EventKey, undo: bool) -> Result<(), StoreError> {
        let update = self.client.update_item().table_name(&self.table);
        let update =
            update.key("pk", text(&key.pk)).key("sk", text(&key.sk)).condition_expression("attribute_exists(pk)");
        let update = match undo {
            true => update.update_expression("REMOVE disowned_at"),
            // The time of the first run stays.
            false => update
                .update_expression("SET disowned_at = if_not_exists(disowned_at, :at)")
                .expression_attribute_values(":at", text(&instant(self.clock.now_ms()))),
        };
        condition_held("mark an event", update.send().await).map(|_| ())
    }
}
