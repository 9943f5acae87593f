//! Long work, and the file that records it, a line of JSON each: what holds for all of it, what is planned, and what is
//! done, so that it can go on where it ended.
//!
//! The plan is on disk before the first thing is done, and what became of some things before the next ones are begun: a
//! process that dies leaves at most those of which the file does not say.

use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::hash::Hash;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::terminal::error::Error;
use crate::terminal::time::instant;

/// Advice on a run file that another run has.
const WAIT: &str = "Wait until that one has ended.";

/// The way in which long work is carried out.
#[derive(Debug, Clone, Default, Args)]
pub struct HowArgs {
    /// Do it; without it, only report what would be done
    #[arg(long)]
    pub yes: bool,
    /// Record what is done in this file, not in hookmill-COMMAND-TIME.jsonl
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub run_file: Option<PathBuf>,
    /// Resume the work that this file records
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
}

/// A line of one kind of run file.
pub trait RunLine: Serialize + DeserializeOwned {
    /// The properties of the work as a whole.
    type Head;
    /// A thing that is to be done.
    type Item: Clone;
    /// The name of a thing that is done.
    type Done: Eq + Hash;

    /// Returns the first line, and one for each thing.
    fn plan(head: &Self::Head, items: &[Self::Item]) -> Vec<Self>;
    /// Returns how many things are planned.
    fn items(head: &Self::Head) -> usize;
    /// Returns what the line says.
    fn part(self) -> LinePart<Self>;
}

/// The meaning of a line.
#[derive(Debug)]
pub enum LinePart<R: RunLine> {
    /// It is the first one.
    Head(R::Head),
    /// A thing is to be done.
    Planned(R::Item),
    /// It is done.
    Done(R::Done),
    /// Nothing that counts when the work goes on.
    Other,
}

/// Long work, and its file if it is recorded.
#[derive(Debug)]
pub struct Run<R: RunLine> {
    /// The properties of the work as a whole.
    pub head: R::Head,
    /// The things to be done, in order.
    pub planned: Vec<R::Item>,
    /// The things that are done.
    pub done: HashSet<R::Done>,
    file: Option<(File, PathBuf)>,
}

impl<R: RunLine> Run<R> {
    /// Work that is not begun and not recorded.
    pub fn new(head: R::Head, planned: Vec<R::Item>) -> Self {
        Run { head, planned, done: HashSet::new(), file: None }
    }

