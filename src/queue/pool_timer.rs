//! The timer of a pool: made when it is first asked for, and gone after a stop.

use crate::clock::{Clock, Deadline};
use crate::sync::{Arc, AtomicBool, Mutex, SeqCst};
use crate::threads;
use crate::timer::Timer;
use std::io;

pub(super) struct PoolTimer {
    clock: Clock,
    timer: Mutex<Use>,
    /// Moments are set, or are about to be, and no thread could be had to wait for them.
    lacks_thread: AtomicBool,
}

/// What the pool has of the timer of its clock.
enum Use {
    NotYet,
    Now(Arc<Timer>),
    /// The report of a stop was made.
    NoMore,
}

impl PoolTimer {
    pub(super) fn new(clock: Clock) -> PoolTimer {
        PoolTimer {
            clock,
            timer: Mutex::new(Use::NotYet),
            lacks_thread: AtomicBool::new(false),
        }
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// `None` after the report of a stop.
    pub(super) fn get(&self) -> Option<Arc<Timer>> {
        let mut timer = self.timer.lock();
        if let Use::NotYet = *timer {
            *timer = Use::Now(Timer::of(&self.clock));
        }
        match &*timer {
            Use::Now(timer) => Some(timer.clone()),
            Use::NotYet | Use::NoMore => None,
        }
    }

    /// The pool has no more use for it.
    pub(super) fn let_go(&self) {
        let timer = std::mem::replace(&mut *self.timer.lock(), Use::NoMore);
        // Without the lock: it may be the last, and joins the timer's thread.
        drop(timer);
    }

    /// Sees to it that the timer runs, for which it may block up to `patience`, but not once
    /// the pool is closed: a stop waits for the workers, and nothing is set any more. Called
    /// where no lock is held. The other value returned: whether the lack of a thread is news.
    pub(super) fn start(
        &self,
        patience: Deadline,
        is_closed: impl Fn() -> bool,
    ) -> (io::Result<()>, bool) {
        let timer = match is_closed() {
            true => None,
            false => self.get(),
        };
        let Some(timer) = timer else {
            return (Ok(()), false);
        };
        let started = threads::try_until(patience, || match is_closed() {
            true => Ok(()),
            false => timer.start(),
        });
        let lacked = self.lacks_thread.swap(started.is_err(), SeqCst);
        let is_news = started.is_err() && !lacked;
        (started, is_news)
    }

    pub(super) fn lacks_thread(&self) -> bool {
        self.lacks_thread.load(SeqCst)
    }
}
