//! The error of something that failed repeatedly.

use super::GiveUpReason;
use crate::unwind;
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The task failed for good: the last error, why there was no further attempt, and what
/// went before.
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, Retry};
/// use groundcrew::retry::GiveUpReason;
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let retry = Retry::fixed(Duration::from_millis(1)).attempts(3);
/// let handle = pool
///     .task("send")
///     .retry(retry)
///     .submit(|attempt| Err::<(), _>(format!("failure {attempt}")))?;
/// let error = handle.join()?.unwrap_err();
/// assert_eq!(error.error(), "failure 3");
/// assert_eq!((error.attempts(), error.gave_up()), (3, GiveUpReason::Attempts));
/// assert_eq!(error.history()[0].error(), "failure 1");
/// assert_eq!(error.to_string(), "all attempts failed (3): failure 3");
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct RetryError<E> {
    gave_up: GiveUpReason,
    attempts: u32,
    /// The newest last; never empty.
    history: Vec<FailedAttempt<E>>,
}

/// One attempt that failed.
pub struct FailedAttempt<E> {
    pub(crate) number: u32,
    pub(crate) began: Duration,
    pub(crate) ran: Duration,
    /// Taken when it is dropped, or asked for.
    pub(crate) error: Option<E>,
}

/// The number of attempts remembered.
const LONGEST_HISTORY: usize = 16;

/// The attempts of a task that goes on.
pub(crate) struct History<E> {
    failed: VecDeque<FailedAttempt<E>>,
}

impl<E> History<E> {
    pub(crate) fn new() -> History<E> {
        History {
            failed: VecDeque::new(),
        }
    }

    pub(crate) fn push(&mut self, attempt: FailedAttempt<E>) {
        if self.failed.len() == LONGEST_HISTORY {
            self.failed.pop_front();
        }
        self.failed.push_back(attempt);
    }

    pub(crate) fn pop(&mut self) -> Option<FailedAttempt<E>> {
        self.failed.pop_back()
    }

    /// The caller has pushed one.
    pub(crate) fn into_error(self, gave_up: GiveUpReason, attempts: u32) -> RetryError<E> {
        RetryError {
            gave_up,
            attempts,
            history: self.failed.into(),
        }
    }
}

impl<E> RetryError<E> {
    fn last(&self) -> &FailedAttempt<E> {
        match self.history.last() {
            Some(last) => last,
            None => unreachable!("one gives up only after an attempt has failed"),
        }
    }

    /// The error of the last attempt.
    pub fn error(&self) -> &E {
        self.last().error()
    }

    /// The error of the last attempt, to keep.
    pub fn into_error(mut self) -> E {
        let last = self.history.pop();
        match last.and_then(|mut last| last.error.take()) {
            Some(error) => error,
            None => unreachable!("one gives up only after an attempt has failed"),
        }
    }

    /// Why there was no further attempt.
    pub fn gave_up(&self) -> GiveUpReason {
        self.gave_up
    }

    /// How many attempts were made.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The attempts that failed, the oldest first: all of them, or the last 16.
    pub fn history(&self) -> &[FailedAttempt<E>] {
        &self.history
    }
}

impl<E> FailedAttempt<E> {
    /// The number of the attempt, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// How long after the first attempt it began.
    pub fn began(&self) -> Duration {
        self.began
    }

    /// How long it ran.
    pub fn ran(&self) -> Duration {
        self.ran
    }

    /// Why it failed.
    pub fn error(&self) -> &E {
        match &self.error {
            Some(error) => error,
            None => unreachable!("only what consumes the attempt takes it"),
        }
    }
}

/// Errors are the program's code, their drops too.
impl<E> Drop for FailedAttempt<E> {
    fn drop(&mut self) {
        unwind::drop_guarded(self.error.take(), || "the error of an attempt".to_owned());
    }
}

impl<E: fmt::Display> fmt::Display for RetryError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.gave_up, self.attempts, self.error())
    }
}

impl<E: fmt::Debug> fmt::Debug for RetryError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryError")
            .field("gave_up", &self.gave_up)
            .field("attempts", &self.attempts)
            .field("error", self.error())
            .finish_non_exhaustive()
    }
}

impl<E: Error + 'static> Error for RetryError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.error())
    }
}

impl<E: fmt::Debug> fmt::Debug for FailedAttempt<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedAttempt")
            .field("number", &self.number)
            .field("began", &self.began)
            .field("ran", &self.ran)
            .field("error", self.error())
            .finish()
    }
}
