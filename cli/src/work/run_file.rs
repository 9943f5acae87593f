//! What a replay set out to send and what became of it, a line of JSON each, so that it can go on where it ended.
//!
//! The plan is on disk before the first message goes out, and what a batch came to before the next one does: a process
//! that dies leaves at most one batch of which the file does not tell.

use std::collections::{BTreeMap, HashSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::stack::destination::Destination;
use crate::terminal::error::Error;

/// A replay as its file tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// The first line.
    pub head: Head,
    /// What is to be sent, in its order.
    pub planned: Vec<Planned>,
    /// What was sent.
    pub sent: HashSet<(Destination, String)>,
}

/// What holds for all of a replay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its name: part of every message's deduplication id.
    pub id: String,
    /// The queues' URLs.
    pub queues: BTreeMap<Destination, String>,
    /// How many events are planned; a file with fewer was never finished.
    pub events: usize,
    /// They go out as corrections of what an earlier mapping read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub corrections: bool,
}

/// An event that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Its id.
    pub id: String,
    /// Its type when it was planned.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Where it goes.
    pub queues: Vec<Destination>,
    /// The reading that was planned, where it has to be that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<String>,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first one.
    Replay(Head),
    /// An event that is to be sent.
    Planned(Planned),
    /// A queue has it.
    Sent {
        /// The event's id.
        id: String,
        /// The queue.
        queue: Destination,
    },
    /// A queue does not have it.
    Failed {
        /// The event's id.
        id: String,
        /// The queue.
        queue: Destination,
        /// Why.
        reason: String,
    },
}

/// A file that is written to.
#[derive(Debug)]
pub struct RunFile {
    file: File,
    path: PathBuf,
}

impl Run {
    /// Reads a file; with the length of what can be read of it, which a torn last line is no part of.
    pub fn read(path: &Path) -> Result<(Self, u64), Error> {
        let (lines, whole) = whole_lines(path)?;
        let mut run = Run::default();
        let bad = |number: usize, why: &str| {
            Error::usage(format!("line {number} of {} is not a replay's: {why}", path.display()))
                .next("A run file is what hookmill replay --yes wrote; its note names it.")
        };
        for (number, line) in lines {
            match serde_json::from_slice::<Line>(&line).map_err(|error| bad(number, &error.to_string()))? {
                Line::Replay(head) if number == 1 => run.head = head,
                Line::Replay(_) => return Err(bad(number, "it begins anew")),
                Line::Planned(planned) => run.planned.push(planned),
                Line::Sent { id, queue } => {
                    run.sent.insert((queue, id));
                }
                Line::Failed { .. } => {}
            }
        }
        if run.head.id.is_empty() || run.planned.len() != run.head.events {
            return Err(Error::usage(format!("{} ends before its plan does, so nothing was sent", path.display()))
                .next("Start the replay anew."));
        }
        Ok((run, whole))
    }

    /// What a queue does not have yet.
    pub fn is_due(&self, event: &Planned, queue: Destination) -> bool {
        event.queues.contains(&queue) && !self.sent.contains(&(queue, event.id.clone()))
    }
}

impl RunFile {
    /// Begins a file with a plan. An older file stays as it is.
    pub fn create(path: &Path, run: &Run) -> Result<Self, Error> {
        let planned = run.planned.iter().cloned().map(Line::Planned);
        let lines: Vec<Line> = std::iter::once(Line::Replay(run.head.clone())).chain(planned).collect();
        RunFile::begin(path, &lines)
    }

    /// Begins a file with its first lines. An older file stays as it is.
    pub fn begin<T: Serialize>(path: &Path, lines: &[T]) -> Result<Self, Error> {
        let file = OpenOptions::new().append(true).create_new(true).open(path);
        let file = file.map_err(|error| cannot("be made", path, &error))?;
        let mut begun = RunFile::locked(file, path)?;
        begun.write(lines)?;
        // The name has to be as durable as what stands under it; not every system can be asked for that.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(begun)
    }

    /// Goes on with a file, without its torn last line.
    pub fn resume(path: &Path) -> Result<(Self, Run), Error> {
        RunFile::reopen(path, Run::read)
    }

