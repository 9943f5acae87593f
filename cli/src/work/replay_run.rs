//! A replay's run file: the plan, and the outcome of each event.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::work::journal::{LinePart, Run, RunLine};
use stack::destination::Destination;

/// A replay, and its file if it is recorded.
pub type Replay = Run<ReplayLine>;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayHead {
    /// Its name: part of every message's deduplication id.
    pub id: String,
    /// The queues' URLs.
    pub queues: BTreeMap<Destination, String>,
    /// The number of events that are planned; a file with fewer was never finished.
    pub events: usize,
    /// They go out as corrections of what an earlier mapping read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub corrections: bool,
}

/// An event that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    pub id: String,
    /// Its type when it was planned.
    #[serde(rename = "type")]
    pub event_type: String,
    pub queues: Vec<Destination>,
    /// The reading that was planned, where it has to be that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayLine {
    /// The first one.
    Replay(ReplayHead),
    /// An event that is to be sent.
    Planned(Planned),
    /// A queue has it.
    Sent {
        /// The event's id.
        id: String,
        queue: Destination,
    },
    /// A queue does not have it.
    Failed {
        /// The event's id.
        id: String,
        queue: Destination,
        reason: String,
    },
}

impl RunLine for ReplayLine {
    type Head = ReplayHead;
    type Item = Planned;
    type Done = (Destination, String);

    fn plan(head: &ReplayHead, items: &[Planned]) -> Vec<Self> {
        let planned = items.iter().cloned().map(ReplayLine::Planned);
        std::iter::once(ReplayLine::Replay(head.clone())).chain(planned).collect()
    }

    fn items(head: &ReplayHead) -> usize {
        head.events
    }

    fn part(self) -> LinePart<Self> {
        match self {
            ReplayLine::Replay(head) => LinePart::Head(head),
            ReplayLine::Planned(event) => LinePart::Planned(event),
            ReplayLine::Sent { id, queue } => LinePart::Done((queue, id)),
            ReplayLine::Failed { .. } => LinePart::Other,
        }
    }
}

impl Replay {
    /// Returns whether a queue is to have an event and does not have it yet.
    pub fn is_due(&self, event: &Planned, queue: Destination) -> bool {
        event.queues.contains(&queue) && !self.done.contains(&(queue, event.id.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Exit;

    fn run() -> Replay {
        let planned = |id: &str| Planned {
            id: id.to_owned(),
            event_type: "ping".to_owned(),
            queues: vec![Destination::Work, Destination::Extra],
            reading: None,
        };
        let queues = BTreeMap::from([(Destination::Work, "u".to_owned())]);
        let head = ReplayHead { id: "r".to_owned(), queues, events: 2, corrections: false };
        Run::new(head, vec![planned("a"), planned("b")])
    }

    #[test]
    fn a_file_knows_what_is_still_due() {
        let path = std::env::temp_dir().join(format!("hookmill-run-{}.jsonl", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let mut begun = run();
        begun.begin(&path).unwrap();
        assert_eq!(run().begin(&path).unwrap_err().kind, Exit::Usage);
        let id = || "a".to_owned();
        begun
            .write(&[
                ReplayLine::Sent { id: id(), queue: Destination::Work },
                ReplayLine::Failed { id: id(), queue: Destination::Extra, reason: "no".to_owned() },
            ])
            .unwrap();
        assert!(Replay::resume(&path).unwrap_err().message.contains("in use"));
        drop(begun);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], br#"{"sent":{"id":"b","#].concat()).unwrap();
        let read = Replay::resume(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        let due = |at: usize, queue| read.is_due(&read.planned[at], queue);
        assert!(!due(0, Destination::Work) && due(0, Destination::Extra) && due(1, Destination::Work));
        assert!(!due(1, Destination::Orders));
        drop(read);
        std::fs::write(&path, whole.split_inclusive(|byte| *byte == b'\n').next().unwrap()).unwrap();
        assert!(Replay::resume(&path).unwrap_err().message.contains("ends before its plan"));
        std::fs::write(&path, "{}\n").unwrap();
        assert!(Replay::resume(&path).unwrap_err().message.contains("line 1"));
        std::fs::remove_file(&path).unwrap();
    }
}