    /// Goes on with recorded work. The file is locked, read once, and loses a torn last line.
    pub fn resume(path: &Path) -> Result<Self, Error> {
        let opened = OpenOptions::new().read(true).append(true).open(path);
        let mut file = locked(opened.map_err(|error| cannot("be read", path, &error))?, path, WAIT)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| cannot("be read", path, &error))?;
        let whole = whole(&bytes);
        let mut run: Option<Self> = None;
        for (number, line) in numbered_lines(whole) {
            let bad = |why: &str| {
                Error::usage(format!("line {number} of {} is not a run file's: {why}", path.display()))
                    .next("A run file is what the same command wrote when it was given --yes; its note names it.")
            };
            let line: R = serde_json::from_slice(line).map_err(|error| bad(&error.to_string()))?;
            match (line.part(), &mut run) {
                (LinePart::Head(head), None) => run = Some(Run::new(head, Vec::new())),
                (LinePart::Head(_), Some(_)) => return Err(bad("it begins again")),
                (_, None) => return Err(bad("it does not begin with its head")),
                (LinePart::Planned(item), Some(run)) => run.planned.push(item),
                (LinePart::Done(name), Some(run)) => {
                    run.done.insert(name);
                }
                (LinePart::Other, Some(_)) => {}
            }
        }
        let Some(mut run) = run.filter(|run| run.planned.len() == R::items(&run.head)) else {
            return Err(Error::usage(format!("{} ends before its plan does, so nothing was done", path.display()))
                .next("Begin again."));
        };
        let length = u64::try_from(whole.len()).unwrap_or(u64::MAX);
        file.set_len(length).map_err(|error| cannot("be written", path, &error))?;
        run.file = Some((file, path.to_owned()));
        Ok(run)
    }

    /// Begins to record the work. An older file stays as it is.
    pub fn begin(&mut self, path: &Path) -> Result<(), Error> {
        let file = OpenOptions::new().append(true).create_new(true).open(path);
        let file = locked(file.map_err(|error| cannot("be made", path, &error))?, path, WAIT)?;
        self.file = Some((file, path.to_owned()));
        self.write(&R::plan(&self.head, &self.planned))?;
        // The name has to be as durable as what is under it; not every system can be asked for that.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// Begins to record the work, unless it goes on with a file; by itself the file is named after `name`. Notes where.
    pub fn record(&mut self, context: &Context, how: &HowArgs, name: &str, command: &str) -> Result<(), Error> {
        if self.file.is_none() {
            let own = PathBuf::from(format!("hookmill-{name}.jsonl"));
            self.begin(how.run_file.as_ref().unwrap_or(&own))?;
        }
        if let Some((_, path)) = &self.file {
            let path = path.display();
            context.output.note(&format!(
                "What is done is recorded in {path}; after an interruption: hookmill {command} --resume {path} --yes"
            ));
        }
        Ok(())
    }

    /// Writes lines, which are durable when this returns.
    pub fn write(&mut self, lines: &[R]) -> Result<(), Error> {
        let Some((file, path)) = &mut self.file else { return Ok(()) };
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line)
                .map_err(|error| Error::service(format!("a line of the run file cannot be written: {error}")))?;
            text.push(b'\n');
        }
        let written = file.write_all(&text).and_then(|()| file.sync_data());
        written.map_err(|error| cannot("be written", path, &error))
    }

    /// Returns where it is recorded.
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|(_, path)| path.as_path())
    }
}

/// The head of work over many things, each of which may be done again without harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkHead {
    /// The command.
    pub command: String,
    /// The events table that it works on: another stack has another.
    pub table: String,
    /// The events of each thing that it is about.
    #[serde(flatten)]
    pub choice: EventChoice,
    /// The number of things that are planned; a file with less was never finished.
    pub items: usize,
}

/// The events of a thing that work is about; without a bound, all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventChoice {
    /// Only those received before this, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_ms: Option<i64>,
    /// Only those received at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_ms: Option<i64>,
    /// Only those that this key or token let in, by its fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A line of such work.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkLine {
    /// The first one.
    Work(WorkHead),
    /// A thing that is to be done.
    Planned(String),
    /// A thing that is done.
    Done(String),
}

impl RunLine for WorkLine {
    type Head = WorkHead;
    type Item = String;
    type Done = String;

    fn plan(head: &WorkHead, items: &[String]) -> Vec<Self> {
        let planned = items.iter().cloned().map(WorkLine::Planned);
        std::iter::once(WorkLine::Work(head.clone())).chain(planned).collect()
    }

    fn items(head: &WorkHead) -> usize {
        head.items
    }

    fn part(self) -> LinePart<Self> {
        match self {
            WorkLine::Work(head) => LinePart::Head(head),
            WorkLine::Planned(item) => LinePart::Planned(item),
            WorkLine::Done(item) => LinePart::Done(item),
        }
    }
}

/// Work over many things.
pub type Journal = Run<WorkLine>;

impl Journal {
    /// Work on a stack that is not begun and not recorded.
    pub async fn planned(
        context: &Context,
        command: &str,
        planned: Vec<String>,
        choice: EventChoice,
    ) -> Result<Self, Error> {
        let table = context.deployment().await?.events_table()?.to_owned();
        Ok(Run::new(WorkHead { command: command.to_owned(), table, choice, items: planned.len() }, planned))
    }

