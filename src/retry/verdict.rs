//! What is decided about an error.

use std::fmt;
use std::time::Duration;

/// What to do about an error. Returned by the closure passed to
/// [`Retry::on_error`](crate::Retry::on_error).
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
    /// Another attempt is made, after the delay of the policy.
    Retry,
    /// Another attempt is made, after this delay instead of the policy's, without cap or jitter.
    /// This is for errors that specify a delay, such as an HTTP `Retry-After`. The limits on
    /// attempts and time still apply. [`Duration::MAX`] means never: the task or the item waits until
    /// it is cancelled or stopped.
    RetryAfter(Duration),
    /// The call was not made, for example because a [circuit breaker](crate::retry::CircuitBreaker)
    /// refused it. It does not count as an attempt and is not in the history. The next attempt has
    /// the same number, and comes after this delay, lengthened at random by up to a tenth, so that
    /// refused callers do not all retry at once.
    ///
    /// Only the deadline of the policy limits this. It counts from the first try, even if that was
    /// refused. If a task ends at the deadline, the error of its last try is in the
    /// [`RetryError`](crate::retry::RetryError) as one of an attempt.
    Postpone(Duration),
    /// No other attempt is made. A [batch](crate::Batcher#the-handler) is split to isolate the items
    /// that cause the error.
    GiveUp,
}

/// The reason why there was no further attempt.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GiveUpReason {
    /// All attempts that the policy allows have failed.
    Attempts,
    /// The next attempt would have become due after the policy's deadline.
    Deadline,
    /// The judge returned [`Verdict::GiveUp`].
    Verdict,
    /// The task was cancelled, by [`TaskHandle::cancel`](crate::TaskHandle::cancel).
    Cancelled,
    /// A stop ended before the attempt did, or the token of a [call](crate::Retry::call)
    /// was cancelled.
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
