//! Long work over many things, each of which may be done again without harm: what was planned and what is done, a line of
//! JSON each, so that it can go on where it ended.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::terminal::error::Error;
use crate::terminal::time::instant;
use crate::work::run_file::{RunFile, whole_lines};

/// What holds for all of the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The command.
    pub command: String,
    /// The events table that it works on: another stack has another.
    pub table: String,
    /// Only events received before this, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_ms: Option<i64>,
    /// How much is planned; a file with less was never finished.
    pub items: usize,
}

/// Work as its file tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The first line.
    pub head: Head,
    /// What is to be done, in its order.
    pub planned: Vec<String>,
    /// What is done.
    pub done: HashSet<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Work(Head),
    Planned(String),
    Done(String),
}

/// Work and the file that records it.
#[derive(Debug)]
pub struct Journal {
    /// The work.
    pub work: Work,
    file: Option<RunFile>,
}

impl Work {
    /// Work on a stack that is not begun.
    pub async fn new(
        context: &Context,
        command: &str,
        planned: Vec<String>,
        before_ms: Option<i64>,
    ) -> Result<Self, Error> {
        let table = context.deployment().await?.events_table()?.to_owned();
        let head = Head { command: command.to_owned(), table, before_ms, items: planned.len() };
        Ok(Work { head, planned, done: HashSet::new() })
    }

    /// Reads a file of a command's work on this stack; with the length of what can be read of it.
    pub async fn read(context: &Context, command: &str, path: &Path) -> Result<(Self, u64), Error> {
        let (work, length) = read(path)?;
        if work.head.command != command {
            return Err(Error::usage(format!("{} is of hookmill {}", path.display(), work.head.command))
                .next(format!("To go on: hookmill {} --resume {} --yes", work.head.command, path.display())));
        }
        if work.head.table != context.deployment().await?.events_table()? {
            return Err(Error::usage(format!("{} is of another stack: {}", path.display(), work.head.table))
                .next("Name the stack that it was begun on: --stack, --region, --profile."));
        }
        Ok((work, length))
    }

    /// What is left to do.
    pub fn due(&self) -> Vec<String> {
        self.planned.iter().filter(|item| !self.done.contains(*item)).cloned().collect()
    }
}

impl Journal {
    /// Work that is only looked at: nothing is recorded.
    pub fn dry(work: Work) -> Self {
        Journal { work, file: None }
    }

    /// Begins to record work, in a file of this name or in one of its own.
    pub fn begin(context: &Context, work: Work, path: Option<&PathBuf>) -> Result<Self, Error> {
        let name = || {
            let (command, now) =
                (work.head.command.replace(' ', "-"), instant(context.clock.now_ms()).replace(':', ""));
            PathBuf::from(format!("hookmill-{command}-{now}-{}.jsonl", std::process::id()))
        };
        let path = path.cloned().unwrap_or_else(name);
        let planned = work.planned.iter().cloned().map(Line::Planned);
        let lines: Vec<Line> = std::iter::once(Line::Work(work.head.clone())).chain(planned).collect();
        let file = RunFile::begin(&path, &lines)?;
        Journal { work, file: Some(file) }.announced(context)
    }

    /// Goes on with recorded work.
    pub fn resume(context: &Context, path: &Path) -> Result<Self, Error> {
        let (file, work) = RunFile::reopen(path, read)?;
        Journal { work, file: Some(file) }.announced(context)
    }

    fn announced(self, context: &Context) -> Result<Self, Error> {
        if let Some(file) = &self.file {
            let (command, path) = (&self.work.head.command, file.path().display());
            context.output.note(&format!(
                "What is done is recorded in {path}; after an interruption: hookmill {command} --resume {path} --yes"
            ));
        }
        Ok(self)
    }

    /// Takes results as they come, tells each, and records it as done unless it is to be tried again.
    pub async fn follow<T>(
        &mut self,
        results: impl Stream<Item = Result<(String, T), Error>>,
        mut tell: impl FnMut(&str, T) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let mut results = std::pin::pin!(results);
        while let Some(result) = results.next().await {
            let (item, outcome) = result?;
            let is_done = tell(&item, outcome)?;
            if let Some(file) = self.file.as_mut().filter(|_| is_done) {
                file.write(&[Line::Done(item.clone())])?;
                self.work.done.insert(item);
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<(Work, u64), Error> {
    let (lines, length) = whole_lines(path)?;
    let bad = |number: usize, why: &str| {
        Error::usage(format!("line {number} of {} is not a run file's: {why}", path.display()))
            .next("A run file is what the command wrote when it was given --yes; its note names it.")
    };
    let mut work: Option<Work> = None;
    for (number, line) in lines {
        let line = serde_json::from_slice::<Line>(&line).map_err(|error| bad(number, &error.to_string()))?;
        match (line, &mut work) {
            (Line::Work(head), None) => work = Some(Work { head, planned: Vec::new(), done: HashSet::new() }),
            (Line::Planned(item), Some(work)) => work.planned.push(item),
            (Line::Done(item), Some(work)) => {
                work.done.insert(item);
            }
            (Line::Work(_), Some(_)) => return Err(bad(number, "it begins anew")),
            (Line::Planned(_) | Line::Done(_), None) => return Err(bad(number, "it does not begin with its head")),
        }
    }
    match work.filter(|work| work.planned.len() == work.head.items) {
        Some(work) => Ok((work, length)),
        None => Err(Error::usage(format!("{} ends before its plan does, so nothing was done", path.display()))
            .next("Begin anew.")),
    }
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
            let found = read(&path).ok().map(|(work, _)| work.due());
            assert_eq!(found, due.map(|due| due.into_iter().map(str::to_owned).collect()), "{lines:?}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
