//! One thread, one virtual clock: ready tasks run in seeded order, and time moves only when none is ready.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, Sleep};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};

use crate::random::Random;

/// The time at which every run begins, in milliseconds since 1970.
pub const START_MS: u64 = 1_767_225_600_000;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The virtual clock, shared by everything that waits.
#[derive(Debug, Clone, Default)]
pub struct VirtualTime(Arc<Mutex<Timers>>);

#[derive(Debug, Default)]
struct Timers {
    now_us: u64,
    count: u64,
    waiting: BinaryHeap<Reverse<Timer>>,
}

#[derive(Debug)]
struct Timer {
    at_us: u64,
    number: u64,
    waker: Waker,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        (self.at_us, self.number) == (other.at_us, other.number)
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_us, self.number).cmp(&(other.at_us, other.number))
    }
}

impl VirtualTime {
    /// Returns microseconds since the run began.
    pub fn now_us(&self) -> u64 {
        self.0.lock().unwrap().now_us
    }

    /// Returns milliseconds since the run began.
    pub fn now_ms(&self) -> u64 {
        self.now_us() / 1_000
    }

    /// Waits a number of milliseconds.
    pub fn wait_ms(&self, ms: u64) -> Wait {
        self.wait(Duration::from_millis(ms))
    }

    fn wait(&self, duration: Duration) -> Wait {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Wait { time: self.clone(), until_us: self.now_us().saturating_add(us), known: false }
    }

    /// Returns the time source that the SDK and the functions take.
    pub fn source(&self) -> SharedTimeSource {
        SharedTimeSource::new(self.clone())
    }

    /// Returns the sleep that the SDK and the functions take.
    pub fn sleep(&self) -> SharedAsyncSleep {
        SharedAsyncSleep::new(self.clone())
    }

    /// Moves on to the next timer. Returns whether there was one.
    fn advance(&self) -> bool {
        let due = {
            let mut timers = self.0.lock().unwrap();
            let Some(Reverse(timer)) = timers.waiting.pop() else { return false };
            timers.now_us = timers.now_us.max(timer.at_us);
            timer
        };
        due.waker.wake();
        true
    }
}

impl TimeSource for VirtualTime {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(START_MS) + Duration::from_micros(self.now_us())
    }
}

impl AsyncSleep for VirtualTime {
    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(self.wait(duration))
    }
}

/// A wait on the virtual clock.
#[derive(Debug)]
pub struct Wait {
    time: VirtualTime,
    until_us: u64,
    known: bool,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let until_us = self.until_us;
        let mut timers = self.time.0.lock().unwrap();
        if timers.now_us >= until_us {
            return Poll::Ready(());
        }
        if !self.known {
            timers.count += 1;
            let timer = Timer { at_us: until_us, number: timers.count, waker: context.waker().clone() };
            timers.waiting.push(Reverse(timer));
            drop(timers);
            self.known = true;
        }
        Poll::Pending
    }
}

#[derive(Debug, Default)]
struct Ready(Mutex<Vec<u64>>);

struct Alarm {
    task: u64,
    ready: Arc<Ready>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.0.lock().unwrap();
        if !ready.contains(&self.task) {
            ready.push(self.task);
        }
    }
}

/// Runs tasks.
pub struct Executor {
    tasks: BTreeMap<u64, (Task, Waker)>,
    ready: Arc<Ready>,
    count: u64,
    time: VirtualTime,
    random: Random,
}

impl Executor {
    /// Makes an executor on a clock. The seed decides which of the ready tasks runs first.
    pub fn new(time: VirtualTime, seed: u64) -> Self {
        let random = Random::new(seed, "executor");
        Executor { tasks: BTreeMap::new(), ready: Arc::default(), count: 0, time, random }
    }

    /// Adds a task.
    pub fn spawn(&mut self, task: impl Future<Output = ()> + 'static) {
        self.count += 1;
        let waker = Waker::from(Arc::new(Alarm { task: self.count, ready: Arc::clone(&self.ready) }));
        waker.wake_by_ref();
        self.tasks.insert(self.count, (Box::pin(task), waker));
    }

    /// Runs until the condition holds, nothing can happen any more, or the time is over. Returns true if it holds.
    pub fn run_until(&mut self, limit_ms: u64, mut done: impl FnMut() -> bool) -> bool {
        loop {
            if done() {
                return true;
            }
            let next = {
                let mut ready = self.ready.0.lock().unwrap();
                let count = ready.len();
                (count > 0).then(|| ready.swap_remove(self.random.below(count)))
            };
            let Some(number) = next else {
                if self.time.now_ms() > limit_ms || !self.time.advance() {
                    return done();
                }
                continue;
            };
            let Some((task, waker)) = self.tasks.get_mut(&number) else { continue };
            if task.as_mut().poll(&mut Context::from_waker(waker)).is_ready() {
                self.tasks.remove(&number);
            }
        }
    }
}
