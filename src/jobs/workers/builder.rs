//! How workers are declared.

use super::super::context::JobContext;
use super::super::dead_job::DeadJob;
use super::super::job::{Job, JobResult};
use super::super::new_job::NewJob;
use super::super::recurring::{Declared, Recurrence};
use super::super::way_in::Jobs;
use super::handler::{self, HandlerOutput};
use super::hosted::Hosted;
use super::service::HostedJobs;
use super::setup::Draft;
use crate::causes::BoxError;
use crate::host::{FailurePolicy, HostBuilder, ServiceBuilder, ServiceNames};
use crate::retry::RetryPolicy;
use crate::sync::{Arc, Mutex};
use crate::unwind::Guarded;
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::Duration;

/// Declares workers: threads that claim jobs from a store and run their handlers. Returned by
/// [`HostBuilder::jobs`], and given to the closure of
/// [`Jobs::work_until_empty`](crate::jobs::Jobs::work_until_empty), which has one thread.
///
/// See [the module](crate::jobs) for what a stop does, and for what an error means.
///
/// # Examples
///
/// ```
/// use groundcrew::host::Restart;
/// use groundcrew::jobs::{Job, JobContext, JobResult, Jobs};
/// use groundcrew::store::MemoryStore;
/// use groundcrew::{Host, Retry};
/// use std::time::Duration;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct SendWelcome { user: u64 }
/// impl Job for SendWelcome { const KIND: &'static str = "send-welcome"; }
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Import { path: String }
/// impl Job for Import { const KIND: &'static str = "import"; }
///
/// fn import(job: Import, _: &JobContext) -> JobResult {
///     let rows = std::fs::read_to_string(&job.path)?;
///     println!("{} rows", rows.lines().count());
///     Ok(())
/// }
///
/// let jobs = Jobs::open(MemoryStore::new())?;
/// let mut host = Host::builder();
/// host.background("db", |ctx| ctx.wait());
/// host.jobs("mailer", &jobs)
///     .threads(4)
///     .queues([("critical", 5), ("default", 1)])
///     .on(|job: SendWelcome, _: &JobContext| println!("welcome, {}", job.user))
///     .on(import)
///     .retry::<Import>(Retry::exponential(Duration::from_secs(1)).attempts(5))
///     .dead_letter(|job| eprintln!("job {} is dead: {}", job.id(), job.error()))
///     .after("db")
///     .on_failure(Restart::new());
/// let host = host.build()?.start()?;
/// let report = host.stop();
/// assert!(report.is_clean());
/// assert_eq!(report.jobs("mailer").map(|jobs| jobs.claimed()), Some(0));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct Workers<S = ThisThread> {
    draft: Arc<Mutex<Draft>>,
    service: S,
}

/// In the place of the options of a service: workers that run on the calling thread.
#[derive(Debug)]
pub struct ThisThread(());

/// A queue, or a queue with its weight: `"mail"`, `("mail", 5)`.
///
/// This trait is sealed: it cannot be implemented outside of this crate.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a queue",
    note = "write `\"mail\"`, or, with its weight, `(\"mail\", 5)`"
)]
pub trait WorkedQueue: IntoQueue {}

impl<T: IntoQueue> WorkedQueue for T {}

/// Seals [`WorkedQueue`].
pub trait IntoQueue {
    fn into_queue(self) -> (String, u32);
}

impl IntoQueue for &str {
    fn into_queue(self) -> (String, u32) {
        (self.to_owned(), 1)
    }
}

impl IntoQueue for String {
    fn into_queue(self) -> (String, u32) {
        (self, 1)
    }
}

impl IntoQueue for (&str, u32) {
    fn into_queue(self) -> (String, u32) {
        (self.0.to_owned(), self.1)
    }
}

impl IntoQueue for (String, u32) {
    fn into_queue(self) -> (String, u32) {
        self
    }
}

impl HostBuilder {
    /// Adds workers of durable jobs as a service: see [`Workers`].
    // Not the type, which the last method of a declaration returns.
    #[must_use = "workers without a handler are refused at the build"]
    pub fn jobs(&mut self, name: impl Into<String>, jobs: &Jobs) -> Workers<ServiceBuilder<'_>> {
        let draft = Arc::new(Mutex::new(Draft::new()));
        let hosted = Arc::new(Hosted::new(jobs, draft.clone()));
        Workers {
            draft,
            service: self.add(name, HostedJobs(hosted)),
        }
    }
}

impl Workers {
    pub(super) fn on_this_thread() -> Workers {
        Workers {
            draft: Arc::new(Mutex::new(Draft::new())),
            service: ThisThread(()),
        }
    }

    pub(super) fn into_draft(self) -> Arc<Mutex<Draft>> {
        self.draft
    }
}

impl<S> Workers<S> {
    fn set(self, set: impl FnOnce(&mut Draft)) -> Self {
        set(&mut self.draft.lock());
        self
    }

