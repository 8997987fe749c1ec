//! When to try again what failed, and when to give up.

use super::{Backoff, Jitter};
use crate::sync::Arc;
use crate::unwind::Guarded;
use std::fmt;
use std::time::Duration;

/// How something that failed is tried again: after which delays, how often, and for how
/// long.
///
/// The delays are those of a [`Backoff`]; see there for the formula and for jitter. A
/// clone is the same policy.
///
/// Used by [`TaskBuilder::retry`](crate::TaskBuilder::retry) and
/// [`BatcherBuilder::retry`](crate::batch::BatcherBuilder::retry); pure, so that a loop of your
/// own can use it as well.
///
/// # Examples
///
/// ```
/// use groundcrew::Retry;
/// use groundcrew::retry::Jitter;
/// use std::time::Duration;
///
/// let retry = Retry::exponential(Duration::from_millis(100))
///     .cap(Duration::from_secs(5))
///     .jitter(Jitter::None)
///     .attempts(4)
///     .deadline(Duration::from_secs(60));
/// let delay = |failed| retry.delay(failed, Duration::ZERO, 0.5);
/// assert_eq!(delay(1), Some(Duration::from_millis(100)));
/// assert_eq!(delay(3), Some(Duration::from_millis(400)));
/// assert_eq!(delay(4), None); // four attempts have been made
/// ```
#[derive(Clone)]
pub struct Retry {
    backoff: Backoff,
    curve: Option<Curve>,
    attempts: u32,
    deadline: Duration,
}

type Curve = Arc<dyn Fn(u32) -> Duration + Send + Sync>;

/// What to do about an error: returned by the closure given to
/// [`RetryTaskBuilder::on_error`](crate::submit::RetryTaskBuilder::on_error).
///
/// # Examples
///
/// ```
/// use groundcrew::retry::Verdict;
/// use std::io::{Error, ErrorKind};
///
/// let verdict = |error: &Error| match error.kind() {
///     ErrorKind::NotFound => Verdict::GiveUp,
///     _ => Verdict::Retry,
/// };
/// assert_eq!(verdict(&ErrorKind::NotFound.into()), Verdict::GiveUp);
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is worth another attempt, after the delay of the policy.
    Retry,
    /// It is worth another attempt, after this delay: what the error says (an HTTP
    /// `Retry-After`, say) wins over the policy's delay, its cap and its jitter. Attempts
    /// and deadline still apply. [`Duration::MAX`] is never: the task then waits until it
    /// is cancelled or stopped.
    RetryAfter(Duration),
    /// It was no attempt at all, as when a [circuit breaker](crate::retry::CallError::verdict)
    /// refused the call: it is not counted, nor remembered, and the next one has its
    /// number. That comes after this delay, and up to a tenth more at random, so that
    /// refused callers do not all come back at once. The deadline, which counts from the
    /// first try whatever its outcome, is the only bound; if it ends the task there, this
    /// last error is in the [`RetryError`](crate::retry::RetryError) as one of an attempt.
    Postpone(Duration),
    /// No other attempt would help.
    GiveUp,
}

/// Why there was no further attempt.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GiveUpReason {
    /// All the attempts that the policy allows have failed.
    Attempts,
    /// The next attempt would have come after the policy's deadline.
    Deadline,
    /// The error was not worth another attempt: [`Verdict::GiveUp`].
    Verdict,
    /// The task was asked to end, by [`TaskHandle::cancel`](crate::TaskHandle::cancel).
    Cancelled,
    /// The report of a stop was made before the attempt ended.
    Stopped,
}

impl fmt::Display for GiveUpReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            GiveUpReason::Attempts => "all attempts failed",
            GiveUpReason::Deadline => "the next attempt would have come too late",
            GiveUpReason::Verdict => "the error is not worth another attempt",
            GiveUpReason::Cancelled => "the task was cancelled",
            GiveUpReason::Stopped => "the pool was stopped",
        })
    }
}

impl Retry {
    fn new(backoff: Backoff) -> Retry {
        Retry {
            backoff,
            curve: None,
            attempts: u32::MAX,
            deadline: Duration::MAX,
        }
    }

    /// Delays that double, from `base` up to an hour, less up to a half at random: those of
    /// [`Backoff::exponential`]. Attempts without limit.
    pub fn exponential(base: Duration) -> Retry {
        Retry::new(Backoff::exponential(base))
    }

