//! Prints results to standard output, everything else to standard error.
//!
//! With `--json`, every line of standard output is one JSON document: a list has one line an entry, anything else is
//! one line. Errors are then JSON too, on standard error.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::json;

use crate::terminal::error::{Error, Exit};
use crate::terminal::hint::StackOptions;
use crate::terminal::time::ago;

/// Progress is shown from here on, and on a stream that is not a terminal only this often.
const QUIET: Duration = Duration::from_secs(1);
const SLOW: Duration = Duration::from_secs(10);

type Sink = Mutex<Box<dyn Write + Send>>;

pub struct Output {
    json: bool,
    paint: Paint,
    terminal: bool,
    stack: StackOptions,
    results: Sink,
    notes: Sink,
}

/// The style of the reader's terminal: colour where it wants it, its width, and times and ids as people read them. Where
/// the reader is not a terminal, text is plain, whole and in UTC.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    on: bool,
    width: Option<usize>,
}

/// A count that is shown while it grows.
#[derive(Debug)]
pub struct Progress<'a> {
    output: &'a Output,
    what: &'static str,
    total: usize,
    done: usize,
    began: Instant,
    shown: Option<Instant>,
}

impl Output {
    /// The process's own streams.
    pub fn of_process(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Output {
            json,
            paint: Paint {
                on: wanted && !json && std::io::stdout().is_terminal(),
                width: if json { None } else { terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)) }
                    .filter(|_| std::io::stdout().is_terminal()),
            },
            terminal: std::io::stderr().is_terminal(),
            stack: StackOptions::default(),
            results: Mutex::new(Box::new(std::io::stdout())),
            notes: Mutex::new(Box::new(std::io::stderr())),
        }
    }

    /// Other streams, without colour.
    pub fn to(json: bool, results: Box<dyn Write + Send>, notes: Box<dyn Write + Send>) -> Self {
        let paint = Paint::PLAIN;
        let stack = StackOptions::default();
        Output { json, paint, terminal: false, stack, results: Mutex::new(results), notes: Mutex::new(notes) }
    }

    /// Returns the same output about a stack: these options are put into the commands that it proposes.
    #[must_use]
    pub fn about(mut self, stack: StackOptions) -> Self {
        self.stack = stack;
        self
    }

    /// The same, as to a terminal of a width.
    #[must_use]
    pub fn of_width(mut self, width: usize) -> Self {
        self.paint.width = Some(width);
        self
    }

    /// Prints a result: the value as a line of JSON, or the text that is made of it.
    pub fn print<T: Serialize>(&self, value: &T, text: impl FnOnce(&T, Paint) -> String) -> Result<(), Error> {
        if self.json {
            let line = serde_json::to_string(value)
                .map_err(|error| Error::service(format!("a result cannot be written as JSON: {error}")))?;
            return self.text(&line);
        }
        self.text(&text(value, self.paint))
    }

    /// Prints a list: a line of JSON an entry, or one text for all of them.
    pub fn print_all<T: Serialize>(&self, values: &[T], text: impl FnOnce(&[T], Paint) -> String) -> Result<(), Error> {
        if self.json {
            return values.iter().try_for_each(|value| self.print(value, |_, _| String::new()));
        }
        if values.is_empty() { Ok(()) } else { self.text(&text(values, self.paint)) }
    }

    /// Prints a list: a line of JSON an entry, or a table of the cells that each is made into.
    pub fn list<T: Serialize>(
        &self,
        lines: &[T],
        heading: &[&str],
        cells: impl Fn(&T, Paint) -> Vec<String>,
    ) -> Result<(), Error> {
        self.print_all(lines, |lines, paint| {
            table(heading, &lines.iter().map(|line| cells(line, paint)).collect::<Vec<_>>(), paint)
        })
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
        self.say(&format!("{}\n", self.stack.add_to(text)));
    }

    /// Returns a next step for a result, with the stack's options in its commands; notes and errors get them by
    /// themselves. Other parts of results are data, which stay as they are.
    pub fn hint(&self, next: &str) -> String {
        self.stack.add_to(next).into_owned()
    }

    /// Reports an error, and returns its exit code.
    pub fn failed(&self, error: &Error) -> Exit {
        let (message, next) = (self.hint(&error.message), error.next.as_deref().map(|next| self.hint(next)));
        if self.json && !message.is_empty() {
            let document = json!({"error": message, "next": next, "exit": error.kind.code()});
            self.say(&format!("{document}\n"));
        } else if !message.is_empty() {
            self.say(&format!("hookmill: {message}\n"));
            if let Some(next) = &next {
                self.say(&format!("  {next}\n"));
            }
        }
        error.kind
    }

    /// Starts to count something that may take long.
    pub fn progress(&self, what: &'static str, total: usize) -> Progress<'_> {
        Progress { output: self, what, total, done: 0, began: Instant::now(), shown: None }
    }

    fn say(&self, text: &str) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        // If stderr is closed, there is nowhere left to report to.
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
        if self.began.elapsed() < first || self.shown.is_some_and(|shown| shown.elapsed() < pause) {
            return;
        }
        self.shown = Some(Instant::now());
        let (before, after) = if self.output.terminal { ("\r\x1b[K", "") } else { ("", "\n") };
        let total = if self.total > 0 { format!(" of {}", self.total) } else { String::new() };
        self.output.say(&format!("{before}{}{total} {}{after}", self.done, self.what));
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if self.shown.is_some() && self.output.terminal {
            self.output.say("\r\x1b[K");
        }
    }
}

