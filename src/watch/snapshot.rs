//! What is below a folder, and how it differs from what was there at the last look.

use super::changes::FileChanges;
use super::terms::Only;
use crate::cancel::Cancelled;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::ops::Bound::{Included, Unbounded};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Files written twice within the resolution of a file system's clock look the same: so
/// close to the last look a time proves nothing.
const RESOLUTION: Duration = Duration::from_millis(20);

/// What is further ahead is a wrong time, and as good as any.
const LONGEST_LOOK: Duration = Duration::from_secs(60);

/// Folders and files by their paths, with that of the watched folder before them.
#[derive(Default)]
pub(super) struct Snapshot {
    entries: BTreeMap<PathBuf, Stamp>,
}

/// By what one sees that something is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    is_folder: bool,
    len: u64,
    modified: Option<SystemTime>,
    /// When anything of it was changed, where the system keeps that: no program can set it, as
    /// `cp -p` and `tar` set the other one.
    changed: Option<SystemTime>,
    file: Identity,
    /// It might have been written once more since, and look the same.
    is_fresh: bool,
}

/// Which file or folder this is. A number may be used again once its file is gone: the
/// birth time, where there is one, distinguishes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    number: (u64, u64),
    born: Option<SystemTime>,
}

/// Where to look.
pub(super) enum Where<'a> {
    /// Everywhere. A change was reported (or the time for a rescan has come).
    All { was_told: bool },
    /// At these, and below.
    Paths(&'a BTreeSet<PathBuf>),
}

/// What a scan has found, besides the changes.
#[derive(Default)]
pub(super) struct Look {
    pub(super) changes: FileChanges,
    /// Folders that were not known: something may have come into them before the system was
    /// asked to report.
    pub(super) new_folders: Vec<PathBuf>,
    /// Folders in whose place there is another one: something was mounted there, perhaps,
    /// for which the system reports nothing.
    pub(super) replaced: Vec<PathBuf>,
    /// What could not be read, and why. What was known of it is kept.
    pub(super) unreadable: Vec<(PathBuf, io::Error)>,
    /// Some of that could be read before, or was not known.
    pub(super) is_newly_refused: bool,
}

impl Look {
    /// Whether a folder was replaced and the system, which reports those that were renamed
    /// or removed, did not report it.
    pub(super) fn is_replaced_untold(&self, told: &BTreeSet<PathBuf>) -> bool {
        let is_told = |path: &PathBuf| path.ancestors().any(|path| told.contains(path));
        !self.replaced.iter().all(is_told)
    }
}

/// Whether there is nothing to be read, rather than that it may not be.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// One look.
struct Looker<'a> {
    folder: &'a Path,
    only: Option<&'a Only>,
    is_cancelled: &'a dyn Fn() -> bool,
    began: SystemTime,
    found: BTreeMap<PathBuf, Stamp>,
    look: Look,
}

impl Snapshot {
    /// Those among `paths` that are known, and are folders.
    pub(super) fn folders_of<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a PathBuf>,
    ) -> impl Iterator<Item = &'a PathBuf> {
        let is_folder =
            |path: &&PathBuf| self.entries.get(*path).is_some_and(|stamp| stamp.is_folder);
        paths.into_iter().filter(is_folder)
    }

    pub(super) fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        self.folders_of(self.entries.keys())
    }

    /// Scans `folder`, or parts of it.
    pub(super) fn look(
        &mut self,
        folder: &Path,
        place: &Where<'_>,
        only: Option<&Only>,
        is_cancelled: &dyn Fn() -> bool,
        now: SystemTime,
    ) -> Result<Look, Cancelled> {
        let mut looker = Looker {
            folder,
            only,
            is_cancelled,
            began: now,
            found: BTreeMap::new(),
            look: Look::default(),
        };
        match place {
            Where::All { was_told } => self.compare(folder, *was_told, &mut looker)?,
            Where::Paths(paths) => {
                let mut done: Option<&Path> = None;
                for path in *paths {
                    // What is below another one has been looked at with that.
                    if done.is_some_and(|done| path.starts_with(done)) {
                        continue;
                    }
                    self.compare(path, true, &mut looker)?;
                    if self.entries.get(path).is_some_and(|stamp| stamp.is_folder) {
                        done = Some(path);
                    }
                }
            }
        }
        Ok(looker.look)
    }

    /// What is at `path` and below it against what was.
    fn compare(
        &mut self,
        path: &Path,
        was_told: bool,
        looker: &mut Looker<'_>,
    ) -> Result<(), Cancelled> {
        looker.visit(path)?;
        let found = std::mem::take(&mut looker.found);
        let Look {
            changes,
            new_folders,
            replaced,
            unreadable,
            ..
        } = &mut looker.look;
        let is_kept = |gone: &Path| unreadable.iter().any(|(path, _)| gone.starts_with(path));
        let below = self.entries.range::<Path, _>((Included(path), Unbounded));
        let below = below.take_while(|(known, _)| known.starts_with(path));
        let gone: Vec<PathBuf> = below
            .filter(|(known, _)| !found.contains_key(*known) && !is_kept(known))
            .map(|(known, _)| known.clone())
            .collect();
        for path in gone {
            let stamp = self.entries.remove(&path);
            if stamp.is_some_and(|stamp| !stamp.is_folder) {
                changes.removed.push(path);
            }
        }
        for (path, stamp) in found {
            let known = self.entries.insert(path.clone(), stamp);
            match (known.map(|known| known.is_folder), stamp.is_folder) {
                (Some(true), true) => {
                    if known.is_some_and(|known| known.file != stamp.file) {
                        replaced.push(path);
                    }
                }
                (_, true) => {
                    if known.is_some() {
                        changes.removed.push(path.clone());
                    }
                    new_folders.push(path);
                }
                (Some(false), false) => {
                    if known.is_some_and(|known| known.differs(stamp, was_told)) {
                        changes.changed.push(path);
                    }
                }
                (_, false) => changes.added.push(path),
            }
        }
        Ok(())
    }
}

