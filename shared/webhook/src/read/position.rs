//! The place of an event among its subject's events: a total order that does not depend on arrival.

use jiff::Timestamp;

/// The provider's information about an event's place. A later variant's class never overrides an earlier one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// A time: the resource's version, then the event's own time, then a rank among equals.
    Time {
        /// When the resource became what the event shows.
        version: Timestamp,
        /// When the event was made, if that is given as well.
        event: Option<Timestamp>,
        /// The order at one instant.
        rank: u16,
    },
    /// No time, but such events can only happen in one order.
    Rank(u16),
    /// The same, but what happens at one rank may happen again and again: of equals the one that arrived last.
    RankThenArrival(u16),
    /// Neither: the time of arrival decides.
    Arrival,
}

/// The row's part of a position.
#[derive(Debug)]
pub struct TieBreak<'a> {
    /// When the delivery was received, in milliseconds since 1970.
    pub received_ms: i64,
    /// The mapping's version.
    pub mapping: u32,
    /// SHA-256 of the body: two bodies of one place are ordered by it, whichever came first.
    pub hash: &'a [u8; 32],
}

impl TieBreak<'_> {
    fn arrival(&self) -> u64 {
        u64::try_from(self.received_ms).unwrap_or(0).saturating_mul(1_000_000)
    }
}

impl Position {
    /// The position as text of one width, greater for what is the later truth.
    ///
    /// Class, version time, event time, rank, mapping version, hash of the body; for the class of ranks, rank and
    /// arrival are in the place of the times.
    pub fn sequence(&self, row: &TieBreak<'_>) -> String {
        let (class, version, event, rank) = match self {
            Position::Time { version, event, rank } => (3, nanoseconds(*version), event.map_or(0, nanoseconds), *rank),
            Position::Rank(rank) => (2, u64::from(*rank), 0, 0),
            Position::RankThenArrival(rank) => (2, u64::from(*rank), row.arrival(), 0),
            Position::Arrival => (1, row.arrival(), 0, 0),
        };
        let hash = hex::encode(row.hash.get(..8).unwrap_or_default());
        format!("{class}.{version:020}.{event:020}.{rank:05}.{:05}.{hash}", row.mapping)
    }
}

/// Returns the mapping's version in a position's text; `None` if it is no such text.
pub fn mapping_of(sequence: &str) -> Option<u32> {
    sequence.split('.').nth(4)?.parse().ok()
}

/// Nanoseconds since 1970; earlier times, which no webhook is about, count as 1970.
fn nanoseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanosecond().max(0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_sort_as_text() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let row = |received_ms, hash: &'static [u8; 32]| TieBreak { received_ms, mapping: 1, hash };
        let time = |version, event, rank| Position::Time { version: at(version), event: Some(at(event)), rank };
        let ordered = [
            Position::Arrival.sequence(&row(5, &[9; 32])),
            Position::Arrival.sequence(&row(1_700_000_000_000, &[0; 32])),
            Position::Rank(1).sequence(&row(9, &[0; 32])),
            Position::Rank(20).sequence(&row(1, &[0; 32])),
            Position::RankThenArrival(21).sequence(&row(1, &[9; 32])),
            Position::RankThenArrival(21).sequence(&row(2, &[0; 32])),
            Position::RankThenArrival(22).sequence(&row(1, &[0; 32])),
            time(1, 1, 9).sequence(&row(1, &[9; 32])),
            time(2, 1, 3).sequence(&row(1, &[0; 32])),
            time(2, 2, 0).sequence(&row(1, &[0; 32])),
            time(2, 2, 1).sequence(&row(1, &[0; 32])),
            time(2, 2, 1).sequence(&row(0, &[1; 32])),
            Position::Time { version: Timestamp::MAX, event: None, rank: 0 }.sequence(&row(0, &[0; 32])),
        ];
        assert!(ordered.is_sorted(), "{ordered:#?}");
        assert!(ordered.iter().all(|sequence| sequence.len() == ordered[0].len()));
    }
}
