//! The failure of a service.

use crate::causes::{self, BoxError, Permanent, chain, has_cause};
use crate::sync::Arc;
use crate::unwind::{self, Payload};
use std::error::Error;
use std::fmt;

/// The result of a service's methods. `?` converts any error into a [`BoxError`].
pub type ServiceResult = Result<(), BoxError>;

/// The part of a service that failed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailedIn {
    /// The start: the factory or `start` failed, or the service took too long, or returned before
    /// it had called `ready`.
    Start,
    /// The `run` method.
    Run,
    /// The `stop` method.
    Stop,
    /// The drop of its value, of its closure, or of a handler of its queue, which panicked.
    Drop,
}

impl fmt::Display for FailedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            FailedIn::Start => "start",
            FailedIn::Run => "run",
            FailedIn::Stop => "stop",
            FailedIn::Drop => "drop",
        })
    }
}

/// A failure of a service: its name, the part that failed, and the whole chain of errors. A clone
/// refers to the same failure.
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
/// use groundcrew::host::FailedIn;
/// use std::io;
///
/// let mut host = Host::builder();
/// host.background("db", |_| Err(io::Error::other("disk full"))?);
/// let report = host.build()?.run();
///
/// let failure = &report.failures()[0];
/// assert_eq!((failure.service(), failure.failed_in()), ("db", FailedIn::Run));
/// assert_eq!(failure.to_string(), "service \"db\" failed in run: disk full");
/// assert!(failure.error().unwrap().is::<io::Error>());
/// assert_eq!(report.exit_code(), 1);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone)]
pub struct ServiceFailure {
    details: Arc<Details>,
}

struct Details {
    service: Arc<str>,
    failed_in: FailedIn,
    cause: Cause,
    permanent: bool,
    /// The error and its sources, formatted by the service's own thread: the program's
    /// `Display` may panic, or wait.
    text: String,
}

enum Cause {
    Error(Guarded),
    Panicked,
    TimedOut,
}

/// Errors are the program's code, their drops too.
struct Guarded(Option<BoxError>);

impl Drop for Guarded {
    fn drop(&mut self) {
        unwind::drop_guarded(self.0.take(), || "the error of a service".to_owned());
    }
}

impl ServiceFailure {
    fn new(service: &Arc<str>, failed_in: FailedIn, cause: Cause, text: String) -> ServiceFailure {
        let permanent = match &cause {
            Cause::Error(Guarded(Some(error))) => has_cause::<Permanent>(error.as_ref()),
            _ => false,
        };
        ServiceFailure {
            details: Arc::new(Details {
                service: service.clone(),
                failed_in,
                cause,
                permanent,
                text,
            }),
        }
    }

    /// Calls the program's code: never with a lock held.
    pub(super) fn of_error(
        service: &Arc<str>,
        failed_in: FailedIn,
        error: BoxError,
    ) -> ServiceFailure {
        let text = chain(error.as_ref());
        ServiceFailure::new(service, failed_in, Cause::Error(Guarded(Some(error))), text)
    }

    pub(super) fn of_panic(
        service: &Arc<str>,
        failed_in: FailedIn,
        payload: Payload,
    ) -> ServiceFailure {
        let text = unwind::text(payload.as_ref()).to_owned();
        unwind::drop_payload(payload);
        ServiceFailure::new(service, failed_in, Cause::Panicked, text)
    }

    pub(super) fn of_time(service: &Arc<str>, failed_in: FailedIn, text: String) -> ServiceFailure {
        ServiceFailure::new(service, failed_in, Cause::TimedOut, text)
    }

    /// `run` returned, by itself.
    pub(super) fn returned(service: &Arc<str>, was_up: bool) -> ServiceFailure {
        let (failed_in, text) = match was_up {
            true => (
                FailedIn::Run,
                "it returned, though its stop was not requested; declare it with `one_shot` if \
                 it may",
            ),
            false => (FailedIn::Start, "it returned before it had called `ready`"),
        };
        ServiceFailure::of_error(service, failed_in, text.into())
    }

    /// Returns the name of the service.
    pub fn service(&self) -> &str {
        &self.details.service
    }

    /// Returns the part that failed.
    pub fn failed_in(&self) -> FailedIn {
        self.details.failed_in
    }

    /// Returns `true` if it was a panic.
    pub fn is_panic(&self) -> bool {
        matches!(self.details.cause, Cause::Panicked)
    }

    /// Returns `true` if a limit was exceeded: for its start, its end, or its next heartbeat.
    pub fn is_timeout(&self) -> bool {
        matches!(self.details.cause, Cause::TimedOut)
    }

    /// Returns the error of the service, or `None` for a panic or a timeout.
    pub fn error(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        match &self.details.cause {
            Cause::Error(error) => error.0.as_deref(),
            Cause::Panicked | Cause::TimedOut => None,
        }
    }

    /// Returns the error and all its sources, the message of the panic, or what took too long.
    pub fn message(&self) -> &str {
        &self.details.text
    }

    /// Whether it is a clone of this one.
    pub(super) fn is(&self, other: &ServiceFailure) -> bool {
        Arc::ptr_eq(&self.details, &other.details)
    }

    /// Whether no restart would help.
    pub(super) fn is_permanent(&self) -> bool {
        self.details.permanent
    }
}

impl fmt::Display for ServiceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details {
            service,
            failed_in,
            cause,
            text,
            ..
        } = self.details.as_ref();
        let how = match cause {
            Cause::Error(_) => "failed",
            Cause::Panicked => "panicked",
            Cause::TimedOut => "timed out",
        };
        write!(f, "service {service:?} {how} in {failed_in}: {text}")
    }
}

impl fmt::Debug for ServiceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        causes::debug(self, f, |f| {
            f.debug_struct("ServiceFailure")
                .field("service", &self.details.service)
                .field("failed_in", &self.details.failed_in)
                .field("message", &self.details.text)
                .finish_non_exhaustive()
        })
    }
}

impl Error for ServiceFailure {}
