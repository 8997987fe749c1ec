//! The report of a stop.

use super::abandoned::AbandonedTask;
use super::lingering::LingeringWorker;
use super::unstarted::Unstarted;
use crate::async_log;
use crate::clock::Deadline;
use crate::queue::{FailedSchedule, LeftBehind};
use crate::sync::{Arc, Mutex};
use crate::table;
use crate::task::{TaskInfo, UnstartedTask};
use crate::worker::AbandonedCounter;
use std::process::{ExitCode, Termination};
use std::time::Duration;

/// What a stop did and what it left behind, by name.
///
/// A clone is the same report. Its [`Display`](std::fmt::Display) output reads as below. Each line
/// is as long as it has to be; with a width, as in `{:100}`, no line is longer than that.
///
/// ```text
/// stop: NOT CLEAN after 5.002 s (deadline 5 s): 1 abandoned, 17 unstarted of 1042 accepted
///   completed 1023   panicked 1   cancelled 0   expired 0
///   abandoned  #1031 "resize holiday.png"  render-3  running 41.2 s  cancel requested 1.3 s ago  src/main.rs:88:14
///              last note: "row 3120 of 4000"   thread 40213: running
///   unstarted  17 x  render::{closure}  src/main.rs:88:14
/// ```
///
/// Control characters in names and messages are escaped, quotes are not. Unstarted tasks that
/// differ in their ids alone are one line.
///
/// If a report that is not clean is returned from `main`, it is printed on stderr, where a terminal
/// gets lines of its width (the environment variable `COLUMNS`, or 120). The process exits with
/// [`exit_code`](Self::exit_code).
///
/// # The account
///
/// `accepted` = `completed` + `panicked` + `cancelled` + `expired` + `unstarted` + `abandoned` +
/// `stopping`. This always holds, regardless of races.
///
/// A task of a [`Scope`](crate::parallel::Scope) that had not started is not counted: its scope
/// runs it.
///
/// # What it holds
///
/// The report owns the tasks that never started, including their closures, until they are taken or
/// dropped with [`drop_unstarted`](Self::drop_unstarted), or every clone of the report is dropped.
/// It does not keep the pool alive. What the closures hold stays alive with them. For example, if
/// they hold the senders of a channel, a loop over its receiver does not end before they are
/// dropped.
///
/// ```
/// use groundcrew::{Pool, StopPlan, channel};
/// use std::time::Duration;
///
/// let pool = Pool::builder().threads(1).build()?;
/// let (results, received) = channel::unbounded();
/// let (open, gate) = channel::bounded::<()>(0);
/// pool.execute(move || gate.recv().unwrap_or_default())?;
/// for number in 0..3 {
///     let results = results.clone();
///     pool.execute(move || results.send(number))?;
/// }
/// drop((results, open));
/// let report = pool.stop(StopPlan::finish_running(Duration::from_secs(5)));
///
/// report.drop_unstarted(); // without this the loop would wait forever
/// for number in received {
///     println!("{number}");
/// }
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
///
/// With the feature `serde` it can be serialized.
///
/// # Examples
///
/// ```
/// use groundcrew::Pool;
/// use std::time::Duration;
///
/// let pool = Pool::new(2)?;
/// for _ in 0..10 {
///     pool.execute(|| ())?;
/// }
/// let report = pool.stop(Duration::from_secs(5));
/// assert!(report.is_clean());
/// assert_eq!(report.accepted(), 10);
/// assert_eq!(report.completed(), 10);
/// assert_eq!(report.exit_code(), 0);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone)]
#[must_use = "the report says what was left behind"]
pub struct StopReport {
    data: Arc<ReportData>,
    closures: Arc<Closures>,
}

