//! A circuit breaker, as the program sees it.

use super::builder::BreakerBuilder;
use super::error::{CallError, CircuitOpen};
use super::machine::Machine;
use super::permit::Permit;
use super::shared::Shared;
use super::state::BreakerState;
use crate::sync::Arc;
use std::fmt;

/// Stops calls of a dependency that is failing. After too many failures, it refuses calls
/// immediately for a while, and then permits a few trial calls. A clone refers to the same breaker.
///
/// It protects both sides: the callers do not wait for repeated timeouts, and the dependency gets
/// time to recover. The pattern and its terms are Michael Nygard's (*Release It!*, 2007). The time
/// window, the minimum number of calls and the trial calls follow
/// [resilience4j](https://resilience4j.readme.io/docs/circuitbreaker).
///
/// # States
///
/// - **Closed**: calls are permitted, and their failures are counted. The breaker opens after a
///   number of [consecutive failures](BreakerBuilder::consecutive_failures), at a [failure
///   rate](BreakerBuilder::failure_rate) within a time window, or at whichever comes first if both
///   are set. A failure is an error that [counts](Self::call_counting), or a panic.
/// - **Open**: calls are refused with [`CircuitOpen`], for a [pause](BreakerBuilder::open_for) that
///   may be [longer each time](BreakerBuilder::backoff). The first call after the pause makes the
///   breaker half-open. No thread waits for that.
/// - **Half-open**: a limited [number of trial calls](BreakerBuilder::half_open_calls) is permitted
///   at the same time, and others are refused. As many successes close the breaker. One failure
///   opens it again.
///
/// # Calls that take long
///
/// The outcome of a call counts only if the breaker is still in the state that permitted it. A call
/// that began before the breaker opened, and ends when it is half-open, neither closes nor opens
/// it.
///
/// A trial call that hangs does not keep the breaker half-open forever. If the time for which the
/// breaker was last open, without jitter, has passed since the last trial call was permitted, new
/// trial calls take the places of those that have not ended. The outcome of the old ones still
/// counts while the breaker is half-open. A dependency that hangs is therefore called at most once
/// in that time (or as often as there are [trial calls](BreakerBuilder::half_open_calls)). Give
/// calls their own timeouts nevertheless.
///
/// # Cost
///
/// A call locks the breaker twice, reads the clock twice, and allocates nothing. This takes a tenth
/// of a microsecond in total. No lock is held during the call, or while the log is written.
///
/// # The log
///
/// Each change of state is logged, at level warn if the breaker opens, otherwise at level info, on
/// the thread that made the change. Refused calls are only [counted](Self::refused).
///
/// With the feature `serde` it can be serialized.
///
/// # Examples
///
/// ```
/// use groundcrew::retry::{CallError, CircuitBreaker};
/// use std::time::Duration;
///
/// let breaker = CircuitBreaker::builder("smtp")
///     .consecutive_failures(2)
///     .open_for(Duration::from_secs(30))
///     .build()?;
///
/// let mut attempts = 0;
/// let mut deliver = || {
///     breaker.call(|| {
///         attempts += 1;
///         Err::<(), _>("connection timed out")
///     })
/// };
/// assert_eq!(deliver(), Err(CallError::Failed("connection timed out")));
/// assert_eq!(deliver(), Err(CallError::Failed("connection timed out")));
/// let error = deliver().unwrap_err(); // "smtp" is open, try again in 30.0 s
/// assert!(error.retry_in() <= Some(Duration::from_secs(30)));
/// assert_eq!(attempts, 2);
/// # Ok::<(), groundcrew::retry::BreakerError>(())
/// ```
#[derive(Clone)]
pub struct CircuitBreaker {
    pub(super) shared: Arc<Shared>,
}

impl CircuitBreaker {
    /// Creates a breaker that opens for 30 s after 5 consecutive failures, and closes when one
    /// trial call succeeds. The name is used in the log and in errors.
    pub fn new(name: impl Into<String>) -> CircuitBreaker {
        BreakerBuilder::new(name.into()).breaker()
    }

    /// Returns a builder for a breaker with other limits.
    pub fn builder(name: impl Into<String>) -> BreakerBuilder {
        BreakerBuilder::new(name.into())
    }