impl Paint {
    /// No colour at all.
    pub const PLAIN: Paint = Paint { on: false, width: None };

    /// A row's time: how long ago it was, or in local time.
    pub fn time(self, utc: &str) -> String {
        self.for_people(utc, |at| ago(at, Timestamp::now(), &TimeZone::system()))
    }

    /// A row's time in full: local time, and how long ago it was.
    pub fn moment(self, utc: &str) -> String {
        self.for_people(utc, |at| {
            let local = at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string();
            format!("{local}, {}", ago(at, Timestamp::now(), &TimeZone::system()))
        })
    }

    /// The hour, minute and second of a row's time, for what is followed as it comes.
    pub fn hour(self, utc: &str) -> String {
        self.for_people(utc, |at| at.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string())
    }

    fn for_people(self, utc: &str, text: impl FnOnce(Timestamp) -> String) -> String {
        match (self.width, utc.parse::<Timestamp>()) {
            (Some(_), Ok(at)) => text(at),
            (None, _) | (_, Err(_)) => utc.to_owned(),
        }
    }

    /// An id on a line of its own beside so much other text; shortened in the middle where the terminal has no room.
    pub fn id(self, id: &str, others: usize) -> String {
        self.width.map_or_else(|| id.to_owned(), |width| shortened(id, width.saturating_sub(others).max(COLUMN_MIN)))
    }

    /// Names and headings.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// Dimmed.
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

/// A column is not made narrower than this, even if the table does not fit.
const COLUMN_MIN: usize = 12;

/// Makes the widest columns narrower until the table fits. Coloured cells stay whole, since they are words, and URLs,
/// since they are copied.
fn narrow(widths: &mut [usize], width: usize, rows: &[Vec<String>]) {
    let whole = |cell: &String| cell.contains('\u{1b}') || is_url(cell);
    let fixed: Vec<bool> =
        (0..widths.len()).map(|column| rows.iter().filter_map(|row| row.get(column)).any(whole)).collect();
    let gaps = 2 * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > width {
        let open = widths.iter_mut().zip(&fixed).filter(|(width, fixed)| !**fixed && **width > COLUMN_MIN);
        let Some((widest, _)) = open.max_by_key(|(width, _)| **width) else { return };
        *widest -= 1;
    }
}

/// Folds a row's cells to their columns' widths: sentences onto further lines, anything else is shortened in the middle.
fn folded(row: &[String], widths: &[usize]) -> Vec<Vec<String>> {
    let cell = |(cell, width): (&String, &usize)| match visible(cell) > *width {
        false => vec![cell.clone()],
        true if cell.contains(' ') => wrapped(cell, *width),
        true => vec![fitted(cell, *width)],
    };
    let cells: Vec<Vec<String>> = row.iter().zip(widths).map(cell).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or_default();
    let line = |at: usize| cells.iter().map(|cell| cell.get(at).cloned().unwrap_or_default()).collect();
    (0..height).map(line).collect()
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').map(|word| fitted(word, width)) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => *line += &format!(" {word}"),
            Some(_) | None => lines.push(word),
        }
    }
    lines
}

/// Shortens a word in the middle, if it is not a URL.
fn fitted(word: &str, width: usize) -> String {
    if is_url(word) { word.to_owned() } else { shortened(word, width) }
}

