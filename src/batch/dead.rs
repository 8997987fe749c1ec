//! Items that could not be handled.

use crate::causes::{BoxError, chain};
use crate::retry::GiveUpReason;
use crate::unwind;
use std::error::Error;
use std::fmt;

/// The reason why an item was given up. It is passed with the item to the closure of
/// [`BatcherBuilder::dead_letter`](crate::batch::BatcherBuilder::dead_letter).
///
/// # Examples
///
/// ```
/// use groundcrew::{Batcher, Pool, channel};
/// use groundcrew::batch::DeadLetterReason;
/// use groundcrew::retry::PermanentError;
///
/// let pool = Pool::new(1)?;
/// let (sender, receiver) = channel::unbounded();
/// let numbers = Batcher::builder("numbers")
///     .max_items(4)
///     .dead_letter(move |number: i32, why| {
///         sender.send((number, why.cause(), why.error().map(ToString::to_string))).unwrap();
///     })
///     .build(pool.submitter(), |batch: &mut Vec<i32>, _| match batch.iter().any(|n| *n < 0) {
///         true => Err(PermanentError::new("below zero"))?,
///         false => Ok(()),
///     })?;
/// for number in [1, 2, -3, 4] {
///     numbers.submit(number)?;
/// }
/// numbers.flush();
/// let error = Some("below zero".to_owned());
/// assert_eq!(receiver.recv()?, (-3, DeadLetterReason::Permanent, error));
/// assert_eq!(numbers.stats().handled(), 3);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct DeadLetter {
    pub(super) cause: DeadLetterReason,
    /// Taken when it is dropped.
    error: Option<BoxError>,
    pub(super) attempts: u32,
}

/// The reason why an item is a dead letter.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeadLetterReason {
    /// The handler returned a [`PermanentError`](crate::retry::PermanentError) for this item alone.
    Permanent,
    /// The handler panicked with this item alone, or a [custom](crate::Retry::custom) policy
    /// panicked.
    Panicked,
    /// The handler failed until the retry policy gave up.
    GaveUp(GiveUpReason),
    /// The handler returned the item after the report of the stop was made, or no caller got that
    /// report since the batcher was dropped.
    Stopped,
}

impl fmt::Display for DeadLetterReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeadLetterReason::Permanent => f.pad("the error is permanent"),
            DeadLetterReason::Panicked => f.pad("the handler panicked"),
            DeadLetterReason::GaveUp(gave_up) => gave_up.fmt(f),
            DeadLetterReason::Stopped => f.pad("the batcher was stopped"),
        }
    }
}

impl DeadLetter {
    pub(super) fn new(
        cause: DeadLetterReason,
        error: Option<BoxError>,
        attempts: u32,
    ) -> DeadLetter {
        DeadLetter {
            cause,
            error,
            attempts,
        }
    }

    /// Returns the reason why it is a dead letter.
    pub fn cause(&self) -> DeadLetterReason {
        self.cause
    }

    /// Returns the last error of the handler; `None` if it panicked, and for what was
    /// [stopped](DeadLetterReason::Stopped).
    pub fn error(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.error.as_deref()
    }

    /// Returns how often the handler failed, or panicked, with the batch that the item was in last.
    /// Of what was [stopped](DeadLetterReason::Stopped) it is not known: 1 if a handler gave it
    /// back, 0 otherwise.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Of the error with its sources, for the log.
    pub(super) fn text(&self) -> String {
        match &self.error {
            Some(error) => format!("{}: {}", self.cause, chain(error.as_ref())),
            None => self.cause.to_string(),
        }
    }
}

/// The drop of an error is the program's code.
impl Drop for DeadLetter {
    fn drop(&mut self) {
        unwind::drop_guarded(self.error.take(), || "the error of a batch".to_owned());
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("cause", &self.cause)
            .field("error", &self.error)
            .field("attempts", &self.attempts)
            .finish()
    }
}
