//! When to try again what failed, and when to give up. Pure.

use super::{Backoff, CallError, GiveUpReason, Verdict, random};
use crate::sync::Arc;
use crate::unwind::Guarded;
use std::fmt;
use std::time::Duration;

/// A retry policy: the delays, the maximum number of attempts, the deadline, and the errors that
/// are retried.
///
/// A [`Backoff`] determines the delays. By default, every error is retried, without a limit on
/// attempts or time.
///
/// Used by [`TaskBuilder::retry`](crate::TaskBuilder::retry),
/// [`WorkQueue::retry`](crate::WorkQueue::retry),
/// [`BatcherBuilder::retry`](crate::batch::BatcherBuilder::retry), [`Retry::call`], and, with the
/// feature `jobs`, `Workers::retry`.
///
/// # Which errors
///
/// [`on_error`](Self::on_error) sets a judge: a closure that returns a [`Verdict`] for an error.
/// The policy then is a `Retry<E>`, which applies only to errors of type `E`, or
/// [`CallError<E>`](CallError) of a [circuit breaker](crate::retry::CircuitBreaker). A plain
/// `Retry` applies to errors of any type, so one policy can be shared, and each user can add its
/// own judge.
///
/// # Examples
///
/// ```
/// use groundcrew::Retry;
/// use groundcrew::retry::{Backoff, Jitter};
/// use std::time::Duration;
///
/// let backoff = Backoff::exponential(Duration::from_millis(100))
///     .cap(Duration::from_secs(5))
///     .jitter(Jitter::None);
/// let retry = Retry::new(backoff).attempts(4).deadline(Duration::from_secs(60));
///
/// let delay = |failed| retry.delay(failed, Duration::ZERO, 0.5);
/// assert_eq!(delay(1), Some(Duration::from_millis(100)));
/// assert_eq!(delay(3), Some(Duration::from_millis(400)));
/// assert_eq!(delay(4), None); // four attempts have been made
/// assert_eq!(retry.delay(1, Duration::from_secs(60), 0.5), None); // it would be too late
/// ```
pub struct Retry<E: ?Sized = AnyError> {
    delays: Delays,
    attempts: u32,
    deadline: Duration,
    /// Without one, every error is worth another attempt.
    judge: Option<Judge<E>>,
}

type Judge<E> = Arc<dyn Fn(&E) -> Verdict + Send + Sync>;

#[derive(Clone)]
enum Delays {
    Backoff(Backoff),
    /// Of the number of attempts that have failed.
    Custom(Arc<dyn Fn(u32) -> Duration + Send + Sync>),
}

/// The type parameter of a policy without a judge: `Retry` is `Retry<AnyError>`. This type has no
/// values.
// Unsized, so that `impl RetryPolicy<E> for Retry<E>`, which is for sized types, is none for
// it: the two impls below would overlap.
#[derive(Debug)]
pub struct AnyError {
    _unsized: [std::convert::Infallible],
}

/// A [`Retry`] for errors of type `E`. It has no judge, or its judge takes `&E`, or, if `E` is a
/// [`CallError<F>`](CallError), its judge takes `&F`.
///
/// In the last case, a call that a circuit breaker refused is [postponed](Verdict::Postpone) until
/// the breaker permits calls again. The task therefore outlasts an outage, even with few attempts:
/// use [`Retry::deadline`] to limit it. If the breaker stays open until it is
/// [reset](crate::retry::CircuitBreaker::reset), each try counts as an attempt, after the delay of
/// the policy. A judge that takes `&CallError<F>` can decide otherwise.
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, Retry};
/// use groundcrew::retry::{CircuitBreaker, Verdict};
/// use std::io::{Error, ErrorKind};
/// use std::time::Duration;
///
/// fn judge(error: &Error) -> Verdict {
///     match error.kind() {
///         ErrorKind::NotFound => Verdict::GiveUp,
///         _ => Verdict::Retry,
///     }
/// }
///
/// let breaker = CircuitBreaker::builder("smtp")
///     .consecutive_failures(1)
///     .open_for(Duration::from_millis(20))
///     .build()?;
/// let pool = Pool::new(1)?;
/// let handle = pool
///     .task("send")
///     .retry(Retry::fixed(Duration::ZERO).attempts(2).on_error(judge))
///     .submit(move |attempt| {
///         breaker.call(|| match attempt {
///             1 => Err(Error::from(ErrorKind::TimedOut)),
///             _ => Ok(attempt),
///         })
///     })?;
/// // The first failure opens the breaker; calls that it refuses are not attempts.
/// assert_eq!(handle.join()?.unwrap(), 2);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not judge errors of type `{E}`",
    note = "a closure given to `Retry::on_error` has to take `&{E}`; without `on_error` a policy serves any error"
)]
pub trait RetryPolicy<E>: Clone + sealed::Sealed<E> {}

