//! The errors of loops that say which item.

use crate::causes;
use crate::task::TaskError;
use std::error::Error;
use std::fmt;

/// The error of [`Pool::try_map`](crate::Pool::try_map): of one item, or of the loop.
///
/// # Examples
///
/// ```
/// use groundcrew::parallel::TryMapError;
///
/// let pool = groundcrew::Pool::new(2)?;
/// let error = pool.try_map(["4", "eight", "x"], str::parse::<u32>).unwrap_err();
/// assert_eq!(error.to_string(), "item 1: invalid digit found in string");
/// assert!(matches!(error, TryMapError::Item { index: 1, .. }));
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[non_exhaustive]
pub enum TryMapError<E> {
    /// The closure returned an error.
    Item {
        /// The index of the item, from 0.
        index: usize,
        /// What the closure returned.
        error: E,
    },
    /// The loop was cut short, as described for [`Pool::map`](crate::Pool::map) and
    /// [`ParallelBuilder::cancel_token`](crate::parallel::ParallelBuilder::cancel_token).
    Loop(TaskError),
}

impl<E: fmt::Display> fmt::Display for TryMapError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryMapError::Item { index, error } => write!(f, "item {index}: {error}"),
            TryMapError::Loop(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for TryMapError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The error may have no text: `causes::debug` is of no use.
        match self {
            TryMapError::Item { index, error } if f.alternate() => f
                .debug_struct("Item")
                .field("index", index)
                .field("error", error)
                .finish(),
            TryMapError::Item { index, error } => write!(f, "item {index}: {error:?}"),
            TryMapError::Loop(error) if f.alternate() => {
                f.debug_tuple("Loop").field(error).finish()
            }
            TryMapError::Loop(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for TryMapError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TryMapError::Item { error, .. } => error.source(),
            TryMapError::Loop(error) => error.source(),
        }
    }
}

/// The error of one item of a [`Stream`](crate::parallel::Stream): why it has no result, and which
/// item it is.
///
/// # Examples
///
/// ```
/// use groundcrew::TaskError;
///
/// let pool = groundcrew::Pool::new(2)?;
/// let mut stream = pool.stream([8, 0, 2], |n| 8 / n);
/// assert_eq!(stream.next().unwrap()?, 1);
/// let error = stream.next().unwrap().unwrap_err();
/// assert_eq!(error.index(), 1);
/// assert!(matches!(error.error(), TaskError::Panicked(_)));
/// assert_eq!(error.to_string(), "item 1: the task panicked: attempt to divide by zero");
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub struct StreamError {
    pub(super) index: usize,
    pub(super) error: TaskError,
}

impl StreamError {
    /// Returns the index of the item, in the order in which the source yielded them, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns why the item has no result.
    pub fn error(&self) -> &TaskError {
        &self.error
    }

    /// Returns why the item has no result.
    pub fn into_error(self) -> TaskError {
        self.error
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "item {}: {}", self.index, self.error)
    }
}

impl fmt::Debug for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        causes::debug(self, f, |f| {
            f.debug_struct("StreamError")
                .field("index", &self.index)
                .field("error", &self.error)
                .finish()
        })
    }
}

impl From<StreamError> for TaskError {
    fn from(error: StreamError) -> TaskError {
        error.error
    }
}

impl Error for StreamError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
