//! A circuit breaker, as the program sees it.

use super::builder::BreakerBuilder;
use super::error::{CallError, CircuitOpen};
use super::machine::Machine;
use super::permit::Permit;
use super::shared::Shared;
use super::state::BreakerState;
use crate::sync::Arc;
use std::fmt;

/// Stops calling a dependency that is failing: after too many failures it refuses calls for
/// a while, at once, and then tries with a few whether they succeed again. A clone is the
/// same breaker; all threads share it.
///
/// It protects both sides. The callers do not wait for timeout after timeout, and what
/// they call is left alone to recover. The pattern and its words are Michael Nygard's
/// (*Release It!*, 2007); the window of time, the least number of calls and the trial
/// calls are those of [resilience4j](https://resilience4j.readme.io/docs/circuitbreaker).
///
/// # States
///
/// - **Closed**: calls are let through, and their failures counted. It opens after a number
///   of [consecutive failures](BreakerBuilder::consecutive_failures), at a
///   [failure rate](BreakerBuilder::failure_rate) within a window of time, or at whichever
///   of the two comes first. A failure is an error that [counts](Self::call_counting), or a
///   panic.
/// - **Open**: calls are refused with [`CircuitOpen`], for
///   [a while](BreakerBuilder::open_for) that may be
///   [longer each time](BreakerBuilder::backoff). The first call after it makes the breaker
///   half-open; no thread waits for that.
/// - **Half-open**: a limited [number of trial calls](BreakerBuilder::half_open_calls) is
///   let through at once, others are refused. As many successes close the breaker, one
///   failure opens it again.
///
/// # Calls that take long
///
/// How a call ends counts only if the breaker is still in the state that let it through. A
/// call that began before the breaker opened, and ends when it is half-open, neither closes
/// nor opens it.
///
/// A trial call that hangs does not keep the breaker half-open forever. When as long as the
/// breaker was last open, jitter aside, has passed since the last trial call was let
/// through, those that have not ended lose their places to new ones. How they end still
/// counts, as long as the breaker is half-open. So a dependency that hangs is called once
/// in that time (or as often as there are [trial calls](BreakerBuilder::half_open_calls)),
/// and no more often; give calls timeouts of their own nevertheless.
///
/// # Cost
///
/// A call locks the breaker twice, reads the clock twice, and allocates nothing: a tenth of
/// a microsecond in all. No lock is held while the call is made, nor while the log is
/// written.
///
/// # The log
///
/// Each change of state is one record, at level warn if the breaker opens, otherwise at
/// info. It is written by the thread that made the change. Calls that are refused are only
/// [counted](Self::refused).
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
    /// A breaker that opens for 30 s after 5 failures in a row, and closes when one trial
    /// call succeeds. Its name is for the log and for errors.
    pub fn new(name: impl Into<String>) -> CircuitBreaker {
        BreakerBuilder::new(name.into()).breaker()
    }

    /// Returns a builder for a breaker with other limits.
    pub fn builder(name: impl Into<String>) -> BreakerBuilder {
        BreakerBuilder::new(name.into())
    }

    /// Makes the call if the breaker lets it through. Every error is a failure. A panic is
    /// one, too, and goes on unwinding. Blocks as long as the call does.
    ///
    /// # Errors
    ///
    /// [`CallError::Open`] if the call was not made, [`CallError::Failed`] with its error
    /// if it was.
    ///
    /// # Examples
    ///
    /// ```
    /// # let breaker = groundcrew::retry::CircuitBreaker::new("config");
    /// let text = breaker.call(|| std::fs::read_to_string("/no/such/file"));
    /// assert!(text.unwrap_err().into_failed().is_some());
    /// assert_eq!(breaker.failures(), 1);
    /// ```
    pub fn call<T, E>(&self, call: impl FnOnce() -> Result<T, E>) -> Result<T, CallError<E>> {
        self.call_counting(call, |_| true)
    }

    /// Makes the call if the breaker lets it through. An error is a failure if `counts`
    /// returns true for it, otherwise a success: a dependency that rejects a bad request is
    /// not down. Whether there is another attempt is another question: see
    /// [`Retry::on_error`](crate::Retry::on_error). A panic in either closure is a failure,
    /// too, and goes on unwinding. Blocks as long as the two do.
    ///
    /// # Errors
    ///
    /// [`CallError::Open`] if the call was not made, [`CallError::Failed`] with its error,
    /// whether it counts or not, if it was.
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

    /// Returns a permit to make one call, for code that cannot be a closure. Blocks only where
    /// the logger does.
    ///
    /// # Errors
    ///
    /// [`CircuitOpen`] if the call must not be made.
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

    /// Opens the breaker, for as long as a failure would; if it is open, its time begins
    /// again. For an operator, or for code that learns in another way that the dependency is
    /// down.
    /// Blocks only where the logger does.
    ///
    /// # Examples
    ///
    /// ```
    /// # let breaker = groundcrew::retry::CircuitBreaker::new("web");
    /// breaker.trip();
    /// assert!(breaker.permit().is_err());
    /// ```
    pub fn trip(&self) {
        let change = self.shared.decide(Machine::trip);
        self.shared.log(Some(change));
    }

    /// Closes the breaker and forgets all failures. Calls that are still being made do not
    /// count. Blocks only where the logger does.
    ///
    /// # Examples
    ///
    /// ```
    /// # let breaker = groundcrew::retry::CircuitBreaker::new("web");
    /// breaker.trip();
    /// breaker.reset();
    /// assert!(breaker.permit().is_ok());
    /// ```
    pub fn reset(&self) {
        let change = self.shared.decide(Machine::reset);
        self.shared.log(change);
    }

    /// The name of the breaker.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The current state.
    pub fn state(&self) -> BreakerState {
        self.shared.decide(|machine, now| machine.state(now))
    }

    /// Number of consecutive failures: 0 after a success, and after a [reset](Self::reset).
    pub fn failures(&self) -> u32 {
        self.shared.machine.lock().failures()
    }

    /// The share of failures, from 0.0 to 1.0, by which a closed breaker is
    /// [judged](BreakerBuilder::failure_rate). `None` as long as there are too few calls,
    /// while the breaker is not closed, and if it has no such limit.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::retry::CircuitBreaker;
    /// # use std::time::Duration;
    /// let breaker = CircuitBreaker::builder("web")
    ///     .failure_rate(0.5, Duration::from_secs(60), 4)
    ///     .build()?;
    /// for result in [Err("busy"), Ok(()), Ok(())] {
    ///     let _ = breaker.call(|| result);
    /// }
    /// assert_eq!(breaker.failure_rate(), None);
    /// breaker.call(|| Ok::<_, ()>(())).unwrap();
    /// assert_eq!(breaker.failure_rate(), Some(0.25));
    /// # Ok::<(), groundcrew::retry::BreakerError>(())
    /// ```
    pub fn failure_rate(&self) -> Option<f64> {
        self.shared.decide(Machine::failure_rate)
    }

    /// Number of calls refused since the breaker was built.
    pub fn refused(&self) -> u64 {
        self.shared.machine.lock().refused()
    }
}

/// As in `circuit breaker "smtp": closed, 2 failures in a row`.
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
