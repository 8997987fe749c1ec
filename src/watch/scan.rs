//! One look at what is below a folder.

use super::stamp::Stamp;
use super::terms::Only;
use crate::cancel::Cancelled;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub(super) struct Scan<'a> {
    pub(super) folder: &'a Path,
    pub(super) only: Option<&'a Only>,
    pub(super) is_cancelled: &'a dyn Fn() -> bool,
    pub(super) began: SystemTime,
}

#[derive(Default)]
pub(super) struct Found {
    pub(super) stamps: BTreeMap<PathBuf, Stamp>,
    pub(super) unreadable: Vec<(PathBuf, io::Error)>,
}

impl Scan<'_> {
    /// Finds what is at `path` and below it.
    pub(super) fn visit(&self, path: &Path) -> Result<Found, Cancelled> {
        let mut found = Found::default();
        let mut folders = match self.stamp(path, &mut found) {
            Some(true) => vec![path.to_owned()],
            Some(false) | None => Vec::new(),
        };
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    found.refused(folder, error);
                    continue;
                }
            };
            for entry in entries {
                if (self.is_cancelled)() {
                    return Err(Cancelled);
                }
                match entry {
                    Ok(entry) if self.stamp(&entry.path(), &mut found) == Some(true) => {
                        folders.push(entry.path());
                    }
                    Ok(_) => {}
                    Err(error) => found.refused(folder.clone(), error),
                }
            }
        }
        Ok(found)
    }

    /// Adds what is at `path`; returns whether it is a folder, or `None` if it is not
    /// reported. Links to folders below are not followed: they may lead in circles.
    fn stamp(&self, path: &Path, found: &mut Found) -> Option<bool> {
        let is_link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(_) if is_link => return None, // its target does not exist
            Err(error) => {
                found.refused(path.to_owned(), error);
                return None;
            }
        };
        let is_folder = metadata.is_dir();
        let is_below = path != self.folder;
        let is_linked_folder = is_folder && is_below && is_link;
        // A pipe may have no end, and opening it blocks.
        let is_file = metadata.is_file() && is_below && self.only.is_none_or(|only| only(path));
        if is_linked_folder || !is_folder && !is_file {
            return None;
        }
        let stamp = Stamp::new(&metadata, self.began);
        found.stamps.insert(path.to_owned(), stamp);
        Some(is_folder)
    }
}

impl Found {
    fn refused(&mut self, path: PathBuf, error: io::Error) {
        // What was removed during the scan is not there, and so not unreadable.
        if !is_gone(&error) {
            self.unreadable.push((path, error));
        }
    }
}

/// Whether there is nothing to read, rather than no permission to.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
