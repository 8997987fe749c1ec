//! What comes back by itself: failed attempts that wait for the next one, and what is
//! due.
//!
//! A task that is retried waits here between its attempts, and is then *due*, as are the
//! ticks of schedules and the batches of a batcher: it lies in a list of its own, from
//! which the workers take in turn with the channel. The timer never waits for room in the
//! channel, and a full pool makes nothing but lateness. The list is bounded by what puts
//! tasks in: by the places for retried tasks, the entries of a scheduler and what they may
//! run at once, the batches in flight.
//!
//! # Invariants
//!
//! 1. A task is in `waiting`, or in `due`, or was taken from there under this lock by a
//!    worker that holds its slot's, or by a stop: never in none of them.
//! 2. Once `closed` is set nothing waits any more: what did, and what would, is in `out`,
//!    for the report. The close takes the lock after it has set the queue's flag, so that a
//!    thread that finds the flag unset under the lock comes before it, and what it puts in
//!    is found: by the close in `waiting`, by the sealer in `due`.
//! 3. `due_len` is the length of `due`, written under the lock and read without it. A
//!    thread that puts a task in writes it and then reads `sleepers`; a worker that sleeps
//!    or leaves does the reverse. All SeqCst.
//!
//! Order of locks: a slot's, or the queue's `close_state`; then this one; then a cell's, or the
//! timer's.

use super::close_state::TakenOut;
use super::limits::Limited;
use super::{PoolCore, PoolRef};
use crate::clock::{self, Clock, Deadline, Now};
use crate::sync::{Arc, AtomicBool, AtomicUsize, Mutex, Relaxed, SeqCst, Weak};
use crate::task::{
    Labelled, Origin, Plain, Queued, Shared, TaskCell, TaskContext, TaskHandle, WithContext,
    next_id,
};
use crate::threads;
use crate::timer::{Alarm, Due, Key, Timer, drop_elsewhere};
use crate::unwind::{self, RateLimit};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::panic::Location;
use std::time::Duration;

pub(super) struct TimedQueue {
    pub(super) clock: Clock,
    state: Mutex<State>,
    due_len: AtomicUsize,
    /// Set when it is first asked for, and gone after a stop.
    timer: Mutex<Option<Arc<Timer>>>,
    /// No thread could be had for it.
    lacks_timer: AtomicBool,
}

#[derive(Default)]
struct State {
    /// By the number of the task, so that a report lists them as they were submitted.
    waiting: BTreeMap<u64, Waiting>,
    due: VecDeque<Queued>,
    closed: bool,
    /// What waited when the pool was closed, or would have afterwards.
    out: TakenOut,
    /// How often a task was put in that had been in the queue before.
    repeated: u64,
}

struct Waiting {
    task: Arc<dyn Shared>,
    key: Option<Key>,
}

/// What there is now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backlog {
    /// Failed attempts that wait for the next one.
    pub(crate) waiting: usize,
    /// Due, and not yet taken by a worker.
    pub(crate) due: usize,
    pub(crate) repeated: u64,
    /// For the report, and not yet in it.
    pub(crate) out: usize,
}

impl TimedQueue {
    pub(super) fn new(clock: Clock) -> TimedQueue {
        TimedQueue {
            clock,
            state: Mutex::default(),
            due_len: AtomicUsize::new(0),
            timer: Mutex::new(None),
            lacks_timer: AtomicBool::new(false),
        }
    }
}

impl PoolCore {
    /// The timer of the pool's clock; `None` after the report of a stop.
    pub(crate) fn timer(&self) -> Option<Arc<Timer>> {
        let mut timer = self.timed.timer.lock();
        if timer.is_none() && !self.is_reported() {
            *timer = Some(Timer::of(&self.timed.clock));
        }
        timer.clone()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.timed.clock
    }

    /// The pool has no more use for it.
    pub(crate) fn let_timer_go(&self) {
        let timer = self.timed.timer.lock().take();
        drop(timer);
    }

