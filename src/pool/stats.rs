//! The pool in numbers.

use crate::queue::{Latencies, Latency, PoolCore};
use crate::submit::Submitter;
use crate::worker::Counts;
use std::fmt;

/// The counters of a pool at one moment, returned by [`Pool::stats`](crate::Pool::stats).
///
/// The counters are read one after the other while the pool works, so they may disagree by the
/// tasks that changed state meanwhile. Once a stop has made its report, they add up as those of the
/// report do.
///
/// With the feature `serde` it can be serialized.
///
/// # Examples
///
/// ```
/// let pool = groundcrew::Pool::new(2)?;
/// for _ in 0..10 {
///     pool.execute(|| ())?;
/// }
/// pool.wait_idle();
/// let stats = pool.stats();
/// assert_eq!(stats.accepted(), 10);
/// assert_eq!(stats.completed(), 10);
/// assert_eq!((stats.queued(), stats.running()), (0, 0));
/// assert_eq!(stats.workers_alive(), 2);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone)]
pub struct PoolStats {
    accepted: u64,
    queued: usize,
    queue_peak: usize,
    overflow: usize,
    overflow_peak: usize,
    waiting: usize,
    due: usize,
    running: usize,
    counts: Counts,
    cancelled: u64,
    expired: u64,
    unstarted: u64,
    abandoned: u64,
    stopping: u64,
    refused: u64,
    workers_alive: usize,
    latency: Option<Latency>,
}

impl Submitter {
    /// Returns the current counters of the pool, like [`Pool::stats`](crate::Pool::stats). Also
    /// works after a stop, and after the pool was dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = groundcrew::Pool::new(1)?;
    /// let submitter = pool.submitter();
    /// submitter.submit(|| ())?.join()?;
    /// drop(pool);
    /// assert_eq!((submitter.stats().accepted(), submitter.stats().completed()), (1, 1));
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn stats(&self) -> PoolStats {
        PoolStats::of(&self.pool_ref().core)
    }
}

impl PoolStats {
    pub(super) fn of(core: &PoolCore) -> PoolStats {
        let mut counts = Counts::default();
        let mut running = 0;
        for slot in &core.slots {
            let (on_stack, of_worker) = slot.counts();
            running += on_stack;
            counts.add(&of_worker);
        }
        let queued = core.queued();
        let overflow = core.overflowed();
        let later = core.backlog();
        let left = core.left_behind();
        PoolStats {
            accepted: (counts.taken + left.taken_out + (queued + overflow + later.due) as u64)
                .saturating_sub(later.repeated),
            waiting: later.waiting,
            due: later.due,
            queued,
            queue_peak: core.peak(),
            overflow,
            overflow_peak: core.overflow_peak(),
            running,
            cancelled: counts.cancelled + left.cancelled + core.cancelled_outside(),
            expired: counts.expired + left.expired + core.expired_outside(),
            unstarted: left.unstarted + later.out as u64,
            abandoned: left.abandoned,
            stopping: left.stopping,
            counts,
            refused: core.refused(),
            workers_alive: core.present(),
            latency: core.latencies().map(Latencies::sum),
        }
    }

    /// Returns how many tasks were accepted during the pool's lifetime. This excludes refused
    /// tasks, and tasks of scopes and loops that were taken back before they started.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Returns how many tasks are in the queue, not counting the overflow lists.
    ///
    /// A task that a join has claimed, or that was cancelled, keeps its place and is counted until
    /// a worker reaches it.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Returns the longest observed length of the queue. It is sampled when a submit finds the
    /// queue full, by each worker every 64 tasks, and by [`Pool::stats`](crate::Pool::stats). A
    /// short peak in between may be missed.
    pub fn queue_peak(&self) -> usize {
        self.queue_peak
    }

