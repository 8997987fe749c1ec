//! What is below a folder, and how it differs from what was there at the last look.

use super::changes::FileChanges;
use super::scan::{Found, Scan};
use super::stamp::Stamp;
use crate::cancel::Cancelled;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Bound::{Included, Unbounded};
use std::path::{Path, PathBuf};

/// Folders and files by their paths, with that of the watched folder before them.
#[derive(Default)]
pub(super) struct Snapshot {
    entries: BTreeMap<PathBuf, Stamp>,
}

/// Where to look.
pub(super) enum Where<'a> {
    /// Everywhere. A change was reported (or the time for a rescan has come).
    All { was_reported: bool },
    /// At these, and below.
    Paths(&'a BTreeSet<PathBuf>),
}

/// The result of a look.
#[derive(Default)]
pub(super) struct Look {
    pub(super) changes: FileChanges,
    /// Folders that were not known: something may have come into them before the system was
    /// asked to report.
    pub(super) new_folders: Vec<PathBuf>,
    /// Folders in whose place there is another one: perhaps by a mount, which the system does
    /// not report.
    pub(super) replaced: Vec<PathBuf>,
    /// What could not be read, and why. What was known of it is kept.
    pub(super) unreadable: Vec<(PathBuf, io::Error)>,
    /// Some of that could be read before, or was not known.
    pub(super) is_newly_refused: bool,
}

impl Look {
    /// Whether a folder was replaced and the system, which reports those that were renamed
    /// or removed, did not report it.
    pub(super) fn has_unreported_replacement(&self, reported: &BTreeSet<PathBuf>) -> bool {
        let is_reported = |path: &PathBuf| path.ancestors().any(|path| reported.contains(path));
        !self.replaced.iter().all(is_reported)
    }

    /// Adds what became of the file or folder at `path`.
    fn add(&mut self, path: PathBuf, difference: Difference) {
        let changes = &mut self.changes;
        match difference {
            Difference::None => {}
            Difference::NewFile => changes.added.push(path),
            Difference::ChangedFile => changes.changed.push(path),
            Difference::NewFolder => self.new_folders.push(path),
            Difference::ReplacedFolder => self.replaced.push(path),
            Difference::FolderForFile => {
                changes.removed.push(path.clone());
                self.new_folders.push(path);
            }
        }
    }
}

/// What became of one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Difference {
    None,
    /// Also where a folder was: what was in that is gone, each file by itself.
    NewFile,
    ChangedFile,
    NewFolder,
    ReplacedFolder,
    FolderForFile,
}

impl Difference {
    fn between(known: Option<Stamp>, found: Stamp, was_reported: bool) -> Difference {
        match known {
            Some(known) if known.is_folder && found.is_folder => match known.file == found.file {
                true => Difference::None,
                false => Difference::ReplacedFolder,
            },
            Some(known) if !known.is_folder && !found.is_folder => {
                match known.differs(found, was_reported) {
                    true => Difference::ChangedFile,
                    false => Difference::None,
                }
            }
            Some(_) if found.is_folder => Difference::FolderForFile,
            None if found.is_folder => Difference::NewFolder,
            Some(_) | None => Difference::NewFile,
        }
    }
}

