//! The pool in numbers.

use crate::queue::{Latencies, Latency};
use crate::stop::Stopper;
use crate::worker::Counts;
use std::fmt;

/// The counters of a pool at one moment: [`Pool::stats`](crate::Pool::stats).
///
/// The numbers are read one after the other while the pool works, so that they
/// may be apart by the tasks that were on their way meanwhile. Once a stop has
/// made its report they add up, as those of the report do.
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
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
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

impl PoolStats {
    pub(super) fn of(stopper: &Stopper) -> PoolStats {
        let queue = &stopper.queue;
        let mut counts = Counts::default();
        let mut running = 0;
        for slot in &queue.slots {
            let (on_stack, of_worker) = slot.counts();
            running += on_stack;
            counts.add(&of_worker);
        }
        let queued = queue.queued();
        let overflow = queue.overflowed();
        let later = queue.backlog();
        let left = stopper.left_behind();
        PoolStats {
            accepted: (counts.taken + left.taken_out + (queued + overflow + later.due) as u64)
                .saturating_sub(later.repeated),
            waiting: later.waiting,
            due: later.due,
            queued,
            queue_peak: queue.peak(),
            overflow,
            overflow_peak: queue.overflow_peak(),
            running,
            cancelled: counts.cancelled + left.cancelled + queue.cancelled_outside(),
            expired: counts.expired + left.expired + queue.expired_outside(),
            unstarted: (left.unstarted + later.out) as u64,
            abandoned: left.abandoned as u64,
            stopping: left.stopping as u64,
            counts,
            refused: queue.refused(),
            workers_alive: queue.present(),
            latency: queue.latencies().map(Latencies::sum),
        }
    }

    /// How many tasks were accepted during the pool's lifetime; those refused are not among
    /// them, nor are those of scopes and loops that were taken back before they started.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// How many tasks are in the queue, not counting the overflow lists.
    ///
    /// Tasks that were claimed by a join or cancelled keep their place until a
    /// worker passes it, and count here till then.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// The longest the queue was found. It is sampled when a submit finds the queue full,
    /// by each worker every 64 tasks, and by [`Pool::stats`](crate::Pool::stats): a short
    /// peak between may be missed.
    pub fn queue_peak(&self) -> usize {
        self.queue_peak
    }

    /// How many tasks are in the workers' overflow lists, all together. Always 0 where only
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
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn overflow(&self) -> usize {
        self.overflow
    }

    /// The longest each worker's overflow list has been, added up: never less than the
    /// longest all have been together, and the same with one worker.
    pub fn overflow_peak(&self) -> usize {
        self.overflow_peak
    }

    /// How many tasks wait between two attempts ([`TaskBuilder::retry`]).
    ///
    /// [`TaskBuilder::retry`]: crate::TaskBuilder::retry
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many are due by time, and wait for a worker: attempts after a failure, runs of
    /// schedules, batches. They take no room in the queue.
    pub fn due(&self) -> usize {
        self.due
    }

    /// How many have run for longer than their [limit] and the grace after it: a mark, not
    /// an outcome. Their outcomes are counted as usual.
    ///
    /// [limit]: crate::TaskBuilder::time_limit
    /// [`PoolBuilder::max_replacements`]: crate::PoolBuilder::max_replacements
    pub fn overrun(&self) -> u64 {
        self.counts.overrun
    }

    /// How many tasks run now, those included that wait below another one on the stack of
    /// their worker.
    pub fn running(&self) -> usize {
        self.running
    }

    /// How many ran to their end, whatever they returned. One that was abandoned and ends
    /// later is not among them: it is [`ended_late`](Self::ended_late).
    pub fn completed(&self) -> u64 {
        self.counts.completed
    }

    /// How many panicked. They are not among those [`completed`](Self::completed).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = groundcrew::Pool::new(1)?;
    /// pool.execute(|| panic!("no such row"))?;
    /// pool.wait_idle();
    /// let stats = pool.stats();
    /// assert_eq!((stats.completed(), stats.panicked()), (0, 1));
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn panicked(&self) -> u64 {
        self.counts.panicked
    }

    /// How many were cancelled before they started. One that was running and ended because
    /// of its token is [`completed`](Self::completed).
    pub fn cancelled(&self) -> u64 {
        self.cancelled
    }

    /// How many were not started in time
    /// ([`start_within`](crate::TaskBuilder::start_within)), and never ran.
    pub fn expired(&self) -> u64 {
        self.expired
    }

    /// How many a stop took out before they started. Those that were run or resubmitted
    /// since are still counted.
    pub fn unstarted(&self) -> u64 {
        self.unstarted
    }

    /// How many still ran when the report of a stop was made. Those that have ended since
    /// are still counted.
    pub fn abandoned(&self) -> u64 {
        self.abandoned
    }

    /// How many were on the stack of a worker that was itself inside `stop` when its report
    /// was made. Those that have ended since are still counted.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let pool = groundcrew::Pool::new(1)?;
    /// let handle = pool.stop_handle();
    /// let report = pool.submit(move || handle.stop(Duration::from_secs(5)))?.join()?;
    /// assert!(report.is_clean());
    /// assert_eq!(pool.stats().stopping_tasks(), 1);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn stopping_tasks(&self) -> u64 {
        self.stopping
    }

    /// How many of those that were abandoned or inside `stop` have ended since.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let pool = groundcrew::Pool::new(1)?;
    /// # let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// # pool.execute(move || gate.recv().unwrap_or_default())?;
    /// # while pool.running().is_empty() {}
    /// let report = pool.stop(Duration::ZERO); // leaves one behind
    /// assert_eq!(pool.stats().ended_late(), 0);
    /// drop(open); // lets it end
    /// report.wait_for_abandoned(Duration::MAX);
    /// assert_eq!(pool.stats().ended_late(), 1);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn ended_late(&self) -> u64 {
        self.counts.ended_late
    }

    /// How many submits were refused: full, closed or timed out. A task that is submitted
    /// repeatedly counts every time. Tasks of a scope or a stream that are refused are not
    /// counted: they handle that themselves.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// How many workers have not left their loop. Before a close that is all of them; fewer
    /// would be a bug in this crate, and logged as an error.
    pub fn workers_alive(&self) -> usize {
        self.workers_alive
    }

    /// How long tasks waited and ran, if the pool was built with
    /// [`latency_histogram`](crate::PoolBuilder::latency_histogram). Only with the feature
    /// `histogram`.
    ///
    /// Those that ended since the pool was built, each counted shortly after its handle was
    /// notified.
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
