//! Kept events by time of receipt. A row that cannot be read is an event that says so, and the others come anyway.

use edge::keep::time_index::{IndexEntry, SourceId, TimeIndex, Walk, WalkOrder};

use crate::connection::Stack;
use crate::error::Error;
use crate::history::{KeptEvent, ROWS_A_CALL, fetch};
use crate::sources::SourceName;
use crate::time::Range;

/// Reads the events of some sources by time of receipt.
#[derive(Debug)]
pub struct EventReader<'a> {
    stack: &'a Stack,
    walk: Walk,
    rows: usize,
}

impl<'a> EventReader<'a> {
    /// Begins to read; about this many events are wanted.
    pub async fn new(
        stack: &'a Stack,
        sources: &[SourceName],
        range: Range,
        order: WalkOrder,
        wanted: usize,
    ) -> Result<Self, Error> {
        let rows = wanted.clamp(1, ROWS_A_CALL);
        let walk = walk(stack, sources, range, order, i32::try_from(rows).unwrap_or(1)).await?;
        Ok(EventReader { stack, walk, rows })
    }

    /// Skips everything up to an event and that event itself.
    pub async fn skip_to(&mut self, last: &IndexEntry) -> Result<(), Error> {
        Ok(self.walk.skip_to(last).await?)
    }

    /// Returns the next events; `None` at the end. There may be none among them: events that are gone leave a gap.
    pub async fn next(&mut self) -> Result<Option<Vec<KeptEvent>>, Error> {
        let keys: Vec<_> = self.walk.take(self.rows).await?.into_iter().map(|entry| entry.key).collect();
        if keys.is_empty() { Ok(None) } else { fetch(self.stack, &keys).await.map(Some) }
    }
}

/// Walks the time index alone: the names of the events of some sources. `page` of them are fetched at a time from each
/// of a source's partitions.
pub async fn walk(
    stack: &Stack,
    sources: &[SourceName],
    range: Range,
    order: WalkOrder,
    page: i32,
) -> Result<Walk, Error> {
    let table = stack.deployment().await?.events_table()?.to_owned();
    let sources: Vec<SourceId> = sources.iter().map(SourceName::id).collect();
    let walk = TimeIndex::new(stack.dynamodb(), table).walk(&sources, range.from_ms..range.to_ms, order);
    Ok(walk.with_page(page))
}