mod sealed {
    use super::Retry;

    pub trait Sealed<E> {
        fn into_retry(self) -> Retry<E>;
    }
}

pub(crate) use sealed::Sealed as IntoRetry;

impl<E> RetryPolicy<E> for Retry {}

impl<E> IntoRetry<E> for Retry {
    fn into_retry(self) -> Retry<E> {
        self.with_judge(None)
    }
}

impl<E> RetryPolicy<E> for Retry<E> {}

impl<E> IntoRetry<E> for Retry<E> {
    fn into_retry(self) -> Retry<E> {
        self
    }
}

impl<E: 'static> RetryPolicy<CallError<E>> for Retry<E> {}

impl<E: 'static> IntoRetry<CallError<E>> for Retry<E> {
    fn into_retry(mut self) -> Retry<CallError<E>> {
        let judge = self.judge.take();
        self.with_judge(Some(Arc::new(move |error| match error {
            CallError::Open(open) => open.verdict(),
            CallError::Failed(error) => verdict(judge.as_deref(), error),
        })))
    }
}

impl Retry {
    /// Creates a policy with these delays.
    pub fn new(backoff: Backoff) -> Retry {
        Retry::with_delays(Delays::Backoff(backoff))
    }

    /// Creates a policy with the delays of [`Backoff::exponential`]: they double from `base` up to
    /// an hour, and are shortened at random by up to a half.
    pub fn exponential(base: Duration) -> Retry {
        Retry::new(Backoff::exponential(base))
    }

    /// Creates a policy with the same delay each time, that of [`Backoff::fixed`].
    pub fn fixed(delay: Duration) -> Retry {
        Retry::new(Backoff::fixed(delay))
    }

    /// Creates a policy whose delays are a function of the number of failed attempts, from 1. The
    /// function is called on the worker on which the attempt failed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::Retry;
    /// # use std::time::Duration;
    /// let quadratic = Retry::custom(|failed| Duration::from_secs(u64::from(failed).pow(2)));
    /// assert_eq!(quadratic.delay(5, Duration::ZERO, 0.0), Some(Duration::from_secs(25)));
    /// ```
    pub fn custom(delay: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Retry {
        let delay = Guarded::new(delay, "the delays of a retry");
        Retry::with_delays(Delays::Custom(Arc::new(move |failed| (*delay)(failed))))
    }

    fn with_delays(delays: Delays) -> Retry {
        Retry {
            delays,
            attempts: u32::MAX,
            deadline: Duration::MAX,
            judge: None,
        }
    }

    /// Sets the judge, which decides for each error whether and when there is another attempt. It
    /// is called on the thread on which the attempt failed. A panic in it is a panic of the task. It
    /// makes an item of a queue, or all items of a batch, [dead
    /// letters](crate::retry::DeadLetterReason::Panicked).
    ///
    /// For a queue, a batch and a durable job, the type of the error is [`BoxError`](crate::BoxError),
    /// and the judge is not asked about a [`PermanentError`](crate::retry::PermanentError).
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Pool, Retry};
    /// use groundcrew::retry::Verdict;
    /// use std::time::Duration;
    ///
    /// struct Busy { retry_after: Option<Duration> }
    ///
    /// let hourly = Retry::fixed(Duration::from_secs(3600)).on_error(|busy: &Busy| {
    ///     match busy.retry_after {
    ///         Some(delay) => Verdict::RetryAfter(delay),
    ///         None => Verdict::Retry,
    ///     }
    /// });
    /// let pool = Pool::new(1)?;
    /// let handle = pool.task("fetch").retry(hourly).submit(|attempt| match attempt {
    ///     1 => Err(Busy { retry_after: Some(Duration::from_millis(1)) }),
    ///     _ => Ok("fetched"),
    /// })?;
    /// assert!(matches!(handle.join()?, Ok("fetched")));
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn on_error<E>(self, judge: impl Fn(&E) -> Verdict + Send + Sync + 'static) -> Retry<E> {
        let judge = Guarded::new(judge, "the judge of a retry");
        self.with_judge(Some(Arc::new(move |error: &E| (*judge)(error))))
    }
}

