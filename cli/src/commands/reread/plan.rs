//! Plans of `reread`: the events to correct.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use webhook::event::Event;

use crate::context::Context;
use crate::terminal::error::Error;
use crate::work::journal::read_lines;
use stack::difference::{fingerprint, fingerprint_of};

/// One reading of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReading {
    /// The version of the mapping that read it.
    pub mapping: u32,
    #[serde(rename = "type")]
    pub event_type: String,
    /// The reading's own name.
    pub reading: String,
}

/// An event that is to be corrected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    pub id: String,
    /// The older reading.
    pub old: PlanReading,
    /// The reading of this build.
    pub new: PlanReading,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The events, the oldest first.
    pub corrections: Vec<Correction>,
}

/// The last line of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    /// The events table that it was made from: another stack has another.
    table: String,
    /// The number of events that are planned.
    events: usize,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PlanLine {
    Correct(Correction),
    End(End),
}

/// A plan that is being written.
#[derive(Debug)]
pub struct PlanFile {
    file: BufWriter<File>,
    path: PathBuf,
}

impl PlanFile {
    /// Creates a plan's file; refuses to overwrite one.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let file = file.map_err(|error| {
            Error::usage(format!("{} cannot be made: {error}", path.display())).next("Name another file.")
        })?;
        Ok(PlanFile { file: BufWriter::new(file), path: path.to_owned() })
    }

    /// Adds one event.
    pub fn add(&mut self, event: &Event, old: &Value) -> Result<(), Error> {
        let correction = Correction {
            id: event.id.clone(),
            old: PlanReading {
                mapping: mapping(old),
                event_type: old.get("type").and_then(Value::as_str).unwrap_or_default().to_owned(),
                reading: fingerprint_of(old),
            },
            new: PlanReading {
                mapping: event.mappingversion,
                event_type: event.event_type.name().to_owned(),
                reading: fingerprint(event),
            },
        };
        self.line(&PlanLine::Correct(correction))
    }

    /// Writes the last line, without which a plan is not one.
    pub async fn finish(mut self, context: &Context, events: usize) -> Result<(), Error> {
        let table = context.deployment().await?.events_table()?.to_owned();
        self.line(&PlanLine::End(End { table, events }))?;
        let flushed = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        flushed.map_err(|error| self.failed(&error))
    }

    fn line(&mut self, line: &PlanLine) -> Result<(), Error> {
        let written = serde_json::to_writer(&mut self.file, line).map_err(std::io::Error::from);
        written.and_then(|()| self.file.write_all(b"\n")).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        Error::usage(format!("{} cannot be written: {error}", self.path.display()))
    }
}

impl Plan {
    /// Reads a plan of this stack.
    pub async fn read(context: &Context, path: &Path) -> Result<Self, Error> {
        let (mut corrections, mut end): (Vec<Correction>, Option<End>) = (Vec::new(), None);
        let what = "A plan is what hookmill reread --out FILE wrote.";
        for (number, line) in read_lines(path)? {
            match serde_json::from_slice::<PlanLine>(&line) {
                Ok(PlanLine::Correct(correction)) if end.is_none() => corrections.push(correction),
                Ok(PlanLine::End(last)) if end.is_none() => end = Some(last),
                Ok(_) => {
                    return Err(Error::usage(format!("line {number} of {} comes after its end", path.display())));
                }
                Err(error) => {
                    let message = format!("line {number} of {} is not a plan's: {error}", path.display());
                    return Err(Error::usage(message).next(what));
                }
            }
        }
        let Some(end) = end.filter(|end| end.events == corrections.len()) else {
            return Err(Error::usage(format!("{} has no end: it is not a whole plan", path.display())).next(what));
        };
        if end.table != context.deployment().await?.events_table()? {
            return Err(Error::usage(format!("{} is of another stack: {}", path.display(), end.table))
                .next("Name the stack that it was made from: --stack, --region, --profile."));
        }
        Ok(Plan { corrections })
    }
}

/// The version of the mapping that made a reading.
pub fn mapping(event: &Value) -> u32 {
    event.get("mappingversion").and_then(Value::as_u64).and_then(|version| version.try_into().ok()).unwrap_or_default()
}
