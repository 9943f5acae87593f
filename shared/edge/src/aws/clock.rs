//! Time and waiting, by the SDK's own interfaces, so that a test can replace both.

use std::future::Future;
use std::time::Duration;

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};

/// A source of time and a way to wait.
#[derive(Debug, Clone)]
pub struct Clock {
    time: SharedTimeSource,
    sleep: SharedAsyncSleep,
}

impl Clock {
    /// The system clock.
    pub fn system() -> Self {
        Clock::new(SharedTimeSource::new(SystemTimeSource::new()), SharedAsyncSleep::new(TokioSleep::new()))
    }

    /// A clock from the SDK's parts.
    pub fn new(time: SharedTimeSource, sleep: SharedAsyncSleep) -> Self {
        Clock { time, sleep }
    }

    /// Returns milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        let since_1970 = self.time.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep.sleep(duration).await;
    }

    /// Returns the output of a future, or `None` if it is not ready in time.
    pub async fn within<T>(&self, duration: Duration, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.sleep(duration) => None,
        }
    }

    /// Returns the time source, for SDK clients.
    pub fn time_source(&self) -> SharedTimeSource {
        self.time.clone()
    }

    /// Returns the means of waiting, for SDK clients.
    pub fn sleep_impl(&self) -> SharedAsyncSleep {
        self.sleep.clone()
    }
}
