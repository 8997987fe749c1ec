//! One program for one folder: two would undo what the other one did.

use fd_lock::{RwLock, RwLockWriteGuard};
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

/// The lock file at `path`, which is made if it is not there. It is opened for reading, so
/// that it is there on a read-only disk as well.
pub(crate) fn open(path: &Path) -> io::Result<RwLock<File>> {
    let about = |error| io::Error::other(format!("{}: {error}", path.display()));
    let open = || match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            File::options().create(true).append(true).open(path)?;
            File::open(path)
        }
        file => file,
    };
    open().map(RwLock::new).map_err(about)
}

/// Takes the lock until the guard is dropped, or the process ends in any way. The error says
/// that another `program` runs with `what`, and which option helps.
pub(crate) fn take<'a>(
    lock: &'a mut RwLock<File>,
    program: &str,
    what: impl Display,
    option: &str,
) -> Result<RwLockWriteGuard<'a, File>, String> {
    lock.try_write().map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => format!("another {program} runs with {what}; give {option}"),
        _ => format!("{what} cannot be locked: {error}"),
    })
}
