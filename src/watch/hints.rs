//! Where the system says that something has changed.

use crate::sync::channel::{self, Receiver, Sender};
use crate::sync::{Arc, Mutex};
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Config, Error, ErrorKind, Event, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::mem;
use std::path::{self, Path, PathBuf};

/// The number of places remembered; of more it is only known that they are many.
pub(super) const MOST_PATHS: usize = if cfg!(test) { 64 } else { 65_536 };

/// Written by the thread of the system's watcher, read by the service's.
pub(super) struct Hints {
    told: Mutex<PendingEvents>,
    /// Something was written; a place for one is enough.
    bell: Sender<()>,
}

/// What was reported since the last look.
#[derive(Default)]
pub(super) struct PendingEvents {
    pub(super) paths: BTreeSet<PathBuf>,
    /// Something has changed somewhere: the system lost count, or there is too much. It may
    /// not know of new folders either.
    pub(super) all: bool,
    /// The folder itself was removed or renamed, perhaps.
    pub(super) is_gone: bool,
    /// Not everything is watched, and why.
    pub(super) trouble: Option<String>,
}

impl Hints {
    pub(super) fn new() -> (Arc<Hints>, Receiver<()>) {
        let (bell, rung) = channel::bounded(1);
        let told = Mutex::default();
        (Arc::new(Hints { told, bell }), rung)
    }

    pub(super) fn take(&self) -> PendingEvents {
        mem::take(&mut self.told.lock())
    }

    pub(super) fn add(&self, paths: impl IntoIterator<Item = PathBuf>) {
        let mut told = self.told.lock();
        told.paths.extend(paths);
        if told.paths.len() > MOST_PATHS {
            told.paths.clear();
            told.all = true;
        }
        drop(told);
        let _ = self.bell.try_send(());
    }

    fn add_all(&self, trouble: Option<String>) {
        let mut told = self.told.lock();
        told.all = true;
        told.trouble = trouble.or(told.trouble.take());
        drop(told);
        let _ = self.bell.try_send(());
    }

    /// Asks the system to report changes of this folder, and of all below it, as long as
    /// the returned value lives.
    pub(super) fn watch(self: &Arc<Self>, folder: &Path) -> notify::Result<Tree> {
        let names = Names::new(folder)?;
        let mut watcher = self.watcher(&names)?;
        let root = names.root();
        let is_each = match watcher.watch(root, RecursiveMode::Recursive) {
            Ok(()) => false,
            // By now it watches a part of the tree; which one cannot be known.
            Err(error) if is_refused(&error) => {
                watcher = self.watcher(&names)?;
                watcher.watch(root, RecursiveMode::NonRecursive)?;
                true
            }
            Err(error) => return Err(error),
        };
        Ok(Tree {
            watcher,
            names,
            is_each,
        })
    }

    fn watcher(self: &Arc<Self>, names: &Names) -> notify::Result<RecommendedWatcher> {
        let (hints, names) = (self.clone(), names.clone());
        let tell = move |event: notify::Result<Event>| match event {
            Ok(event) if event.need_rescan() => hints.add_all(None),
            Ok(event) if is_look(event.kind) => {}
            Ok(event) => {
                let paths = event.paths.iter().map(|path| names.ours(path));
                match paths.collect::<Option<Vec<PathBuf>>>() {
                    Some(paths) => {
                        if may_be_end(event.kind) && paths.contains(&names.ours) {
                            hints.told.lock().is_gone = true;
                        }
                        hints.add(paths);
                    }
                    None => hints.add_all(None),
                }
            }
            Err(error) => hints.add_all(Some(error.to_string())),
        };
        // A link to a folder below would be another name for what is in there, or lead round
        // in circles.
        let config = Config::default().with_follow_symlinks(false);
        RecommendedWatcher::new(tell, config)
    }
}

/// What the system reports on: a folder and what is below it.
pub(super) struct Tree {
    watcher: RecommendedWatcher,
    names: Names,
    /// The system may not look into a folder below. To ask for the whole tree at once would
    /// fail at that one, so each folder is asked for, and new ones are by us.
    is_each: bool,
}

impl Tree {
    pub(super) fn is_each(&self) -> bool {
        self.is_each
    }

    /// Asks the system to report on these folders too. Those that are gone, or into which
    /// it may not look, are left out.
    pub(super) fn add<'a>(
        &mut self,
        folders: impl IntoIterator<Item = &'a PathBuf>,
    ) -> notify::Result<()> {
        for folder in folders {
            let path = self.names.theirs(folder);
            match self.watcher.watch(&path, RecursiveMode::NonRecursive) {
                Err(error) if !is_refused(&error) && !is_gone(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether one folder may not be looked into.
fn is_refused(error: &Error) -> bool {
    matches!(&error.kind, ErrorKind::Io(error) if error.kind() == io::ErrorKind::PermissionDenied)
}

fn is_gone(error: &Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => {
            let gone = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
            gone.contains(&error.kind())
        }
        _ => false,
    }
}

/// Whether the system has no more room for folders to be watched.
pub(super) fn is_limit(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::MaxFilesWatch)
}

/// Whether something was only read, as the service does itself.
fn is_look(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        _ => false,
    }
}

/// Whether what is reported may be gone.
fn may_be_end(kind: EventKind) -> bool {
    !matches!(
        kind,
        EventKind::Access(_)
            | EventKind::Create(_)
            | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_))
    )
}

/// What the system calls the folder, and what the service does.
#[derive(Clone)]
struct Names {
    theirs: [PathBuf; 2],
    ours: PathBuf,
}

impl Names {
    fn new(folder: &Path) -> io::Result<Names> {
        Ok(Names {
            theirs: [path::absolute(folder)?, fs::canonicalize(folder)?],
            ours: folder.to_owned(),
        })
    }

    /// The folder that is asked for.
    fn root(&self) -> &Path {
        &self.theirs[1]
    }

    fn theirs(&self, path: &Path) -> PathBuf {
        let below = path.strip_prefix(&self.ours);
        below.map_or_else(|_| path.to_owned(), |below| self.root().join(below))
    }

    fn ours(&self, path: &Path) -> Option<PathBuf> {
        let below = |theirs: &PathBuf| path.strip_prefix(theirs).ok();
        let below = self.theirs.iter().find_map(below)?;
        // Joined with nothing it would end with a slash.
        Some(match below.as_os_str().is_empty() {
            true => self.ours.clone(),
            false => self.ours.join(below),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_may_not_be_looked_into_is_left_out_and_nothing_else_is() {
        let io = |kind: io::ErrorKind| Error::io(kind.into());
        assert!(is_refused(&io(io::ErrorKind::PermissionDenied)));
        assert!(is_gone(&io(io::ErrorKind::NotFound)) && is_gone(&Error::path_not_found()));
        for error in [
            io(io::ErrorKind::Other),
            Error::new(ErrorKind::MaxFilesWatch),
            Error::generic("?"),
        ] {
            assert!(!is_refused(&error) && !is_gone(&error));
        }
    }
}
