//! Events as a table shows them.

use crate::context::Context;
use crate::terminal::error::Error;
use crate::terminal::output::Paint;
use stack::history::EventLine;

/// Prints events.
pub fn list(context: &Context, lines: &[EventLine]) -> Result<(), Error> {
    context.output.list(lines, &["received", "type", "marks", "event"], |line, paint| {
        vec![paint.time(&line.received), line.event_type.to_owned(), marks(&line.marks, paint), line.id.clone()]
    })
}

/// Marks as text, a dash for none.
pub fn marks(marks: &[&str], paint: Paint) -> String {
    let painted = |mark: &&str| match *mark {
        "conflict" | "unreadable" => paint.bad(mark),
        _ => paint.odd(mark),
    };
    if marks.is_empty() { "–".to_owned() } else { marks.iter().map(painted).collect::<Vec<_>>().join(",") }
}