    /// Goes on with a file as its reader understands it, which gives the length of what can be read.
    pub fn reopen<T>(path: &Path, read: impl Fn(&Path) -> Result<(T, u64), Error>) -> Result<(Self, T), Error> {
        let file = OpenOptions::new().append(true).open(path).map_err(|error| cannot("be written", path, &error))?;
        let resumed = RunFile::locked(file, path)?;
        let (run, length) = read(path)?;
        resumed.file.set_len(length).map_err(|error| cannot("be written", path, &error))?;
        Ok((resumed, run))
    }

    /// Writes lines, which are durable when this returns.
    pub fn write<T: Serialize>(&mut self, lines: &[T]) -> Result<(), Error> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line)
                .map_err(|error| Error::service(format!("a line of the run file cannot be written: {error}")))?;
            text.push(b'\n');
        }
        self.file
            .write_all(&text)
            .and_then(|()| self.file.sync_data())
            .map_err(|error| cannot("be written", &self.path, &error))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn locked(file: File, path: &Path) -> Result<Self, Error> {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::usage(format!("{} is in use by another hookmill", path.display()))
                    .next("Wait until that one has ended."));
            }
            // A file system without locks is no reason not to go on.
            Err(TryLockError::Error(_)) => {}
        }
        Ok(RunFile { file, path: path.to_owned() })
    }
}

/// A line and its number, from 1.
pub type NumberedLine = (usize, Vec<u8>);

/// A file's lines by number, and their length: a torn last line is not among them.
pub fn whole_lines(path: &Path) -> Result<(Vec<NumberedLine>, u64), Error> {
    let bytes = std::fs::read(path)
        .map_err(|error| Error::usage(format!("the file {} cannot be read: {error}", path.display())))?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = bytes.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n');
    let lines = (1..).zip(lines).filter(|(_, line)| !line.is_empty()).map(|(number, line)| (number, line.to_vec()));
    Ok((lines.collect(), u64::try_from(whole).unwrap_or(u64::MAX)))
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::usage(format!("the run file {} cannot {what}: {error}", path.display()))
        .next("Name another with --run-file; without a run file nothing is sent.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        let planned = |id: &str| Planned {
            id: id.to_owned(),
            event_type: "ping".to_owned(),
            queues: vec![Destination::Work, Destination::Extra],
            reading: None,
        };
        let queues = BTreeMap::from([(Destination::Work, "u".to_owned())]);
        let head = Head { id: "r".to_owned(), queues, events: 2, corrections: false };
        Run { head, planned: vec![planned("a"), planned("b")], sent: HashSet::new() }
    }

    #[test]
    fn a_file_tells_what_is_still_due() {
        let path = std::env::temp_dir().join(format!("hookmill-run-{}.jsonl", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let mut file = RunFile::create(&path, &run()).unwrap();
        assert_eq!(RunFile::create(&path, &run()).unwrap_err().kind, crate::Exit::Usage);
        let id = || "a".to_owned();
        file.write(&[
            Line::Sent { id: id(), queue: Destination::Work },
            Line::Failed { id: id(), queue: Destination::Extra, reason: "no".to_owned() },
        ])
        .unwrap();
        assert!(RunFile::resume(&path).unwrap_err().message.contains("in use"));
        drop(file);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], br#"{"sent":{"id":"b","#].concat()).unwrap();
        let (file, read) = RunFile::resume(&path).unwrap();
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        let due = |at: usize, queue| read.is_due(&read.planned[at], queue);
        assert!(!due(0, Destination::Work) && due(0, Destination::Extra) && due(1, Destination::Work));
        assert!(!due(1, Destination::Orders));
        std::fs::write(&path, whole.split_inclusive(|byte| *byte == b'\n').next().unwrap()).unwrap();
        assert!(Run::read(&path).unwrap_err().message.contains("ends before its plan"));
        std::fs::write(&path, "{}\n").unwrap();
        assert!(Run::read(&path).unwrap_err().message.contains("line 1"));
        std::fs::remove_file(&path).unwrap();
    }
}
