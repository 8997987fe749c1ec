//! The report of a host.

use super::service_report::{ServiceOutcome, ServiceReport};
use crate::async_log::to_stderr_in_time;
use crate::host::failure::ServiceFailure;
#[cfg(feature = "jobs")]
use crate::host::items::JobsReport;
use crate::host::items::{BatchStats, QueueStats};
use crate::host::reason::StopReason;
use crate::stop::StopReport;
use crate::sync::{Arc, Weak};
use crate::table::for_stderr;
use std::any::Any;
use std::process::{ExitCode, Termination};
use std::time::Duration;

/// The outcome of a host: how each service ended, what failed, and what was left behind.
///
/// A clone refers to the same report. When printed, a report looks as below. Each line is as long
/// as it has to be; with a width, as in `{:100}`, no line is longer than that.
///
/// ```text
/// host blog: NOT CLEAN after 8.000 s (deadline 8 s): 1 failed, 1 abandoned of 4 services
///   why        service "indexer" failed in run: cannot write: No space left on device
///   phases     start 0.412 s   ran 3.1 h   delay 0.000 s   stop 8.000 s
///   failed     "indexer"  run: cannot write: No space left on device
///   abandoned  "watcher"  stop requested 8.0 s ago  last heartbeat 9.3 s ago
///              watcher   last note: "posts/2026"   thread 40213: sleeping in read
///   stopped    "emails"  after 0.102 s  handled 120  failed 0  panicked 0  unstarted 0
///   returned   "warm-up"
/// ```
///
/// If pools left tasks behind, the first line counts these, too. Control characters in names and
/// messages are escaped, quotes are not.
///
/// When `main` returns a report that is not clean, it is printed to stderr, where a terminal gets
/// lines of its width (the environment variable `COLUMNS`, or 120). The process exits with its
/// [`exit_code`](Self::exit_code).
///
/// # What it holds
///
/// The report holds the reports of the pools with their unstarted tasks, until its last clone is
/// dropped. See [`StopReport`] for what that means for channels whose senders these tasks own.
/// Items that were not handled stay in their queues: see
/// [`WorkQueue::take_unstarted`](crate::host::WorkQueue::take_unstarted).
///
/// With the feature `serde` it can be serialized.
///
/// # Examples
///
/// ```
/// use groundcrew::{BoxError, Host, HostReport};
///
/// fn main() -> Result<HostReport, BoxError> {
///     let mut host = Host::builder();
///     host.background("once", |ctx| Ok(ctx.request_stop("done")));
///     Ok(host.build()?.run())
/// }
/// ```
#[derive(Clone)]
#[must_use = "the report shows what failed and what was left behind"]
pub struct HostReport {
    data: Arc<ReportData>,
    /// The pools' reports with their unstarted tasks; `None` in the report of a late caller.
    pools: Option<Arc<Vec<StopReport>>>,
    /// Dropped with the report: the signals of `run_until_signal`.
    _held: Option<Arc<dyn Any + Send + Sync>>,
}

/// The facts of a report. Holds no item and no task.
pub(in crate::host) struct ReportData {
    pub(in crate::host) host: Arc<str>,
    pub(in crate::host) reason: StopReason,
    pub(in crate::host) limit: Duration,
    pub(in crate::host) start: Option<Duration>,
    pub(in crate::host) ran: Option<Duration>,
    pub(in crate::host) delay: Duration,
    pub(in crate::host) stop: Duration,
    pub(in crate::host) services: Vec<ServiceReport>,
    pub(in crate::host) failures: Vec<ServiceFailure>,
    pub(in crate::host) lingering: Vec<Arc<str>>,
    /// Without their tasks.
    pub(in crate::host) pools: Vec<StopReport>,
}

/// What the host keeps of its report. The unstarted tasks are kept only until the threads that
/// waited for the report have it, or else the first caller: a handle of the host may live for
/// long, and they may own what others wait for.
pub(in crate::host) struct StoredReport {
    data: Arc<ReportData>,
    pools: Weak<Vec<StopReport>>,
    until_fetched: Option<Arc<Vec<StopReport>>>,
}

impl StoredReport {
    pub(in crate::host) fn new(data: ReportData, pools: Vec<StopReport>) -> StoredReport {
        let pools = Arc::new(pools);
        StoredReport {
            data: Arc::new(data),
            pools: Arc::downgrade(&pools),
            until_fetched: Some(pools),
        }
    }

    /// For a caller that waited, or asks now. `is_last`: no other one waits.
    pub(in crate::host) fn fetch(&mut self, is_last: bool) -> HostReport {
        let report = HostReport {
            data: self.data.clone(),
            pools: self.pools.upgrade(),
            _held: None,
        };
        if is_last {
            self.until_fetched = None;
        }
        report
    }

    pub(in crate::host) fn is_fetched(&self) -> bool {
        self.until_fetched.is_none()
    }

    /// The same without the tasks, to read it.
    pub(in crate::host) fn peek(&self) -> HostReport {
        HostReport {
            data: self.data.clone(),
            pools: None,
            _held: None,
        }
    }
}

impl HostReport {
    pub(super) fn data(&self) -> &ReportData {
        &self.data
    }

