//! Keeping within a provider's published limits, so that they need not be enforced on us.

use std::collections::VecDeque;
use std::time::Duration;

/// So many calls in any period of this length.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// The number of calls.
    pub calls: usize,
    /// In how long.
    pub period: Duration,
}

/// The calls of the recent past.
#[derive(Debug)]
pub(crate) struct Pace {
    allowances: &'static [Allowance],
    /// When calls were made, as time since 1970, the oldest first.
    calls: VecDeque<Duration>,
    /// No call before this: the provider said so.
    held_until: Duration,
}

impl Pace {
    pub(crate) fn new(allowances: &'static [Allowance]) -> Self {
        Pace { allowances, calls: VecDeque::new(), held_until: Duration::ZERO }
    }

    /// Returns the wait before a call, and counts the call as made after that wait.
    pub(crate) fn take(&mut self, now: Duration) -> Duration {
        let free = |allowance: &Allowance| {
            let earlier = self.calls.len().checked_sub(allowance.calls)?;
            self.calls.get(earlier).map(|call| *call + allowance.period)
        };
        let at = self.allowances.iter().filter_map(free).fold(now.max(self.held_until), Duration::max);
        let longest = self.allowances.iter().map(|allowance| allowance.calls).max().unwrap_or_default();
        self.calls.push_back(at);
        while self.calls.len() > longest {
            self.calls.pop_front();
        }
        at.saturating_sub(now)
    }

    /// Makes no call before this time.
    pub(crate) fn hold(&mut self, until: Duration) {
        self.held_until = self.held_until.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_period_has_more_calls_than_allowed() {
        const ALLOWANCES: &[Allowance] = &[
            Allowance { calls: 3, period: Duration::from_secs(1) },
            Allowance { calls: 5, period: Duration::from_secs(10) },
        ];
        let mut pace = Pace::new(ALLOWANCES);
        let now = Duration::from_secs(1_000);
        let waits: Vec<_> = (0..7).map(|_| pace.take(now).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 1, 1, 10, 10]);
        pace.hold(now + Duration::from_secs(60));
        assert_eq!(pace.take(now).as_secs(), 60);
        assert_eq!(Pace::new(&[]).take(now), Duration::ZERO);
    }
}
