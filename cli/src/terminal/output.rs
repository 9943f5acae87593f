//! What a command tells: results to standard output, everything else to standard error.
//!
//! With `--json`, every line of standard output is one JSON document: a list has one line an entry, anything else is
//! one line. Errors are then JSON too, on standard error.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use crate::terminal::error::{Error, Exit};

/// Progress is told from here on, and on no terminal only this often.
const QUIET: Duration = Duration::from_secs(1);
const SLOW: Duration = Duration::from_secs(10);

type Sink = Mutex<Box<dyn Write + Send>>;

/// Where a command's words go.
pub struct Output {
    json: bool,
    paint: Paint,
    terminal: bool,
    results: Sink,
    notes: Sink,
}

/// Colour, where the reader is a terminal that wants it.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    on: bool,
}

/// A count that is told while it grows.
#[derive(Debug)]
pub struct Progress<'a> {
    output: &'a Output,
    what: &'static str,
    total: usize,
    done: usize,
    began: Instant,
    told: Option<Instant>,
}

impl Output {
    /// The process's own streams.
    pub fn of_process(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Output {
            json,
            paint: Paint { on: wanted && !json && std::io::stdout().is_terminal() },
            terminal: std::io::stderr().is_terminal(),
            results: Mutex::new(Box::new(std::io::stdout())),
            notes: Mutex::new(Box::new(std::io::stderr())),
        }
    }

    /// Other streams, without colour.
    pub fn to(json: bool, results: Box<dyn Write + Send>, notes: Box<dyn Write + Send>) -> Self {
        let paint = Paint { on: false };
        Output { json, paint, terminal: false, results: Mutex::new(results), notes: Mutex::new(notes) }
    }

    /// Nobody listens.
    pub fn silent() -> Self {
        Output::to(false, Box::new(std::io::sink()), Box::new(std::io::sink()))
    }

    /// Tells a result: the value as a line of JSON, or the text that is made of it.
    pub fn tell<T: Serialize>(&self, value: &T, text: impl FnOnce(&T, Paint) -> String) -> Result<(), Error> {
        if self.json {
            let line = serde_json::to_string(value)
                .map_err(|error| Error::service(format!("a result cannot be written as JSON: {error}")))?;
            return self.text(&line);
        }
        self.text(&text(value, self.paint))
    }

    /// Tells a list: a line of JSON an entry, or one text for all of them.
    pub fn tell_all<T: Serialize>(&self, values: &[T], text: impl FnOnce(&[T], Paint) -> String) -> Result<(), Error> {
        if self.json {
            return values.iter().try_for_each(|value| self.tell(value, |_, _| String::new()));
        }
        if values.is_empty() { Ok(()) } else { self.text(&text(values, self.paint)) }
    }

    /// Writes text and a line's end to standard output.
    pub fn text(&self, text: &str) -> Result<(), Error> {
        self.bytes(format!("{}\n", text.trim_end_matches('\n')).as_bytes())
    }

    /// Writes bytes to standard output as they are.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Error> {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        results.write_all(bytes).and_then(|()| results.flush()).map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Error::closed(),
            _ => Error::service(format!("standard output cannot be written: {error}")),
        })
    }

    /// Says something beside the results, for people.
    pub fn note(&self, text: &str) {
        self.say(&format!("{text}\n"));
    }

    /// Tells why the command ended, and gives the exit code.
    pub fn failed(&self, error: &Error) -> Exit {
        if self.json && !error.message.is_empty() {
            let told = json!({"error": error.message, "next": error.next, "exit": error.exit.code()});
            self.say(&format!("{told}\n"));
        } else if !error.message.is_empty() {
            self.say(&format!("hookmill: {}\n", error.message));
            if let Some(next) = &error.next {
                self.say(&format!("  {next}\n"));
            }
        }
        error.exit
    }

    /// A count of something that may take long.
    pub fn progress(&self, what: &'static str, total: usize) -> Progress<'_> {
        Progress { output: self, what, total, done: 0, began: Instant::now(), told: None }
    }

    fn say(&self, text: &str) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to be told that nobody can be told.
        let _ = notes.write_all(text.as_bytes()).and_then(|()| notes.flush());
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Output").field("json", &self.json).finish_non_exhaustive()
    }
}

impl Progress<'_> {
    /// Counts one more.
    pub fn step(&mut self) {
        self.done += 1;
        let pause = if self.output.terminal { Duration::from_millis(100) } else { SLOW };
        let first = if self.output.terminal { QUIET } else { SLOW };
        if self.began.elapsed() < first || self.told.is_some_and(|told| told.elapsed() < pause) {
            return;
        }
        self.told = Some(Instant::now());
        let (before, after) = if self.output.terminal { ("\r\x1b[K", "") } else { ("", "\n") };
        let total = if self.total > 0 { format!(" of {}", self.total) } else { String::new() };
        self.output.say(&format!("{before}{}{total} {}{after}", self.done, self.what));
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if self.told.is_some() && self.output.terminal {
            self.output.say("\r\x1b[K");
        }
    }
}

impl Paint {
    /// No colour at all.
    pub const PLAIN: Paint = Paint { on: false };

    /// Names and headings.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// What matters less.
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// As it should be.
    pub fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    /// Worth a look.
    pub fn odd(self, text: &str) -> String {
        self.with("33", text)
    }

    /// Wrong.
    pub fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Rows in columns, each as wide as its widest cell, under a heading.
pub fn table(heading: &[&str], rows: &[Vec<String>], paint: Paint) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| visible(cell));
        cells.chain(heading.get(column).map(|name| visible(name))).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = String>| {
        let padded = cells.zip(&widths).map(|(cell, width)| {
            let gap = " ".repeat(width.saturating_sub(visible(&cell)));
            format!("{cell}{gap}")
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut heading.iter().map(|name| paint.dim(name)))];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().cloned())));
    lines.join("\n")
}

/// A count with its noun: `1 event`, `2 events`.
pub fn counted(count: usize, noun: &str) -> String {
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {noun}s"),
    }
}

/// A count with its noun and `is` or `are`, or `was` or `were`.
pub fn counted_with(count: usize, noun: &str, (one, several): (&str, &str)) -> String {
    format!("{} {}", counted(count, noun), if count == 1 { one } else { several })
}

/// In the place of what was left out of an id.
pub const ELLIPSIS: char = '…';

/// Shortens text in the middle, so that both ends can be read.
pub fn shortened(text: &str, width: usize) -> String {
    let count = text.chars().count();
    if count <= width {
        return text.to_owned();
    }
    let tail = width.saturating_sub(1) / 3;
    let head = width.saturating_sub(1) - tail;
    let head: String = text.chars().take(head).collect();
    let tail: String = text.chars().skip(count - tail).collect();
    format!("{head}{ELLIPSIS}{tail}")
}

/// Characters that take room: not those of colour.
fn visible(text: &str) -> usize {
    let mut colour = false;
    let counts = |character: char| {
        let starts = character == '\u{1b}';
        let counted = !colour && !starts;
        colour = (colour || starts) && character != 'm';
        counted
    };
    text.chars().map(counts).filter(|counted| *counted).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_seen() {
        let red = Paint { on: true }.bad("no");
        let rows = [vec!["1".to_owned(), red.clone(), "x".to_owned()], vec!["22".into(), "yes".into(), String::new()]];
        let text = table(&["n", "ok", ""], &rows, Paint::PLAIN);
        assert_eq!(text, format!("n   ok\n1   {red}   x\n22  yes"));
    }
}
