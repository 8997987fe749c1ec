//! How a circuit breaker is put together.

use super::circuit::CircuitBreaker;
use super::error::{BreakerError, Fault};
use super::machine::{Machine, Rate, Terms};
use super::shared::Shared;
use crate::clock::Clock;
#[cfg(feature = "testing")]
use crate::clock::ManualClock;
use crate::retry::{Backoff, random};
use crate::sync::{Arc, Mutex};
use std::fmt;
use std::time::Duration;

/// Builds a [`CircuitBreaker`]: when it opens, for how long, and when it closes again.
///
/// # Examples
///
/// ```
/// use groundcrew::retry::{Backoff, CircuitBreaker};
/// use std::time::Duration;
///
/// let pause = Backoff::exponential(Duration::from_secs(5)).cap(Duration::from_secs(300));
/// let breaker = CircuitBreaker::builder("smtp")
///     .consecutive_failures(5)
///     .failure_rate(0.5, Duration::from_secs(60), 20)
///     .backoff(pause)
///     .half_open_calls(2)
///     .build()?;
/// assert_eq!(breaker.to_string(), "circuit breaker \"smtp\": closed");
/// # Ok::<(), groundcrew::retry::BreakerError>(())
/// ```
#[must_use = "no breaker is made before `build` is called"]
pub struct BreakerBuilder {
    name: Arc<str>,
    terms: Terms,
    clock: Clock,
}

const FAILURES_IN_A_ROW: u32 = 5;
const PAUSE: Duration = Duration::from_secs(30);

impl BreakerBuilder {
    pub(super) fn new(name: String) -> BreakerBuilder {
        BreakerBuilder {
            name: name.into(),
            terms: Terms {
                in_a_row: None,
                rate: None,
                pause: Backoff::fixed(PAUSE),
                trials: 1,
                random,
            },
            clock: Clock::default(),
        }
    }

    /// Sets the number of consecutive failures that opens the breaker. Defaults to 5, and to no
    /// limit if a [`failure_rate`](Self::failure_rate) is set.
    pub fn consecutive_failures(mut self, failures: u32) -> BreakerBuilder {
        self.terms.in_a_row = Some(failures);
        self
    }

    /// Sets the failure rate that opens the breaker: the share of failures, above 0.0 and up to
    /// 1.0, among the calls that ended within `window`. It applies if there were at least
    /// `at_least_calls` such calls. There is no such limit by default.
    ///
    /// The window moves by a tenth of its length at a time, so its cost does not depend on the
    /// number of calls. It starts again when the breaker closes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::retry::CircuitBreaker;
    /// # use std::time::Duration;
    /// let breaker = CircuitBreaker::builder("smtp")
    ///     .failure_rate(0.5, Duration::from_secs(60), 4)
    ///     .build()?;
    /// for result in [Err("busy"), Ok(()), Err("busy"), Ok(())] {
    ///     let _ = breaker.call(|| result);
    /// }
    /// assert!(breaker.permit().is_err());
    /// # Ok::<(), groundcrew::retry::BreakerError>(())
    /// ```
    pub fn failure_rate(
        mut self,
        share: f64,
        window: Duration,
        at_least_calls: u32,
    ) -> BreakerBuilder {
        self.terms.rate = Some(Rate {
            share,
            window,
            at_least: at_least_calls,
        });
        self
    }

    /// Sets how long an open breaker refuses every call. [`Duration::MAX`] means until it is
    /// [reset](CircuitBreaker::reset). Defaults to 30 s. This and [`backoff`](Self::backoff)
    /// override each other.
    pub fn open_for(self, pause: Duration) -> BreakerBuilder {
        self.backoff(Backoff::fixed(pause))
    }

    /// Sets how long an open breaker refuses every call, with a longer pause each time that it
    /// opens again without having been closed. Defaults to 30 s each time.
    pub fn backoff(mut self, pause: Backoff) -> BreakerBuilder {
        self.terms.pause = pause;
        self
    }

    /// Sets the number of concurrent trial calls that a half-open breaker permits, which is also
    /// the number of successes after which it closes. Defaults to 1.
    pub fn half_open_calls(mut self, calls: u32) -> BreakerBuilder {
        self.terms.trials = calls;
        self
    }

    /// Uses a manual clock, for tests. Requires the feature `testing`.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::testing::ManualClock;
    /// use groundcrew::retry::{BreakerState, CircuitBreaker};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let breaker = CircuitBreaker::builder("smtp").clock(&clock).build()?;
    /// breaker.trip();
    /// clock.advance(Duration::from_secs(20));
    /// let retry_in = Duration::from_secs(10);
    /// assert_eq!(breaker.state(), BreakerState::Open { retry_in });
    ///
    /// clock.advance(retry_in);
    /// assert_eq!(breaker.call(|| Ok::<_, ()>("sent")), Ok("sent"));
    /// assert_eq!(breaker.state(), BreakerState::Closed);
    /// # Ok::<(), groundcrew::retry::BreakerError>(())
    /// ```
    #[cfg(feature = "testing")]
    pub fn clock(mut self, clock: &ManualClock) -> BreakerBuilder {
        self.clock.manual = Some(clock.clone());
        self
    }

    /// Builds the breaker, in its closed state.
    ///
    /// # Errors
    ///
    /// Returns a [`BreakerError`] that names the mistake if the name is empty or contains control
    /// characters, if a limit is 0, or if the share is out of range.
    pub fn build(self) -> Result<CircuitBreaker, BreakerError> {
        let is_nameless = self.name.is_empty() || self.name.contains(char::is_control);
        let fault = match is_nameless {
            true => Some(Fault::Name),
            false => fault(&self.terms),
        };
        match fault {
            Some(fault) => Err(BreakerError::new(self.name, fault)),
            None => Ok(self.breaker()),
        }
    }

    /// Without checking the limits.
    pub(super) fn breaker(mut self) -> CircuitBreaker {
        if self.terms.rate.is_none() {
            self.terms.in_a_row.get_or_insert(FAILURES_IN_A_ROW);
        }
        let machine = Machine::new(self.terms, self.clock.now());
        CircuitBreaker {
            shared: Arc::new(Shared {
                name: self.name,
                clock: self.clock,
                machine: Mutex::new(machine),
            }),
        }
    }
}

fn fault(terms: &Terms) -> Option<Fault> {
    if terms.in_a_row == Some(0) {
        return Some(Fault::NoFailures);
    }
    if let Some(rate) = terms.rate {
        let is_share = rate.share > 0.0 && rate.share <= 1.0;
        if !is_share {
            return Some(Fault::Share(rate.share));
        }
        if rate.window.is_zero() {
            return Some(Fault::NoWindow);
        }
        if rate.at_least == 0 {
            return Some(Fault::NoCalls);
        }
    }
    // Jitter may make a pause zero; the longest one must not be.
    if terms.pause.delay(1, 1.0).is_zero() {
        return Some(Fault::NoPause);
    }
    (terms.trials == 0).then_some(Fault::NoTrials)
}

impl fmt::Debug for BreakerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerBuilder")
            .field("name", &self.name)
            .field("consecutive_failures", &self.terms.in_a_row)
            .field("failure_rate", &self.terms.rate)
            .field("backoff", &self.terms.pause)
            .field("half_open_calls", &self.terms.trials)
            .finish_non_exhaustive()
    }
}
