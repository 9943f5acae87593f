//! `hookmill events`: what arrived.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use edge::aws::config::takes;
use webhook::event::{Event, EventType};

use crate::context::Context;
use crate::stack::history::{EventLine, KeptEvent};
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, table};

pub mod list;
pub mod show;
pub mod tail;
pub mod unkept;

/// Commands about events.
#[derive(Debug, Subcommand)]
pub enum Events {
    /// List events by time of receipt, the latest first
    List(list::ListArgs),
    /// Show one event: what came, what we made of it, and what stands before and after it
    Show(show::ShowArgs),
    /// Follow events as they arrive, until Ctrl-C
    Tail(tail::TailArgs),
}

impl Events {
    /// Whether Ctrl-C is how this command ends.
    pub fn ends_by_interrupt(&self) -> bool {
        match self {
            Events::Tail(_) => true,
            Events::List(_) | Events::Show(_) => false,
        }
    }
}

/// Carries a command out.
pub async fn run(context: &Context, command: Events) -> Result<Exit, Error> {
    match command {
        Events::List(args) => list::run(context, args).await,
        Events::Show(args) => show::run(context, args).await,
        Events::Tail(args) => tail::run(context, args).await,
    }
}

/// Which events are meant, by what is read in them.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which events")]
pub struct EventFilter {
    /// Only this type, such as order.created, or a family: 'order.*'; may be repeated
    #[arg(long = "type", value_name = "TYPE", value_parser = type_filter)]
    pub types: Vec<String>,
    /// Only events with another body under a known name, or with one of the other flags given
    #[arg(long)]
    pub conflict: bool,
    /// Only events that no table knows or whose body cannot be read, or with one of the other flags given
    #[arg(long)]
    pub unrecognised: bool,
    /// Only newer snapshots of a known happening, or with one of the other flags given
    #[arg(long)]
    pub revision: bool,
    /// Only events that may be repeats, or with one of the other flags given
    #[arg(long)]
    pub repeated: bool,
}

/// Reads a type or a family of types. The vocabulary is closed, so a word that no event can have is a mistake.
fn type_filter(text: &str) -> Result<String, String> {
    let fits = |name: &&&str| takes(&[text], name);
    if EventType::NAMES.iter().any(|name| fits(&name)) {
        return Ok(text.to_owned());
    }
    let likeness = |name: &&&str| strsim::jaro_winkler(text.trim_end_matches(['*', '.']), name);
    let nearest = EventType::NAMES.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let families: BTreeSet<&str> = EventType::NAMES.iter().filter_map(|name| Some(name.split_once('.')?.0)).collect();
    let families: Vec<String> = families.into_iter().map(|family| format!("'{family}.*'")).collect();
    Err(format!(
        "no event has this type; the nearest is {}; families are {}",
        nearest.unwrap_or(&""),
        families.join(", ")
    ))
}

impl EventFilter {
    /// Whether an event is meant.
    pub fn takes(&self, kept: &KeptEvent) -> bool {
        self.takes_event(&kept.event)
    }

    /// Whether an event of this reading is meant.
    pub fn takes_event(&self, event: &Event) -> bool {
        let of_type = takes(&self.types, event.event_type.name());
        let flags = [
            (self.conflict, event.conflict),
            (self.unrecognised, event.unrecognised || event.unreadable.is_some()),
            (self.revision, event.revision),
            (self.repeated, event.possiblyrepeated),
        ];
        let flagged = flags.iter().all(|(asked, _)| !asked) || flags.iter().any(|(asked, holds)| *asked && *holds);
        of_type && flagged
    }

    /// Whether every event is meant.
    pub fn is_open(&self) -> bool {
        self.types.is_empty() && !(self.conflict || self.unrecognised || self.revision || self.repeated)
    }
}

/// The columns of a table of events.
pub const COLUMNS: [&str; 4] = ["received", "type", "marks", "event"];

/// Returns the cells of an event.
pub fn cells(line: &EventLine, paint: Paint) -> Vec<String> {
    vec![paint.time(&line.received), line.event_type.to_owned(), marks(&line.marks, paint), line.id.clone()]
}

/// Lines as a table.
pub fn lines(lines: &[EventLine], paint: Paint) -> String {
    table(&COLUMNS, &lines.iter().map(|line| cells(line, paint)).collect::<Vec<_>>(), paint)
}

/// Marks as text, a dash for none.
pub fn marks(marks: &[&str], paint: Paint) -> String {
    let painted = |mark: &&str| match *mark {
        "conflict" | "unreadable" => paint.bad(mark),
        _ => paint.odd(mark),
    };
    if marks.is_empty() { "–".to_owned() } else { marks.iter().map(painted).collect::<Vec<_>>().join(",") }
}
