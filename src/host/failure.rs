//! What went wrong with a service.

use crate::causes::{self, BoxError, PermanentError, chain, has_cause};
use crate::sync::Arc;
use crate::unwind::{self, Payload};
use std::error::Error;
use std::fmt;

/// In which of its parts a service failed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailedIn {
    /// In the making of its value, in `start`, or on the way to being ready: it took too
    /// long, or returned before it had reported that.
    Start,
    /// In `run`.
    Run,
    /// In `stop`.
    Stop,
    /// In the drop of its value, of its closure, or of a handler of its queue: a panic.
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

/// A failure of a service: which service, in which part, and the whole chain of errors. A
/// clone is the same failure.
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
/// use groundcrew::host::FailedIn;
/// use std::error::Error;
/// use std::io;
///
/// let mut host = Host::builder();
/// host.background("db", |_| Err(io::Error::other("disk full"))?);
/// let report = host.build()?.run();
///
/// let failure = &report.failures()[0];
/// assert_eq!((failure.service(), failure.during()), ("db", FailedIn::Run));
/// assert_eq!(failure.to_string(), "service \"db\" failed in run: disk full");
/// assert!(failure.error().unwrap().is::<io::Error>());
/// # Ok::<(), Box<dyn Error + Send + Sync>>(())
/// ```
#[derive(Clone)]
pub struct ServiceFailure {
    inner: Arc<Inner>,
}

struct Inner {
    service: Arc<str>,
    during: FailedIn,
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
    fn new(service: &Arc<str>, during: FailedIn, cause: Cause, text: String) -> ServiceFailure {
        let permanent = match &cause {
            Cause::Error(Guarded(Some(error))) => has_cause::<PermanentError>(error.as_ref()),
            _ => false,
        };
        ServiceFailure {
            inner: Arc::new(Inner {
                service: service.clone(),
                during,
                cause,
                permanent,
                text,
            }),
        }
    }

    /// Calls the program's code: never with a lock held.
    pub(super) fn of_error(
        service: &Arc<str>,
        during: FailedIn,
        error: BoxError,
    ) -> ServiceFailure {
        let text = chain(error.as_ref());
        ServiceFailure::new(service, during, Cause::Error(Guarded(Some(error))), text)
    }

    pub(super) fn of_panic(
        service: &Arc<str>,
        during: FailedIn,
        payload: Payload,
    ) -> ServiceFailure {
        let text = unwind::text(payload.as_ref()).to_owned();
        unwind::drop_payload(payload);
        ServiceFailure::new(service, during, Cause::Panicked, text)
    }

    pub(super) fn of_time(service: &Arc<str>, during: FailedIn, text: String) -> ServiceFailure {
        ServiceFailure::new(service, during, Cause::TimedOut, text)
    }

    /// `run` returned, by itself.
    pub(super) fn returned(service: &Arc<str>, was_up: bool) -> ServiceFailure {
        let (during, text) = match was_up {
            true => (
                FailedIn::Run,
                "it returned, though nobody told it to stop; if that is its way, declare it with \
                 `one_shot`",
            ),
            false => (
                FailedIn::Start,
                "it returned before it had said that it is ready",
            ),
        };
        ServiceFailure::of_error(service, during, text.into())
    }

    /// The name of the service.
    pub fn service(&self) -> &str {
        &self.inner.service
    }

    /// In which part it failed.
    pub fn during(&self) -> FailedIn {
        self.inner.during
    }

    /// Whether it was a panic.
    pub fn is_panic(&self) -> bool {
        matches!(self.inner.cause, Cause::Panicked)
    }

    /// Whether a limit was exceeded: for its start, its end, or its next heartbeat.
    pub fn is_timeout(&self) -> bool {
        matches!(self.inner.cause, Cause::TimedOut)
    }

    /// The error that the service returned; `None` for a panic and for a timeout.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mut host = groundcrew::Host::builder();
    /// host.background("db", |_| Err(std::io::Error::other("disk full"))?);
    /// # let report = host.build()?.run();
    /// let error = report.failures()[0].error().unwrap();
    /// assert!(error.downcast_ref::<std::io::Error>().is_some());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn error(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        match &self.inner.cause {
            Cause::Error(error) => error.0.as_deref(),
            Cause::Panicked | Cause::TimedOut => None,
        }
    }

    /// The error and all its sources, the message of the panic, or what took too long.
    pub fn message(&self) -> &str {
        &self.inner.text
    }

    /// Whether it is a clone of this one.
    pub(super) fn is(&self, other: &ServiceFailure) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// No restart would help.
    pub(super) fn is_permanent(&self) -> bool {
        self.inner.permanent
    }
}

impl fmt::Display for ServiceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            service,
            during,
            cause,
            text,
            ..
        } = self.inner.as_ref();
        let how = match cause {
            Cause::Error(_) => "failed",
            Cause::Panicked => "panicked",
            Cause::TimedOut => "timed out",
        };
        write!(f, "service {service:?} {how} in {during}: {text}")
    }
}

impl fmt::Debug for ServiceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        causes::debug(self, f, |f| {
            f.debug_struct("ServiceFailure")
                .field("service", &self.inner.service)
                .field("during", &self.inner.during)
                .field("message", &self.inner.text)
                .finish_non_exhaustive()
        })
    }
}

impl Error for ServiceFailure {}
