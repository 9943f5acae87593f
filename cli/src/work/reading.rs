//! Notes what cannot be read, and reads on behind it.

use edge::keep::time_index::{IndexEntry, WalkOrder};

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::Progress;
use crate::terminal::time::Range;
use stack::history::KeptEvent;
use stack::quarantine::Found;
use stack::reader::EventReader;
use stack::sources::SourceName;

/// Kept events by time of receipt, a batch after the other, counted on the terminal. A damaged row is among them, and is
/// noted with its id and the reason.
#[derive(Debug)]
pub struct EventBatches<'a> {
    context: &'a Context,
    reader: EventReader<'a>,
    progress: Progress<'a>,
    damaged: usize,
}

impl<'a> EventBatches<'a> {
    /// Begins to read; about this many events are wanted.
    pub async fn of(
        context: &'a Context,
        sources: &[SourceName],
        range: Range,
        order: WalkOrder,
        wanted: usize,
    ) -> Result<Self, Error> {
        let reader = EventReader::new(context, sources, range, order, wanted).await?;
        Ok(EventBatches { context, reader, progress: context.output.progress("events read", 0), damaged: 0 })
    }

    /// Skips everything up to an event and that event itself.
    pub async fn skip_to(&mut self, last: &IndexEntry) -> Result<(), Error> {
        self.reader.skip_to(last).await
    }

    /// Returns the next events; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<KeptEvent>>, Error> {
        let Some(events) = self.reader.next().await? else { return Ok(None) };
        for kept in &events {
            self.progress.step();
            self.damaged += usize::from(note_damage(self.context, kept));
        }
        Ok(Some(events))
    }

    /// Returns how the command ends, as far as it is for the reading.
    pub fn exit(&self) -> Exit {
        Exit::of_problems(self.damaged)
    }
}

/// Notes an event whose row cannot be read. Returns whether that is so.
pub fn note_damage(context: &Context, kept: &KeptEvent) -> bool {
    let Some(damage) = &kept.damage else { return false };
    context.output.note(&format!("The row of {} cannot be read: {}", kept.key.id(), damage.reason));
    true
}

/// Returns what could be read, and notes what could not.
pub fn noting<T>(context: &Context, found: Found<T>) -> Vec<T> {
    for (count, place) in found.unreadable {
        context.output.note(&format!("{count} of {place} cannot be read by this version."));
    }
    found.read
}
