//! How many bytes are in the files below a folder, and below each in it.

use groundcrew::cancel::Cancelled;
use groundcrew::parallel::Scope;
use groundcrew::{CancelToken, Pool};
use indicatif::ProgressBar;
use log::debug;
use os_display::Quotable;
use std::fmt;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A folder, and what is below it.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// How far it is below the one that was given.
    pub(crate) depth: usize,
    pub(crate) bytes: u64,
    /// What of it, but not of those below, could not be read.
    pub(crate) failures: Vec<Failure>,
    /// Where the folder that it lies in is in the list; the one given is its own.
    parent: usize,
}

/// What could not be read. Displayed like `'a b': Permission denied`.
pub(crate) struct Failure {
    pub(crate) path: PathBuf,
    pub(crate) error: io::Error,
}

/// Measures all folders at and below `root`, in no order but that a folder
/// comes after the one it lies in. Those that were not listed when the pool's
/// token was cancelled are missing.
pub(crate) fn measure(
    pool: &Pool,
    root: &Path,
    bar: &ProgressBar,
) -> Result<Vec<Folder>, Cancelled> {
    let token = pool.stop_handle().token();
    let search = Search {
        token: &token,
        bar,
        list: Mutex::new(Vec::new()),
    };
    pool.scope(|scope| search.submit(scope, Place::of(root)));
    token.check()?;
    Ok(with_sums(search.list.into_inner().unwrap()))
}

/// What all tasks share.
struct Search<'a> {
    token: &'a CancelToken,
    bar: &'a ProgressBar,
    list: Mutex<Vec<Folder>>,
}

impl Search<'_> {
    fn submit<'s>(&'s self, scope: &'s Scope<'s, '_>, place: Place) {
        scope.execute(move || {
            if self.token.is_cancelled() {
                return;
            }
            let mut found = Listing::of(&place.path);
            let below = std::mem::take(&mut found.folders);
            let depth = place.depth + 1;
            let parent = add(&mut self.list.lock().unwrap(), place, found);
            self.bar.inc(1);
            for path in below {
                self.submit(
                    scope,
                    Place {
                        path,
                        depth,
                        parent,
                    },
                );
            }
        });
    }
}

/// The same by one thread.
pub(crate) fn measure_alone(root: &Path, token: &CancelToken) -> Result<Vec<Folder>, Cancelled> {
    let mut list = Vec::new();
    let mut places = vec![Place::of(root)];
    while let Some(place) = places.pop() {
        token.check()?;
        let mut found = Listing::of(&place.path);
        let below = std::mem::take(&mut found.folders);
        let depth = place.depth + 1;
        let parent = add(&mut list, place, found);
        places.extend(below.into_iter().map(|path| Place {
            path,
            depth,
            parent,
        }));
    }
    Ok(with_sums(list))
}

/// A folder that is still to be listed.
struct Place {
    path: PathBuf,
    depth: usize,
    parent: usize,
}

impl Place {
    fn of(root: &Path) -> Place {
        Place {
            path: root.to_owned(),
            depth: 0,
            parent: 0,
        }
    }
}

/// Returns where it is in the list.
fn add(list: &mut Vec<Folder>, place: Place, found: Listing) -> usize {
    debug!(
        "{}: {} bytes in its own files",
        place.path.display(),
        found.bytes
    );
    list.push(Folder {
        path: place.path,
        depth: place.depth,
        bytes: found.bytes,
        failures: found.failures,
        parent: place.parent,
    });
    list.len() - 1
}

/// Adds what is in each folder to the one it lies in: those below first, since
/// they come last.
fn with_sums(mut list: Vec<Folder>) -> Vec<Folder> {
    for at in (1..list.len()).rev() {
        let Folder { parent, bytes, .. } = list[at];
        list[parent].bytes += bytes;
    }
    list
}

/// What is in a folder itself.
#[derive(Default)]
struct Listing {
    folders: Vec<PathBuf>,
    /// In regular files: each name counts, also two for the same file. Links,
    /// pipes and what else there is have no bytes.
    bytes: u64,
    failures: Vec<Failure>,
}

impl Listing {
    fn of(path: &Path) -> Listing {
        let mut listing = Listing::default();
        match fs::read_dir(path) {
            Ok(entries) => entries.for_each(|entry| match entry {
                Ok(entry) => listing.add(&entry),
                Err(error) => listing.fail(path.to_owned(), error),
            }),
            Err(error) => listing.fail(path.to_owned(), error),
        }
        listing
    }

    fn add(&mut self, entry: &DirEntry) {
        let added = entry.file_type().and_then(|found| {
            if found.is_dir() {
                self.folders.push(entry.path());
            } else if found.is_file() {
                self.bytes += entry.metadata()?.len();
            }
            Ok(())
        });
        if let Err(error) = added {
            self.fail(entry.path(), error);
        }
    }

    fn fail(&mut self, path: PathBuf, error: io::Error) {
        self.failures.push(Failure { path, error });
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.maybe_quote(), self.error)
    }
}
