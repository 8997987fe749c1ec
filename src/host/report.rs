//! What the stop of a host says in the end.

use super::core::Core;
use super::ending::{ServiceOutcome, ServiceReport};
use super::failure::ServiceFailure;
use super::machine::Machine;
use super::queue::QueueStats;
use super::reason::StopReason;
use crate::async_log::to_stderr_in_time;
use crate::stop::StopReport;
use crate::sync::{Arc, Weak};
use std::any::Any;
use std::process::{ExitCode, Termination};
use std::time::Duration;

/// The outcome of a host: how each service ended, what failed, what was left behind.
///
/// A clone is the same report. Printed, it is what an operator reads at three in the
/// morning:
///
/// ```text
/// host blog: NOT CLEAN after 8.000 s (deadline 8 s): 1 failed, 1 abandoned of 4 services
///   why        service "indexer" failed in run: cannot write: No space left on device
///   phases     start 0.412 s   ran 3.1 h   delay 0.000 s   stop 8.000 s
///   failed     "indexer"  run: cannot write: No space left on device
///   abandoned  "watcher"  told to stop 8.0 s ago  last heartbeat 9.3 s ago
///              watcher   last note: "posts/2026"   thread 40213: sleeping in read
///   stopped    "emails"  after 0.102 s  handled 120  failed 0  panicked 0  unprocessed 0
///   returned   "warm-up"
/// ```
///
/// Returned from `main`, it prints itself on stderr if it is not clean, and gives the
/// [`exit_code`](Self::exit_code).
///
/// # What it holds
///
/// The reports of the pools with their unstarted tasks: as long as a clone of the report
/// lives. See [`StopReport`] for what that means for channels whose senders they own. The
/// items that queues did not get to are in the queues:
/// [`WorkQueue::take_unstarted`](super::WorkQueue::take_unstarted).
///
/// With the feature `serde` it can be serialized.
///
/// # Examples
///
/// ```
/// use groundcrew::{Host, HostReport};
///
/// fn main() -> Result<HostReport, Box<dyn std::error::Error + Send + Sync>> {
///     let mut host = Host::builder();
///     host.background("once", |ctx| Ok(ctx.request_stop("done")));
///     Ok(host.build()?.run())
/// }
/// ```
#[derive(Clone)]
#[must_use = "the report says what failed and what was left behind"]
pub struct HostReport {
    facts: Arc<ReportData>,
    /// `None` in the report of a late caller.
    left: Option<Arc<Leftovers>>,
    /// What holds as long as the report: the signals of `run_until_signal`.
    _held: Option<Arc<dyn Any + Send + Sync>>,
}

/// What a report says. Holds no item and no task.
pub(super) struct ReportData {
    pub(super) host: Arc<str>,
    pub(super) reason: StopReason,
    pub(super) limit: Duration,
    pub(super) start: Option<Duration>,
    pub(super) ran: Option<Duration>,
    pub(super) delay: Duration,
    pub(super) stop: Duration,
    pub(super) services: Vec<ServiceReport>,
    pub(super) failures: Vec<ServiceFailure>,
    pub(super) lingering: Vec<Arc<str>>,
    pools: Vec<StopReport>,
}

/// What was left, until it is taken.
pub(super) struct Leftovers {
    pools: Vec<StopReport>,
}

impl Leftovers {
    pub(super) fn new(pools: Vec<StopReport>) -> Leftovers {
        Leftovers { pools }
    }
}

/// What the host keeps of its report: what was left only until the threads that waited for
/// it, or else the first to ask, have it.
pub(super) struct StoredReport {
    facts: Arc<ReportData>,
    left: Weak<Leftovers>,
    until_fetched: Option<Arc<Leftovers>>,
}

impl StoredReport {
    pub(super) fn new(facts: Arc<ReportData>, left: Arc<Leftovers>) -> StoredReport {
        StoredReport {
            facts,
            left: Arc::downgrade(&left),
            until_fetched: Some(left),
        }
    }

    /// For a thread that waited, or asks now: the last one, if `is_last`.
    pub(super) fn fetch(&mut self, is_last: bool) -> HostReport {
        let report = HostReport {
            facts: self.facts.clone(),
            left: self.left.upgrade(),
            _held: None,
        };
        if is_last {
            self.until_fetched = None;
        }
        report
    }

    pub(super) fn is_fetched(&self) -> bool {
        self.until_fetched.is_none()
    }

    /// For reading it.
    pub(super) fn peek(&self) -> HostReport {
        HostReport {
            facts: self.facts.clone(),
            left: None,
            _held: None,
        }
    }
}

/// What there is to say, of what the machine knows.
pub(super) fn facts(
    core: &Core,
    machine: &Machine,
    lingering: &[usize],
    pools: &[(usize, StopReport)],
    queues: Vec<(usize, QueueStats)>,
) -> ReportData {
    let times = machine.times;
    let done = times.done.unwrap_or_else(|| core.clock.now());
    let entries = machine.entries.iter().enumerate();
    let mut services: Vec<ServiceReport> = entries
        .map(|(index, entry)| ServiceReport::new(core, index, entry, done))
        .collect();
    for (index, stats) in queues {
        services[index].queue = Some(stats);
    }
    let (began, reason, limit) = match &machine.stop {
        Some(stop) => (stop.began, stop.reason.clone(), stop.limit),
        None => (done, StopReason::Stopped, Duration::ZERO),
    };
    let told = times.told.unwrap_or(began);
    ReportData {
        host: core.name.clone(),
        reason,
        limit,
        start: times.begun.map(|begun| times.up.unwrap_or(began) - begun),
        ran: times.up.map(|up| began - up),
        delay: told - began,
        stop: done - told,
        services,
        failures: machine.failures.clone(),
        lingering: lingering
            .iter()
            .map(|index| core.names[*index].clone())
            .collect(),
        pools: pools
            .iter()
            .map(|(_, report)| report.without_tasks())
            .collect(),
    }
}

