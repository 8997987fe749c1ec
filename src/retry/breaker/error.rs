//! Why a call was not made, or failed, and why a breaker could not be built.

use super::machine::Refusal;
use super::state::brief;
use crate::causes::error_debug;
use crate::retry::Verdict;
use crate::sync::Arc;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The error for a call that was not made because its circuit breaker is open, or half-open with
/// all its trial calls in progress.
///
/// # Examples
///
/// ```
/// use groundcrew::retry::CircuitBreaker;
/// use std::time::Duration;
///
/// let breaker = CircuitBreaker::builder("smtp").open_for(Duration::MAX).build()?;
/// breaker.trip();
/// assert_eq!(
///     breaker.permit().unwrap_err().to_string(),
///     "the circuit breaker \"smtp\" is open until it is reset"
/// );
/// breaker.reset();
/// assert!(breaker.permit().is_ok());
/// # Ok::<(), groundcrew::retry::BreakerError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct CircuitOpen {
    breaker: Arc<str>,
    refusal: Refusal,
}

impl CircuitOpen {
    pub(super) fn new(breaker: Arc<str>, refusal: Refusal) -> CircuitOpen {
        CircuitOpen { breaker, refusal }
    }

    /// Returns the name of the breaker.
    pub fn breaker(&self) -> &str {
        &self.breaker
    }

    /// Returns the time after which to try again. An open breaker permits a call after this time,
    /// and [`Duration::MAX`] means not before it is [reset](super::CircuitBreaker::reset). For a
    /// half-open breaker, the end of the trial calls is not known, and this is a tenth of the time
    /// for which the breaker was open. A [retried](crate::retry::RetryPolicy) call is postponed by
    /// this time.
    pub fn retry_in(&self) -> Duration {
        self.refusal.retry_in
    }

    /// The call was not made, so it is postponed. That would never end if the breaker waits
    /// for its reset: then it counts as an attempt.
    pub(in crate::retry) fn verdict(&self) -> Verdict {
        match self.retry_in() {
            Duration::MAX => Verdict::Retry,
            retry_in => Verdict::Postpone(retry_in),
        }
    }
}

impl fmt::Display for CircuitOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal {
            retry_in,
            is_half_open,
        } = self.refusal;
        write!(f, "the circuit breaker {:?} is ", self.breaker)?;
        f.write_str(match is_half_open {
            true => "half-open and its trial calls have not ended",
            false => "open",
        })?;
        match retry_in {
            Duration::MAX => f.write_str(" until it is reset"),
            _ => write!(f, ", try again in {}", brief(retry_in)),
        }
    }
}

error_debug!(struct CircuitOpen { breaker, refusal });

impl Error for CircuitOpen {}

/// The error of [`CircuitBreaker::call`](super::CircuitBreaker::call): the call was not made, or it
/// failed.
///
/// It implements [`Error`] if `E` does, with `E` as its source. A boxed error does not implement
/// [`Error`]: for that, use [`into_boxed`](Self::into_boxed).
///
/// # Examples
///
/// ```
/// use groundcrew::retry::{CallError, CircuitBreaker};
///
/// let breaker = CircuitBreaker::new("smtp");
/// let send = || Err::<(), _>("550 no such user");
/// match breaker.call(send) {
///     Ok(()) => println!("sent"),
///     Err(CallError::Failed(error)) => assert_eq!(error, "550 no such user"),
///     Err(CallError::Open(open)) => println!("not sent, again in {:?}", open.retry_in()),
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum CallError<E> {
    /// The call was not made.
    Open(CircuitOpen),
    /// The call was made, and this is its error.
    Failed(E),
}

impl<E> CallError<E> {
    /// Returns the error of the call, if the call was made.
    pub fn into_failed(self) -> Option<E> {
        match self {
            CallError::Failed(error) => Some(error),
            CallError::Open(_) => None,
        }
    }

