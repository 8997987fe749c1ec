//! Clocks, and deadlines.
//!
//! - `now`: the one reader of clocks, and what two readings say of each other.
//! - `deadline`: moments that may be "never", and waits for them.
//! - `manual`: a clock that a test moves.
//! - `freezes`: whether a thread that judges others was frozen itself; pure.

// The modules that make it public are left out there.
#![cfg_attr(any(loom, shuttle), allow(unreachable_pub))]

mod deadline;
mod freezes;
#[cfg(feature = "testing")]
mod manual;
mod now;

pub(crate) use deadline::{Deadline, default_grace};
pub(crate) use freezes::{Freezes, grown};
pub(crate) use now::{Now, Offset, now};

#[cfg(feature = "testing")]
pub use manual::ManualClock;
#[cfg(feature = "testing")]
pub(crate) use manual::Watcher;

#[cfg(feature = "testing")]
use crate::sync::channel;
use crate::sync::channel::Receiver;
use crate::sync::{Condvar, MutexGuard};
use std::convert::Infallible;
use std::time::{Duration, Instant, SystemTime};

/// The clock of a host or a pool: that of the system, or, in a test, the manual clock that the
/// builder was given. A program that reads it, instead of calling [`Instant::now`] or [`SystemTime::now`],
/// can be tested without waiting.
///
/// [`Host::clock`](crate::Host::clock), [`HostHandle::clock`](crate::HostHandle::clock),
/// [`ServiceContext::clock`](crate::ServiceContext::clock) and
/// [`TaskContext::clock`](crate::TaskContext::clock) return it. To wait by it, a service
/// calls [`ServiceContext::sleep`](crate::ServiceContext::sleep), and a task
/// [`TaskContext::sleep`](crate::TaskContext::sleep). A clone reads the same clock.
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
/// use std::time::Duration;
///
/// let mut host = Host::builder();
/// host.background("session", |ctx| {
///     let began = ctx.clock().now();
///     while ctx.clock().now() - began < Duration::from_secs(3600) {
///         ctx.sleep(Duration::from_secs(60))?;
///     }
///     Ok(()) // the session has ended
/// })
/// .one_shot();
/// assert!(host.build()?.start()?.stop().is_clean());
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Clock {
    #[cfg(feature = "testing")]
    pub(crate) manual: Option<ManualClock>,
}

impl Clock {
    /// Returns the time on the monotonic clock, which is never set.
    pub fn now(&self) -> Instant {
        #[cfg(feature = "testing")]
        if let Some(manual) = &self.manual {
            return manual.now();
        }
        now()
    }

    /// Returns the time of day.
    pub fn wall(&self) -> SystemTime {
        self.read().wall
    }

    /// Both times, read together.
    pub(crate) fn read(&self) -> Now {
        #[cfg(feature = "testing")]
        if let Some(manual) = &self.manual {
            return manual.read();
        }
        Now::of_system()
    }

    /// How long the machine has run, suspended or not; or by how much a test has advanced the clock.
    #[cfg(feature = "jobs")]
    pub(crate) fn since_boot(&self) -> Duration {
        #[cfg(feature = "testing")]
        if let Some(manual) = &self.manual {
            return manual.elapsed();
        }
        now::since_boot()
    }

    /// Which clock this is: the same number for the same one.
    pub(crate) fn id(&self) -> usize {
        #[cfg(feature = "testing")]
        if let Some(manual) = &self.manual {
            return manual.id();
        }
        0
    }

    /// Whether a test moves it.
    pub(crate) fn is_manual(&self) -> bool {
        self.id() != 0
    }

    /// A wait by this clock without a thread begins or ends: for
    /// `ManualClock::wait_for_sleepers`.
    pub(crate) fn count_waiting(&self, _more: bool) {
        #[cfg(feature = "testing")]
        if let Some(manual) = &self.manual {
            manual.count_waiting(_more);
        }
    }

    /// Waits on `changed` until it is notified, or this clock's `deadline` has come. A
    /// manual clock notifies its watchers.
    pub(crate) fn wait<T>(
        &self,
        deadline: Deadline,
        changed: &Condvar,
        guard: &mut MutexGuard<'_, T>,
    ) {
        #[cfg(feature = "testing")]
        if self.manual.is_some() {
            if !deadline.has_passed(self.now()) {
                changed.wait(guard);
            }
            return;
        }
        deadline.wait(changed, guard);
    }

    /// Blocks for `duration` by this clock, or until `woken` is disconnected;
    /// returns whether it is.
    pub(crate) fn sleep(&self, duration: Duration, woken: &Receiver<Infallible>) -> bool {
        #[cfg(feature = "testing")]
        if let Some(manual) = &self.manual {
            let sleep = manual.sleep(duration);
            let mut either = channel::Select::new();
            let first = either.recv(woken);
            either.recv(&sleep.over);
            return either.ready() == first || is_disconnected(woken);
        }
        let slept = Deadline::after(duration).receive(woken);
        slept.is_err_and(|end| end.is_disconnected())
    }
}

#[cfg(feature = "testing")]
fn is_disconnected(receiver: &Receiver<Infallible>) -> bool {
    receiver.try_recv().is_err_and(|end| end.is_disconnected())
}