/// What a report says. Holds nothing of the pool, and no closure.
pub(super) struct ReportData {
    pub(super) pool: Box<str>,
    pub(super) elapsed: Duration,
    /// From the beginning of the stop to its deadline, if there was one.
    pub(super) limit: Option<Duration>,
    pub(super) accepted: u64,
    pub(super) completed: u64,
    pub(super) panicked: u64,
    pub(super) cancelled: u64,
    pub(super) expired: u64,
    pub(super) overrun: u64,
    pub(super) failed_schedules: Vec<FailedSchedule>,
    pub(super) unstarted: Unstarted,
    pub(super) abandoned: Vec<AbandonedTask>,
    pub(super) stopping: Vec<TaskInfo>,
    pub(super) lingering: Vec<LingeringWorker>,
    pub(super) abandoned_counter: Arc<AbandonedCounter>,
}

impl ReportData {
    /// `out`: what the stop took out of the queue.
    pub(super) fn left_behind(&self, out: LeftBehind) -> LeftBehind {
        LeftBehind {
            unstarted: self.unstarted.len() as u64,
            abandoned: self.abandoned.len() as u64,
            stopping: self.stopping.len() as u64,
            ..out
        }
    }
}

/// The tasks that did not start, until they are taken.
#[derive(Default)]
pub(super) struct Closures(Mutex<Vec<UnstartedTask>>);

impl Closures {
    pub(super) fn new(tasks: Vec<UnstartedTask>) -> Closures {
        Closures(Mutex::new(tasks))
    }
}

impl StopReport {
    pub(super) fn new(data: Arc<ReportData>, closures: Arc<Closures>) -> StopReport {
        StopReport { data, closures }
    }

    /// What it says, without what it holds.
    pub(crate) fn without_tasks(&self) -> StopReport {
        StopReport::new(self.data.clone(), Arc::default())
    }

    pub(super) fn holds_tasks(&self) -> bool {
        !self.closures.0.lock().is_empty()
    }

    pub(super) fn data(&self) -> &ReportData {
        &self.data
    }

    /// How many tasks are unstarted, and how many abandoned.
    pub(crate) fn left_behind(&self) -> (usize, usize) {
        (self.data.unstarted.len(), self.data.abandoned.len())
    }

    /// Returns whether nothing is unstarted, abandoned or lingering. Then every worker thread has
    /// been joined, except the caller's own if a task called `stop`.
    ///
    /// Panics do not make a stop unclean; see [`panicked`](Self::panicked).
    pub fn is_clean(&self) -> bool {
        let data = &self.data;
        data.unstarted.len() == 0 && data.abandoned.is_empty() && data.lingering.is_empty()
    }

    /// Returns the name of the pool.
    pub fn pool(&self) -> &str {
        &self.data.pool
    }

    /// Returns how long the stop took, from the first call to the report.
    pub fn elapsed(&self) -> Duration {
        self.data.elapsed
    }

    /// Returns how many tasks the pool accepted during its lifetime.
    pub fn accepted(&self) -> u64 {
        self.data.accepted
    }

    /// Returns how many tasks ran to their end, including those that ended because of their token.
    pub fn completed(&self) -> u64 {
        self.data.completed
    }

    /// Returns how many tasks panicked. They leave nothing behind, so the stop may still be clean.
    pub fn panicked(&self) -> u64 {
        self.data.panicked
    }

    /// Returns how many tasks were cancelled before they started. A running task that ended because
    /// of its token is [`completed`](Self::completed): the stop cannot know whether its result is
    /// whole.
    pub fn cancelled(&self) -> u64 {
        self.data.cancelled
    }

    /// Returns how many tasks were not started in time
    /// ([`start_within`](crate::TaskBuilder::start_within)), and never ran.
    pub fn expired(&self) -> u64 {
        self.data.expired
    }

    /// Returns how many tasks ran longer than their [limit](crate::TaskBuilder::time_limit) plus
    /// the grace period, whatever their outcome.
    pub fn overrun(&self) -> u64 {
        self.data.overrun
    }

