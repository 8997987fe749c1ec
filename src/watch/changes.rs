//! The changes that are reported.

use std::fmt;
use std::path::{Path, PathBuf};

/// The changes below a folder since the last call of the handler: see
/// [`FolderWatch::on_change`](crate::watch::FolderWatch::on_change).
///
/// Only files are listed, each once, with paths that begin with that of the folder. A file that was
/// created and removed in between is not reported. A file that was removed and created again is
/// reported as changed if it is another file now.
///
/// # Examples
///
/// ```
/// use groundcrew::host::ServiceResult;
/// use groundcrew::watch::FileChanges;
///
/// fn index(changes: &FileChanges) -> ServiceResult {
///     for path in changes.present() {
///         let _text = std::fs::read_to_string(path)?;
///     }
///     for path in changes.removed() {
///         println!("{} is gone", path.display());
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileChanges {
    pub(super) added: Vec<PathBuf>,
    pub(super) changed: Vec<PathBuf>,
    pub(super) removed: Vec<PathBuf>,
    pub(super) unreadable: Vec<PathBuf>,
    pub(super) is_initial: bool,
}

impl FileChanges {
    /// Returns the files that are new, in order.
    pub fn added(&self) -> &[PathBuf] {
        &self.added
    }

    /// Returns the existing files that have changed, in order: another length or time, another file
    /// in their place, or other metadata, such as permissions or a new hard link.
    pub fn changed(&self) -> &[PathBuf] {
        &self.changed
    }

    /// Returns the files that are gone, in order.
    pub fn removed(&self) -> &[PathBuf] {
        &self.removed
    }

    /// Returns the folders and files that currently cannot be read, in order, usually for lack of
    /// permission.
    ///
    /// Changes in them are not reported, and their last known state is kept. All of them are listed
    /// each time, until they can be read. They do not count for [`len`](Self::len), and do not
    /// cause a report.
    pub fn unreadable(&self) -> &[PathBuf] {
        &self.unreadable
    }

    /// Returns the files to read: those that were added, and then those that have changed. A file
    /// may no longer exist when it is opened.
    pub fn present(&self) -> impl Iterator<Item = &Path> {
        self.added.iter().chain(&self.changed).map(PathBuf::as_path)
    }

    /// Returns `true` if this is the first scan, in which every existing file is in
    /// [`added`](Self::added).
    pub fn is_initial(&self) -> bool {
        self.is_initial
    }

    /// The same, with other paths.
    pub(super) fn map(self, name: impl Fn(&Path) -> PathBuf) -> FileChanges {
        let all = |paths: Vec<PathBuf>| paths.iter().map(|path| name(path)).collect();
        FileChanges {
            added: all(self.added),
            changed: all(self.changed),
            removed: all(self.removed),
            unreadable: all(self.unreadable),
            is_initial: self.is_initial,
        }
    }

    /// Returns the number of added, changed and removed files.
    pub fn len(&self) -> usize {
        self.added.len() + self.changed.len() + self.removed.len()
    }

    /// Returns `true` if no file is listed, as for the first scan of an empty folder.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Formats the counts, as in `2 added, 1 changed, 0 removed`, followed by `, 1 unreadable` if there
/// are any.
impl fmt::Display for FileChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (added, changed) = (self.added.len(), self.changed.len());
        let removed = self.removed.len();
        write!(f, "{added} added, {changed} changed, {removed} removed")?;
        match self.unreadable.len() {
            0 => Ok(()),
            unreadable => write!(f, ", {unreadable} unreadable"),
        }
    }
}