    /// Puts in a task that is due, and never waits. Refuses when the pool is closed.
    pub(crate) fn push_due(&self, task: Queued) -> Result<(), Queued> {
        self.push_due_quietly(task)?;
        self.wake_one();
        Ok(())
    }

    /// The same, for a caller that calls `wake_one` a little later.
    pub(crate) fn push_due_quietly(&self, task: Queued) -> Result<(), Queued> {
        let mut later = self.timed.state.lock();
        if self.is_closed() {
            return Err(task);
        }
        self.put_due(&mut later, task);
        Ok(())
    }

    /// A task to be put in when it is due.
    pub(crate) fn due_task(
        &self,
        name: Arc<str>,
        submitted_at: &'static Location<'static>,
        time_limit: Option<Duration>,
        body: impl FnOnce(&TaskContext) + Send + 'static,
    ) -> Queued {
        let id = next_id();
        let origin = Origin { id, submitted_at };
        let queued_at = self.is_observed().then(clock::now);
        let labelled = Labelled {
            name: Some(name),
            start_by: Deadline::NEVER,
            queued_at,
            body: WithContext(body),
        };
        Queued::Plain(match time_limit {
            None => Box::new(Plain {
                origin,
                body: labelled,
            }),
            Some(limit) => Box::new(Plain {
                origin,
                body: Limited {
                    limit,
                    body: labelled,
                },
            }),
        })
    }

    /// A task to be put in when it is due, with its number and its handle. `body` makes what
    /// is run of the number.
    pub(crate) fn due_task_with_handle<B>(
        &self,
        pool_ref: &Arc<PoolRef>,
        name: Arc<str>,
        submitted_at: &'static Location<'static>,
        body: impl FnOnce(u64) -> B,
    ) -> (u64, Queued, TaskHandle<()>)
    where
        B: FnOnce(&TaskContext) + Send + 'static,
    {
        let id = next_id();
        let origin = Origin { id, submitted_at };
        let body = WithContext(body(id));
        let cell = TaskCell::new(
            origin,
            Some(name),
            Deadline::NEVER,
            body,
            pool_ref.clone(),
            (),
        );
        let task: Arc<dyn Shared> = cell.clone();
        (id, Queued::Shared(task), TaskHandle::new(cell))
    }

    fn put_due(&self, later: &mut State, task: Queued) {
        later.due.push_back(task);
        self.timed.due_len.store(later.due.len(), SeqCst);
    }

    #[inline]
    pub(super) fn has_due(&self) -> bool {
        self.timed.due_len.load(Relaxed) > 0
    }

    /// How many are due, for a worker that has announced that it sleeps or leaves.
    pub(super) fn count_due(&self) -> usize {
        self.timed.due_len.load(SeqCst)
    }

    /// The one that has been due for the longest. The caller holds its slot.
    #[cold]
    pub(super) fn take_due(&self) -> Option<Queued> {
        let mut later = self.timed.state.lock();
        let task = later.due.pop_front();
        self.timed.due_len.store(later.due.len(), SeqCst);
        task
    }

    /// Takes this task out of those that are due; `false`: it is not among them. The caller
    /// holds its slot, and runs it.
    pub(super) fn take_due_task(&self, id: u64) -> bool {
        // Not without the lock: the thread that puts it in notifies its joiner first.
        let mut later = self.timed.state.lock();
        let place = later.due.iter().position(|task| task.id() == id);
        let task = place.and_then(|place| later.due.remove(place));
        self.timed.due_len.store(later.due.len(), SeqCst);
        task.is_some()
    }

    pub(crate) fn backlog(&self) -> Backlog {
        let later = self.timed.state.lock();
        Backlog {
            waiting: later.waiting.len(),
            due: later.due.len(),
            repeated: later.repeated,
            out: later.out.unstarted.len(),
        }
    }

