//! The trait.

use super::claim::{Claim, ClaimRequest};
use super::counts::LaneCounts;
use super::error::StoreError;
use super::ids::{AttemptId, Beat, JobId, Version, WorkerId};
use super::info::JobDetails;
use super::lease::{HeldJob, ProcessInfo, WorkerInfo};
use super::list::{Cursor, JobFilter, JobPage};
use super::lost::{LostJob, TakenOver};
use super::operation::Operation;
use super::outcome::{Answer, CancelOutcome, Finish, Outcome, Promoted, Swept};
use super::paused::PausedQueue;
use super::recurring::{DueRecurring, RecurringAnswer, RecurringChange, RecurringJob};
use super::spec::{Enqueued, JobSpec};
use super::state::JobState;
use super::transaction::Statement;
use std::time::{Duration, SystemTime};

/// Keeps jobs.
///
/// # What holds for every method
///
/// - It happens as a whole or, if it returns an error, not at all. It happens at one moment, also
///   for other processes. Only [`StoreError::OutcomeUnknown`] leaves open which.
/// - It blocks until that is so, but not for long: a store that cannot be reached, or that another
///   connection has locked, is an error within seconds. [`mark_begun`](Self::mark_begun),
///   [`version`](Self::version) and [`wake`](Self::wake) do not block.
/// - It may be called from any number of threads. What they ask for at the same time may share a
///   commit, but no call sees the error of another.
/// - Times are those of the store's wall clock, in whole milliseconds.
///
/// # Invariants
///
/// 1. A job is running if and only if a process with a lease runs it. A lease ends by
///    [`withdraw`](Self::withdraw) or by [`take_over`](Self::take_over), and leaves no running job.
/// 2. Only its current attempt changes a running job. Each claim and each takeover gives the job a
///    fence that is higher than all before in the whole store.
/// 3. At most one job that has not ended has a given unique key, and at most one job has a given
///    client id.
/// 4. `attempt` is the number of claims since the job was enqueued or retried by hand, without those
///    that were given back, snoozed or interrupted.
/// 5. Of the jobs with one [limit](super::Limit) no more than that number are available or running,
///    but for those that ran when it was lowered. Whatever leaves makes the best of the blocked
///    ones available at the same moment.
/// 6. A job that waits for others leaves them behind in the transaction in which they end: the last
///    one that is completed lets it go on, and one that is cancelled, deleted or pruned cancels it.
///    Where these are many, [`unblock`](Self::unblock) does it for the rest.
/// 7. [`counts`](Self::counts) says how many jobs there are, whichever way they came in.
/// 8. A recurring job changes only from the revision that was seen, and each change gives it one that
///    the store has not used before.
pub trait Store: Send + Sync + 'static {
    /// Enqueues jobs, all or none. When it returns `Ok` they are durable: a killed process or, with
    /// the durability that the store was opened with, a power failure does not lose them.
    ///
    /// For each job in order, it returns its id, and whether it is new: a job whose client id is
    /// known is not enqueued again, whatever else it says.
    ///
    /// # Errors
    ///
    /// What [`JobSpec::check`] refuses; [`StoreError::UniqueKeyHeld`]; [`StoreError::CannotFollow`];
    /// and what the store itself cannot do.
    fn enqueue(&self, jobs: Vec<JobSpec>) -> Result<Vec<Enqueued>, StoreError>;

    /// The maximum size of the payload and the meta data of a job, in bytes.
    fn max_payload(&self) -> usize;

    /// A statement that enqueues a job, in the SQL of this store, for a driver that this crate does
    /// not know. After its transaction has committed, [`wake`](Self::wake) makes this process
    /// notice the job at once.
    ///
    /// # Errors
    ///
    /// What [`JobSpec::check`] refuses, and [`StoreError::Unsupported`] if the store has no SQL, as
    /// by default.
    fn statement(&self, job: &JobSpec) -> Result<Statement, StoreError> {
        let _ = job;
        Err(StoreError::Unsupported {
            detail: "this store has no SQL; enqueue the job through its `Jobs`".to_owned(),
        })
    }

    /// Gives the calling process a lease.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do.
    fn register(&self, process: &ProcessInfo) -> Result<WorkerId, StoreError>;

    /// Renews a lease: its beat changes.
    ///
    /// # Errors
    ///
    /// [`StoreError::LeaseLost`] if another process has taken the lease over.
    fn renew(&self, worker: WorkerId) -> Result<(), StoreError>;

    /// Ends a lease, unless jobs still run in its name. Returns their number: if it is not 0, the
    /// lease stays, and another process takes it over when this one has ended. A lease that has
    /// ended already is 0.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do.
    fn withdraw(&self, worker: WorkerId) -> Result<usize, StoreError>;

    /// The processes that have a lease, in the order in which they registered.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do.
    fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError>;

    /// Ends the lease of another process, if its beat is still `seen`, and puts an end to each
    /// attempt that runs in its name: `judge` says which ([`LostJob::outcome`]). Returns these jobs;
    /// `None` if the beat has changed or the lease has ended, in which case nothing happens.
    ///
    /// If the attempt had or may have begun ([`LostJob::is_suspect`]), the job's
    /// [`lost`](super::JobInfo::lost) grows by one, until an attempt fails or is snoozed by its
    /// worker. Whether to take over is the caller's decision ([`BeatWatch`](super::BeatWatch)): the
    /// store does not ask whether the process has ended.
    ///
    /// A job whose end cannot be written, since its row is damaged, say, is dead. If not even that can
    /// be written, it keeps the lease alone: the others end all the same, and are returned. A store may
    /// fail as a whole where an end would let a blocked or waiting job go on that cannot be written.
    ///
    /// `judge` may be called more than once for a job. It may read from the store; it must not panic,
    /// or return [`Outcome::Abandoned`]. If the process claims or ends jobs again and again meanwhile,
    /// nothing happens: it lives.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do; and, if no job is left that can be changed, why.
    fn take_over(
        &self,
        worker: WorkerId,
        seen: Beat,
        judge: &dyn Fn(&LostJob) -> Outcome,
    ) -> Result<Option<Vec<TakenOver>>, StoreError>;

    /// Claims available jobs for a process, as [`ClaimRequest`] and [`Picker`](super::Picker) say.
    /// They become running in its name, and the attempt counts. No other job is changed, except
    /// that those found expired are cancelled, and those found that cannot be read are dead
    /// ([`Claim::unreadable`]): up to
    /// [`Picker::MOST_DISCARDED`](super::Picker::MOST_DISCARDED), then the claim
    /// [ends early](Claim::has_more).
    ///
    /// A power failure may undo a claim, though never the use of its fence; the death of a process
    /// does not.
    ///
    /// # Errors
    ///
    /// [`StoreError::LeaseLost`] if the process has no lease.
    fn claim(&self, request: &ClaimRequest<'_>) -> Result<Claim, StoreError>;

    /// Notes that the process begins an attempt, so that a takeover can tell it from those that were
    /// only claimed. The note is kept until [`finish`](Self::finish) has recorded the end of the
    /// attempt: one whose handler has returned, and whose end is not recorded, had begun.
    ///
    /// It is not durable beyond the life of the machine, and costs no commit. A store that cannot
    /// keep the note does nothing, as by default; all attempts of the process are then
    /// [`Begun::Unknown`](super::Begun::Unknown) when it is lost. So they are if one of its notes
    /// could not be written, or if the machine has started again since.
    fn mark_begun(&self, worker: WorkerId, attempt: AttemptId) {
        let _ = (worker, attempt);
    }

    /// Records how attempts ended. The answers are in the order of `ends`. An attempt that is no
    /// longer the job's is answered with [`Answer::Lost`], and does not keep the others from being
    /// recorded.
    ///
    /// It blocks until the answers are durable, so a worker that should go on meanwhile leaves the
    /// call to another thread. That thread best hands over at once all that has come together.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do. The same call can then be repeated.
    fn finish(&self, ends: &[Finish]) -> Result<Vec<Answer>, StoreError>;

    /// The jobs that run in the name of a process, in the order of their ids. It finds two things in
    /// there: what an operator has cancelled, and what it did not know of, because the answer to
    /// its claim was lost.
    ///
    /// # Errors
    ///
    /// [`StoreError::LeaseLost`] if the process has no lease.
    fn held(&self, worker: WorkerId) -> Result<Vec<HeldJob>, StoreError>;

    /// Makes scheduled jobs available that are due, the earliest first, and `most` at once.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do.
    fn promote_due(&self, most: usize) -> Result<Promoted, StoreError>;

    /// Gives blocked jobs the places that there are for them, and takes those of available jobs in
    /// paused queues for others: after a queue was paused or resumed, and where anything else than
    /// this store has written. And goes on with the jobs that wait for one that has ended, if these
    /// are more than one transaction takes. It looks at a limited number, and the next call at those
    /// that follow. Returns whether there are more.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do.
    fn unblock(&self) -> Result<bool, StoreError>;

    /// Cancels jobs that have expired and wait, the first to expire first, and `most` at once. A
    /// claim does so with those that it finds; others may be in lanes from which no process claims.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do.
    fn cancel_expired(&self, most: usize) -> Result<Swept, StoreError>;

    /// Removes jobs that ended in `state` at least `age` ago, the earliest first, and `most` at
    /// once, or fewer if they are large. In a state that is not an end nothing is removed.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do.
    fn prune(&self, state: JobState, age: Duration, most: usize) -> Result<Swept, StoreError>;

    /// All that the store has of a job; `None` if it has none with this id.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do.
    fn get(&self, id: JobId) -> Result<Option<JobDetails>, StoreError>;

    /// Cancels a job. If it runs, its worker is asked to cancel it.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`], and [`StoreError::WrongState`] if it has ended.
    fn cancel(&self, id: JobId) -> Result<CancelOutcome, StoreError>;

    /// Makes a dead or cancelled job available, as if it had had no attempt and no interruption yet.
    /// It does not expire any more. If its last attempt was lost, it is still claimed alone.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`]; [`StoreError::WrongState`] if it is neither dead nor cancelled;
    /// [`StoreError::UniqueKeyHeld`] if another job has its unique key now.
    fn retry(&self, id: JobId) -> Result<(), StoreError>;

    /// Removes a job with all that belongs to it.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`], and [`StoreError::WrongState`] if it runs.
    fn delete(&self, id: JobId) -> Result<(), StoreError>;

    /// Does the same to several jobs, in order, each as [`cancel`](Self::cancel),
    /// [`retry`](Self::retry) or [`delete`](Self::delete) does it. Returns the answer for each: one
    /// that is refused keeps no other from it.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do; then it is done to none.
    fn operate(
        &self,
        operation: Operation,
        jobs: &[JobId],
    ) -> Result<Vec<Result<(), StoreError>>, StoreError>;

    /// Pauses a queue: nothing is claimed from it until it is [resumed](Self::resume). What is
    /// claimed already runs, and jobs still come in and become due. It is as durable as an enqueue.
    /// A queue may be paused before it has a job.
    ///
    /// Returns whether that is new: a queue that is paused already stays as it is.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidQueue`] if no queue can have this name.
    fn pause(&self, queue: &str) -> Result<bool, StoreError>;

    /// Ends the pause of a queue. Returns whether it was paused.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do.
    fn resume(&self, queue: &str) -> Result<bool, StoreError>;

    /// The queues that are paused, in the order of their names.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do.
    fn paused(&self) -> Result<Vec<PausedQueue>, StoreError>;

    /// The jobs that fit `filter`, in its order, after the place of `after`, and `most` at once.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do.
    fn list(
        &self,
        filter: &JobFilter,
        after: Option<Cursor>,
        most: usize,
    ) -> Result<JobPage, StoreError>;

    /// The numbers of jobs, by queue and kind, in the order of their names. A lane in which there
    /// never was a job has none.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do.
    fn counts(&self) -> Result<Vec<LaneCounts>, StoreError>;

    /// Since when the available job of a queue that has waited the longest has been due; `None` if
    /// none is available.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do.
    fn oldest_available(&self, queue: &str) -> Result<Option<SystemTime>, StoreError>;

    /// The recurring jobs, by owner and key; of one owner, or with one key, if that is given. A store
    /// that keeps none returns [`StoreError::Unsupported`] here and from the next three methods, as by
    /// default.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do.
    fn recurring(
        &self,
        owner: Option<&str>,
        key: Option<&str>,
    ) -> Result<Vec<RecurringJob>, StoreError> {
        let _ = (owner, key);
        Err(no_recurring_jobs())
    }

    /// The recurring jobs of an owner that are due.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do.
    fn due_recurring(&self, owner: &str) -> Result<DueRecurring, StoreError> {
        let _ = owner;
        Err(no_recurring_jobs())
    }

    /// Changes recurring jobs and enqueues what belongs to each change, in order. The answers are in
    /// the order of `changes`: of two processes that have seen the same revision, one makes its
    /// change. Durable as an [`enqueue`](Self::enqueue).
    ///
    /// # Errors
    ///
    /// What [`JobSpec::check`] refuses, of the recurring jobs and of those to enqueue, and what the
    /// store itself cannot do.
    fn change_recurring(
        &self,
        changes: &[RecurringChange],
    ) -> Result<Vec<RecurringAnswer>, StoreError> {
        let _ = changes;
        Err(no_recurring_jobs())
    }

    /// Notes that a process still declares these recurring jobs of an owner. Those that are not there
    /// are left out.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do.
    fn touch_recurring(&self, owner: &str, keys: &[&str]) -> Result<(), StoreError> {
        let _ = (owner, keys);
        Err(no_recurring_jobs())
    }

    /// How far the store has come, as far as this process knows. It changes when there may be
    /// something that was not there before: a job to claim, a scheduled one, or something to find
    /// in [`held`](Self::held). It may change without any.
    fn version(&self) -> Version;

    /// Blocks until the version is no longer `seen`, or until `timeout` has passed; returns the
    /// version. What this process did itself is known at once, and what others on the same machine
    /// did within 0.1 s, if the store can know it at all: a caller looks now and then in any case.
    /// The timeout is in real time, also if the store's clock is moved by a test.
    ///
    /// Nothing is missed if the version is read before the claim that finds nothing.
    fn wait_for_change(&self, seen: Version, timeout: Duration) -> Version;

    /// Changes the version, so that all waits of this process end: after a commit that the store
    /// does not know of, and for a stop.
    fn wake(&self);

    /// The store's wall clock.
    ///
    /// # Errors
    ///
    /// What the store itself cannot do.
    fn now(&self) -> Result<SystemTime, StoreError>;
}

fn no_recurring_jobs() -> StoreError {
    StoreError::Unsupported {
        detail: "this store keeps no recurring jobs; leave out `.recurring(..)`".to_owned(),
    }
}
