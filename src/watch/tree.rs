//! The system's watch on a tree of folders. It reports to [`EventSink`].

use super::events::EventSink;
use crate::sync::Arc;
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Config, Error, ErrorKind, Event, RecommendedWatcher, RecursiveMode, Watcher};
use std::fs;
use std::io;
use std::path::{self, Path, PathBuf};

/// The system reports changes of a folder and of what is below it while this lives.
pub(super) struct Tree {
    watcher: RecommendedWatcher,
    names: Names,
    /// The system is not allowed to read a folder below. A request for the whole tree would
    /// fail at that one: each folder is requested by itself instead, and so is each new one.
    is_each: bool,
}

impl Tree {
    pub(super) fn watch(events: &Arc<EventSink>, folder: &Path) -> notify::Result<Tree> {
        let names = Names::new(folder)?;
        let mut watcher = watcher(events, &names)?;
        let root = names.root();
        let is_each = match watcher.watch(root, RecursiveMode::Recursive) {
            Ok(()) => false,
            // By now it watches some part of the tree: a new one begins with none.
            Err(error) if is_refused(&error) => {
                watcher = self::watcher(events, &names)?;
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

    pub(super) fn is_each(&self) -> bool {
        self.is_each
    }

    /// Requests reports on these folders too. Those that are gone, or that the system is not
    /// allowed to read, are left out.
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

fn watcher(events: &Arc<EventSink>, names: &Names) -> notify::Result<RecommendedWatcher> {
    let (events, names) = (events.clone(), names.clone());
    let report = move |event: notify::Result<Event>| match event {
        Ok(event) if event.need_rescan() => events.add_all(None),
        Ok(event) if is_read(event.kind) => {}
        Ok(event) => {
            let paths = event.paths.iter().map(|path| names.ours(path));
            match paths.collect::<Option<Vec<PathBuf>>>() {
                Some(paths) => {
                    if may_be_end(event.kind) && paths.contains(&names.ours) {
                        events.set_gone();
                    }
                    events.add(paths);
                }
                None => events.add_all(None),
            }
        }
        Err(error) => events.add_all(Some(error.to_string())),
    };
    // A link to a folder below would be a second name for what is in there, or a circle.
    let config = Config::default().with_follow_symlinks(false);
    RecommendedWatcher::new(report, config)
}

/// Whether the system is not allowed to read one folder.
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

/// Whether the limit of the system for watched folders is reached.
pub(super) fn is_limit(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::MaxFilesWatch)
}

/// Whether something was only read, as the service does itself.
fn is_read(kind: EventKind) -> bool {
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

/// The names of the folder: those of the system, and that of the service.
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

    /// The folder to request.
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
