//! Points and spans of time on the command line. Everything is UTC.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SpanRelativeTo, Timestamp};

use crate::terminal::error::Error;
pub use stack::time::{LATEST_MS, Range, instant};

/// A range of receive times.
#[derive(Debug, Clone, Default, Args)]
pub struct RangeArgs {
    /// Received at this time or later: 2026-01-31, 2026-01-31T08:00 or 2026-01-31T08:00:00Z, in UTC
    #[arg(long, value_name = "TIME", conflicts_with = "since")]
    pub from: Option<Instant>,
    /// Received before this time
    #[arg(long, value_name = "TIME")]
    pub to: Option<Instant>,
    /// Received within this long until now: 90s, 15m, 2h, 7d
    #[arg(long, value_name = "SPAN")]
    pub since: Option<Span>,
}

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant(pub i64);

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl RangeArgs {
    /// Returns the selected range; without any bound it is everything.
    pub fn range(&self, now_ms: i64) -> Result<Range, Error> {
        let since = self.since.map(|span| now_ms.saturating_sub(span.ms()));
        let from_ms = self.from.map(|from| from.0).or(since).unwrap_or(0);
        let to_ms = self.to.map_or(LATEST_MS, |to| to.0);
        if from_ms >= to_ms {
            let (from, to) = (instant(from_ms), instant(to_ms));
            return Err(Error::usage(format!("the range from {from} to {to} is empty"))
                .next("Times are UTC; --from is included, --to is not."));
        }
        Ok(Range { from_ms, to_ms })
    }
}

impl Span {
    /// In milliseconds.
    pub fn ms(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl FromStr for Instant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let utc = |time: DateTime| time.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
        let parsed = text.parse::<Timestamp>().or_else(|_| match text.parse::<Date>() {
            Ok(date) if !text.contains(['T', ' ']) => utc(date.at(0, 0, 0, 0)),
            Ok(_) | Err(_) => text.parse::<DateTime>().and_then(utc),
        });
        match parsed {
            Ok(time) if (0..LATEST_MS).contains(&time.as_millisecond()) => Ok(Instant(time.as_millisecond())),
            Ok(_) => Err("a time between 1970 and 9999 is needed".to_owned()),
            Err(_) => Err("a time is 2026-01-31, 2026-01-31T08:00 or 2026-01-31T08:00:00Z, in UTC".to_owned()),
        }
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "a span is a number and s, m, h, d or w: 90s, 15m, 2h, 7d";
        let span: jiff::Span = text.parse().map_err(|_| FORM)?;
        let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| FORM)?;
        let length = Duration::try_from(length).ok().filter(|length| !length.is_zero());
        length.map(Span).ok_or_else(|| "a span must be longer than zero: 1s or more".to_owned())
    }
}

/// A point in time for people: how long ago within a day, else in local time.
pub fn ago(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    match now.as_second() - at.as_second() {
        seconds @ 0..60 => format!("{seconds} s ago"),
        seconds @ 60..3_600 => format!("{} min ago", seconds / 60),
        seconds @ 3_600..86_400 => format!("{} h ago", seconds / 3_600),
        _ => at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        for (text, ms) in [
            ("1970-01-02", Some(86_400_000)),
            ("1970-01-01T00:01", Some(60_000)),
            ("1970-01-01 00:01:00", Some(60_000)),
            ("1970-01-01T01:00:00+01:00", Some(0)),
            ("1970-01-01T00:00:00.5Z", Some(500)),
            ("yesterday", None),
            ("1969-12-31", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), ms.map(Instant), "{text}");
        }
    }

    #[test]
    fn spans_are_numbers_and_units() {
        for (text, seconds) in [
            ("90s", Some(90)),
            ("2h", Some(7_200)),
            ("7d", Some(604_800)),
            ("2", None),
            ("h", None),
            ("0s", None),
            ("-2h", None),
            ("", None),
            ("2é", None),
        ] {
            assert_eq!(text.parse().ok(), seconds.map(|seconds| Span(Duration::from_secs(seconds))), "{text}");
        }
    }

    #[test]
    fn an_empty_range_is_a_mistake() {
        let range = |from, to| RangeArgs { from: Some(Instant(from)), to: Some(Instant(to)), since: None }.range(0);
        assert_eq!(range(1, 2).unwrap(), Range { from_ms: 1, to_ms: 2 });
        assert_eq!(range(2, 2).unwrap_err().kind, crate::Exit::Usage);
        let since = RangeArgs { since: Some("1s".parse().unwrap()), ..RangeArgs::default() };
        assert_eq!(since.range(5_000).unwrap().from_ms, 4_000);
    }
}