    /// The same, that keeps `held` for as long as it lives.
    #[cfg(all(feature = "signals", not(shuttle)))]
    pub(in crate::host) fn holding(mut self, held: impl Any + Send + Sync) -> HostReport {
        self._held = Some(Arc::new(held));
        self
    }

    /// Returns `true` if nothing failed and nothing was left behind: no service failed, panicked or
    /// was abandoned, no thread is [lingering](Self::lingering), no item is unstarted, or failed
    /// and [not taken](crate::host::WorkQueue::take_failed), and every pool's report is clean. Then
    /// every thread of the host has been joined, except the thread of a service that itself called
    /// `stop`.
    pub fn is_clean(&self) -> bool {
        let data = self.data();
        !self.has_failed()
            && data.lingering.is_empty()
            && data.services.iter().all(ServiceReport::is_clean)
            && data.pools.iter().all(StopReport::is_clean)
    }

    fn has_failed(&self) -> bool {
        let data = self.data();
        let is_for_lack_of_threads = matches!(data.reason, StopReason::NoThreads(_));
        is_for_lack_of_threads || data.services.iter().any(ServiceReport::has_failed)
    }

    /// Returns the name of the host.
    pub fn host(&self) -> &str {
        &self.data.host
    }

    /// Returns why the stop began.
    pub fn reason(&self) -> &StopReason {
        &self.data.reason
    }

    /// Returns how each service ended, in the order in which they were registered.
    pub fn services(&self) -> &[ServiceReport] {
        &self.data.services
    }

    /// Returns how the service of this name ended, or `None` if there was no such service.
    pub fn service(&self, name: &str) -> Option<&ServiceReport> {
        self.services()
            .iter()
            .find(|service| service.name() == name)
    }

    /// Returns the report of the pool that is the service of this name, with its unstarted tasks,
    /// or `None` if no such service is a pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, Pool};
    ///
    /// let pool = Pool::new(1)?;
    /// let mut host = Host::builder();
    /// host.add("render", pool);
    /// let report = host.build()?.start()?.stop();
    /// assert_eq!(report.pool("render").unwrap().accepted(), 0);
    /// assert!(report.pool("web").is_none());
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn pool(&self, name: &str) -> Option<&StopReport> {
        let index = self.service(name)?.pool?;
        self.pools().get(index)
    }

    /// Returns the counts of the queue whose workers are the service of this name, or `None` if no
    /// such service is a queue.
    pub fn queue(&self, name: &str) -> Option<&QueueStats> {
        self.service(name)?.queue()
    }

    /// Returns the counts of the batcher that is the service of this name, or `None` if no such
    /// service is a batcher.
    pub fn batcher(&self, name: &str) -> Option<&BatchStats> {
        self.service(name)?.batcher()
    }

    /// Returns what became of the jobs that the workers which are the service of this name have
    /// claimed, or `None` if no such service is workers of durable jobs.
    #[cfg(feature = "jobs")]
    pub fn jobs(&self, name: &str) -> Option<&JobsReport> {
        self.service(name)?.jobs()
    }

    /// Returns the failures in the order in which they happened, including those after which a
    /// restart succeeded. Only the latest 16 of each service are kept. [`ServiceReport::failures`]
    /// counts all of them.
    pub fn failures(&self) -> &[ServiceFailure] {
        &self.data.failures
    }

    /// Returns the services that had ended but whose threads had not: destructors of thread-locals,
    /// or of the factory, were still running.
    pub fn lingering(&self) -> impl ExactSizeIterator<Item = &str> {
        self.data.lingering.iter().map(|name| &**name)
    }

    /// Returns the reports of the pools that the host ran, which hold their unstarted tasks.
    pub fn pools(&self) -> &[StopReport] {
        self.pools.as_deref().unwrap_or(&self.data.pools)
    }

    /// Returns how long the start took, until every service was up or the stop began. Returns
    /// `None` if the host was stopped before it was started.
    pub fn start_took(&self) -> Option<Duration> {
        self.data.start
    }

    /// Returns how long the host ran, from when every service was up until the stop began. Returns
    /// `None` if it never was up.
    pub fn ran(&self) -> Option<Duration> {
        self.data.ran
    }

    /// Returns the time from when the host was no longer ready until the first service was stopped.
    pub fn delay_took(&self) -> Duration {
        self.data.delay
    }

    /// Returns the time from the end of the delay until the report.
    pub fn stop_took(&self) -> Duration {
        self.data.stop
    }

    /// Returns the exit code for the process: 1 if a service failed and no restart succeeded; else
    /// 75 (`EX_TEMPFAIL` of the BSD `sysexits`) if work was left; else 0.
    pub fn exit_code(&self) -> u8 {
        match (self.has_failed(), self.is_clean()) {
            (true, _) => 1,
            (_, false) => 75,
            (_, true) => 0,
        }
    }

    /// The number of services with such an outcome.
    pub(super) fn count(&self, is_of: impl Fn(&ServiceOutcome) -> bool) -> usize {
        let services = self.data.services.iter();
        services.filter(|service| is_of(service.outcome())).count()
    }
}

impl Termination for HostReport {
    /// Prints the report to stderr if it is not clean. If stderr is blocked, such as a full pipe
    /// that is not read, this waits for one second at most.
    fn report(self) -> ExitCode {
        if !self.is_clean() {
            to_stderr_in_time(for_stderr(&self));
        }
        self.exit_code().into()
    }
}
