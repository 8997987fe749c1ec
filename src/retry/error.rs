//! The error of something that failed repeatedly.

use super::GiveUpReason;
use crate::unwind;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The error returned when all attempts failed. It has the last error, the reason to give up, and
/// the previous attempts.
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
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub struct RetryError<E> {
    gave_up: GiveUpReason,
    attempts: u32,
    /// The newest last; never empty.
    history: Vec<FailedAttempt<E>>,
}

/// A failed attempt.
pub struct FailedAttempt<E> {
    pub(super) number: u32,
    pub(super) began: Duration,
    pub(super) ran: Duration,
    /// `None` once it was taken out, to be returned or dropped.
    pub(super) error: Option<E>,
}

impl<E> RetryError<E> {
    /// `history` is not empty.
    pub(super) fn new(
        gave_up: GiveUpReason,
        attempts: u32,
        history: Vec<FailedAttempt<E>>,
    ) -> Self {
        RetryError {
            gave_up,
            attempts,
            history,
        }
    }

    fn last(&self) -> &FailedAttempt<E> {
        match self.history.last() {
            Some(last) => last,
            None => unreachable!("a retry gives up only after an attempt has failed"),
        }
    }

    /// Returns the error of the last attempt.
    pub fn error(&self) -> &E {
        self.last().error()
    }

    /// Returns the error of the last attempt.
    pub fn into_error(mut self) -> E {
        let last = self.history.pop();
        match last.and_then(|mut last| last.error.take()) {
            Some(error) => error,
            None => unreachable!("a retry gives up only after an attempt has failed"),
        }
    }

    /// Returns why there was no further attempt.
    pub fn gave_up(&self) -> GiveUpReason {
        self.gave_up
    }

    /// Returns the number of attempts that were made.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns the failed attempts, oldest first, limited to the last 16.
    pub fn history(&self) -> &[FailedAttempt<E>] {
        &self.history
    }
}

impl<E> FailedAttempt<E> {
    /// Returns the number of the attempt, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns how long after the first attempt it began.
    pub fn began(&self) -> Duration {
        self.began
    }

    /// Returns how long it ran.
    pub fn ran(&self) -> Duration {
        self.ran
    }

    /// Returns why it failed.
    pub fn error(&self) -> &E {
        match &self.error {
            Some(error) => error,
            None => unreachable!("only what consumes the attempt takes it"),
        }
    }
}

// The drop of an error is the program's code.
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
        // The error may have no text: `causes::debug` is of no use.
        if !f.alternate() {
            return write!(
                f,
                "{} ({}): {:?}",
                self.gave_up,
                self.attempts,
                self.error()
            );
        }
        f.debug_struct("RetryError")
            .field("gave_up", &self.gave_up)
            .field("attempts", &self.attempts)
            .field("history", &self.history)
            .finish()
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
