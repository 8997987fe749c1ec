//! Why a scheduler cannot remember its runs on a file.

use crate::causes::error_debug;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why [`Scheduler::remember`](crate::Scheduler::remember) has failed. The message names the file,
/// and what to do.
///
/// # Examples
///
/// ```
/// use groundcrew::schedule::RememberError;
/// use groundcrew::{Pool, Scheduler};
///
/// # let folder = tempfile::tempdir()?;
/// let file = folder.path().join("schedules");
/// std::fs::write(&file, "the notes of another program")?;
///
/// let pool = Pool::new(1)?;
/// let error = Scheduler::new(pool.submitter()).remember(&file).unwrap_err();
/// assert!(matches!(error, RememberError::Foreign { .. }));
/// assert_eq!(std::fs::read_to_string(&file)?, "the notes of another program");
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[non_exhaustive]
pub enum RememberError {
    /// Another scheduler has the file, of this process or of another one.
    InUse {
        /// The file.
        file: PathBuf,
    },
    /// The file was not written by a scheduler.
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// The file was written by a newer version of this crate, in a format that this one does not
    /// know.
    Newer {
        /// The file.
        file: PathBuf,
        /// The version of the format.
        version: u32,
    },
    /// The file is not as a scheduler writes it: it was cut off, or changed.
    Damaged {
        /// The file.
        file: PathBuf,
        /// The number of the wrong line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The system has refused access.
    System {
        /// The file.
        file: PathBuf,
        /// What could not be done: `"read"`, `"written"` or `"locked"`.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The scheduler was started before.
    Started,
    /// The scheduler has a file already.
    Twice {
        /// That file.
        file: PathBuf,
    },
}

impl fmt::Display for RememberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RememberError::InUse { file } => write!(
                f,
                "another scheduler, of this process or of another one, remembers its runs on \
                 {file:?}; stop that one first, or give each a file of its own"
            ),
            RememberError::Foreign { file } => write!(
                f,
                "{file:?} was not written by a scheduler, and is left as it is; give the path of a \
                 file that is not there yet"
            ),
            RememberError::Newer { file, version } => write!(
                f,
                "{file:?} has format {version}, of a newer groundcrew, and this one knows formats \
                 up to 1; run the newer program, or delete the file, which forgets what was missed"
            ),
            RememberError::Damaged { file, line, reason } => write!(
                f,
                "{file:?} is damaged: line {line} {reason}; restore the file, or delete it, which \
                 forgets what was missed"
            ),
            RememberError::System { file, action, .. } => write!(
                f,
                "the runs of schedules cannot be remembered: {file:?} cannot be {action}"
            ),
            RememberError::Started => f.write_str(
                "the scheduler was started before; call `remember` before `start`, or before the \
                 host is started",
            ),
            RememberError::Twice { file } => write!(
                f,
                "the scheduler remembers its runs on {file:?} already; call `remember` once"
            ),
        }
    }
}

error_debug!(enum RememberError {
    InUse { file },
    Foreign { file },
    Newer { file, version },
    Damaged { file, line, reason },
    System { file, action, source },
    Started,
    Twice { file },
});

impl Error for RememberError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RememberError::System { source, .. } => Some(source),
            _ => None,
        }
    }
}
