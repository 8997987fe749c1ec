//! A clock that a test moves by hand.

use super::now::{Now, now};
use crate::sync::channel::{self, Receiver, Sender};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::convert::Infallible;
use std::fmt;
use std::time::{Duration, Instant, SystemTime};

/// A clock that stands still until a test moves it, so that a test of limits, pauses,
/// schedules and retries waits for nothing. A clone is the same clock.
///
/// It has a monotonic time and a time of day. [`advance`](Self::advance) moves both, as time does.
/// [`set_wall`](Self::set_wall) moves the time of day alone, either way, as an administrator does,
/// or a suspended machine that wakes up.
///
/// A host is given one with `HostBuilder::clock`. Its start and stop timeouts, the
/// delay of its stop, heartbeats, the pauses of restarts and
/// [`ServiceContext::sleep`](crate::ServiceContext::sleep) then go by that clock.
///
/// A pool is given one with `PoolBuilder::clock`. The pauses of
/// [retries](crate::TaskBuilder::retry), [time limits](crate::TaskBuilder::time_limit),
/// and the schedules and batches that use the pool then go by that clock.
///
/// Nothing else does: a pool's stop, and waits of the standard library, take real time.
///
/// # How to use it
///
/// Moving the clock wakes the threads that wait for it. When that returns, what came due by
/// a schedule, or after a pause between retries, is in its pool's queue, so that
/// [`Pool::wait_idle`](crate::Pool::wait_idle) waits for the rest. What threads do that
/// were asleep is not waited for: wait for that by something that they do, such as a
/// message. Before the clock is moved past a pause, make sure that the pause has begun:
/// [`wait_for_sleepers`](Self::wait_for_sleepers) does.
///
/// A schedule that comes due many times within one move has missed all but the last of
/// them, as after a long sleep of the machine: move the clock in steps.
///
/// # Examples
///
/// ```
/// use groundcrew::testing::ManualClock;
/// use groundcrew::{Host, channel};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let (sender, receiver) = channel::unbounded();
/// let mut host = Host::builder();
/// host.clock(&clock);
/// host.background("hourly", move |ctx| {
///     loop {
///         ctx.sleep(Duration::from_secs(3600))?;
///         sender.send("an hour has passed")?;
///     }
/// });
/// let host = host.build()?.start()?;
///
/// for _ in 0..24 {
///     clock.wait_for_sleepers(1);
///     clock.advance(Duration::from_secs(3600));
///     assert_eq!(receiver.recv()?, "an hour has passed");
/// }
/// assert!(host.stop().is_clean());
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone)]
pub struct ManualClock {
    inner: Arc<Inner>,
}

struct Inner {
    start: Instant,
    state: Mutex<State>,
    /// The number of sleepers has changed.
    changed: Condvar,
}

struct State {
    advanced: Duration,
    wall: SystemTime,
    /// Those that wait without a thread.
    waiting: usize,
    /// Notified after each move. They hold locks of their own when they read the clock, so
    /// they are notified without this one.
    watchers: Vec<Weak<dyn Watcher>>,
    sleepers: Vec<Sleeper>,
    next: u64,
}

struct Sleeper {
    number: u64,
    until: Option<Instant>,
    /// Dropped when the time has come.
    _wake: Sender<Infallible>,
}

const BEGINNING_OF_2026: Duration = Duration::from_secs(1_767_225_600);

/// Waits for moments of the clock by a condition variable.
pub(crate) trait Watcher: Send + Sync {
    /// The clock has moved: takes the lock under which the waiter looked at the
    /// clock, and notifies it.
    fn clock_moved(&self);
}

/// A sleeping thread; gives up the place when dropped.
pub(super) struct Sleep<'a> {
    clock: &'a Inner,
    number: u64,
    pub(super) over: Receiver<Infallible>,
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        let mut state = self.clock.state.lock();
        state
            .sleepers
            .retain(|sleeper| sleeper.number != self.number);
        self.clock.changed.notify_all();
    }
}

impl ManualClock {
    /// A clock that stands at the beginning of 2026, in UTC.
    pub fn new() -> ManualClock {
        ManualClock::at(SystemTime::UNIX_EPOCH + BEGINNING_OF_2026)
    }

    /// A clock that stands at this time of day.
    pub fn at(wall: SystemTime) -> ManualClock {
        ManualClock {
            inner: Arc::new(Inner {
                start: now(),
                state: Mutex::new(State {
                    advanced: Duration::ZERO,
                    wall,
                    waiting: 0,
                    watchers: Vec::new(),
                    sleepers: Vec::new(),
                    next: 0,
                }),
                changed: Condvar::new(),
            }),
        }
    }

