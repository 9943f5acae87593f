//! Time, waiting and chance, so that a test of back-off takes no time and comes out the same.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

type Sleep = dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// A source of time, a way to wait, and a way to pick.
#[derive(Clone)]
pub struct RetryTimer {
    now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    sleep: Arc<Sleep>,
    pick: Arc<dyn Fn(u64) -> u64 + Send + Sync>,
}

impl RetryTimer {
    /// The machine's clock, the runtime's timer, random jitter.
    pub fn system() -> Self {
        RetryTimer::of(SystemTime::now, tokio::time::sleep)
    }

    /// A time and a way to wait of one's own, random jitter.
    pub fn of<F>(
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
        sleep: impl Fn(Duration) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        RetryTimer::new(now, sleep, |most| fastrand::u64(0..=most))
    }

    /// A clock of one's own; `pick(most)` is a number from 0 to `most`.
    pub fn new<F>(
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
        sleep: impl Fn(Duration) -> F + Send + Sync + 'static,
        pick: impl Fn(u64) -> u64 + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        RetryTimer { now: Arc::new(now), sleep: Arc::new(move |time| Box::pin(sleep(time))), pick: Arc::new(pick) }
    }

    /// Time since 1970.
    pub(crate) fn now(&self) -> Duration {
        (self.now)().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// Waits.
    pub(crate) async fn sleep(&self, time: Duration) {
        (self.sleep)(time).await;
    }

    /// A time between half of this one and all of it.
    pub(crate) fn jitter(&self, time: Duration) -> Duration {
        let half = time / 2;
        let most = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
        half + Duration::from_millis((self.pick)(most).min(most))
    }
}

impl fmt::Debug for RetryTimer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RetryTimer")
    }
}