    /// Returns [`CircuitOpen::retry_in`] if the call was not made.
    pub fn retry_in(&self) -> Option<Duration> {
        match self {
            CallError::Open(open) => Some(open.retry_in()),
            CallError::Failed(_) => None,
        }
    }

    /// Returns the [`CircuitOpen`] or the error of the call as a boxed error, for `?` if calls
    /// return boxed errors.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::host::ServiceResult;
    /// use groundcrew::retry::{CallError, CircuitBreaker, CircuitOpen};
    ///
    /// fn deliver(breaker: &CircuitBreaker) -> ServiceResult {
    ///     let send = || -> ServiceResult { Err("connection refused")? };
    ///     breaker.call(send).map_err(CallError::into_boxed)
    /// }
    ///
    /// let breaker = CircuitBreaker::builder("smtp").consecutive_failures(1).build()?;
    /// assert_eq!(deliver(&breaker).unwrap_err().to_string(), "connection refused");
    /// assert!(deliver(&breaker).unwrap_err().is::<CircuitOpen>());
    /// # Ok::<(), groundcrew::retry::BreakerError>(())
    /// ```
    pub fn into_boxed(self) -> Box<dyn Error + Send + Sync>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        match self {
            CallError::Open(open) => open.into(),
            CallError::Failed(error) => error.into(),
        }
    }
}

impl<E> From<CircuitOpen> for CallError<E> {
    fn from(open: CircuitOpen) -> CallError<E> {
        CallError::Open(open)
    }
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Open(open) => open.fmt(f),
            CallError::Failed(error) => error.fmt(f),
        }
    }
}

/// `{:?}` formats the error itself. `{:#?}` includes the variant.
impl<E: fmt::Debug> fmt::Debug for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, f.alternate()) {
            (CallError::Open(open), false) => open.fmt(f),
            (CallError::Failed(error), false) => error.fmt(f),
            (CallError::Open(open), true) => f.debug_tuple("Open").field(open).finish(),
            (CallError::Failed(error), true) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

impl<E: Error + 'static> Error for CallError<E> {
    /// The error itself, so that what it is caused by, or is, can be found.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            CallError::Open(open) => Some(open),
            CallError::Failed(error) => Some(error),
        }
    }
}

/// The error returned when a circuit breaker cannot be built.
#[derive(Clone, PartialEq)]
pub struct BreakerError {
    breaker: Arc<str>,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    Name,
    NoFailures,
    Share(f64),
    NoWindow,
    NoCalls,
    NoPause,
    NoTrials,
}

impl BreakerError {
    pub(super) fn new(breaker: Arc<str>, fault: Fault) -> BreakerError {
        BreakerError { breaker, fault }
    }
}

impl fmt::Display for BreakerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Fault::Name = self.fault {
            return write!(
                f,
                "{:?} cannot be the name of a circuit breaker, which its errors show; give it \
                 some letters, and no control characters",
                self.breaker
            );
        }
        write!(f, "circuit breaker {:?} has ", self.breaker)?;
        match self.fault {
            Fault::Name => Ok(()),
            Fault::NoFailures => f.write_str(
                "`consecutive_failures` of 0, so it would never be closed; give it at least 1",
            ),
            Fault::Share(share) => write!(
                f,
                "a `failure_rate` of {share}, which is no share of calls; give it more than 0.0 \
                 and at most 1.0"
            ),
            Fault::NoWindow => f.write_str(
                "a `failure_rate` in a window of zero, in which no call ends; give it some time",
            ),
            Fault::NoCalls => f.write_str(
                "a `failure_rate` of at least 0 calls, of which there is none; give it at least 1",
            ),
            Fault::NoPause => f.write_str(
                "`open_for` or `backoff` of zero, so it would refuse nothing; give it some time",
            ),
            Fault::NoTrials => f.write_str(
                "`half_open_calls` of 0, so it would never close again; give it at least 1",
            ),
        }
    }
}

error_debug!(struct BreakerError { breaker, fault });

impl Error for BreakerError {}