impl Looker<'_> {
    fn visit(&mut self, path: &Path) -> Result<(), Cancelled> {
        let mut folders = match self.stamp(path) {
            Some(true) => vec![path.to_owned()],
            Some(false) | None => Vec::new(),
        };
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    self.refused(folder, error);
                    continue;
                }
            };
            for entry in entries {
                if (self.is_cancelled)() {
                    return Err(Cancelled);
                }
                match entry {
                    Ok(entry) if self.stamp(&entry.path()) == Some(true) => {
                        folders.push(entry.path());
                    }
                    Ok(_) => {}
                    Err(error) => self.refused(folder.clone(), error),
                }
            }
        }
        Ok(())
    }

    /// Takes down what is there; returns whether it is a folder. Links to folders below are
    /// not followed: they may lead round in circles.
    fn stamp(&mut self, path: &Path) -> Option<bool> {
        let is_link = fs::symlink_metadata(path).map(|metadata| metadata.is_symlink());
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(_) if is_link.is_ok_and(|is_link| is_link) => return None, // leads nowhere
            Err(error) => {
                self.refused(path.to_owned(), error);
                return None;
            }
        };
        let is_folder = metadata.is_dir();
        let is_below = path != self.folder;
        let is_linked_folder = is_folder && is_below && is_link.is_ok_and(|is_link| is_link);
        // A pipe may have no end, and opening it blocks.
        let is_file = metadata.is_file() && is_below && self.only.is_none_or(|only| only(path));
        if is_linked_folder || !is_folder && !is_file {
            return None;
        }
        let stamp = Stamp::new(&metadata, self.began);
        self.found.insert(path.to_owned(), stamp);
        Some(is_folder)
    }

    fn refused(&mut self, path: PathBuf, error: io::Error) {
        // What is gone by now is gone.
        if !is_gone(&error) {
            self.look.unreadable.push((path, error));
        }
    }
}

impl Stamp {
    fn new(metadata: &Metadata, now: SystemTime) -> Stamp {
        // As long as the look takes, it may be later than its beginning.
        let is_recent = |time: SystemTime| match now.duration_since(time) {
            Ok(age) => age < RESOLUTION,
            Err(ahead) => ahead.duration() < LONGEST_LOOK,
        };
        let (modified, changed) = (metadata.modified().ok(), changed(metadata));
        Stamp {
            is_folder: metadata.is_dir(),
            len: metadata.len(),
            modified,
            changed,
            file: Identity::of(metadata),
            is_fresh: modified.is_none_or(is_recent) || changed.is_some_and(is_recent),
        }
    }

    fn differs(self, new: Stamp, was_told: bool) -> bool {
        let is_fresh = self.is_fresh;
        self != Stamp { is_fresh, ..new } || was_told && is_fresh
    }
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Identity {
        Identity {
            number: number(metadata),
            born: metadata.created().ok(),
        }
    }
}

#[cfg(unix)]
fn number(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn number(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt;
    let seconds = u64::try_from(metadata.ctime()).ok()?;
    let nanos = u32::try_from(metadata.ctime_nsec()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> Option<SystemTime> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs::{File, FileTimes};

    fn look(snapshot: &mut Snapshot, folder: &Path) -> Look {
        // Later by far: nothing is fresh.
        let now = SystemTime::now() + 2 * LONGEST_LOOK;
        let place = Where::All { was_told: true };
        let look = snapshot.look(folder, &place, None, &|| false, now);
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
            (metadata.len(), modified, number(metadata))
        };
        // The clock of the file system may stand still for some milliseconds.
        while changed(&fs::metadata(&path).unwrap()) == changed(&before) {
            replace(&path, "two", time);
        }
        assert_eq!(stamp(&fs::metadata(&path).unwrap()), stamp(&before));
        assert_eq!(look(&mut snapshot, folder.path()).changes.changed, [path]);
        assert!(look(&mut snapshot, folder.path()).changes.is_empty());
    }

    #[test]
    fn what_was_replaced_within_the_same_tick_is_told_of_again_whatever_its_time_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.md");
        replace(&path, "one", SystemTime::UNIX_EPOCH);
        let metadata = fs::metadata(&path).unwrap();
        let at_once = Stamp::new(&metadata, changed(&metadata).unwrap());
        assert!(at_once.is_fresh && at_once.differs(at_once, true));
        let later = changed(&metadata).unwrap() + RESOLUTION;
        let later = Stamp::new(&metadata, later);
        assert!(!later.is_fresh && !later.differs(at_once, true));
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
}
