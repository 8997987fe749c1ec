//! Why a host cannot be built, or did not start; and why a wait for a service ended.

use super::report::HostReport;
use super::status::ServiceState;
use crate::cancel::Cancelled;
use crate::causes::error_debug;
use crate::table::trimmed;
use crate::threads::LEAST_STACK;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The error returned when a host cannot be built. Nothing was started, and the builder is
/// unchanged.
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
///
/// let mut host = Host::builder();
/// host.background("web", |ctx| ctx.wait()).after(["db"]);
/// host.background("dbx", |ctx| ctx.wait());
/// assert_eq!(
///     host.build().unwrap_err().to_string(),
///     "service \"web\" is to start after \"db\", which is no service; there are \"web\", \"dbx\""
/// );
/// ```
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub enum HostBuildError {
    /// A name is empty, or contains control characters.
    BadName(String),
    /// Two services have the same name.
    DoubleName(String),
    /// A service was declared to start after one that does not exist.
    UnknownDependency {
        /// The service that is to start after it.
        service: String,
        /// The unknown name.
        dependency: String,
        /// The names of all services.
        known: Vec<String>,
    },
    /// Services wait for each other to start. The first one is repeated at the end.
    Cycle(Vec<String>),
    /// The limits of services that stop one after the other, together with the delay, do not fit
    /// into the host's stop timeout.
    NoTimeToStop {
        /// The services, dependents first.
        chain: Vec<String>,
        /// The sum of their limits, without the delay.
        takes: Duration,
        /// The delay of the stop.
        delay: Duration,
        /// The host's stop timeout.
        total: Duration,
    },
    /// A limit is zero, which no service can meet.
    ZeroLimit {
        /// The service that has this limit.
        service: String,
        /// The method that set it.
        limit: &'static str,
    },
    /// A queue has a capacity or a `max_retrying` of 0, or no workers.
    EmptyQueue(String),
    /// A pool has a heartbeat timeout, but no thread that could record a heartbeat.
    PoolHeartbeat(String),
    /// A queue or a batcher is already a service of this or another host.
    QueueTaken(String),
    /// The declaration of a service's workers makes no sense.
    Workers {
        /// The service.
        service: String,
        /// What is wrong, and what to write instead.
        problem: String,
    },
    /// A stack of this size, in bytes, is too small even for a panic.
    SmallStack(usize),
}

impl fmt::Display for HostBuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostBuildError::BadName(name) => write!(
                f,
                "{name:?} cannot be the name of a host or of a service; choose one that is not empty \
                 and has no control characters"
            ),
            HostBuildError::DoubleName(name) => write!(
                f,
                "there are two services called {name:?}; give one of them another name"
            ),
            HostBuildError::UnknownDependency {
                service,
                dependency,
                known,
            } => write!(
                f,
                "service {service:?} is to start after {dependency:?}, which is no service; there \
                 are {}",
                listed(known, ", ")
            ),
            HostBuildError::Cycle(path) => write!(
                f,
                "services wait for each other to start: {}; take one `after` out",
                listed(path, " after ")
            ),
            HostBuildError::NoTimeToStop {
                chain,
                takes: Duration::MAX,
                total,
                ..
            } => write!(
                f,
                "services {} stop one after the other, and have no limit: their \
                 limits are `Duration::MAX`, and the host's is {}; lower theirs, or take the \
                 host's `stop_timeout` away with `Duration::MAX`",
                listed(chain, ", "),
                trimmed(*total)
            ),
            HostBuildError::NoTimeToStop {
                chain,
                takes,
                delay,
                total,
            } => write!(
                f,
                "services {} stop one after the other; their limits of {} and the delay of {} do \
                 not leave time for each within the host's {}; raise the host's `stop_timeout` or \
                 lower theirs",
                listed(chain, ", "),
                trimmed(*takes),
                trimmed(*delay),
                trimmed(*total)
            ),
            HostBuildError::ZeroLimit { service, limit } => write!(
                f,
                "service {service:?} has a `{limit}` of zero, which no service can meet; raise it"
            ),
            HostBuildError::Workers { service, problem } => {
                write!(
                    f,
                    "the workers of service {service:?} cannot be used: {problem}"
                )
            }
            HostBuildError::EmptyQueue(name) => write!(
                f,
                "queue {name:?} needs a capacity, workers and a `max_retrying`, at least 1 of each"
            ),
            HostBuildError::PoolHeartbeat(name) => write!(
                f,
                "service {name:?} is a pool, which has no heartbeat; leave `heartbeat_timeout` out"
            ),
            HostBuildError::QueueTaken(name) => write!(
                f,
                "the queue, or batcher, of service {name:?} is that of another service already; add it \
                 once"
            ),
            HostBuildError::SmallStack(bytes) => write!(
                f,
                "a stack of {bytes} bytes is too small even for a panic; ask for at least \
                 {LEAST_STACK}, or leave `stack_size` out for 2 MiB"
            ),
        }
    }
}

