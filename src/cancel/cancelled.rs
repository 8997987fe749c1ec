//! The error of cancelled work.

use crate::causes;
use std::error::Error;
use std::fmt;

/// The error of work that a [`CancelToken`](super::CancelToken) cancelled before it was done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        causes::debug(self, f, |f| f.write_str("Cancelled"))
    }
}

impl Error for Cancelled {
    /// Returns an error with the same text.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&CancelledCause)
    }
}

/// The cause of every [`Cancelled`], and what this crate looks for: `anyhow::Error`, when `?`
/// converts it into a boxed error, hides the type of the error in it, but not its causes.
#[derive(Debug)]
pub(crate) struct CancelledCause;

impl fmt::Display for CancelledCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Cancelled.fmt(f)
    }
}

impl Error for CancelledCause {}
