//! Work on the calling thread, until there is none.

use super::super::way_in::Jobs;
use super::beat;
use super::builder::Workers;
use super::claimer;
use super::core::Core;
use super::crew;
use super::health::Part;
use super::maintenance;
use super::weights::WeightedQueues;
use super::work_error::WorkError;
use super::worker::{Worker, pass_all_dead};
use crate::clock::{self, Clock, Deadline};
use crate::host::items::JobsReport;
use crate::store::StoreError;
use crate::sync::Arc;
use crate::threads::{self, Thread};
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
        let draft = workers(Workers::on_this_thread()).into_draft();
        let setup = draft.lock().check().map_err(WorkError::Workers)?;
        let name = "until empty";
        let core = Core::new(name, self.clone(), Arc::new(setup), Clock::default(), || ());
        let core = Arc::new(core);
        let mut worker = Worker::new(&core, 0, None).map_err(WorkError::Handler)?;
        core.start_timer().map_err(WorkError::Threads)?;
        patiently(&core, Part::Lease, || beat::register(&core))?;
        let helpers = crew::start_helpers(&core, threads::default_stack_size(), false);
        let helpers = helpers.map_err(WorkError::Threads)?;
        let result = work(&core, &mut worker);
        end(&core, helpers);
        result.map(|()| core.report())
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