    /// Sees to it that the timer runs, for which it may block up to `patience`, but not once the
    /// pool is closed: a stop waits for the workers, and nothing is set any more. Where no thread
    /// can be had up to then, idle workers try again. Called where no lock is held.
    pub(crate) fn start_timer(&self, patience: Deadline) -> io::Result<()> {
        let timer = match self.is_closed() {
            true => None,
            false => self.timer(),
        };
        let Some(timer) = timer else {
            return Ok(());
        };
        let started = threads::try_until(patience, || match self.is_closed() {
            true => Ok(()),
            false => timer.start(),
        });
        let lacked = self.timed.lacks_timer.swap(started.is_err(), SeqCst);
        if started.is_err() && !lacked {
            self.wake_one();
        }
        started
    }

    /// Whether moments are set, or are about to be, and no thread could be had to wait for
    /// them.
    pub(super) fn lacks_timer(&self) -> bool {
        self.timed.lacks_timer.load(SeqCst) && !self.is_closed()
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
            unwind::log_guarded(|| {
                log::error!(
                    "the timer's thread could not be started: {error}; idle workers of pool \
                     {name} try again{more}"
                );
            });
        }
    }

    /// A failed attempt: the next one comes after a delay. The caller holds its slot.
    pub(super) fn wait_to_retry(&self, task: Arc<dyn Shared>, after: Duration) {
        let timer = self.timer();
        let mut later = self.timed.state.lock();
        if later.closed || self.is_closed() {
            later.out.sort(Queued::Shared(task));
            return;
        }
        // Its handle may have called it off since it failed.
        if !task.is_waiting() {
            return;
        }
        let id = task.meta().origin.id;
        let due = self.timed.clock.read().mono.checked_add(after);
        let key = due.zip(timer).map(|(due, timer)| {
            let alarm: Weak<dyn Alarm> = self.me.clone();
            timer.set(Due::Mono(due), &alarm, id)
        });
        later.waiting.insert(id, Waiting { task, key });
        self.timed.clock.count_waiting(true);
    }

    /// A task that waited was called off.
    pub(super) fn waits_no_more(&self, id: u64) {
        let waiting = self.timed.state.lock().waiting.remove(&id);
        if let Some(waiting) = waiting {
            self.forget(&waiting);
            self.idle_changed();
        }
    }

    fn forget(&self, waiting: &Waiting) {
        if let (Some(key), Some(timer)) = (waiting.key, self.timer()) {
            timer.clear(key);
        }
        self.timed.clock.count_waiting(false);
    }

    /// Nothing waits any more: what did is unstarted.
    pub(super) fn close_later(&self) {
        let mut later = self.timed.state.lock();
        later.closed = true;
        let waiting = std::mem::take(&mut later.waiting);
        for waiting in waiting.into_values() {
            self.forget(&waiting);
            later.out.sort(Queued::Shared(waiting.task));
        }
        drop(later);
        self.idle_changed();
    }

    /// Everything that is here, for the report. Nothing is taken or put in any more.
    pub(crate) fn take_out_later(&self, out: &mut TakenOut) {
        self.close_later();
        let mut later = self.timed.state.lock();
        out.add(std::mem::take(&mut later.out));
        for task in std::mem::take(&mut later.due) {
            out.taken += u64::from(out.sort(task));
        }
        self.timed.due_len.store(0, SeqCst);
    }
}

impl Alarm for PoolCore {
    /// The next attempt of this task is due.
    fn ring(self: Arc<Self>, id: u64, _: Now) {
        let mut later = self.timed.state.lock();
        let Some(Waiting { task, .. }) = later.waiting.remove(&id) else {
            drop(later);
            return drop_elsewhere(self);
        };
        self.timed.clock.count_waiting(false);
        if self.is_closed() {
            later.out.sort(Queued::Shared(task));
        } else if task.requeue() {
            later.repeated += 1;
            self.put_due(&mut later, Queued::Shared(task));
        }
        drop(later);
        self.wake_one();
        self.idle_changed();
        drop_elsewhere(self);
    }
}
