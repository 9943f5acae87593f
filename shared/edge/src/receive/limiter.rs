//! The bounds of a stranger's cost: budgets of writes, fetches and log lines, and equal times within and beyond them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Writes that a warm function may make at once for the senders of one network at one source.
pub const BURST: u32 = 20;
/// Milliseconds until the limiter allows such a network one more write.
pub const REFILL_MS: i64 = 5_000;
/// All networks of one source together may have this many times as much.
const NETWORKS: u32 = 2;

/// Networks that are distinguished at once. When there are more, the further ones count as one.
const NETWORKS_MAX: usize = 1_000;

/// Durations that are remembered of each size of body.
const DURATIONS: usize = 16;

/// The network that a request came from, as far as it is distinguished: an IPv4 address without its last byte, the first
/// six bytes of an IPv6 address. Only compared within a process: never kept, never logged.
pub type Network = Option<[u8; 6]>;

/// A budget that refills with time.
#[derive(Debug, Clone, Copy)]
pub struct TokenBucket {
    burst: u32,
    refill_ms: i64,
    tokens: u32,
    since_ms: i64,
}

impl TokenBucket {
    /// A full bucket.
    pub fn new(burst: u32, refill_ms: i64, now_ms: i64) -> Self {
        TokenBucket { burst, refill_ms, tokens: burst, since_ms: now_ms }
    }

    /// Takes a token if there is one.
    pub fn take(&mut self, now_ms: i64) -> bool {
        self.refill(now_ms);
        let allowed = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        allowed
    }

    fn refill(&mut self, now_ms: i64) {
        let earned = u32::try_from((now_ms - self.since_ms).max(0) / self.refill_ms).unwrap_or(self.burst);
        if earned > 0 {
            self.tokens = self.tokens.saturating_add(earned).min(self.burst);
            self.since_ms += i64::from(earned) * self.refill_ms;
        }
    }

    fn is_full(&mut self, now_ms: i64) -> bool {
        self.refill(now_ms);
        self.tokens == self.burst
    }
}

/// Allows a source's refused deliveries a number of writes: one number for each network that they come from, so that one
/// sender's flood leaves another's delivery its place, and one for all.
#[derive(Debug, Default)]
pub struct Limiter {
    buckets: Mutex<Buckets>,
}

#[derive(Debug, Default)]
struct Buckets {
    of_network: HashMap<(String, Network), TokenBucket>,
    of_source: HashMap<String, TokenBucket>,
}

impl Limiter {
    /// Takes a write from the budgets of a source and a network, if both have one.
    pub fn allows(&self, source: &str, network: Network, now_ms: i64) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Buckets { of_network, of_source } = &mut *buckets;
        let mut key = (source.to_owned(), network);
        if of_network.len() >= NETWORKS_MAX && !of_network.contains_key(&key) {
            of_network.retain(|_, bucket| !bucket.is_full(now_ms));
            if of_network.len() >= NETWORKS_MAX {
                key.1 = None;
            }
        }
        let network = of_network.entry(key).or_insert_with(|| TokenBucket::new(BURST, REFILL_MS, now_ms));
        if !network.take(now_ms) {
            return false;
        }
        let new = || TokenBucket::new(NETWORKS * BURST, REFILL_MS / i64::from(NETWORKS), now_ms);
        of_source.entry(source.to_owned()).or_insert_with(new).take(now_ms)
    }
}

/// The time that something lately took, for whoever leaves it out and must not show that: by the size of the body.
#[derive(Debug, Default)]
pub struct WriteTimes {
    durations: Mutex<BTreeMap<u32, VecDeque<Duration>>>,
}

impl WriteTimes {
    /// Remembers a duration.
    pub fn record(&self, body_bytes: usize, took: Duration) {
        let mut durations = self.durations.lock().unwrap_or_else(PoisonError::into_inner);
        let of_size = durations.entry(body_bytes.max(1).ilog2()).or_default();
        of_size.push_back(took);
        if of_size.len() > DURATIONS {
            of_size.pop_front();
        }
    }

    /// Returns one of the remembered durations of that size, each in its turn, or of the next one of which there are any.
    pub fn typical(&self, body_bytes: usize) -> Duration {
        let size = body_bytes.max(1).ilog2();
        let mut durations = self.durations.lock().unwrap_or_else(PoisonError::into_inner);
        let nearest = durations.keys().copied().min_by_key(|known| known.abs_diff(size));
        let of_size = nearest.and_then(|nearest| durations.get_mut(&nearest));
        let Some(of_size) = of_size else { return Duration::ZERO };
        of_size.rotate_left(usize::from(!of_size.is_empty()));
        of_size.back().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gets_its_burst_and_then_a_trickle() {
        let limiter = Limiter::default();
        let allowed = |source: &str, now_ms: i64| (0..1_000).filter(|_| limiter.allows(source, None, now_ms)).count();
        assert_eq!(allowed("a", 0), 20);
        assert_eq!(allowed("a", REFILL_MS - 1), 0);
        assert_eq!(allowed("a", 3 * REFILL_MS), 3);
        assert_eq!(allowed("b", 3 * REFILL_MS), 20);
        assert_eq!(allowed("a", 1_000_000_000), 20);
    }

    #[test]
    fn one_networks_flood_leaves_the_others_their_place_and_many_networks_are_bounded() {
        let limiter = Limiter::default();
        let allowed = |network: u16, now_ms: i64, times: usize| {
            let [high, low] = network.to_be_bytes();
            let network = Some([10, high, low, 0, 0, 0]);
            (0..times).filter(|_| limiter.allows("a", network, now_ms)).count()
        };
        assert_eq!(allowed(0, 0, 1_000), 20);
        assert_eq!(allowed(1, 0, 5), 5);
        assert_eq!((2..u16::MAX).map(|network| allowed(network, 0, 1)).sum::<usize>(), 40 - 25);
        assert_eq!(limiter.buckets.lock().unwrap().of_network.len(), NETWORKS_MAX + 1);
        // When all of them have rested there is room again.
        assert_eq!(allowed(50_000, 1_000_000_000, 1_000), 20);
        assert!(limiter.buckets.lock().unwrap().of_network.len() < NETWORKS_MAX);
    }

    #[test]
    fn what_is_left_out_takes_as_long_as_what_is_done() {
        let times = WriteTimes::default();
        assert_eq!(times.typical(5), Duration::ZERO);
        for ms in 0..20 {
            times.record(1_000, Duration::from_millis(ms));
        }
        times.record(100_000, Duration::from_millis(99));
        let mut seen: Vec<u128> = (0..DURATIONS).map(|_| times.typical(900).as_millis()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (4..20).collect::<Vec<_>>());
        assert_eq!(times.typical(1_000_000).as_millis(), 99);
    }
}
