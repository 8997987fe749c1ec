//! The changes that are reported.

use std::fmt;
use std::path::{Path, PathBuf};

/// The changes below a folder since the last call of the handler: see
/// [`FolderWatch::on_change`](crate::watch::FolderWatch::on_change).
///
/// Files only, each with the path of the folder before it, and each once: a file that was
/// created and removed in between is not reported; one that was removed and created again
/// is reported as changed if it is another file now.
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
    /// The files that were not there, in order.
    pub fn added(&self) -> &[PathBuf] {
        &self.added
    }

    /// The files that were there and have changed, in order: another length or time,
    /// another file in their place, or other metadata, such as permissions or a new hard
    /// link.
    pub fn changed(&self) -> &[PathBuf] {
        &self.changed
    }

    /// The files that are gone, in order.
    pub fn removed(&self) -> &[PathBuf] {
        &self.removed
    }

    /// The folders and files that cannot be read at present, in order: usually for lack of
    /// permission.
    ///
    /// What changes in them is not reported; what was known of them is kept. All of them are
    /// listed each time, until they can be read. They count neither for [`len`](Self::len)
    /// nor as a reason to report.
    pub fn unreadable(&self) -> &[PathBuf] {
        &self.unreadable
    }

    /// The files to read: those that were added, and then those that have changed. One of
    /// them may be gone again when it is opened.
    pub fn present(&self) -> impl Iterator<Item = &Path> {
        self.added.iter().chain(&self.changed).map(PathBuf::as_path)
    }

    /// Whether this is the first scan: then every existing file is in
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

    /// How many files this is about.
    pub fn len(&self) -> usize {
        self.added.len() + self.changed.len() + self.removed.len()
    }

    /// Whether it is about no file, as for the first scan of an empty folder.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// As in `2 added, 1 changed, 0 removed`, and `, 1 unreadable` if any is.
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
