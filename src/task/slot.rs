//! A slot: what one worker is doing, and what it has done.
//!
//! Everything in it is written by its worker and read by stoppers, statistics
//! and `wait_idle`, all under its lock. A worker takes the lock twice a task,
//! once to begin and once to end, and nearly always alone, on a cache line of
//! its own.
//!
//! # Invariants
//!
//! 1. A worker holds a task that is not on its stack only while its state is
//!    [`State::Looking`]: no user code runs then, drops and the logger included,
//!    so a stopper can wait for it to end. What is left to be done for a task
//!    that ended is done while [`State::Tidying`].
//! 2. After [`Slot::mark`] and [`Slot::wait_while_looking`] the worker takes
//!    nothing more from the queue: it reads the mark whenever its state
//!    changes, and leaves.
//! 3. After [`Slot::report`] no task gets on the stack any more, and every one
//!    that is on it is settled: its end changes no count but `ended_late`.
//! 4. `epoch` changes with every change of state or stack. Two looks that find
//!    the same epoch know that the worker did nothing in between.

use super::body::Watch;
use super::info::{Meta, TaskInfo};
use super::queued::Shared;
use crate::clock::Deadline;
use crate::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Waits for work and holds none; also before its first look, while the hook
    /// for its start runs.
    Asleep,
    /// Between two tasks: may hold one that is not on the stack yet.
    Looking,
    /// Runs the task on top of its stack.
    Running,
    /// Its task has ended, and something of it is being dropped or logged.
    Tidying,
    /// Has left its loop for good; the hook for its stop may run.
    Left,
}

/// A task on a worker's stack.
pub(crate) struct Running {
    pub(crate) meta: Meta,
    /// When it began; maybe a few short tasks too early (see `Me::read_clock`).
    pub(crate) since: Instant,
    /// The state it shares with its handle, if it has one.
    pub(crate) cell: Option<Arc<dyn Shared>>,
    /// The token and the note, if it was given a context.
    pub(crate) watch: Option<Arc<Watch>>,
    /// How a report counted it before it ended.
    settled: Option<Settled>,
}

impl Running {
    pub(crate) fn new(
        meta: Meta,
        since: Instant,
        cell: Option<Arc<dyn Shared>>,
        watch: Option<Arc<Watch>>,
    ) -> Running {
        Running {
            meta,
            since,
            cell,
            watch,
            settled: None,
        }
    }

    pub(crate) fn info(&self) -> TaskInfo {
        TaskInfo::new(&self.meta, 1)
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.settled == Some(Settled::Abandoned)
    }
}

/// How a report counts a task that still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Abandoned,
    /// It lies on the stack of a worker that is itself inside `stop`.
    Caller,
}

/// How a task comes onto a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Taken from the queue.
    Popped,
    /// Its handle was joined by this worker; a husk stays in the queue.
    Claimed,
    /// Submitted by this worker to a full queue, and run at once.
    InPlace,
}

/// What `begin` is told of the task by the cell's own lock.
pub(crate) enum Start<R> {
    Go(Running, R),
    /// It ended otherwise. `count_cancelled`: by a cancel nobody counted yet.
    Husk {
        count_cancelled: bool,
    },
}

/// What a worker has done since it started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Taken from the queue, husks included, or run in place.
    pub(crate) taken: u64,
    pub(crate) completed: u64,
    pub(crate) panicked: u64,
    /// Cancelled tasks that this worker was the first to count.
    pub(crate) cancelled: u64,
    pub(crate) expired: u64,
    /// Tasks that it claimed, so that a husk was left in the queue.
    pub(crate) husks_made: u64,
    pub(crate) husks_passed: u64,
    pub(crate) ended_late: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Counts) {
        self.taken += other.taken;
        self.completed += other.completed;
        self.panicked += other.panicked;
        self.cancelled += other.cancelled;
        self.expired += other.expired;
        self.husks_made += other.husks_made;
        self.husks_passed += other.husks_passed;
        self.ended_late += other.ended_late;
    }
}