    /// Returns the entries of [schedulers](crate::Scheduler) whose runs failed on this pool, by
    /// name, with the number of failures and the last error. At most a thousand entries are listed.
    /// The tasks of those runs count as [`completed`](Self::completed) or
    /// [`panicked`](Self::panicked) and leave nothing behind, so the stop may still be clean.
    pub fn failed_schedules(&self) -> &[FailedSchedule] {
        &self.data.failed_schedules
    }

    /// Returns the tasks that were accepted and never started, the oldest first.
    ///
    /// The first call on any clone makes the list, which takes 0.1 us per task. The list stays the
    /// same when the tasks are taken.
    pub fn unstarted(&self) -> &[TaskInfo] {
        self.data.unstarted.infos()
    }

    /// Returns the tasks that were still running when the report was made, the longest-running
    /// first. The list stays the same when they end.
    pub fn abandoned(&self) -> &[AbandonedTask] {
        &self.data.abandoned
    }

    /// Returns the tasks that were themselves inside `stop`, and those below them on the stack of
    /// the same worker, the innermost first. Empty if no task stopped its own pool.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let pool = groundcrew::Pool::new(1)?;
    /// let stop = pool.stop_handle();
    /// let handle = pool.task("last").submit(move || stop.stop(Duration::from_secs(5)))?;
    /// let report = handle.join()?;
    /// assert_eq!(report.stopping_tasks()[0].name(), "last");
    /// assert!(report.is_clean());
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn stopping_tasks(&self) -> &[TaskInfo] {
        &self.data.stopping
    }

    /// Returns the workers without a task whose thread had not exited.
    pub fn lingering(&self) -> &[LingeringWorker] {
        &self.data.lingering
    }

    /// Takes the tasks that never started, to run or resubmit them. The first call on any clone of
    /// the report returns them all; later calls return none.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Pool, StopPlan};
    /// use std::time::Duration;
    ///
    /// let (old, new) = (Pool::new(1)?, Pool::new(1)?);
    /// let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// old.execute(move || gate.recv().unwrap_or_default())?;
    /// let handle = old.submit(|| 7)?;
    /// drop(open);
    /// let report = old.stop(StopPlan::finish_running(Duration::from_secs(5)));
    ///
    /// for task in report.take_unstarted() {
    ///     new.resubmit(task)?;
    /// }
    /// new.wait_idle();
    /// assert_eq!(handle.join()?, 7);
    /// assert!(report.take_unstarted().is_empty());
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn take_unstarted(&self) -> Vec<UnstartedTask> {
        std::mem::take(&mut *self.closures.0.lock())
    }

    /// Drops the tasks that never started and what they captured. Blocks until that is done; a
    /// panic in a drop is logged.
    pub fn drop_unstarted(&self) {
        drop(self.take_unstarted());
    }

    /// Blocks until no abandoned task is running, or `timeout` has passed; returns how many still
    /// run.
    ///
    /// A zero timeout only checks; [`Duration::MAX`] waits without limit.
    pub fn wait_for_abandoned(&self, timeout: Duration) -> usize {
        self.data.abandoned_counter.wait(Deadline::after(timeout))
    }

    /// Returns 0 if the stop is [clean](Self::is_clean), otherwise 75: the code that `sysexits.h`
    /// calls `EX_TEMPFAIL`, "try again later".
    ///
    /// It is 75 even if only a [lingering](Self::lingering) thread was left behind, whose
    /// destructors may not have run yet. A program that knows better what is left to do can return
    /// its own code.
    pub fn exit_code(&self) -> u8 {
        match self.is_clean() {
            true => 0,
            false => 75,
        }
    }
}

impl Termination for StopReport {
    /// Prints the report on stderr if it is not clean. Waits for a stderr that is stuck, a
    /// pipe that is full and not read, for one second at most.
    fn report(self) -> ExitCode {
        if !self.is_clean() {
            async_log::to_stderr_in_time(table::for_stderr(&self));
        }
        ExitCode::from(self.exit_code())
    }
}
