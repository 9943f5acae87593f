//! What is read of a stack goes on behind what cannot be read, which is noted.

use crate::context::Context;
use crate::stack::quarantine::Found;

/// Returns what could be read, and notes what could not.
pub fn noting<T>(context: &Context, found: Found<T>) -> Vec<T> {
    for (count, place) in found.unreadable {
        context.output.note(&format!("{count} of {place} cannot be read by this version."));
    }
    found.read
}
