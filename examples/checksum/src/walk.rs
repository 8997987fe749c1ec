//! Finds the files.

use crate::failure::Failure;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::vec;

/// The regular files at and below the paths given, depth first, each folder
/// sorted by name; in between, what could not be looked into. A path begins as
/// it was given: those below `.` with `./`.
///
/// It keeps one listing for each level it is deep, and no folder open.
pub(crate) struct Walk {
    /// From the paths given down to the folder where the walk is.
    folders: Vec<Folder>,
}

struct Folder {
    path: PathBuf,
    /// What is still to come.
    entries: vec::IntoIter<Entry>,
}

struct Entry {
    name: OsString,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    /// By the user, so that it may be anything, or missing.
    Given,
    Folder,
    File,
}

impl Walk {
    pub(crate) fn new(given: Vec<OsString>) -> Walk {
        let kind = Kind::Given;
        let entries: Vec<_> = given.into_iter().map(|name| Entry { name, kind }).collect();
        Walk {
            folders: vec![Folder {
                path: PathBuf::new(),
                entries: entries.into_iter(),
            }],
        }
    }
}

impl Iterator for Walk {
    type Item = Result<PathBuf, Failure>;

    fn next(&mut self) -> Option<Result<PathBuf, Failure>> {
        loop {
            let folder = self.folders.last_mut()?;
            let Some(Entry { name, kind }) = folder.entries.next() else {
                self.folders.pop();
                continue;
            };
            let path = folder.path.join(name);
            let mut entries = Vec::new();
            let listed = match kind {
                Kind::File => return Some(Ok(path)),
                Kind::Folder => list(&path, &mut entries),
                Kind::Given => match fs::metadata(&path) {
                    Ok(found) if found.is_file() => return Some(Ok(path)),
                    Ok(found) if found.is_dir() => list(&path, &mut entries),
                    Ok(_) => Err(io::Error::other("Not a regular file")),
                    Err(error) => Err(error),
                },
            };
            self.folders.push(Folder {
                path: path.clone(),
                entries: entries.into_iter(),
            });
            if let Err(error) = listed {
                return Some(Err(Failure { path, error }));
            }
        }
    }
}

/// The files and folders in `folder`, sorted by name; those before the error,
/// if there is one.
fn list(folder: &Path, entries: &mut Vec<Entry>) -> io::Result<()> {
    let read = fs::read_dir(folder)?.try_for_each(|entry| {
        let entry = entry?;
        let kind = match entry.file_type() {
            Ok(found) if found.is_dir() => Kind::Folder,
            Ok(found) if found.is_file() => Kind::File,
            Ok(_) => return Ok(()),
            Err(_) => Kind::File, // gone by now: opening it says so
        };
        entries.push(Entry {
            name: entry.file_name(),
            kind,
        });
        Ok(())
    });
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    read
}