    /// Sets the queues to claim from, each with its weight, 1 by default: of two queues with the
    /// weights 5 and 1, both with jobs, five of six claims look at the first one first. No queue waits
    /// behind an empty one. Defaults to the queue `default`.
    pub fn queues<Q: WorkedQueue>(self, queues: impl IntoIterator<Item = Q>) -> Self {
        let queues = queues.into_iter().map(IntoQueue::into_queue).collect();
        self.set(|draft| draft.queues = queues)
    }

    /// Adds the handler of a kind: a closure or a function that returns `()` or [`JobResult`]. All
    /// threads share it.
    pub fn on<J, F, R>(self, handler: F) -> Self
    where
        J: Job + DeserializeOwned + 'static,
        F: Fn(J, &JobContext) -> R + Send + Sync + 'static,
        R: HandlerOutput + 'static,
    {
        let make = handler::shared(handler);
        self.set(|draft| draft.add_handler::<J>(make))
    }

    /// Adds the handler of a kind, which each thread makes for itself: for what threads cannot
    /// share, such as a connection to a database. It is made again after a panic. If it cannot be
    /// made, the service fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::jobs::{Job, JobContext, Jobs};
    /// use groundcrew::store::MemoryStore;
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Add { number: u64 }
    /// impl Job for Add { const KIND: &'static str = "add"; }
    ///
    /// let jobs = Jobs::open(MemoryStore::new())?;
    /// jobs.enqueue_many(&[Add { number: 1 }, Add { number: 2 }])?;
    /// let (sums, sum) = groundcrew::channel::unbounded();
    /// jobs.work_until_empty(|workers| {
    ///     workers.on_each(move || {
    ///         let (mut total, sums) = (0, sums.clone());
    ///         Ok(move |job: Add, _: &JobContext| {
    ///             total += job.number;
    ///             Ok(sums.send(total)?)
    ///         })
    ///     })
    /// })?;
    /// assert_eq!(sum.iter().collect::<Vec<_>>(), [1, 3]);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn on_each<J, F, H, R>(self, factory: F) -> Self
    where
        J: Job + DeserializeOwned + 'static,
        F: Fn() -> JobResult<H> + Send + Sync + 'static,
        H: FnMut(J, &JobContext) -> R + 'static,
        R: HandlerOutput + 'static,
    {
        let make = handler::for_each_thread(factory);
        self.set(|draft| draft.add_handler::<J>(make))
    }

    /// Sets how a kind is retried: the delays, the maximum number of attempts, and the deadline,
    /// which counts from when the job was due at first. Defaults to 25 attempts with delays that
    /// double from 15 s up to an hour.
    ///
    /// A [judge](crate::Retry::on_error) is asked about the errors that do not say themselves what
    /// they mean. Of its verdicts, [`GiveUp`](crate::retry::Verdict::GiveUp) makes the job dead, and
    /// after [`Postpone`](crate::retry::Verdict::Postpone) the attempt does not count. If it panics,
    /// the attempt does so.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::jobs::{Job, JobContext, Jobs};
    /// use groundcrew::retry::Verdict;
    /// use groundcrew::store::MemoryStore;
    /// use groundcrew::{BoxError, Retry};
    /// use std::io::{Error, ErrorKind};
    /// use std::time::Duration;
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Import { path: String }
    /// impl Job for Import { const KIND: &'static str = "import"; }
    ///
    /// let retry = Retry::exponential(Duration::from_secs(60)).attempts(5).on_error(
    ///     |error: &BoxError| match error.downcast_ref::<Error>() {
    ///         Some(error) if error.kind() == ErrorKind::NotFound => Verdict::GiveUp,
    ///         _ => Verdict::Retry,
    ///     },
    /// );
    /// let jobs = Jobs::open(MemoryStore::new())?;
    /// jobs.enqueue(&Import { path: "no/such/file".to_owned() })?;
    /// let report = jobs.work_until_empty(|workers| {
    ///     workers
    ///         .on(|job: Import, _: &JobContext| {
    ///             std::fs::read(job.path)?;
    ///             Ok(())
    ///         })
    ///         .retry::<Import>(retry)
    /// })?;
    /// assert_eq!((report.claimed(), report.dead()), (1, 1));
    /// # Ok::<(), BoxError>(())
    /// ```
    pub fn retry<J: Job>(self, policy: impl RetryPolicy<BoxError>) -> Self {
        let retry = policy.into_retry();
        self.set(|draft| draft.add_retry::<J>(retry))
    }

    /// Sets the closure for dead letters (jobs that have failed for good). A worker calls it when the
    /// store has recorded that; in a stop, so may the thread of the service. If the process ends in
    /// between, it is not called. A panic in it is logged. The job stays in the store as dead.
    pub fn dead_letter(self, call: impl Fn(&DeadJob) + Send + Sync + 'static) -> Self {
        let call = Guarded::new(call, "the closure for dead letters");
        self.set(|draft| draft.dead_letter = Some(Arc::new(move |dead| (*call)(dead))))
    }