    /// The same delay each time, without jitter. Attempts without limit.
    pub fn fixed(delay: Duration) -> Retry {
        Retry::new(Backoff::fixed(delay))
    }

    /// Delays by a function of the number of attempts that have failed, from 1. It is
    /// called by the worker on which the attempt failed. By default no cap, no jitter, and
    /// attempts without limit.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::Retry;
    /// # use std::time::Duration;
    /// let quadratic = Retry::custom(|failed| Duration::from_secs(u64::from(failed).pow(2)));
    /// assert_eq!(quadratic.delay(5, Duration::ZERO, 0.0), Some(Duration::from_secs(25)));
    /// ```
    pub fn custom(curve: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Retry {
        let curve = Guarded::new(curve, "the curve of a retry");
        Retry {
            curve: Some(Arc::new(move |failed| {
                let curve = &*curve;
                curve(failed)
            })),
            ..Retry::fixed(Duration::MAX)
        }
    }

    /// By how much the delay of [`exponential`](Self::exponential) grows from one attempt
    /// to the next. A value below 1, and NaN, counts as 1. Defaults to 2.
    pub fn factor(mut self, factor: f64) -> Retry {
        self.backoff = self.backoff.factor(factor);
        self
    }

    /// The longest delay. Defaults to an hour for [`exponential`](Self::exponential).
    pub fn cap(mut self, cap: Duration) -> Retry {
        self.backoff = self.backoff.cap(cap);
        self
    }

    /// How the delay is shortened at random. Defaults to [`Jitter::Equal`] for
    /// [`exponential`](Self::exponential), otherwise to [`Jitter::None`].
    pub fn jitter(mut self, jitter: Jitter) -> Retry {
        self.backoff = self.backoff.jitter(jitter);
        self
    }

    /// Maximum number of attempts, the first included; 0 counts as 1. Defaults to
    /// [`u32::MAX`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::Retry;
    /// # use std::time::Duration;
    /// let twice = Retry::fixed(Duration::ZERO).attempts(2);
    /// assert!(twice.delay(1, Duration::ZERO, 0.0).is_some());
    /// assert!(twice.delay(2, Duration::ZERO, 0.0).is_none());
    /// ```
    pub fn attempts(mut self, attempts: u32) -> Retry {
        self.attempts = attempts.max(1);
        self
    }

    /// No attempt becomes due later than `deadline` after the first one began. It may begin
    /// later where it has to wait for a worker, and may end: see
    /// [`TaskBuilder::time_limit`](crate::TaskBuilder::time_limit) for that. Defaults to
    /// [`Duration::MAX`], which is never.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::Retry;
    /// # use std::time::Duration;
    /// let retry = Retry::fixed(Duration::from_secs(10)).deadline(Duration::from_secs(60));
    /// assert!(retry.delay(5, Duration::from_secs(50), 0.0).is_some());
    /// assert!(retry.delay(5, Duration::from_secs(51), 0.0).is_none()); // it would be 61
    /// ```
    pub fn deadline(mut self, deadline: Duration) -> Retry {
        self.deadline = deadline;
        self
    }

    /// How long to wait before the next attempt, when `failed` attempts have failed and
    /// `elapsed` has passed since the first one began; `None`: not at all. `random` is a
    /// number from 0 to 1. Pure, except for a [custom](Self::custom) function.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::Retry;
    /// # use std::time::Duration;
    /// let retry = Retry::exponential(Duration::from_secs(1)); // less up to a half
    /// assert_eq!(retry.delay(1, Duration::ZERO, 0.0), Some(Duration::from_millis(500)));
    /// assert_eq!(retry.delay(1, Duration::ZERO, 1.0), Some(Duration::from_secs(1)));
    /// ```
    pub fn delay(&self, failed: u32, elapsed: Duration, random: f64) -> Option<Duration> {
        self.decide(failed, elapsed, Verdict::Retry, random).ok()
    }

    /// What follows `failed` attempts, the last of which was judged so.
    pub(crate) fn decide(
        &self,
        failed: u32,
        elapsed: Duration,
        verdict: Verdict,
        random: f64,
    ) -> Result<Duration, GiveUpReason> {
        if verdict == Verdict::GiveUp {
            return Err(GiveUpReason::Verdict);
        }
        let is_attempt = !matches!(verdict, Verdict::Postpone(_));
        if is_attempt && failed >= self.attempts {
            return Err(GiveUpReason::Attempts);
        }
        let delay = match (verdict, &self.curve) {
            (Verdict::RetryAfter(delay), _) => delay,
            (Verdict::Postpone(delay), _) => {
                delay.saturating_add((delay / 10).mul_f64(random.clamp(0.0, 1.0)))
            }
            (_, Some(curve)) => self.backoff.shorten(curve(failed).as_secs_f64(), random),
            (_, None) => self.backoff.delay(failed, random),
        };
        match elapsed.saturating_add(delay) > self.deadline {
            true => Err(GiveUpReason::Deadline),
            false => Ok(delay),
        }
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("backoff", &self.backoff)
            .field("is_custom", &self.curve.is_some())
            .field("attempts", &self.attempts)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_the_error_says_wins_over_the_curve_but_not_over_attempts_and_deadline() {
        let retry = Retry::exponential(SECOND)
            .cap(2 * SECOND)
            .attempts(3)
            .deadline(100 * SECOND);
        let decide =
            |failed, elapsed, verdict| retry.decide(failed, elapsed * SECOND, verdict, 0.5);
        let after = |seconds| Verdict::RetryAfter(seconds * SECOND);
        assert_eq!(decide(1, 0, after(50)), Ok(50 * SECOND));
        assert_eq!(decide(1, 0, after(0)), Ok(Duration::ZERO));
        assert_eq!(decide(3, 0, after(50)), Err(GiveUpReason::Attempts));
        assert_eq!(decide(1, 51, after(50)), Err(GiveUpReason::Deadline));
        assert_eq!(
            decide(1, 0, Verdict::RetryAfter(Duration::MAX)),
            Err(GiveUpReason::Deadline)
        );
        assert_eq!(decide(1, 0, Verdict::GiveUp), Err(GiveUpReason::Verdict));
    }

    #[test]
    fn what_was_postponed_comes_up_to_a_tenth_later_and_only_the_deadline_bounds_it() {
        let retry = Retry::fixed(SECOND).attempts(1).deadline(100 * SECOND);
        let decide = |elapsed, after, random| {
            retry.decide(7, elapsed * SECOND, Verdict::Postpone(after), random)
        };
        assert_eq!(decide(0, 50 * SECOND, 0.0), Ok(50 * SECOND));
        assert_eq!(decide(0, 50 * SECOND, 0.5), Ok(52_500 * SECOND / 1000));
        assert_eq!(decide(45, 50 * SECOND, 1.0), Ok(55 * SECOND));
        assert_eq!(decide(46, 50 * SECOND, 1.0), Err(GiveUpReason::Deadline));
        assert_eq!(decide(0, Duration::MAX, 1.0), Err(GiveUpReason::Deadline));
    }

    #[test]
    fn an_attempt_that_would_begin_at_the_deadline_is_made_and_one_after_it_is_not() {
        let retry = Retry::fixed(SECOND).deadline(10 * SECOND);
        assert_eq!(retry.delay(1, 9 * SECOND, 0.0), Some(SECOND));
        let later = 9 * SECOND + Duration::from_nanos(1);
        assert_eq!(retry.delay(1, later, 0.0), None);
        let for_ever = Retry::fixed(SECOND);
        assert!(for_ever.delay(1, Duration::MAX, 0.0).is_some());
    }

    #[test]
    fn no_curve_gives_a_delay_beyond_the_cap_for_any_attempt() {
        for wild in [Duration::ZERO, SECOND, Duration::MAX] {
            for jitter in [Jitter::None, Jitter::Full, Jitter::Fraction(f64::NAN)] {
                let retry = Retry::custom(move |_| wild).cap(SECOND).jitter(jitter);
                for attempt in [0, 1, 1000, u32::MAX - 1] {
                    for random in [0.0, 0.7, 1.0, f64::NAN] {
                        let delay = retry.delay(attempt, Duration::ZERO, random);
                        assert!(delay.is_some_and(|delay| delay <= SECOND));
                    }
                }
            }
        }
        // Even the last of u32::MAX attempts is counted.
        assert_eq!(Retry::fixed(SECOND).delay(u32::MAX, SECOND, 0.0), None);
    }
}
