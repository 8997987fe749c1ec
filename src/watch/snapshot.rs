//! What is below a folder, and how it differs from what was there at the last look.

use super::changes::Changes;
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
    /// Which file it is, where the system tells.
    file: (u64, u64),
    /// It might have been written once more since, and look the same.
    is_fresh: bool,
}

/// Where to look.
pub(super) enum Where<'a> {
    /// Everywhere. Somebody has said that something has changed (or it is time again).
    All { was_told: bool },
    /// At these, and below.
    Paths(&'a BTreeSet<PathBuf>),
}

/// What a look has found, besides the changes.
#[derive(Default)]
pub(super) struct Look {
    pub(super) changes: Changes,
    /// Folders that were not known: something may have come into them before the system was
    /// asked to tell.
    pub(super) new_folders: Vec<PathBuf>,
    /// What could not be looked at, and why. What was known of it is kept.
    pub(super) unreadable: Vec<(PathBuf, io::Error)>,
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
    /// Looks at `folder`, or at parts of it.
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
            unreadable,
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
                (Some(true), true) => {}
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
        // A pipe may have no end, and who opens it waits.
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
        if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
            self.look.unreadable.push((path, error));
        }
    }
}

impl Stamp {
    fn new(metadata: &Metadata, now: SystemTime) -> Stamp {
        let modified = metadata.modified().ok();
        // As long as the look takes, it may be later than its beginning.
        let is_fresh = modified.is_none_or(|modified| match now.duration_since(modified) {
            Ok(age) => age < RESOLUTION,
            Err(ahead) => ahead.duration() < LONGEST_LOOK,
        });
        Stamp {
            is_folder: metadata.is_dir(),
            len: metadata.len(),
            modified,
            file: identity(metadata),
            is_fresh,
        }
    }

    fn differs(self, new: Stamp, was_told: bool) -> bool {
        let is_same = self.len == new.len && self.modified == new.modified && self.file == new.file;
        !is_same || was_told && self.is_fresh
    }
}

/// Which file or folder this is.
#[cfg(unix)]
pub(super) fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

/// When it was made, where nothing better is known.
#[cfg(not(unix))]
pub(super) fn identity(metadata: &Metadata) -> (u64, u64) {
    let created = metadata.created().ok();
    let since = created.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or((0, 0), |since| {
        (since.as_secs(), u64::from(since.subsec_nanos()))
    })
}
