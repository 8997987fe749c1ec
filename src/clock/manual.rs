//! A clock that a test moves by hand.

use crate::sync::channel::{self, Receiver, Sender};
use crate::sync::{Arc, Condvar, Mutex, Weak};
use std::convert::Infallible;
use std::fmt;
use std::time::{Duration, Instant};

/// A monotonic clock that stands still until [`advance`](Self::advance) moves
/// it, so that a test of limits, pauses and heartbeats waits for nothing. A clone
/// is the same clock.
///
/// A host is given one with `HostBuilder::clock`. Its start and stop timeouts, the
/// delay of its stop, heartbeats, the pauses of restarts and
/// [`ServiceContext::sleep`](crate::ServiceContext::sleep) then go by that clock.
/// Nothing else does: a pool's stop, and whoever waits by the standard library,
/// live in real time.
///
/// # How to use it
///
/// Moving the clock wakes whoever waits for it, and does not wait for what they
/// do then: wait for that by something that they do, such as a message. Before
/// the clock is moved past somebody's pause, make sure that the pause has begun:
/// [`wait_for_sleepers`](Self::wait_for_sleepers) does for `sleep`.
///
/// # Examples
///
/// ```
/// use groundcrew::testing::ManualClock;
/// use groundcrew::{Host, channel};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let (tell, told) = channel::unbounded();
/// let mut host = Host::builder();
/// host.clock(&clock);
/// host.background("hourly", move |ctx| {
///     loop {
///         ctx.sleep(Duration::from_secs(3600))?;
///         tell.send("an hour has passed")?;
///     }
/// });
/// let host = host.build()?.start()?;
///
/// for _ in 0..24 {
///     clock.wait_for_sleepers(1);
///     clock.advance(Duration::from_secs(3600));
///     assert_eq!(told.recv()?, "an hour has passed");
/// }
/// assert!(host.stop().is_clean());
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
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

#[derive(Default)]
struct State {
    advanced: Duration,
    /// Told after each move. They hold locks of their own when they read the
    /// clock, so they are told without this one.
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

/// Waits for moments of the clock by a condition variable.
pub(crate) trait Watcher: Send + Sync {
    /// The clock has moved: takes the lock under which the waiter looked at the
    /// clock, and notifies it.
    fn clock_moved(&self);
}

/// Somebody who sleeps; gives up the place when dropped.
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
    /// A clock that stands. Does not block.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::testing::ManualClock;
    /// use std::time::Duration;
    ///
    /// assert_eq!(ManualClock::new().elapsed(), Duration::ZERO);
    /// ```
    pub fn new() -> ManualClock {
        ManualClock {
            inner: Arc::new(Inner {
                start: super::now(),
                state: Mutex::default(),
                changed: Condvar::new(),
            }),
        }
    }

    /// Moves the clock on, and wakes whoever waits for a moment that has come.
    /// Does not wait for what they do.
    ///
    /// # Panics
    ///
    /// When the clock would come to a time that no clock can show, in some
    /// hundred billion years.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::testing::ManualClock;
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// clock.clone().advance(Duration::from_secs(60));
    /// assert_eq!(clock.elapsed(), Duration::from_secs(60));
    /// ```
    pub fn advance(&self, by: Duration) {
        let mut state = self.inner.state.lock();
        let advanced = state.advanced.saturating_add(by);
        let now = self.inner.start.checked_add(advanced);
        let now = now.expect("a manual clock cannot be moved that far");
        state.advanced = advanced;
        let is_over = |sleeper: &Sleeper| sleeper.until.is_some_and(|until| until <= now);
        state.sleepers.retain(|sleeper| !is_over(sleeper));
        state.watchers.retain(|watcher| watcher.strong_count() > 0);
        let watchers = state.watchers.clone();
        drop(state);
        self.inner.changed.notify_all();
        for watcher in watchers.iter().filter_map(Weak::upgrade) {
            watcher.clock_moved();
        }
    }

    /// How far it was moved. Does not block.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::testing::ManualClock;
    /// # use std::time::Duration;
    /// let clock = ManualClock::new();
    /// clock.advance(Duration::from_millis(1));
    /// clock.advance(Duration::from_millis(2));
    /// assert_eq!(clock.elapsed(), Duration::from_millis(3));
    /// ```
    pub fn elapsed(&self) -> Duration {
        self.inner.state.lock().advanced
    }

    /// Blocks until at least so many threads are inside a `sleep` that goes by
    /// this clock.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::testing::ManualClock;
    /// # use groundcrew::Host;
    /// # use std::time::Duration;
    /// let clock = ManualClock::new();
    /// let mut host = Host::builder();
    /// host.clock(&clock);
    /// host.background("sleeper", |ctx| Ok(ctx.sleep(Duration::MAX)?));
    /// let host = host.build()?.start()?;
    /// clock.wait_for_sleepers(1);
    /// host.stop();
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn wait_for_sleepers(&self, count: usize) {
        let mut state = self.inner.state.lock();
        while state.sleepers.len() < count {
            self.inner.changed.wait(&mut state);
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.inner.start + self.elapsed()
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
            .finish_non_exhaustive()
    }
}
