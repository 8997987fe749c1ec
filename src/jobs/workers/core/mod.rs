//! What the threads of the workers share.
//!
//! # Which thread does what
//!
//! - The [claimer](super::claimer) claims jobs when there is room, and gives back what waits for too
//!   long.
//! - [Workers](super::worker) take what was claimed, run the handlers, and say how that ended.
//! - The [acknowledger](super::acknowledger) sends the ends to the store, all that have come at once.
//! - The [beat](super::beat) keeps the lease, and gets a new one if it is lost.
//! - [Maintenance](super::maintenance) makes due jobs available, looks for cancellations and for
//!   processes that have ended, and prunes.
//!
//! # Invariants
//!
//! 1. Each claim is in the ledger from the moment at which the store's answer is here, and leaves it
//!    with the store's answer to its end.
//! 2. The store, the logger and the program's code are called without the lock.
//! 3. Only the claimer claims, so that one claim at most is under way. What the store says is held,
//!    and is not in the ledger when the claims that were under way then are answered, was claimed
//!    without an answer.
//! 4. After `stopping` is cancelled nothing more begins: what comes from a claim that was under way
//!    is given back at once.
//! 5. Whatever may end a wait on `changed` or `work` notifies it, under the lock or after it.

mod attempts;
mod claims;
mod lease;
mod stop;

use super::expected::RunTimes;
use super::health::Health;
use super::ledger::Ledger;
use super::rate::Rate;
use super::setup::Setup;
use crate::async_log::AsyncLog;
use crate::cancel::CancelToken;
use crate::causes::BoxError;
use crate::clock::Clock;
use crate::host::items::{JobsReport, RunningJob};
use crate::jobs::attempt::Attempt;
use crate::jobs::dead_job::DeadJob;
use crate::jobs::way_in::Jobs;
use crate::record;
use crate::store::{AttemptId, Finish, Outcome, Store, WorkerId};
use crate::sync::channel::{self, Receiver, Sender};
use crate::sync::{Arc, Condvar, Mutex};
use crate::timer::Timer;
use crate::unwind;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::Instant;

pub(super) struct Core {
    pub(super) name: String,
    pub(super) jobs: Jobs,
    pub(super) setup: Arc<Setup>,
    pub(super) clock: Clock,
    /// Cancelled when a stop is requested.
    pub(super) stopping: CancelToken,
    /// Cancelled when everything is over: the threads leave.
    pub(super) closed: CancelToken,
    /// Rings for timeouts.
    timer: Arc<Timer>,
    state: Mutex<State>,
    /// The claimer, and those that wait for an end, look again.
    changed: Condvar,
    /// Idle workers look again.
    work: Condvar,
    ends: Sender<End>,
    /// Taken by the acknowledger.
    pub(super) to_finish: Receiver<End>,
    /// Something has changed that the host looks at.
    notify: Box<dyn Fn() + Send + Sync>,
    log: Mutex<AsyncLog>,
}

struct State {
    ledger: Ledger,
    lease: Option<WorkerId>,
    /// When the store was last asked for the lease, or to renew it, and did so.
    renewed: Option<Instant>,
    /// Cancelled to let the beat look at the lease before its time.
    beat: CancelToken,
    claims: Claims,
    health: Health,
    times: RunTimes,
    rate: Rate,
    /// Jobs that are dead, for the program's closure.
    dead: VecDeque<DeadJob>,
    /// Why the workers cannot go on.
    error: Option<BoxError>,
    /// The store had these attempts, and the ledger had not, at the last look; with the number of
    /// claims that had begun when they were found first.
    unknown: HashMap<AttemptId, u64>,
}

/// The claims of this process, which are made one after the other.
#[derive(Default)]
struct Claims {
    begun: u64,
    /// The last one has no answer yet.
    is_under_way: bool,
}

/// An attempt that has ended, on its way to the store.
pub(super) struct End {
    pub(super) finish: Finish,
    /// If it ends the job for good.
    pub(super) dead: Option<DeadJob>,
}

/// What a worker does next.
pub(super) enum Next {
    Run {
        attempt: Arc<Attempt>,
        payload: Vec<u8>,
        /// Whose lease it runs under.
        worker: WorkerId,
    },
    /// Calls the closure for dead jobs.
    Dead(DeadJob),
    Leave,
}

impl Core {
    pub(super) fn new(
        name: &str,
        jobs: Jobs,
        setup: Arc<Setup>,
        clock: Clock,
        notify: impl Fn() + Send + Sync + 'static,
    ) -> Core {
        let (ends, to_finish) = channel::unbounded();
        let mut rate = Rate::default();
        rate.start(clock.now());
        Core {
            name: name.to_owned(),
            stopping: CancelToken::new(),
            closed: CancelToken::new(),
            timer: Timer::of(&clock),
            state: Mutex::new(State {
                ledger: Ledger::new(setup.threads),
                lease: None,
                renewed: None,
                beat: CancelToken::new(),
                claims: Claims::default(),
                health: Health::default(),
                times: RunTimes::default(),
                rate,
                dead: VecDeque::new(),
                error: None,
                unknown: HashMap::new(),
            }),
            jobs,
            setup,
            clock,
            changed: Condvar::new(),
            work: Condvar::new(),
            ends,
            to_finish,
            notify: Box::new(notify),
            log: Mutex::new(AsyncLog::new("jobs")),
        }
    }

    /// # Errors
    ///
    /// The system has no thread for it.
    pub(super) fn start_timer(&self) -> io::Result<()> {
        self.timer.start()
    }

    pub(super) fn store(&self) -> &dyn Store {
        &**self.jobs.store()
    }

    /// Never blocks.
    pub(super) fn log(&self, level: log::Level, text: &str) {
        let text = format!("jobs {:?}: {text}", self.name);
        self.log.lock().write(record::JOBS, level, text);
    }

    /// Waits a moment for the logger.
    pub(super) fn close_log(&self) {
        let mut log = std::mem::replace(&mut *self.log.lock(), AsyncLog::new("jobs"));
        log.close();
    }

    fn changed(&self) {
        self.changed.notify_all();
        (self.notify)();
    }

    fn give_back(&self, attempts: Vec<AttemptId>) {
        for attempt in attempts {
            self.send(attempt, Outcome::GivenBack, None);
        }
    }

    fn send(&self, attempt: AttemptId, outcome: Outcome, dead: Option<DeadJob>) {
        let finish = Finish { attempt, outcome };
        // Cannot fail: the receiver is here, too.
        let _ = self.ends.send(End { finish, dead });
    }

    /// The workers cannot go on.
    pub(super) fn fail(&self, error: BoxError) {
        let before = self.state.lock().error.replace(error);
        unwind::drop_guarded(before, || format!("an error of jobs {:?}", self.name));
        self.changed();
    }

    pub(super) fn has_failed(&self) -> bool {
        self.state.lock().error.is_some()
    }

    pub(super) fn take_error(&self) -> Option<BoxError> {
        self.state.lock().error.take()
    }

    pub(super) fn report(&self) -> JobsReport {
        let now = self.clock.now();
        self.state.lock().ledger.report(now)
    }

    /// What runs, how many wait, and the rate.
    pub(super) fn activity(&self) -> (Vec<RunningJob>, usize, f64) {
        let now = self.clock.now();
        let state = self.state.lock();
        let running = state.ledger.running_jobs(now);
        (running, state.ledger.waiting(), state.rate.a_second(now))
    }
}