impl<E: ?Sized> Retry<E> {
    fn with_judge<F>(self, judge: Option<Judge<F>>) -> Retry<F> {
        Retry {
            delays: self.delays,
            attempts: self.attempts,
            deadline: self.deadline,
            judge,
        }
    }

    /// Sets the maximum number of attempts, including the first. 0 counts as 1. Defaults to
    /// [`u32::MAX`].
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Sets the deadline for retries: no attempt becomes due later than `deadline` after the first
    /// one began. An attempt may begin later, if it has to wait for a worker. To limit its run
    /// time, use [`TaskBuilder::time_limit`](crate::TaskBuilder::time_limit). Defaults to
    /// [`Duration::MAX`], which means no deadline.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Returns the delay before the next attempt, after `failed` failed attempts and `elapsed`
    /// since the first one began, or `None` if there is no further attempt. `random` is a number
    /// from 0 to 1. This does not call the judge. It is for retry loops of your own.
    pub fn delay(&self, failed: u32, elapsed: Duration, random: f64) -> Option<Duration> {
        self.decide(failed, elapsed, Verdict::Retry, random).ok()
    }

    /// The maximum number of attempts.
    #[cfg(feature = "jobs")]
    pub(crate) fn max_attempts(&self) -> u32 {
        self.attempts
    }

    /// How long to wait before the next attempt, when `failed` attempts were made and the
    /// last one was judged like this.
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
        let delay = match verdict {
            Verdict::RetryAfter(delay) => delay,
            Verdict::Postpone(delay) => {
                delay.saturating_add((delay / 10).mul_f64(random.clamp(0.0, 1.0)))
            }
            Verdict::Retry | Verdict::GiveUp => match &self.delays {
                Delays::Backoff(backoff) => backoff.delay(failed, random),
                Delays::Custom(delay) => delay(failed),
            },
        };
        match elapsed.saturating_add(delay) > self.deadline {
            true => Err(GiveUpReason::Deadline),
            false => Ok(delay),
        }
    }
}

/// What follows an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    /// The call was not made: it does not count.
    pub(crate) is_postponed: bool,
    /// How long to wait for the next attempt.
    pub(crate) next: Result<Duration, GiveUpReason>,
}

impl<E> Retry<E> {
    /// Whether there may be more than one try.
    pub(crate) fn may_retry(&self) -> bool {
        // A judge may postpone even the only attempt.
        self.attempts > 1 || self.judge.is_some()
    }

    /// What the judge says of an error. Calls the program's code.
    #[cfg(feature = "jobs")]
    pub(crate) fn verdict(&self, error: &E) -> Verdict {
        verdict(self.judge.as_deref(), error)
    }

    /// Judges the error of the last of `failed` attempts, `elapsed` after the first one
    /// began. Every retry in the crate is decided here. Calls the program's judge, and its
    /// function for delays.
    pub(crate) fn judge(&self, error: &E, failed: u32, elapsed: Duration) -> Judged {
        let verdict = verdict(self.judge.as_deref(), error);
        Judged {
            is_postponed: matches!(verdict, Verdict::Postpone(_)),
            next: self.decide(failed, elapsed, verdict, random()),
        }
    }
}

fn verdict<E>(judge: Option<&(dyn Fn(&E) -> Verdict + Send + Sync)>, error: &E) -> Verdict {
    judge.map_or(Verdict::Retry, |judge| judge(error))
}

impl<E: ?Sized> Clone for Retry<E> {
    fn clone(&self) -> Self {
        Retry {
            delays: self.delays.clone(),
            attempts: self.attempts,
            deadline: self.deadline,
            judge: self.judge.clone(),
        }
    }
}

impl<E: ?Sized> fmt::Debug for Retry<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut retry = f.debug_struct("Retry");
        match &self.delays {
            Delays::Backoff(backoff) => retry.field("backoff", backoff),
            Delays::Custom(_) => retry.field("backoff", &"custom"),
        };
        retry
            .field("attempts", &self.attempts)
            .field("deadline", &self.deadline)
            .field("has_judge", &self.judge.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
