//! Deliberate defects, so that the simulator can prove that it would find them.
//!
//! They exist only under the feature `defects`, which nothing that is deployed enables; without it every question here
//! is a constant no. Which one is at work is a matter of the thread, so that tests can run side by side.

/// A way to be wrong, each against one of the invariants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// A delivery is answered 200 although its row was not written.
    AnswerBeforeDurable,
    /// Rows are put without a condition.
    PutWithoutCondition,
    /// Another body under a known name is taken for a repeat.
    ConflictDropped,
    /// The event's word is left out of its name.
    NameWithoutWord,
    /// Refused deliveries are kept as events.
    RefusedKeptAsEvent,
    /// The relay takes failures for successes.
    RelaySwallowsErrors,
    /// The entries that a batch names as failed are taken as sent.
    FailedEntriesIgnored,
    /// A message that failed is tried again after those behind it.
    FailedEntryGoesLast,
    /// The last event replaces the view.
    LastWriterWins,
    /// A view is written whoever wrote in between.
    ViewWithoutCondition,
    /// Failed messages are not reported.
    NoPartialFailures,
    /// The space around a body is not kept.
    BodyTrimmed,
    /// When a delivery came is part of its name.
    NameWithArrival,
    /// Refused deliveries are answered 200.
    RefusedAnswered200,
    /// The relay fails on what some events say.
    RelayFailsOnContent,
    /// Every event is a group of its own.
    GroupOfOneEvent,
    /// A relayed event tells the time of relaying.
    RelayedAtRelaying,
}

#[cfg(feature = "defects")]
mod switch {
    use std::cell::Cell;

    use super::Defect;

    thread_local! {
        static ACTIVE: Cell<Option<Defect>> = const { Cell::new(None) };
        static SILENT: Cell<bool> = const { Cell::new(false) };
    }

    /// Puts one defect, or none, to work in this thread.
    pub fn set(defect: Option<Defect>) {
        ACTIVE.set(defect);
    }

    /// Has this thread write no log.
    pub fn silence() {
        SILENT.set(true);
    }

    pub(crate) fn has(defect: Defect) -> bool {
        ACTIVE.get() == Some(defect)
    }

    pub(crate) fn is_silent() -> bool {
        SILENT.get()
    }
}

#[cfg(not(feature = "defects"))]
mod switch {
    pub(crate) const fn has(_: super::Defect) -> bool {
        false
    }

    pub(crate) const fn is_silent() -> bool {
        false
    }
}

#[cfg(feature = "defects")]
pub use switch::{set, silence};

pub(crate) use switch::{has, is_silent};