pub(crate) struct Slot {
    body: Mutex<Body>,
    /// Notified when a marked worker is no longer looking.
    looked: Condvar,
}

struct Body {
    state: State,
    /// The state below the first task on the stack, to go back to: a hook may
    /// run tasks too, by joining them.
    below: State,
    epoch: u64,
    /// Set once by a stopper: take nothing more.
    marked: bool,
    /// Set once by a stopper: the report is made.
    aftermath: Option<Arc<Aftermath>>,
    /// The task on top of the stack waits in `wait_idle`: the whole stack is
    /// not waited for.
    waiting_idle: bool,
    stack: Vec<Running>,
    counts: Counts,
}

/// A task that was taken off a stack.
pub(crate) struct Ended<L> {
    pub(crate) running: Running,
    pub(crate) leftover: Option<L>,
    /// The state to set once what is left of the task is gone, if the slot is
    /// [`State::Tidying`] until then.
    pub(crate) tidied: Option<State>,
    /// The worker runs nothing now, and looks for nothing: it is in a hook.
    pub(crate) quiet: bool,
    pub(crate) marked: bool,
}

/// What `wait_idle` needs to know of a worker.
pub(crate) struct Quiet {
    pub(crate) epoch: u64,
    pub(crate) husks_made: u64,
    pub(crate) husks_passed: u64,
}

impl Slot {
    pub(crate) fn new() -> Slot {
        Slot {
            body: Mutex::new(Body {
                state: State::Asleep,
                below: State::Asleep,
                epoch: 0,
                marked: false,
                aftermath: None,
                waiting_idle: false,
                stack: Vec::new(),
                counts: Counts::default(),
            }),
            looked: Condvar::new(),
        }
    }

    // What its worker calls.

    /// Changes the state between tasks; returns whether the slot is marked.
    pub(crate) fn set_state(&self, state: State) -> bool {
        let mut body = self.body.lock();
        body.state = state;
        body.epoch += 1;
        if body.marked {
            self.looked.notify_all();
        }
        body.marked
    }

    /// Puts a task on the stack, if `start` says so under the lock; then its
    /// second value is returned. `None`: a husk, or a pool whose report is made.
    pub(crate) fn begin<R>(&self, how: How, start: impl FnOnce() -> Start<R>) -> Option<R> {
        let mut body = self.body.lock();
        if how != How::Popped && body.aftermath.is_some() {
            return None;
        }
        if how != How::Claimed {
            body.counts.taken += 1;
        }
        match start() {
            Start::Go(running, closure) => {
                if how == How::Claimed {
                    body.counts.husks_made += 1;
                }
                if body.stack.is_empty() {
                    body.below = body.state;
                }
                body.stack.push(running);
                body.state = State::Running;
                body.epoch += 1;
                if body.marked {
                    self.looked.notify_all();
                }
                Some(closure)
            }
            Start::Husk { count_cancelled } => {
                body.counts.husks_passed += u64::from(how == How::Popped);
                body.counts.cancelled += u64::from(count_cancelled);
                None
            }
        }
    }

