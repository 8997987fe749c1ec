//! Errors by which a handler says more than that it failed.

use crate::cancel::Cancelled;
use crate::causes::{self, BoxError, PermanentError, has_cause, with_cause};
use crate::retry::Verdict;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// An error of a handler that says when to try again, such as an HTTP `Retry-After`. The attempt
/// counts. The delay takes the place of that of the [policy](super::Workers::retry), without jitter;
/// its limits on attempts and time still apply.
///
/// # Examples
///
/// ```
/// use groundcrew::jobs::{JobResult, RetryAfter};
/// use std::time::Duration;
///
/// fn fetch(status: u16) -> JobResult {
///     match status {
///         429 => Err(RetryAfter::new(Duration::from_secs(60), "too many requests"))?,
///         _ => Ok(()),
///     }
/// }
/// assert_eq!(fetch(429).unwrap_err().to_string(), "too many requests");
/// ```
pub struct RetryAfter {
    delay: Duration,
    error: BoxError,
}

impl RetryAfter {
    /// The attempt failed with `error`; the next is due after `delay`.
    pub fn new(delay: Duration, error: impl Into<BoxError>) -> RetryAfter {
        RetryAfter {
            delay,
            error: error.into(),
        }
    }
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl fmt::Debug for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        causes::debug(self, f, |f| {
            f.debug_struct("RetryAfter")
                .field("delay", &self.delay)
                .field("error", &self.error)
                .finish()
        })
    }
}

impl Error for RetryAfter {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// An error of a handler that wants to be called again later, and has not failed: what it needs is
/// not there yet. The attempt does not count.
///
/// # Examples
///
/// ```
/// use groundcrew::jobs::{JobResult, Snooze};
/// use std::time::Duration;
///
/// fn import(is_there: bool) -> JobResult {
///     match is_there {
///         true => Ok(()),
///         false => Err(Snooze::new(Duration::from_secs(600)))?,
///     }
/// }
/// assert_eq!(import(false).unwrap_err().to_string(), "snoozed for 600 s");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Snooze {
    delay: Duration,
}

impl Snooze {
    /// The job is due again after `delay`.
    pub fn new(delay: Duration) -> Snooze {
        Snooze { delay }
    }
}

impl fmt::Display for Snooze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "snoozed for {}", crate::table::trimmed(self.delay))
    }
}

impl fmt::Debug for Snooze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        causes::debug(self, f, |f| {
            f.debug_struct("Snooze")
                .field("delay", &self.delay)
                .finish()
        })
    }
}

impl Error for Snooze {}

/// What an error of a handler means. Pure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It failed, and the policy decides about this.
    Failed(Verdict),
    /// Another attempt would fail as well.
    Permanent,
    /// It is to be called again after this.
    Snooze(Duration),
    /// The job is cancelled.
    Cancelled,
}

impl Meaning {
    /// Looks for the first error with a meaning in the chain of causes. It is the program's code,
    /// whose panics are caught.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Meaning {
        if has_cause::<PermanentError>(error) {
            return Meaning::Permanent;
        }
        let after = |it: &RetryAfter| Some(Meaning::Failed(Verdict::RetryAfter(it.delay)));
        let retry = with_cause(error, after);
        let snooze = || with_cause(error, |it: &Snooze| Some(Meaning::Snooze(it.delay)));
        let cancelled = || has_cause::<Cancelled>(error).then_some(Meaning::Cancelled);
        retry
            .or_else(snooze)
            .or_else(cancelled)
            .unwrap_or(Meaning::Failed(Verdict::Retry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn an_error_with_a_meaning_is_found_in_the_chain_of_causes() {
        let wrapped = |error: BoxError| io::Error::other(io::Error::other(error));
        let second = Duration::from_secs(1);
        for (error, meaning) in [
            (BoxError::from("plain"), Meaning::Failed(Verdict::Retry)),
            (
                RetryAfter::new(second, "busy").into(),
                Meaning::Failed(Verdict::RetryAfter(second)),
            ),
            (PermanentError::new("gone").into(), Meaning::Permanent),
            (Snooze::new(second).into(), Meaning::Snooze(second)),
            (Cancelled.into(), Meaning::Cancelled),
        ] {
            assert_eq!(Meaning::of(error.as_ref()), meaning);
            assert_eq!(Meaning::of(&wrapped(error)), meaning);
        }
    }
}