impl HostReport {
    pub(super) fn facts(&self) -> &ReportData {
        &self.facts
    }

    /// The same, that keeps `held` for as long as it lives.
    #[cfg(feature = "signals")]
    pub(super) fn holding(mut self, held: impl Any + Send + Sync) -> HostReport {
        self._held = Some(Arc::new(held));
        self
    }

    /// Whether nothing failed, and nothing was left behind: no service is failed, panicked
    /// or abandoned, no thread lingers, no item is unprocessed or failed and
    /// [not taken](super::WorkQueue::take_failed), and every pool's report is clean. Then every
    /// thread of the host has been joined, except that of a service that was itself inside
    /// the stop.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mut host = groundcrew::Host::builder();
    /// host.background("db", |_| Err("disk full")?);
    /// # let report = host.build()?.run();
    /// assert!(!report.is_clean());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn is_clean(&self) -> bool {
        let facts = self.facts();
        !self.has_failed()
            && facts.lingering.is_empty()
            && facts.services.iter().all(ServiceReport::is_clean)
            && facts.pools.iter().all(StopReport::is_clean)
    }

    fn has_failed(&self) -> bool {
        let facts = self.facts();
        let is_for_lack_of_threads = matches!(facts.reason, StopReason::NoThreads(_));
        is_for_lack_of_threads || facts.services.iter().any(ServiceReport::has_failed)
    }

    /// The name of the host.
    pub fn host(&self) -> &str {
        &self.facts.host
    }

    /// Why the stop began.
    pub fn reason(&self) -> &StopReason {
        &self.facts.reason
    }

    /// How each service ended, in the order in which they were registered.
    pub fn services(&self) -> &[ServiceReport] {
        &self.facts.services
    }

    /// Every failure, in the order in which they happened; including those after which a
    /// restart succeeded. Of each service the latest 16 are kept;
    /// [`ServiceReport::failures`] counts them all.
    pub fn failures(&self) -> &[ServiceFailure] {
        &self.facts.failures
    }

    /// The services whose threads had nothing left to do, but had not left the process:
    /// destructors of thread-locals, or of the factory, still ran.
    pub fn lingering(&self) -> impl ExactSizeIterator<Item = &str> {
        self.facts.lingering.iter().map(|name| &**name)
    }

    /// The reports of the pools that the host ran, which hold their unstarted tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, Pool};
    ///
    /// let pool = Pool::builder().threads(1).name("render").build()?;
    /// let render = pool.submitter();
    /// let mut host = Host::builder();
    /// host.pool("render", pool);
    /// host.startup_task("first", move |_| Ok(render.execute(|| ())?));
    /// let report = host.build()?.start()?.stop();
    /// assert_eq!(report.pools()[0].completed(), 1);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn pools(&self) -> &[StopReport] {
        match &self.left {
            Some(left) => &left.pools,
            None => &self.facts.pools,
        }
    }

    /// How long the start took, until every service was up or the stop began; `None` if the
    /// host was stopped before it was started.
    pub fn start_took(&self) -> Option<Duration> {
        self.facts.start
    }

    /// How long it ran, from when every service was up until the stop began; `None` if it
    /// never was.
    pub fn ran(&self) -> Option<Duration> {
        self.facts.ran
    }

    /// The time between readiness going off and the first service's stop.
    pub fn delay_took(&self) -> Duration {
        self.facts.delay
    }

    /// The time from the end of the delay until the report.
    pub fn stop_took(&self) -> Duration {
        self.facts.stop
    }

    /// The exit code for the process: 1 if a service failed and no restart succeeded; else
    /// 75 (`EX_TEMPFAIL` of the BSD `sysexits`) if work was left; else 0.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mut host = groundcrew::Host::builder();
    /// host.background("db", |_| Err("disk full")?);
    /// # let report = host.build()?.run();
    /// assert_eq!(report.exit_code(), 1);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn exit_code(&self) -> u8 {
        match (self.has_failed(), self.is_clean()) {
            (true, _) => 1,
            (_, false) => 75,
            (_, true) => 0,
        }
    }

    /// How many services ended in that way.
    pub(super) fn count(&self, is_of: impl Fn(&ServiceOutcome) -> bool) -> usize {
        let services = self.facts.services.iter();
        services.filter(|service| is_of(service.ending())).count()
    }
}

impl Termination for HostReport {
    /// Prints the report on stderr if it is not clean. Waits for a stderr that is stuck, a
    /// pipe that is full and not read, for one second at most.
    fn report(self) -> ExitCode {
        if !self.is_clean() {
            to_stderr_in_time(self.to_string());
        }
        self.exit_code().into()
    }
}
