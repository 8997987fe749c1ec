//! Why a pool could not be built.

use crate::causes;
use crate::threads::SpawnError;
use std::error::Error;
use std::fmt;
use std::io;

/// Why a pool could not be built: an option was invalid, or the system could not start a thread. No
/// thread of the pool is left.
///
/// Converts into an [`io::Error`] of the same [`kind`](Self::kind), so that `?` works in functions
/// that return one.
///
/// # Examples
///
/// ```
/// use groundcrew::Pool;
///
/// let error = Pool::new(0).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "a pool of 0 threads would never run a task; ask for at least 1, or use Pool::builder() \
///      without `threads` for one per core"
/// );
/// ```
pub struct PoolBuildError {
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Option(String),
    System(io::Error),
}

impl PoolBuildError {
    pub(super) fn option(wrong: String) -> PoolBuildError {
        PoolBuildError {
            cause: Cause::Option(wrong),
        }
    }

    /// Returns [`InvalidInput`](io::ErrorKind::InvalidInput) for an option, otherwise the kind of
    /// the system's error.
    pub fn kind(&self) -> io::ErrorKind {
        match &self.cause {
            Cause::Option(_) => io::ErrorKind::InvalidInput,
            Cause::System(error) => error.kind(),
        }
    }
}

impl From<SpawnError> for PoolBuildError {
    fn from(error: SpawnError) -> PoolBuildError {
        PoolBuildError {
            cause: Cause::System(error.into()),
        }
    }
}

impl From<PoolBuildError> for io::Error {
    fn from(error: PoolBuildError) -> io::Error {
        let kind = error.kind();
        match error.cause {
            Cause::Option(wrong) => io::Error::new(kind, wrong),
            Cause::System(error) => error,
        }
    }
}

impl fmt::Display for PoolBuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Option(wrong) => f.write_str(wrong),
            Cause::System(error) => error.fmt(f),
        }
    }
}

causes::error_debug!(struct PoolBuildError { cause });

impl Error for PoolBuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Option(_) => None,
            Cause::System(error) => Some(error),
        }
    }
}
