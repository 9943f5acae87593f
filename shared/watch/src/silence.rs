//! Judges whether a source is silent by its own last four weeks, hour by hour, with two rules.
//!
//! A source that is rarely quiet is silent when it is quiet for twice as long as it ever was, but for the one longest
//! time, which may have been an outage. A source with quiet nights and Sundays is silent when the hours that passed
//! without an event are hours in which it nearly always had one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Milliseconds of an hour.
pub const HOUR_MS: i64 = 60 * 60 * 1_000;

/// Hours of a source that are kept: four weeks.
pub const HOURS_MAX: usize = 28 * DAY;

const DAY: usize = 24;
const WEEK: usize = 7 * DAY;

/// Age from which a source is judged: a week; and the events that it must have had since.
const HOURS_MIN: usize = WEEK;
const EVENTS_MIN: u32 = 50;

/// Shortest silence that is reported.
const QUIET_MS_MIN: i64 = HOUR_MS;

/// Multiple of the usual quiet time that is silence.
const USUAL_TIMES: i64 = 2;

/// Likelihood below which a quiet time is silence too.
const LIKELIHOOD_MIN: f64 = 0.0001;

/// Number of events of a source in each of its last hours, at most [`HOURS_MAX`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The first hour that is not learnt yet, in hours since 1970.
    until_hour: Option<i64>,
    /// One count an hour up to it; 255 means 255 or more.
    counts: Vec<u8>,
}

/// A judgement of a quiet time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Too little is known of the source.
    Unknown,
    /// Nothing unusual.
    Usual,
    /// The source is silent.
    Silent {
        /// Length of the quiet time.
        quiet_ms: i64,
        /// The longest quiet time that is usual for it.
        usual_ms: i64,
    },
}

impl History {
    /// Returns the time from which hours are to be learnt, in milliseconds: the end of the history, or four weeks ago.
    pub fn wanted_from_ms(&self, now_ms: i64) -> i64 {
        let oldest = hour_of(now_ms) - i64::try_from(HOURS_MAX).unwrap_or(i64::MAX);
        self.until_hour.map_or(oldest, |until| until.max(oldest)) * HOUR_MS
    }

    /// Returns whether nothing is learnt yet.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Starts the history with the hour of an event.
    pub fn begin(&mut self, ms: i64) {
        self.until_hour = Some(hour_of(ms));
    }

    /// Returns whether enough is known to judge the source.
    pub fn is_known(&self) -> bool {
        let events: u32 = self.counts.iter().copied().map(u32::from).sum();
        self.counts.len() >= HOURS_MIN && events >= EVENTS_MIN
    }

    /// Learns all hours of a stretch from the events in it, whose times are in milliseconds.
    pub fn learn(&mut self, from_ms: i64, to_ms: i64, received_ms: impl Iterator<Item = i64>) {
        let mut of_hours: BTreeMap<i64, u8> = BTreeMap::new();
        for ms in received_ms {
            let count = of_hours.entry(hour_of(ms)).or_default();
            *count = count.saturating_add(1);
        }
        if self.until_hour.is_some_and(|until| until != hour_of(from_ms)) {
            // Hours that were not read are not quiet ones: the history starts again.
            self.counts.clear();
        }
        for hour in hour_of(from_ms)..hour_of(to_ms) {
            let count = of_hours.get(&hour).copied().unwrap_or_default();
            // A source's history starts with its first event, not with the first run.
            if count > 0 || !self.counts.is_empty() {
                self.counts.push(count);
            }
        }
        self.until_hour = Some(hour_of(to_ms));
        let surplus = self.counts.len().saturating_sub(HOURS_MAX);
        self.counts.drain(..surplus);
    }

    /// Judges the gap since the last event.
    pub fn judge(&self, last_ms: i64, now_ms: i64) -> Verdict {
        if !self.is_known() {
            return Verdict::Unknown;
        }
        let (quiet_ms, usual_ms) = (now_ms - last_ms, self.usual_ms());
        let unusual = quiet_ms > USUAL_TIMES * usual_ms || self.likelihood(last_ms, now_ms) < LIKELIHOOD_MIN;
        if quiet_ms >= QUIET_MS_MIN && unusual { Verdict::Silent { quiet_ms, usual_ms } } else { Verdict::Usual }
    }

    /// Returns the second longest quiet time, to the hour.
    fn usual_ms(&self) -> i64 {
        let mut quiet: Vec<usize> = self.counts.split(|count| *count > 0).map(<[u8]>::len).collect();
        quiet.sort_unstable_by(|a, b| b.cmp(a));
        let second = quiet.get(1).copied().unwrap_or_default();
        (i64::try_from(second).unwrap_or_default() + 1) * HOUR_MS
    }

    /// Returns the likelihood that all whole hours between two times have no event.
    fn likelihood(&self, last_ms: i64, now_ms: i64) -> f64 {
        (hour_of(last_ms) + 1..hour_of(now_ms)).map(|hour| 1.0 - self.usual_activity(hour)).product()
    }

    /// Returns the share of such hours that have an event, by the same hour of every day and of the same day of every
    /// week: the lower share, but the higher if all weeks had an event. One more hour without is added, since no share
    /// is ever certain.
    fn usual_activity(&self, hour: i64) -> f64 {
        let share = |(active, all): (u32, u32), more: u32| f64::from(active) / f64::from((all + more).max(1));
        let (of_day, of_week) = (self.active(hour, DAY), self.active(hour, WEEK));
        let daily = share(of_day, 1);
        if of_week.0 == of_week.1 { daily.max(share(of_week, 1)) } else { daily.min(share(of_week, 0)) }
    }