impl Snapshot {
    /// Those among `paths` that are known, and are folders.
    pub(super) fn folders_of<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a PathBuf>,
    ) -> impl Iterator<Item = &'a PathBuf> {
        paths.into_iter().filter(|path| self.is_folder(path))
    }

    pub(super) fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        self.folders_of(self.entries.keys())
    }

    fn is_folder(&self, path: &Path) -> bool {
        self.entries.get(path).is_some_and(|stamp| stamp.is_folder)
    }

    /// Compares what is in the folder, or in parts of it, with what was.
    pub(super) fn look(&mut self, scan: &Scan<'_>, place: &Where<'_>) -> Result<Look, Cancelled> {
        let mut look = Look::default();
        match place {
            Where::All { was_reported } => {
                self.compare(scan.folder, scan, *was_reported, &mut look)?;
            }
            Where::Paths(paths) => {
                let mut done: Option<&Path> = None;
                for path in *paths {
                    // They are in order: what is below a folder follows it, and was looked at
                    // with it.
                    if done.is_some_and(|done| path.starts_with(done)) {
                        continue;
                    }
                    self.compare(path, scan, true, &mut look)?;
                    if self.is_folder(path) {
                        done = Some(path);
                    }
                }
            }
        }
        Ok(look)
    }

    /// Compares what is at `path` and below it.
    fn compare(
        &mut self,
        path: &Path,
        scan: &Scan<'_>,
        was_reported: bool,
        look: &mut Look,
    ) -> Result<(), Cancelled> {
        let Found { stamps, unreadable } = scan.visit(path)?;
        look.unreadable.extend(unreadable);
        self.remove_gone(path, &stamps, look);
        for (path, found) in stamps {
            let known = self.entries.insert(path.clone(), found);
            look.add(path, Difference::between(known, found, was_reported));
        }
        Ok(())
    }

    /// Removes what is known below `path` and was not found.
    fn remove_gone(&mut self, path: &Path, found: &BTreeMap<PathBuf, Stamp>, look: &mut Look) {
        // What is below an unreadable folder is not known to be gone.
        let is_kept = |known: &Path| {
            let mut unreadable = look.unreadable.iter();
            unreadable.any(|(path, _)| known.starts_with(path))
        };
        let below = self.entries.range::<Path, _>((Included(path), Unbounded));
        let below = below.take_while(|(known, _)| known.starts_with(path));
        let gone: Vec<PathBuf> = below
            .filter(|(known, _)| !found.contains_key(*known) && !is_kept(known))
            .map(|(known, _)| known.clone())
            .collect();
        for path in gone {
            let stamp = self.entries.remove(&path);
            if stamp.is_some_and(|stamp| !stamp.is_folder) {
                look.changes.removed.push(path);
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs::{self, File, FileTimes, Metadata};
    use std::os::unix::fs::MetadataExt;
    use std::time::{Duration, SystemTime};

    fn look(snapshot: &mut Snapshot, folder: &Path) -> Look {
        let scan = Scan {
            folder,
            only: None,
            is_cancelled: &|| false,
            // Later by far: nothing is fresh.
            began: SystemTime::now() + Duration::from_secs(120),
        };
        let look = snapshot.look(&scan, &Where::All { was_reported: true });
        look.unwrap_or_else(|Cancelled| unreachable!())
    }

    /// Other contents of the same length, and the same time, as `cp -p` or `tar` leave it.
    fn replace(path: &Path, text: &str, time: SystemTime) {
        fs::write(path, text).unwrap();
        let times = FileTimes::new().set_modified(time);
        let file = File::options().write(true).open(path).unwrap();
        file.set_times(times).unwrap();
    }

    #[test]
    fn other_contents_of_the_same_length_time_and_inode_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.md");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        replace(&path, "one", time);
        let mut snapshot = Snapshot::default();
        look(&mut snapshot, folder.path());
        let before = fs::metadata(&path).unwrap();
        let stamp = |metadata: &Metadata| {
            let modified = metadata.modified().unwrap();
            (metadata.len(), modified, metadata.ino())
        };
        // The clock of the file system may stand still for some milliseconds.
        let changed = |metadata: &Metadata| (metadata.ctime(), metadata.ctime_nsec());
        while changed(&fs::metadata(&path).unwrap()) == changed(&before) {
            replace(&path, "two", time);
        }
        assert_eq!(stamp(&fs::metadata(&path).unwrap()), stamp(&before));
        assert_eq!(look(&mut snapshot, folder.path()).changes.changed, [path]);
        assert!(look(&mut snapshot, folder.path()).changes.is_empty());
    }

    #[test]
    fn another_folder_in_the_place_of_a_known_one_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["a", "b"] {
            fs::create_dir(path(name)).unwrap();
        }
        let mut snapshot = Snapshot::default();
        assert!(look(&mut snapshot, folder.path()).replaced.is_empty());
        fs::remove_dir(path("a")).unwrap();
        fs::rename(path("b"), path("a")).unwrap();
        let found = look(&mut snapshot, folder.path());
        assert_eq!(found.replaced, [path("a")]);
        assert!(look(&mut snapshot, folder.path()).replaced.is_empty());
    }

    #[test]
    fn a_file_and_a_folder_in_the_place_of_each_other_are_different() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let inside = path.join("b.md");
        fs::create_dir(&path).unwrap();
        fs::write(&inside, "").unwrap();
        let mut snapshot = Snapshot::default();
        let first = look(&mut snapshot, folder.path());
        assert_eq!(first.changes.added, std::slice::from_ref(&inside));
        assert!(first.new_folders.contains(&path));
        fs::remove_dir_all(&path).unwrap();
        fs::write(&path, "").unwrap();
        let second = look(&mut snapshot, folder.path());
        assert_eq!(second.changes.removed, [inside]);
        assert_eq!(second.changes.added, std::slice::from_ref(&path));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let third = look(&mut snapshot, folder.path());
        assert_eq!(third.changes.removed, std::slice::from_ref(&path));
        assert_eq!((third.new_folders, third.changes.len()), (vec![path], 1));
    }
}
