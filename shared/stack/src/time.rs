//! Ranges of receive times. Everything is UTC.

/// A range of receive times, in milliseconds since 1970: from the first, up to but without the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first millisecond.
    pub from_ms: i64,
    /// The first one that is no longer selected.
    pub to_ms: i64,
}

impl Range {
    /// All of time.
    pub const ALL: Range = Range { from_ms: 0, to_ms: LATEST_MS };
}

/// No row can have a later time: 9999-12-30.
pub const LATEST_MS: i64 = 253_402_128_000_000;

/// A time as text, as rows have it.
pub fn instant(ms: i64) -> String {
    edge::keep::item::instant(ms)
}