fn listed(names: &[String], between: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    quoted.join(between)
}

error_debug!(enum HostBuildError {
    BadName(name),
    DoubleName(name),
    UnknownDependency { service, dependency, known },
    Cycle(path),
    NoTimeToStop { chain, takes, delay, total },
    ZeroLimit { service, limit },
    EmptyQueue(name),
    Workers { service, problem },
    PoolHeartbeat(name),
    QueueTaken(name),
    SmallStack(bytes),
});

impl Error for HostBuildError {}

/// The error returned when a host does not start: a service failed to start, or a stop was
/// requested meanwhile. The services that had started were stopped, as the report shows.
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
///
/// let mut host = Host::builder();
/// host.background("db", |ctx| ctx.wait());
/// host.startup_task("migrate", |_| Err("no such table")?).after(["db"]);
///
/// let error = host.build()?.start().unwrap_err();
/// assert_eq!(error.to_string(), "service \"migrate\" failed in start: no such table");
/// assert!(error.report().is_clean() == false);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub struct StartError {
    report: HostReport,
}

impl StartError {
    pub(super) fn new(report: HostReport) -> StartError {
        StartError { report }
    }

    /// Returns the report of the stop.
    pub fn report(&self) -> &HostReport {
        &self.report
    }

    /// Returns the report of the stop, for example to return it from `main`.
    pub fn into_report(self) -> HostReport {
        self.report
    }
}

/// Writes the reason, then every later failure.
impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.report.reason())?;
        let first = self.report.reason().failure();
        for failure in self.report.failures() {
            if first.is_none_or(|first| !first.is(failure)) {
                write!(f, "; then {failure}")?;
            }
        }
        Ok(())
    }
}

error_debug!(struct StartError { report });

impl Error for StartError {}

/// The error returned by [`ServiceContext::wait_for`](crate::ServiceContext::wait_for) and
/// [`HostHandle::wait_for_state`](crate::HostHandle::wait_for_state).
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
/// use groundcrew::host::WaitForError;
///
/// let mut host = Host::builder();
/// host.startup_task("search", |ctx| {
///     assert_eq!(ctx.wait_for("index"), Err(WaitForError::Unknown("index".to_owned())));
///     Ok(())
/// });
/// assert!(host.build()?.run().is_clean());
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub enum WaitForError {
    /// There is no service of this name.
    Unknown(String),
    /// The service of this name has ended.
    Over(String),
    /// The stop of the waiting service was requested.
    Cancelled,
    /// The service did not get into the awaited state in time.
    TimedOut {
        /// The service.
        service: String,
        /// The state that was waited for.
        awaited: ServiceState,
        /// The state when the time was over.
        now: ServiceState,
    },
}

impl fmt::Display for WaitForError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitForError::Unknown(name) => write!(f, "there is no service {name:?} to wait for"),
            WaitForError::Over(name) => {
                write!(f, "service {name:?} is over; it cannot be waited for")
            }
            WaitForError::Cancelled => Cancelled.fmt(f),
            WaitForError::TimedOut {
                service,
                awaited,
                now,
            } => write!(
                f,
                "service {service:?} was not {awaited} in time; it is {now}"
            ),
        }
    }
}

error_debug!(
    enum WaitForError {
        Unknown(name),
        Over(name),
        Cancelled,
        TimedOut {
            service,
            awaited,
            now
        },
    }
);

impl Error for WaitForError {
    /// Returns [`Cancelled`] for a cancelled wait, so that a service that returns it by `?` does
    /// not fail.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            WaitForError::Cancelled => Some(&Cancelled),
            WaitForError::Unknown(_) | WaitForError::Over(_) | WaitForError::TimedOut { .. } => {
                None
            }
        }
    }
}