    /// Adds a closure that is called around each handler, to measure or to set up what it needs. It
    /// calls `run` and returns what that returns; the first one that is added is the outermost. If
    /// it does not call `run`, the handler does not run, and what the closure returns counts.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::jobs::{Job, JobContext, Jobs};
    /// use groundcrew::store::MemoryStore;
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Ping;
    /// impl Job for Ping { const KIND: &'static str = "ping"; }
    ///
    /// let jobs = Jobs::open(MemoryStore::new())?;
    /// jobs.enqueue(&Ping)?;
    /// let (results, seen) = groundcrew::channel::unbounded();
    /// jobs.work_until_empty(|workers| {
    ///     workers.on(|_: Ping, _: &JobContext| Err("no".into())).around(move |ctx, run| {
    ///         let result = run();
    ///         results.send((ctx.kind().to_owned(), result.is_ok()))?;
    ///         result
    ///     })
    /// })?;
    /// assert_eq!(seen.iter().collect::<Vec<_>>(), [("ping".to_owned(), false)]);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn around(
        self,
        call: impl Fn(&JobContext, Box<dyn FnOnce() -> JobResult + '_>) -> JobResult
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let call = Guarded::new(call, "the closure around the handlers of jobs");
        self.set(|draft| {
            draft
                .around
                .push(Arc::new(move |ctx, run| (*call)(ctx, run)))
        })
    }

    /// Sets the number of interruptions at which a job is dead: one that never fits between two
    /// stops then shows. Defaults to 100.
    pub fn max_interruptions(self, count: u32) -> Self {
        self.set(|draft| draft.max_interruptions = count)
    }
}

impl Workers<ServiceBuilder<'_>> {
    /// Sets the number of threads that run handlers. Defaults to 1. Four more threads claim, keep
    /// the lease, send the ends to the store, and keep the store in order.
    pub fn threads(self, count: usize) -> Self {
        self.set(|draft| draft.threads = count)
    }

    /// Declares a job that is enqueued by a schedule: `recurrence` is a [`Schedule`], or a
    /// [`Recurrence`] with a policy for missed instants, `job` is a job or a [`NewJob`] with options.
    /// See [recurring jobs](crate::jobs#recurring-jobs).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "cron")] {
    /// use groundcrew::jobs::{Job, JobContext, Jobs, NewJob};
    /// use groundcrew::store::MemoryStore;
    /// use groundcrew::{Host, Schedule};
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct SendNewsletter {}
    /// impl Job for SendNewsletter { const KIND: &'static str = "send-newsletter"; }
    ///
    /// let jobs = Jobs::open(MemoryStore::new())?;
    /// let mut host = Host::builder();
    /// host.jobs("mailer", &jobs)
    ///     .on(|_: SendNewsletter, ctx: &JobContext| println!("that of {:?}", ctx.due()))
    ///     .recurring(
    ///         "newsletter",
    ///         Schedule::cron("0 17 * * *").in_tz("Europe/London"),
    ///         // As long as one has not ended, the next is left out.
    ///         NewJob::of(&SendNewsletter {}).unique("newsletter"),
    ///     );
    /// assert!(host.build()?.start()?.stop().is_clean());
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    ///
    /// [`Schedule`]: crate::Schedule
    pub fn recurring(
        self,
        key: impl Into<String>,
        recurrence: impl Into<Recurrence>,
        job: impl Into<NewJob>,
    ) -> Self {
        let declared = Declared::new(key.into(), recurrence.into(), job.into());
        self.set(|draft| draft.recurring.push(declared))
    }

    /// Declares the services that this one needs: see [`ServiceBuilder::after`].
    pub fn after(self, services: impl ServiceNames) -> Self {
        self.map(|service| service.after(services))
    }

    /// Sets how the host reacts when the service fails: see [`ServiceBuilder::on_failure`]. A job
    /// that fails is no failure of the service, and neither is a store that cannot be used for a
    /// while: the host is not ready then.
    pub fn on_failure(self, policy: impl Into<FailurePolicy>) -> Self {
        self.map(|service| service.on_failure(policy))
    }

    /// Sets how long the service may take to start: see [`ServiceBuilder::start_timeout`].
    pub fn start_timeout(self, limit: Duration) -> Self {
        self.map(|service| service.start_timeout(limit))
    }

    /// Sets how long the service may take to stop: see [`ServiceBuilder::stop_timeout`].
    pub fn stop_timeout(self, limit: Duration) -> Self {
        self.map(|service| service.stop_timeout(limit))
    }

    fn map(self, change: impl FnOnce(ServiceBuilder<'_>) -> ServiceBuilder<'_>) -> Self {
        Workers {
            draft: self.draft,
            service: change(self.service),
        }
    }
}

impl<S> fmt::Debug for Workers<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let draft = self.draft.lock();
        f.debug_struct("Workers")
            .field("threads", &draft.threads)
            .field("queues", &draft.queues)
            .finish_non_exhaustive()
    }
}
