//! The pool in numbers, and what its workers do.

use crate::clock;
use crate::stop::{Stopper, cancel_asked};
use crate::sync::Arc;
use crate::task::{Counts, TaskInfo};
use std::fmt;
use std::time::Duration;

/// A pool in numbers, as of one moment: [`Pool::stats`](crate::Pool::stats).
///
/// The numbers are read one after the other while the pool works, so that they
/// may be apart by the tasks that were on their way meanwhile. Once a stop has
/// made its report they add up, as those of the report do.
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
pub struct Stats {
    accepted: u64,
    queued: usize,
    queue_peak: usize,
    overflow: usize,
    overflow_peak: usize,
    running: usize,
    counts: Counts,
    cancelled: u64,
    unstarted: u64,
    abandoned: u64,
    caller: u64,
    refused: u64,
    workers_alive: usize,
}

impl Stats {
    pub(super) fn of(stopper: &Stopper) -> Stats {
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
        let left = stopper.left_behind();
        Stats {
            accepted: counts.taken + left.taken_out + (queued + overflow) as u64,
            queued,
            queue_peak: queue.peak(),
            overflow,
            overflow_peak: queue.overflow_peak(),
            running,
            cancelled: counts.cancelled + left.cancelled + queue.cancelled_outside(),
            unstarted: left.unstarted as u64,
            abandoned: left.abandoned as u64,
            caller: left.caller as u64,
            counts,
            refused: queue.refused(),
            workers_alive: queue.present(),
        }
    }

    /// How many tasks were accepted.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// How many tasks lie in the queue, not counting the overflow lists. Tasks
    /// that were claimed by a join or cancelled keep their place until a worker
    /// passes it, and count here till then.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// The longest the queue was found. It is looked at when a submit finds it
    /// full, and by each worker every 64 tasks.
    pub fn queue_peak(&self) -> usize {
        self.queue_peak
    }

    /// How many tasks lie in the workers' overflow lists, all together.
    pub fn overflow(&self) -> usize {
        self.overflow
    }

    /// The longest each worker's overflow list has been, added up: never less
    /// than the longest all have been together, and the same with one worker.
    pub fn overflow_peak(&self) -> usize {
        self.overflow_peak
    }

    /// How many tasks run now, those included that wait below another one on
    /// the stack of their worker.
    pub fn running(&self) -> usize {
        self.running
    }

    /// How many ran to their end.
    pub fn completed(&self) -> u64 {
        self.counts.completed
    }

    /// How many panicked.
    pub fn panicked(&self) -> u64 {
        self.counts.panicked
    }

    /// How many were cancelled before they started.
    pub fn cancelled(&self) -> u64 {
        self.cancelled
    }

    /// How many were not started in time, and never ran. Always 0 in this
    /// version: nothing sets such a time.
    pub fn expired(&self) -> u64 {
        self.counts.expired
    }

    /// How many a stop took out before they started.
    pub fn unstarted(&self) -> u64 {
        self.unstarted
    }

    /// How many still ran when the report of a stop was made.
    pub fn abandoned(&self) -> u64 {
        self.abandoned
    }

    /// How many were on the stack of a worker that was itself inside `stop` when
    /// its report was made.
    pub fn caller(&self) -> u64 {
        self.caller
    }

    /// How many of those that were abandoned or inside `stop` have ended since.
    pub fn ended_late(&self) -> u64 {
        self.counts.ended_late
    }

    /// How many submits were refused: full, closed or timed out.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// How many workers have not left their loop. Before a stop that is all of
    /// them; fewer would be a fault in this crate, and logged as an error.
    pub fn workers_alive(&self) -> usize {
        self.workers_alive
    }
}

impl fmt::Display for Stats {
    /// One line, for the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "accepted {}, queued {} (peak {}), overflow {} (peak {}), running {}, completed {}, \
             panicked {}, cancelled {}, expired {}, unstarted {}, abandoned {}, caller {}, \
             ended late {}, refused {}, workers alive {}",
            self.accepted,
            self.queued,
            self.queue_peak,
            self.overflow,
            self.overflow_peak,
            self.running,
            self.completed(),
            self.panicked(),
            self.cancelled,
            self.expired(),
            self.unstarted,
            self.abandoned,
            self.caller,
            self.ended_late(),
            self.refused,
            self.workers_alive
        )
    }
}

impl fmt::Debug for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stats {{ {self} }}")
    }
}

/// A task that runs now: [`Pool::running`](crate::Pool::running).
///
/// # Examples
///
/// ```
/// let pool = groundcrew::Pool::new(1)?;
/// let (open, gate) = groundcrew::channel::bounded::<()>(0);
/// pool.execute_with(move |ctx| {
///     ctx.note("at the gate");
///     gate.recv().unwrap_or_default()
/// })?;
/// while pool.running().first().and_then(|task| task.note().map(str::to_owned)).is_none() {}
/// let running = pool.running();
/// assert_eq!(running[0].note(), Some("at the gate"));
/// assert_eq!(running[0].cancel_asked(), None);
/// drop(open);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RunningTask {
    info: TaskInfo,
    worker: Arc<str>,
    running_for: Duration,
    note: Option<Arc<str>>,
    cancel_asked: Option<Duration>,
}

impl RunningTask {
    /// Who the task is.
    pub fn info(&self) -> &TaskInfo {
        &self.info
    }

    /// The name of the thread that runs it.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// How long it has been running; maybe longer by a few short tasks before
    /// it, never shorter.
    pub fn running_for(&self) -> Duration {
        self.running_for
    }

    /// What it said last with [`TaskContext::note`](crate::TaskContext::note).
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// How long ago it was asked to cancel; `None` if it was not.
    pub fn cancel_asked(&self) -> Option<Duration> {
        self.cancel_asked
    }
}

pub(super) fn running(stopper: &Stopper) -> Vec<RunningTask> {
    let pool_cancelled = stopper.queue.token.cancelled_at();
    let names = stopper.worker_names();
    let mut tasks = Vec::new();
    for (slot, worker) in stopper.queue.slots.iter().zip(&names) {
        slot.running(|running| {
            let now = clock::now();
            tasks.push(RunningTask {
                info: running.info(),
                worker: worker.clone(),
                running_for: now.saturating_duration_since(running.since),
                note: running.watch.as_ref().and_then(|watch| watch.note()),
                cancel_asked: cancel_asked(running, pool_cancelled, now),
            });
        });
    }
    tasks
}