    /// Returns how many tasks are in all the workers' overflow lists. This is always 0 if only
    /// threads outside the pool submit.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = groundcrew::Pool::builder().threads(1).queue_capacity(1).build()?;
    /// # let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// pool.execute_with(|ctx| {
    ///     let submitter = ctx.submitter();
    ///     (0..3).for_each(|_| submitter.execute(|| ()).unwrap());
    ///     for () in gate {}
    /// })?;
    /// open.send(())?; // now all three are in
    /// assert_eq!((pool.stats().queued(), pool.stats().overflow()), (1, 2));
    /// # drop(open);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn overflow(&self) -> usize {
        self.overflow
    }

    /// Returns the sum of the longest lengths of each worker's overflow list. This is never less
    /// than the longest total length, and equal to it with one worker.
    pub fn overflow_peak(&self) -> usize {
        self.overflow_peak
    }

    /// Returns how many tasks wait between two attempts ([`TaskBuilder::retry`]).
    ///
    /// [`TaskBuilder::retry`]: crate::TaskBuilder::retry
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Returns how many timed tasks are due and wait for a worker: retries, runs of schedules, and
    /// batches. They take no space in the queue.
    pub fn due(&self) -> usize {
        self.due
    }

    /// Returns how many tasks have run longer than their [limit] plus its grace period. This is a
    /// flag, not an outcome: their outcomes are counted as usual.
    ///
    /// [limit]: crate::TaskBuilder::time_limit
    /// [`PoolBuilder::max_replacements`]: crate::PoolBuilder::max_replacements
    pub fn overrun(&self) -> u64 {
        self.counts.overrun
    }

    /// Returns how many tasks run now, including those that wait below another one on the stack of
    /// their worker.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Returns how many tasks ran to their end, whatever they returned. An abandoned task that ends
    /// later is [`ended_late`](Self::ended_late) instead.
    pub fn completed(&self) -> u64 {
        self.counts.completed
    }

    /// Returns how many tasks panicked. They are not [`completed`](Self::completed).
    pub fn panicked(&self) -> u64 {
        self.counts.panicked
    }

    /// Returns how many tasks were cancelled before they started. A running task that ended because
    /// of its token is [`completed`](Self::completed).
    pub fn cancelled(&self) -> u64 {
        self.cancelled
    }

    /// Returns how many tasks were not started in time
    /// ([`start_within`](crate::TaskBuilder::start_within)), and never ran.
    pub fn expired(&self) -> u64 {
        self.expired
    }

    /// Returns how many tasks a stop removed before they started. Those that were run or
    /// resubmitted since are still counted.
    pub fn unstarted(&self) -> u64 {
        self.unstarted
    }

    /// Returns how many tasks were still running when a stop made its report. Those that have ended
    /// since are still counted.
    pub fn abandoned(&self) -> u64 {
        self.abandoned
    }

    /// Returns how many tasks were on the stack of a worker that was itself inside `stop` when the
    /// report was made. Those that have ended since are still counted.
    pub fn stopping_tasks(&self) -> u64 {
        self.stopping
    }

    /// Returns how many abandoned or stopping tasks have ended since the report.
    pub fn ended_late(&self) -> u64 {
        self.counts.ended_late
    }

    /// Returns how many submits were refused because the queue was full, the pool was closed, or
    /// the wait timed out. Each refusal of the same task counts. Refused tasks of a scope or a
    /// stream are not counted, since these handle refusals themselves.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Returns how many workers are alive. Before the pool is closed, that is all of them; fewer
    /// would be a bug in this crate, and is logged as an error.
    pub fn workers_alive(&self) -> usize {
        self.workers_alive
    }

    /// Returns how long tasks waited and ran, if the pool was built with
    /// [`latency_histogram`](crate::PoolBuilder::latency_histogram). Requires the feature
    /// `histogram`.
    ///
    /// It covers the tasks that ended since the pool was built. Each is counted shortly after its
    /// handle is notified.
    #[cfg(feature = "histogram")]
    pub fn latency(&self) -> Option<&Latency> {
        self.latency.as_ref()
    }
}

impl fmt::Display for PoolStats {
    /// One line, for the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "accepted {}, queued {} (peak {}), overflow {} (peak {}), waiting {}, due {}, running {}, completed {}, \
             panicked {}, cancelled {}, expired {}, unstarted {}, abandoned {}, stopping {}, \
             ended late {}, overrun {}, refused {}, workers alive {}",
            self.accepted,
            self.queued,
            self.queue_peak,
            self.overflow,
            self.overflow_peak,
            self.waiting,
            self.due,
            self.running,
            self.completed(),
            self.panicked(),
            self.cancelled,
            self.expired,
            self.unstarted,
            self.abandoned,
            self.stopping,
            self.ended_late(),
            self.overrun(),
            self.refused,
            self.workers_alive
        )?;
        match &self.latency {
            Some(latency) => write!(f, ", {latency}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for PoolStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PoolStats {{ {self} }}")
    }
}
