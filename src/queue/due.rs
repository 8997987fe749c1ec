//! What comes back by itself: how it is put in, and the timer that rings for it.

use super::core::{PoolCore, Queued};
use crate::clock::{self, Deadline, Now};
use crate::record::record;
use crate::sync::Arc;
use crate::timer::{Alarm, Timer, drop_elsewhere};
use crate::unwind::{self, RateLimit};
use std::io;

impl PoolCore {
    /// Puts in a task that is due, and never waits. Refuses when the pool is closed.
    pub(crate) fn push_due(&self, task: Queued) -> Result<(), Queued> {
        self.push_due_quietly(task)?;
        self.wake_one();
        Ok(())
    }

    /// The same, for a caller that calls `wake_one` a little later.
    pub(crate) fn push_due_quietly(&self, task: Queued) -> Result<(), Queued> {
        self.timed.put_due(task)
    }

    /// The timer of the pool's clock; `None` after the report of a stop.
    pub(crate) fn timer(&self) -> Option<Arc<Timer>> {
        self.timer.get()
    }

    /// The pool has no more use for it.
    pub(crate) fn let_timer_go(&self) {
        self.timer.let_go();
    }

    /// Sees to it that the timer runs, for which it may block up to `patience`. Where no thread
    /// can be had up to then, idle workers try again. Called where no lock is held.
    pub(crate) fn start_timer(&self, patience: Deadline) -> io::Result<()> {
        let (started, lack_is_news) = self.timer.start(patience, || self.is_closed());
        if lack_is_news {
            self.wake_one();
        }
        started
    }

    /// Whether moments are set, or are about to be, and no thread could be had to wait for
    /// them.
    pub(super) fn lacks_timer(&self) -> bool {
        self.timer.lacks_thread() && !self.is_closed()
    }

    /// The same as [`start_timer`](Self::start_timer), and it is logged if there is no
    /// thread.
    pub(crate) fn prepare_to_wait(&self, patience: Deadline) {
        static LIMIT: RateLimit = RateLimit::new();
        let Err(error) = self.start_timer(patience) else {
            return;
        };
        // Each task with a time limit asks.
        if let Some(unlogged) = LIMIT.admit(clock::now()) {
            let name = &self.name;
            let more = unwind::and_more(unlogged, "were not logged");
            record!(
                Error,
                POOL,
                "the timer's thread could not be started: {error}; idle workers of pool \
                     {name} try again{more}"
            );
        }
    }
}

impl Alarm for PoolCore {
    /// The next attempt of this task is due.
    fn ring(self: Arc<Self>, id: u64, _: Now) {
        if self.timed.ring(id) {
            self.wake_one();
            self.idle.notify();
        }
        drop_elsewhere(self);
    }
}