    /// Takes the task that ended off the stack and counts it, unless a report
    /// has. `settle` runs under the lock, is told which, and returns what is
    /// left of the task for the caller to drop.
    pub(crate) fn end<L>(
        &self,
        panicked: bool,
        settle: impl FnOnce(Option<Settled>) -> Option<L>,
    ) -> Ended<L> {
        let mut body = self.body.lock();
        let running = body
            .stack
            .pop()
            .unwrap_or_else(|| unreachable!("a task ends on the worker that began it"));
        match running.settled {
            None if panicked => body.counts.panicked += 1,
            None => body.counts.completed += 1,
            Some(_) => body.counts.ended_late += 1,
        }
        let leftover = settle(running.settled);
        body.epoch += 1;
        let is_abandoned = running.settled == Some(Settled::Abandoned);
        let is_untidy = leftover.is_some() || is_abandoned;
        let mut tidied = None;
        if body.stack.is_empty() {
            body.state = body.below;
            if is_untidy {
                tidied = Some(body.below);
                body.state = State::Tidying;
            }
        }
        let marked = body.marked;
        let quiet = body.stack.is_empty() && body.below != State::Looking;
        let aftermath = body.aftermath.clone().filter(|_| is_abandoned);
        drop(body);
        if let Some(aftermath) = aftermath {
            aftermath.one_ended();
        }
        Ended {
            running,
            leftover,
            tidied,
            quiet,
            marked,
        }
    }

    /// Tells that this worker's whole stack waits in `wait_idle`, or does so
    /// no more.
    pub(crate) fn set_waiting_idle(&self, waiting: bool) {
        let mut body = self.body.lock();
        body.epoch += 1;
        body.waiting_idle = waiting;
    }

    // What others call.

    /// From now on the worker takes nothing from the queue, once it has been
    /// waited for with [`wait_while_looking`](Self::wait_while_looking).
    pub(crate) fn mark(&self) {
        self.body.lock().marked = true;
    }

    /// Waits until the worker, if it was looking, has put what it held on its
    /// stack. It runs no user code on the way, so this takes as long as the
    /// scheduler does.
    pub(crate) fn wait_while_looking(&self) {
        let mut body = self.body.lock();
        let epoch = body.epoch;
        while body.state == State::Looking && body.epoch == epoch {
            self.looked.wait(&mut body);
        }
    }

    /// Settles everything on the stack, as `settled`, and calls `each` for it,
    /// innermost first. Returns the worker's final counts.
    pub(crate) fn report(
        &self,
        settled: Settled,
        aftermath: &Arc<Aftermath>,
        mut each: impl FnMut(&Running),
    ) -> Counts {
        let mut body = self.body.lock();
        body.aftermath = Some(aftermath.clone());
        for running in body.stack.iter_mut().rev() {
            running.settled = Some(settled);
            if settled == Settled::Abandoned {
                aftermath.one_more();
            }
            each(running);
        }
        body.counts
    }

    /// Calls `each` for everything on the stack, innermost first.
    pub(crate) fn running(&self, mut each: impl FnMut(&Running)) {
        self.body.lock().stack.iter().rev().for_each(&mut each);
    }

    /// How many tasks are on the stack, and what the worker has done so far.
    pub(crate) fn counts(&self) -> (usize, Counts) {
        let body = self.body.lock();
        (body.stack.len(), body.counts)
    }

    /// Whether the worker runs nothing, or only tasks that are themselves
    /// inside `wait_idle`.
    pub(crate) fn quiet(&self) -> Option<Quiet> {
        let body = self.body.lock();
        let quiet = matches!(body.state, State::Asleep | State::Left) || body.waiting_idle;
        quiet.then_some(Quiet {
            epoch: body.epoch,
            husks_made: body.counts.husks_made,
            husks_passed: body.counts.husks_passed,
        })
    }
}

/// How many abandoned tasks of a report still run. Shared by the report and
/// the slots; it holds on to nothing of the pool.
#[derive(Default)]
pub(crate) struct Aftermath {
    running: Mutex<usize>,
    ended: Condvar,
}

impl Aftermath {
    fn one_more(&self) {
        *self.running.lock() += 1;
    }

    fn one_ended(&self) {
        *self.running.lock() -= 1;
        self.ended.notify_all();
    }

    /// Waits until none runs any more or the deadline has come; returns how
    /// many still run.
    pub(crate) fn wait(&self, deadline: Deadline) -> usize {
        let mut running = self.running.lock();
        while *running > 0 && !deadline.wait(&self.ended, &mut running) {}
        *running
    }
}