    /// Advances the monotonic and the wall clock, and wakes the threads whose moment has
    /// come. Blocks until what came due is in its pool's queue, and for nothing else.
    ///
    /// # Panics
    ///
    /// When the clock would come to a time that no clock can show, in some
    /// hundred billion years.
    pub fn advance(&self, by: Duration) {
        self.move_on(self.inner.state.lock(), by);
    }

    fn move_on(&self, mut state: MutexGuard<'_, State>, by: Duration) {
        let advanced = state.advanced.saturating_add(by);
        let now = self.inner.start.checked_add(advanced);
        let now = now.expect("a manual clock cannot be moved that far");
        let wall = state.wall.checked_add(by);
        state.wall = wall.expect("a manual clock cannot be moved that far");
        state.advanced = advanced;
        let is_over = |sleeper: &Sleeper| sleeper.until.is_some_and(|until| until <= now);
        state.sleepers.retain(|sleeper| !is_over(sleeper));
        self.notify(state);
    }

    /// Advances both clocks until it is this time of day; one that has passed moves
    /// nothing. Otherwise, and in what it blocks for, like [`advance`](Self::advance).
    ///
    /// # Panics
    ///
    /// As [`advance`](Self::advance).
    pub fn advance_to(&self, wall: SystemTime) {
        let state = self.inner.state.lock();
        let by = wall.duration_since(state.wall).unwrap_or_default();
        self.move_on(state, by);
    }

    /// Sets the wall clock, later or earlier than it was; the monotonic clock stays. Wakes
    /// and blocks like [`advance`](Self::advance).
    pub fn set_wall(&self, wall: SystemTime) {
        let mut state = self.inner.state.lock();
        state.wall = wall;
        self.notify(state);
    }

    /// What waits for the time of day, or for time to pass, looks again.
    fn notify(&self, mut state: MutexGuard<'_, State>) {
        state.watchers.retain(|watcher| watcher.strong_count() > 0);
        // They read the clock: called without its lock.
        let watchers = state.watchers.clone();
        drop(state);
        self.inner.changed.notify_all();
        for watcher in watchers.iter().filter_map(Weak::upgrade) {
            watcher.clock_moved();
        }
    }

    /// The time of day.
    pub fn wall(&self) -> SystemTime {
        self.inner.state.lock().wall
    }

    /// How far the clock was advanced since it was made.
    pub fn elapsed(&self) -> Duration {
        self.inner.state.lock().advanced
    }

    /// Blocks until at least `count` wait by this clock: threads inside a `sleep`, and
    /// retried tasks and batches in the pause before their next attempt.
    pub fn wait_for_sleepers(&self, count: usize) {
        let mut state = self.inner.state.lock();
        while state.sleepers.len() + state.waiting < count {
            self.inner.changed.wait(&mut state);
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.read().mono
    }

    pub(super) fn read(&self) -> Now {
        let state = self.inner.state.lock();
        Now {
            mono: self.inner.start + state.advanced,
            wall: state.wall,
        }
    }

    pub(super) fn id(&self) -> usize {
        Arc::as_ptr(&self.inner).addr()
    }

    pub(super) fn count_waiting(&self, more: bool) {
        let mut state = self.inner.state.lock();
        match more {
            true => state.waiting += 1,
            false => state.waiting -= 1,
        }
        drop(state);
        self.inner.changed.notify_all();
    }

    pub(crate) fn watch(&self, watcher: Weak<dyn Watcher>) {
        self.inner.state.lock().watchers.push(watcher);
    }

    pub(super) fn sleep(&self, duration: Duration) -> Sleep<'_> {
        let (wake, over) = channel::bounded(0);
        let mut state = self.inner.state.lock();
        let now = self.inner.start + state.advanced;
        let number = state.next;
        state.next += 1;
        if !duration.is_zero() {
            state.sleepers.push(Sleeper {
                number,
                until: now.checked_add(duration),
                _wake: wake,
            });
        }
        drop(state);
        self.inner.changed.notify_all();
        Sleep {
            clock: &self.inner,
            number,
            over,
        }
    }
}

impl Default for ManualClock {
    /// The same as [`ManualClock::new`].
    fn default() -> ManualClock {
        ManualClock::new()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualClock")
            .field("elapsed", &self.elapsed())
            .field("wall", &self.wall())
            .finish_non_exhaustive()
    }
}