    /// Begins work, or goes on with it, as the arguments say. Only what is to be done is recorded.
    pub async fn start(
        context: &Context,
        command: &str,
        how: &HowArgs,
        plan: impl AsyncFnOnce() -> Result<Vec<String>, Error>,
        choice: EventChoice,
    ) -> Result<Self, Error> {
        let mut journal = match &how.resume {
            Some(path) => Journal::resume(path)?.checked(context, command, path).await?,
            None => Journal::planned(context, command, plan().await?, choice).await?,
        };
        if !how.yes {
            journal.file = None;
        } else if !journal.due().is_empty() {
            let now = instant(context.clock.now_ms()).replace(':', "");
            let name = format!("{}-{now}-{}", command.replace(" --", "-").replace(' ', "-"), std::process::id());
            journal.record(context, how, &name, command)?;
        }
        Ok(journal)
    }

    /// Returns an error unless the work is of this command and this stack.
    async fn checked(self, context: &Context, command: &str, path: &Path) -> Result<Self, Error> {
        let (head, path) = (&self.head, path.display());
        if head.command != command {
            return Err(Error::usage(format!("{path} is of hookmill {}", head.command))
                .next(format!("To go on: hookmill {} --resume {path} --yes", head.command)));
        }
        if head.table != context.deployment().await?.events_table()? {
            return Err(Error::usage(format!("{path} is of another stack: {}", head.table))
                .next("Name the stack that it was begun on: --stack, --region, --profile."));
        }
        Ok(self)
    }

    /// Returns what is left to do.
    pub fn due(&self) -> Vec<String> {
        self.planned.iter().filter(|item| !self.done.contains(*item)).cloned().collect()
    }

    /// Takes results as they come, reports each, and records it as done unless it is to be tried again.
    pub async fn follow<T>(
        &mut self,
        results: impl Stream<Item = Result<(String, T), Error>>,
        mut report: impl FnMut(&str, T) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let mut results = std::pin::pin!(results);
        while let Some(result) = results.next().await {
            let (item, outcome) = result?;
            if report(&item, outcome)? && self.file.is_some() {
                self.write(&[WorkLine::Done(item.clone())])?;
                self.done.insert(item);
            }
        }
        Ok(())
    }
}

/// Returns a file's whole lines: a torn last line is not among them.
fn whole(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    bytes.get(..end).unwrap_or_default()
}

/// Numbers lines from 1; empty ones are left out.
fn numbered_lines(whole: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    (1..).zip(whole.split(|byte| *byte == b'\n')).filter(|(_, line)| !line.is_empty())
}

/// Reads a file's lines by number; a torn last line is not among them.
pub fn read_lines(path: &Path) -> Result<Vec<(usize, Vec<u8>)>, Error> {
    let bytes = std::fs::read(path)
        .map_err(|error| Error::usage(format!("the file {} cannot be read: {error}", path.display())))?;
    Ok(numbered_lines(whole(&bytes)).map(|(number, line)| (number, line.to_vec())).collect())
}

/// Locks a file against other runs. `next` is the advice if one has it.
pub fn locked(file: File, path: &Path, next: &str) -> Result<File, Error> {
    match file.try_lock() {
        // A file system without locks does not prevent the work.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::usage(format!("{} is in use by another hookmill", path.display())).next(next))
        }
    }
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::usage(format!("the run file {} cannot {what}: {error}", path.display()))
        .next("Name another with --run-file; without a run file nothing is done.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_plans_are_read() {
        let path = std::env::temp_dir().join(format!("hookmill-journal-{}.jsonl", std::process::id()));
        let head = r#"{"work":{"command":"c","table":"t","items":2}}"#;
        for (lines, due) in [
            (vec![head, r#"{"planned":"a"}"#, r#"{"planned":"b"}"#, r#"{"done":"a"}"#], Some(vec!["b"])),
            (vec![head, r#"{"planned":"a"}"#], None),
            (vec![r#"{"planned":"a"}"#], None),
            (vec!["{}"], None),
            (vec![], None),
        ] {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            std::fs::write(&path, text + r#"{"done":"b"#).unwrap();
            let found = Journal::resume(&path).ok().map(|run| run.due());
            assert_eq!(found, due.map(|due| due.into_iter().map(str::to_owned).collect()), "{lines:?}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
