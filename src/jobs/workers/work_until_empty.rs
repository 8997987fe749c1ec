//! Work on the calling thread, until there is none.

use super::super::way_in::Jobs;
use super::beat;
use super::builder::Workers;
use super::claimer;
use super::core::Core;
use super::crew;
use super::health::Part;
use super::maintenance;
use super::setup::Setup;
use super::weights::WeightedQueues;
use super::work_error::WorkError;
use super::worker::{Worker, pass_all_dead};
use crate::clock::{self, Clock, Deadline};
use crate::host::items::JobsReport;
use crate::store::StoreError;
use crate::sync::Arc;
use crate::threads::{self, Thread};
#[cfg(feature = "testing")]
use std::fmt;
use std::time::Duration;

/// How long a store that cannot be used is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

impl Jobs {
    /// Handles jobs on the calling thread, until none is available of the kinds and in the queues of
    /// `workers`, and returns what became of them. Blocks until then. Jobs that are due later,
    /// retries of failed ones among them, stay in the store.
    ///
    /// This is for programs that a timer of the system starts, and for tests.
    ///
    /// # Errors
    ///
    /// Returns a [`WorkError`] if the declaration is not valid, if a handler cannot be made, or if
    /// the store cannot be used; in an outage it waits up to 30 s for the store.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::jobs::{Job, JobContext, Jobs};
    /// use groundcrew::store::MemoryStore;
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Ping { number: u32 }
    /// impl Job for Ping { const KIND: &'static str = "ping"; }
    ///
    /// let jobs = Jobs::open(MemoryStore::new())?;
    /// jobs.enqueue_many((0..100).map(|number| Ping { number }).collect::<Vec<_>>().iter())?;
    /// let report = jobs.work_until_empty(|workers| workers.on(|_: Ping, _: &JobContext| ()))?;
    /// assert_eq!((report.claimed(), report.completed()), (100, 100));
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn work_until_empty(
        &self,
        workers: impl FnOnce(Workers) -> Workers,
    ) -> Result<JobsReport, WorkError> {
        let setup = checked(workers)?;
        let name = "until empty";
        let core = Core::new(name, self.clone(), setup, Clock::default(), || ());
        let core = Arc::new(core);
        on_this_thread(&core, work)?;
        Ok(core.report())
    }
}

fn checked(workers: impl FnOnce(Workers) -> Workers) -> Result<Arc<Setup>, WorkError> {
    let draft = workers(Workers::on_this_thread()).into_draft();
    let setup = draft.lock().check().map_err(WorkError::Workers)?;
    Ok(Arc::new(setup))
}

/// Lets this thread do `work`, with a lease and with helpers.
fn on_this_thread<T>(
    core: &Arc<Core>,
    work: impl FnOnce(&Core, &mut Worker<'_>) -> Result<T, WorkError>,
) -> Result<T, WorkError> {
    let mut worker = Worker::new(core, 0, None).map_err(WorkError::Handler)?;
    core.start_timer().map_err(WorkError::Threads)?;
    patiently(core, Part::Lease, || beat::register(core))?;
    let helpers = crew::start_helpers(core, threads::default_stack_size(), false);
    let helpers = helpers.map_err(WorkError::Threads)?;
    let result = work(core, &mut worker);
    end(core, helpers);
    result
}

/// Workers that handle one job at a time on the calling thread (tests).
#[cfg(feature = "testing")]
pub(crate) struct OneByOne {
    setup: Arc<Setup>,
}

#[cfg(feature = "testing")]
impl OneByOne {
    pub(crate) fn new(workers: impl FnOnce(Workers) -> Workers) -> Result<OneByOne, WorkError> {
        let setup = checked(workers)?;
        Ok(OneByOne { setup })
    }

    /// Handles one job; `false`: none is due.
    pub(crate) fn run(&self, jobs: &Jobs, clock: Clock) -> Result<bool, WorkError> {
        let core = Core::new("one by one", jobs.clone(), self.setup.clone(), clock, || ());
        on_this_thread(&Arc::new(core), |core, worker| {
            // Of a kind that has not run yet, one job is claimed for each thread.
            if !claim(core, &mut WeightedQueues::new(&core.setup.queues))? {
                return Ok(false);
            }
            worker.work_once().map_err(WorkError::Handler)
        })
    }
}

#[cfg(feature = "testing")]
impl fmt::Debug for OneByOne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneByOne")
            .field("queues", &self.setup.queues)
            .finish_non_exhaustive()
    }
}

fn work(core: &Core, worker: &mut Worker<'_>) -> Result<(), WorkError> {
    let mut queues = WeightedQueues::new(&core.setup.queues);
    loop {
        while worker.work_once().map_err(WorkError::Handler)? {}
        if claim(core, &mut queues)? {
            continue;
        }
        // What the store is still to answer may make a job available, or be dead.
        if !core.wait_for_answers(Deadline::after(PATIENCE)) {
            return Err(in_trouble(core));
        }
        patiently(core, Part::Promote, || maintenance::unblock_all(core))?;
        if core.has_next() || claim(core, &mut queues)? {
            continue;
        }
        let unknown = patiently(core, Part::Held, || core.give_back_unknown())?;
        if unknown == 0 {
            return Ok(());
        }
    }
}

/// Claims what is available; `false`: nothing is.
fn claim(core: &Core, queues: &mut WeightedQueues) -> Result<bool, WorkError> {
    let patience = Deadline::after(PATIENCE);
    loop {
        patiently(core, Part::Promote, || maintenance::promote_all(core))?;
        let claimed = match core.find_room() {
            Some((worker, room)) => claimer::claim(core, worker, room, queues),
            // Another process has the lease, or ends cannot be stored.
            None => Err(Duration::from_millis(10)),
        };
        match claimed {
            Ok(count) => return Ok(count > 0),
            Err(_) if patience.has_passed(clock::now()) => return Err(in_trouble(core)),
            Err(pause) => drop(core.closed.wait_timeout(pause)),
        }
    }
}

/// Asks the store again while it is in trouble, but not for longer than its outage is waited for.
fn patiently<T>(
    core: &Core,
    part: Part,
    ask: impl Fn() -> Result<T, StoreError>,
) -> Result<T, WorkError> {
    let patience = Deadline::after(PATIENCE);
    loop {
        match ask() {
            Ok(answer) => {
                core.succeeded(part);
                return Ok(answer);
            }
            Err(error) if error.is_temporary() && !patience.has_passed(clock::now()) => {
                core.closed.wait_timeout(core.failed(part, error));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn in_trouble(core: &Core) -> WorkError {
    let no_lease = || StoreError::Unavailable {
        detail: "it has not renewed the lease of this process for 30 s".to_owned(),
    };
    WorkError::Store(core.trouble().unwrap_or_else(no_lease))
}

fn end(core: &Core, helpers: Vec<Thread>) {
    core.request_stop();
    let is_answered = core.wait_for_answers(Deadline::after(PATIENCE));
    pass_all_dead(core);
    let patience = crew::patience(core, Duration::MAX);
    crew::end_helpers(core, helpers, is_answered, patience);
}