fn is_url(cell: &str) -> bool {
    !cell.contains(' ') && cell.contains("://")
}

/// Rows in columns, each as wide as its widest cell, under a heading; no wider than the terminal.
pub fn table(heading: &[&str], rows: &[Vec<String>], paint: Paint) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| visible(cell));
        cells.chain(heading.get(column).map(|name| visible(name))).max().unwrap_or_default()
    };
    let mut widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let rows: Vec<Vec<String>> = match paint.width {
        Some(width) => {
            narrow(&mut widths, width, rows);
            rows.iter().flat_map(|row| folded(row, &widths)).collect()
        }
        None => rows.to_vec(),
    };
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

/// Returns a cell's text, a dash for none.
pub fn dash(text: Option<&str>) -> String {
    text.unwrap_or("–").to_owned()
}

/// Returns those counts that are not zero, with their words: `2 sent, 1 failed`.
pub fn counts<'a>(all: impl IntoIterator<Item = (usize, &'a str)>) -> String {
    let shown = all.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    shown.collect::<Vec<_>>().join(", ")
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
pub fn visible(text: &str) -> usize {
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
    fn tables_fit_the_terminal() {
        let id = "scalev/main/250130JQHFZG/order.created/event_vGEG4O82yXgVz28ilJtUwZPw".repeat(2);
        let sentence =
            "no key matches, which is a sentence that goes on for rather longer than there is room for it here";
        let rows = [
            vec!["2 min ago".to_owned(), id.clone(), sentence.to_owned()],
            vec!["3 h ago".to_owned(), "short".to_owned(), "x".to_owned()],
        ];
        for width in [80, 100, 120] {
            let paint = Paint { on: false, width: Some(width) };
            let text = table(&["received", "event", "why"], &rows, paint);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            assert!(text.contains("scalev/main/") && text.contains("wZPw") && text.contains(ELLIPSIS), "{text}");
            let words: Vec<&str> = text.split_whitespace().collect();
            assert!(sentence.split(' ').all(|word| words.contains(&word)), "{text}");
        }
        assert!(table(&["received", "event", "why"], &rows, Paint::PLAIN).contains(&id));
    }

    #[test]
    fn urls_are_never_shortened() {
        let url = "https://abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-central-1.on.aws/main/<token>";
        let id = "scalev/main/250130JQHFZG/order.created/event_vGEG4O82yXgVz28ilJtUwZPw".to_owned();
        let rows = [vec![id.clone(), url.to_owned(), format!("register {url} at the provider")]];
        let text = table(&["source", "URL", "next"], &rows, Paint { on: false, width: Some(80) });
        assert_eq!(text.matches(url).count(), 2, "{text}");
        assert!(!text.contains(&id), "ids make room: {text}");
    }

    #[test]
    fn people_read_how_long_ago_and_programs_utc() {
        let utc = "2026-01-01T00:00:00.000Z";
        let (paint, at): (_, Timestamp) = (Paint { on: false, width: Some(80) }, utc.parse().unwrap());
        for (later, text) in [(5, "5 s ago"), (120, "2 min ago"), (7_300, "2 h ago"), (100_000, "2026-01-01 00:00")] {
            let now = Timestamp::from_second(at.as_second() + later).unwrap();
            assert_eq!(ago(at, now, &TimeZone::UTC), text);
        }
        assert_eq!(Paint::PLAIN.time(utc), utc);
        assert_eq!(Paint::PLAIN.moment(utc), utc);
        assert!(!paint.time(utc).contains('Z') && paint.moment(utc).len() > paint.time(utc).len());
        assert_eq!(paint.time("–"), "–");
    }

    #[test]
    fn counts_have_their_numbers() {
        assert_eq!(counted(1, "delivery"), "1 delivery");
        assert_eq!(counted(2, "delivery"), "2 deliveries");
        assert_eq!(counted(0, "event"), "0 events");
        assert_eq!(counted_with(1, "event", ("is", "are")), "1 event is");
    }

    #[test]
    fn columns_are_as_wide_as_what_is_seen() {
        let red = Paint { on: true, ..Paint::PLAIN }.bad("no");
        let rows = [vec!["1".to_owned(), red.clone(), "x".to_owned()], vec!["22".into(), "yes".into(), String::new()]];
        let text = table(&["n", "ok", ""], &rows, Paint::PLAIN);
        assert_eq!(text, format!("n   ok\n1   {red}   x\n22  yes"));
    }
}
