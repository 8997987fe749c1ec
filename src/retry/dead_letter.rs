//! Items that were given up.

use super::GiveUpReason;
use crate::causes::{BoxError, chain};
use crate::unwind::{self, Guarded, Payload};
use std::error::Error;
use std::fmt;

/// The reason why an item was given up. It is passed with the item to the closure of
/// [`WorkQueue::dead_letter`](crate::WorkQueue::dead_letter) or
/// [`BatcherBuilder::dead_letter`](crate::batch::BatcherBuilder::dead_letter).
///
/// # Examples
///
/// ```
/// use groundcrew::{Batcher, Pool, channel};
/// use groundcrew::retry::{DeadLetterReason, PermanentError};
///
/// let pool = Pool::new(1)?;
/// let (sender, receiver) = channel::unbounded();
/// let numbers = Batcher::builder("numbers")
///     .max_items(4)
///     .dead_letter(move |number: i32, why| {
///         sender.send((number, why.reason(), why.error().map(ToString::to_string))).unwrap();
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
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub struct DeadLetter {
    reason: DeadLetterReason,
    /// Taken when it is dropped.
    error: Option<BoxError>,
    message: String,
    attempts: u32,
}

/// The reason why an item is a dead letter.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeadLetterReason {
    /// The handler returned a [`PermanentError`](crate::retry::PermanentError) for this item alone.
    Permanent,
    /// The handler panicked with this item alone, or the policy's [judge](crate::Retry::on_error)
    /// or [function for delays](crate::Retry::custom) panicked.
    Panicked,
    /// The handler failed until the retry policy gave up.
    GaveUp(GiveUpReason),
    /// The handler of a batcher returned the item after the report of the stop was made, or no
    /// caller got that report since the batcher was dropped.
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
    /// Calls the program's code: never with a lock held.
    pub(crate) fn new(reason: DeadLetterReason, error: BoxError, attempts: u32) -> DeadLetter {
        DeadLetter {
            reason,
            message: chain(error.as_ref()),
            error: Some(error),
            attempts,
        }
    }

    /// The handler panicked. Drops the payload, which is the program's code.
    pub(crate) fn panicked(payload: Payload, attempts: u32) -> DeadLetter {
        let message = unwind::text(payload.as_ref()).to_owned();
        unwind::drop_payload(payload);
        DeadLetter {
            reason: DeadLetterReason::Panicked,
            error: None,
            message,
            attempts,
        }
    }

    pub(crate) fn stopped(attempts: u32) -> DeadLetter {
        DeadLetter {
            reason: DeadLetterReason::Stopped,
            error: None,
            message: DeadLetterReason::Stopped.to_string(),
            attempts,
        }
    }

    /// Returns the reason why it is a dead letter.
    pub fn reason(&self) -> DeadLetterReason {
        self.reason
    }

    /// Returns the last error of the handler; `None` if it panicked, and for what was
    /// [stopped](DeadLetterReason::Stopped).
    pub fn error(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.error.as_deref()
    }

    /// Returns the error and all its sources, or the message of the panic.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns how often the handler failed, or panicked, with the item, or with the batch that the
    /// item was in last. For [stopped](DeadLetterReason::Stopped) items the count is not kept: this
    /// is 1 if a handler gave the item back, and 0 otherwise.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

/// The drop of an error is the program's code.
impl Drop for DeadLetter {
    fn drop(&mut self) {
        unwind::drop_guarded(self.error.take(), || {
            "the error of a dead letter".to_owned()
        });
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("reason", &self.reason)
            .field("error", &self.error)
            .field("message", &self.message)
            .field("attempts", &self.attempts)
            .finish()
    }
}

/// The program's closure for dead letters.
pub(crate) struct DeadLetterHandler<T>(Guarded<Box<DeadLetterFn<T>>>);

type DeadLetterFn<T> = dyn Fn(T, &DeadLetter) + Send + Sync;

impl<T> DeadLetterHandler<T> {
    pub(crate) fn new(closure: impl Fn(T, &DeadLetter) + Send + Sync + 'static) -> Self {
        DeadLetterHandler(Guarded::new(
            Box::new(closure),
            "a closure for dead letters",
        ))
    }

    /// Passes an item to the closure. Returns what went wrong, if that panicked.
    pub(crate) fn pass(&self, item: T, why: &DeadLetter) -> Option<String> {
        let payload = unwind::catch(|| (self.0)(item, why)).err()?;
        let text = unwind::text(payload.as_ref());
        let wrong = format!("the closure for dead letters panicked: {text}");
        unwind::drop_payload(payload);
        Some(wrong)
    }
}
