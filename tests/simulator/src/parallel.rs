//! Independent runs side by side.

use std::sync::atomic::{AtomicU64, Ordering};

/// Calls a function with every number below a limit, in a number of threads that share the numbers as they get free.
pub fn in_parallel(threads: u64, limit: u64, work: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(0);
    let take = || {
        let number = next.fetch_add(1, Ordering::Relaxed);
        (number < limit).then_some(number)
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(number) = take() {
                    work(number);
                }
            });
        }
    });
}
