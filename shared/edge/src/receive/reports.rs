//! Log lines that strangers can cause: counted, and written together, so that a flood does not become a bill for logs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// One line reports this many deliveries of one kind, or those of this many milliseconds.
const DELIVERIES_A_LINE: u64 = 20;
const DELIVERIES_MS_MAX: i64 = 10_000;

/// Deliveries that no line has reported yet, by outcome and by whether somebody has to look at them.
#[derive(Debug, Default)]
pub struct Reports(Mutex<BTreeMap<(&'static str, bool), Unreported>>);

#[derive(Debug, Default)]
struct Unreported {
    count: u64,
    reported_ms: Option<i64>,
}

impl Reports {
    /// Counts a delivery. Returns the number of them to report; `None` while no line is due.
    pub fn due(&self, outcome: &'static str, attention: bool, now_ms: i64) -> Option<u64> {
        let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unreported = reports.entry((outcome, attention)).or_default();
        unreported.count += 1;
        let due = unreported.reported_ms.is_none_or(|reported_ms| now_ms - reported_ms >= DELIVERIES_MS_MAX);
        if !due && unreported.count < DELIVERIES_A_LINE {
            return None;
        }
        unreported.reported_ms = Some(now_ms);
        Some(std::mem::take(&mut unreported.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_reported_at_once_and_the_others_together() {
        let reports = Reports::default();
        let reported = |outcome, count: usize, now_ms| {
            (0..count).filter_map(|_| reports.due(outcome, false, now_ms)).collect::<Vec<_>>()
        };
        assert_eq!(reported("refused", 1, 0), [1]);
        assert_eq!(reported("refused", 45, 1), [20, 20]);
        assert_eq!(reported("method", 1, 1), [1]);
        assert_eq!(
            reports.due("refused", true, 1),
            Some(1),
            "what somebody has to look at is not hidden by the others"
        );
        assert_eq!(reported("refused", 1, DELIVERIES_MS_MAX + 1), [6]);
    }
}