    /// Makes the call if the breaker permits it. Every error is a failure. A panic is also a
    /// failure, and is propagated.
    ///
    /// # Errors
    ///
    /// Returns [`CallError::Open`] if the call was not made, and [`CallError::Failed`] with the
    /// error of the call if it failed.
    pub fn call<T, E>(&self, call: impl FnOnce() -> Result<T, E>) -> Result<T, CallError<E>> {
        self.call_counting(call, |_| true)
    }

    /// Makes the call if the breaker permits it. An error counts as a failure if `counts` returns
    /// `true` for it, and otherwise as a success: a dependency that rejects a bad request is not
    /// down. (Whether a failed call is retried is decided by
    /// [`Retry::on_error`](crate::Retry::on_error).) A panic in either closure is also a failure,
    /// and is propagated.
    ///
    /// # Errors
    ///
    /// Returns [`CallError::Open`] if the call was not made, and [`CallError::Failed`] with the
    /// error of the call, whether it counts or not.
    ///
    /// # Examples
    ///
    /// ```
    /// # let breaker = groundcrew::retry::CircuitBreaker::new("web");
    /// let get = |status: u16| {
    ///     let request = || if status < 400 { Ok("page") } else { Err(status) };
    ///     breaker.call_counting(request, |status| *status >= 500)
    /// };
    /// assert!(get(404).is_err());
    /// assert_eq!(breaker.failures(), 0);
    /// assert!(get(503).is_err());
    /// assert_eq!(breaker.failures(), 1);
    /// ```
    pub fn call_counting<T, E>(
        &self,
        call: impl FnOnce() -> Result<T, E>,
        counts: impl FnOnce(&E) -> bool,
    ) -> Result<T, CallError<E>> {
        let mut permit = self.permit()?;
        permit.is_of_a_call();
        let result = call();
        match result.as_ref().is_err_and(counts) {
            true => permit.failure(),
            false => permit.success(),
        }
        result.map_err(CallError::Failed)
    }

    /// Returns a permit to make one call, for code that cannot be a closure. Blocks only if the
    /// logger does.
    ///
    /// # Errors
    ///
    /// Returns [`CircuitOpen`] if the call must not be made.
    pub fn permit(&self) -> Result<Permit, CircuitOpen> {
        match self.shared.decide(Machine::admit) {
            Ok((ticket, change)) => {
                let permit = Permit::new(self.shared.clone(), ticket);
                self.shared.log(change);
                Ok(permit)
            }
            Err(refusal) => Err(CircuitOpen::new(self.shared.name.clone(), refusal)),
        }
    }

    /// Opens the breaker, for as long as a failure would. If it is open, its pause starts again.
    /// This is for an operator, or for code that detects in another way that the dependency is
    /// down. Blocks only if the logger does.
    pub fn trip(&self) {
        let change = self.shared.decide(Machine::trip);
        self.shared.log(Some(change));
    }

    /// Closes the breaker and forgets all failures. Calls in progress do not count. Blocks only if
    /// the logger does.
    pub fn reset(&self) {
        let change = self.shared.decide(Machine::reset);
        self.shared.log(change);
    }

    /// Returns the name of the breaker.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Returns the current state.
    pub fn state(&self) -> BreakerState {
        self.shared.decide(|machine, now| machine.state(now))
    }

    /// Returns the number of consecutive failures: 0 after a success, and after a
    /// [reset](Self::reset).
    pub fn failures(&self) -> u32 {
        self.shared.machine.lock().failures()
    }

    /// Returns the current share of failures, from 0.0 to 1.0, that is compared with the
    /// [limit](BreakerBuilder::failure_rate). Returns `None` if there were too few calls, if the
    /// breaker is not closed, or if it has no such limit.
    pub fn failure_rate(&self) -> Option<f64> {
        self.shared.decide(Machine::failure_rate)
    }

    /// Returns the number of calls refused since the breaker was built.
    pub fn refused(&self) -> u64 {
        self.shared.machine.lock().refused()
    }
}

/// Formats the state, as in `circuit breaker "smtp": closed, 2 failures in a row`.
impl fmt::Display for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, failures) = self
            .shared
            .decide(|machine, now| (machine.state(now), machine.failures()));
        write!(f, "circuit breaker {:?}: {state}", self.shared.name)?;
        match failures {
            0 => Ok(()),
            1 => f.write_str(", 1 failure"),
            _ => write!(f, ", {failures} failures in a row"),
        }
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("name", &self.shared.name)
            .field("state", &self.state())
            .field("failures", &self.failures())
            .finish_non_exhaustive()
    }
}
