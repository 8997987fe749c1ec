//! Why work ended before the store was empty.

use crate::causes::{self, BoxError};
use crate::store::StoreError;
use std::error::Error;
use std::fmt;
use std::io;

/// The error returned by [`Jobs::work_until_empty`](crate::jobs::Jobs::work_until_empty).
#[non_exhaustive]
pub enum WorkError {
    /// The declaration is not valid: what is wrong, and what to write instead.
    Workers(String),
    /// A handler could not be made.
    Handler(BoxError),
    /// The store cannot be used.
    Store(StoreError),
    /// A thread could not be started.
    Threads(io::Error),
}

impl fmt::Display for WorkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkError::Workers(problem) => write!(f, "the workers cannot be used: {problem}"),
            WorkError::Handler(error) => write!(f, "a handler could not be made: {error}"),
            WorkError::Store(error) => error.fmt(f),
            WorkError::Threads(error) => write!(f, "a thread could not be started: {error}"),
        }
    }
}

impl fmt::Debug for WorkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        causes::debug(self, f, |f| match self {
            WorkError::Workers(it) => f.debug_tuple("Workers").field(it).finish(),
            WorkError::Handler(it) => f.debug_tuple("Handler").field(it).finish(),
            WorkError::Store(it) => f.debug_tuple("Store").field(it).finish(),
            WorkError::Threads(it) => f.debug_tuple("Threads").field(it).finish(),
        })
    }
}

impl Error for WorkError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            WorkError::Workers(_) => None,
            WorkError::Handler(error) => error.source(),
            WorkError::Store(error) => error.source(),
            WorkError::Threads(error) => error.source(),
        }
    }
}

impl From<StoreError> for WorkError {
    fn from(error: StoreError) -> WorkError {
        WorkError::Store(error)
    }
}
