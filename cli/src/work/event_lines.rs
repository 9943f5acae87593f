//! Events as a table shows them.

use crate::terminal::output::{Paint, table};
use stack::history::EventLine;

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