    /// Counts the known hours that are whole periods away: those with an event, and all of them.
    fn active(&self, hour: i64, period: usize) -> (u32, u32) {
        let length = i64::try_from(self.counts.len()).unwrap_or_default();
        let first = self.until_hour.unwrap_or_default() - length;
        let step = i64::try_from(period).unwrap_or(1);
        let offset = usize::try_from((hour - first).rem_euclid(step)).unwrap_or_default();
        let hours = self.counts.iter().skip(offset).step_by(period);
        hours.fold((0, 0), |(active, all), count| (active + u32::from(*count > 0), all + 1))
    }
}

fn hour_of(ms: i64) -> i64 {
    ms.div_euclid(HOUR_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Monday, 2026-01-05, 00:00 UTC.
    const MONDAY_MS: i64 = 1_767_571_200_000;

    /// Four weeks with a number of events in each hour, given by day of the week and hour.
    fn four_weeks(count: impl Fn(i64, i64) -> i64) -> History {
        let mut history = History::default();
        let events = (0..28 * 24).flat_map(|hour| {
            let (day, of_day) = (hour / 24 % 7, hour % 24);
            std::iter::repeat_n(MONDAY_MS + hour * HOUR_MS + 1, usize::try_from(count(day, of_day)).unwrap())
        });
        history.learn(MONDAY_MS, MONDAY_MS + 28 * 24 * HOUR_MS, events);
        history
    }

    #[track_caller]
    fn silent_after(history: &History, day: i64, hour: i64, quiet_hours: i64) -> bool {
        let last_ms = MONDAY_MS + 28 * 24 * HOUR_MS + (day * 24 + hour) * HOUR_MS;
        match history.judge(last_ms, last_ms + quiet_hours * HOUR_MS) {
            Verdict::Silent { quiet_ms, .. } => quiet_ms == quiet_hours * HOUR_MS,
            Verdict::Usual => false,
            Verdict::Unknown => panic!("too little is known"),
        }
    }

    #[test]
    fn quiet_is_judged_by_what_is_usual() {
        let busy = four_weeks(|_, _| 40);
        let by_day = four_weeks(|_, hour| i64::from((6..22).contains(&hour)) * 3);
        let weekdays = four_weeks(|day, hour| i64::from(day < 5 && (8..18).contains(&hour)));
        let rare = four_weeks(|day, hour| i64::from(hour == 12 && day % 2 == 0) * 5);
        for (history, day, hour, quiet_hours, silent) in [
            (&busy, 0, 12, 1, false),
            (&busy, 0, 12, 3, true),
            (&busy, 6, 3, 3, true),
            (&by_day, 0, 21, 9, false),
            (&by_day, 0, 21, 12, true),
            (&by_day, 0, 10, 2, false),
            (&by_day, 0, 10, 5, true),
            (&weekdays, 4, 17, 62, false),
            (&weekdays, 4, 17, 71, true),
            (&rare, 0, 12, 24, false),
            (&rare, 0, 12, 47, false),
            (&rare, 0, 12, 120, true),
        ] {
            assert_eq!(silent_after(history, day, hour, quiet_hours), silent, "day {day} hour {hour}: {quiet_hours} h");
        }
    }

    #[test]
    fn one_outage_is_not_taken_for_usual() {
        let mut history = History::default();
        let events = (0..28 * 24).filter(|hour| !(200..260).contains(hour));
        history.learn(MONDAY_MS, MONDAY_MS + 28 * 24 * HOUR_MS, events.map(|hour| MONDAY_MS + hour * HOUR_MS));
        assert!(silent_after(&history, 0, 12, 5));
    }

    #[test]
    fn young_and_rare_sources_are_not_judged() {
        let late_ms = MONDAY_MS + 60 * 24 * HOUR_MS;
        let mut young = History::default();
        young.learn(MONDAY_MS, MONDAY_MS + 9 * 24 * HOUR_MS, (0..500).map(|n| MONDAY_MS + 3 * 24 * HOUR_MS + n));
        assert_eq!(young.judge(MONDAY_MS, late_ms), Verdict::Unknown);
        assert_eq!(
            four_weeks(|day, hour| i64::from(day == 0 && hour == 0)).judge(MONDAY_MS, late_ms),
            Verdict::Unknown
        );
        assert_eq!(History::default().judge(0, late_ms), Verdict::Unknown);
    }

    #[test]
    fn learning_goes_on_where_it_ended() {
        let mut whole = four_weeks(|_, hour| hour);
        let mut parts = History::default();
        assert_eq!(parts.wanted_from_ms(MONDAY_MS + 28 * 24 * HOUR_MS), MONDAY_MS);
        for day in 0..28 {
            let from_ms = parts.wanted_from_ms(MONDAY_MS + 28 * 24 * HOUR_MS).max(MONDAY_MS);
            let events =
                (0..24).flat_map(|hour| std::iter::repeat_n(from_ms + hour * HOUR_MS, usize::try_from(hour).unwrap()));
            parts.learn(from_ms, MONDAY_MS + (day + 1) * 24 * HOUR_MS, events);
        }
        assert_eq!(parts, whole);
        // A stretch that was not read is not taken for silence.
        let later_ms = MONDAY_MS + 90 * 24 * HOUR_MS;
        let from_ms = whole.wanted_from_ms(later_ms);
        assert_eq!(from_ms, later_ms - 28 * 24 * HOUR_MS);
        whole.learn(from_ms, later_ms, std::iter::once(later_ms - 1));
        assert_eq!(whole.counts, [1]);
    }
}
