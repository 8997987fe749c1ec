//! Why a file has no line.

use os_display::Quotable;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// A file that could not be read, or a folder that could not be listed.
/// Displayed in the words of `sha256sum`: `'a b': No such file or directory`.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) path: PathBuf,
    pub(crate) error: io::Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.maybe_quote(), reason(&self.error))
    }
}

/// The error without its number, which Rust adds and `sha256sum` does not.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" (os error ") {
        Some((reason, _number)) => reason.to_owned(),
        None => text,
    }
}
