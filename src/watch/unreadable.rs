//! What cannot be read at present.

use super::scan::is_gone;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Files and folders that could not be read, and so are not watched either.
#[derive(Default)]
pub(super) struct Unreadable {
    paths: BTreeSet<PathBuf>,
}

impl Unreadable {
    /// Returns whether it is a new one.
    pub(super) fn add(&mut self, path: &Path) -> bool {
        self.paths.insert(path.to_owned())
    }

    pub(super) fn to_vec(&self) -> Vec<PathBuf> {
        self.paths.iter().cloned().collect()
    }

    /// Whether something can be read again; removes that, and what is gone.
    pub(super) fn has_become_readable(&mut self) -> bool {
        let mut is_any = false;
        self.paths.retain(|path| match read(path) {
            Ok(()) => {
                is_any = true;
                false
            }
            Err(error) => !is_gone(&error),
        });
        is_any
    }
}

fn read(path: &Path) -> std::io::Result<()> {
    match fs::metadata(path)?.is_dir() {
        true => fs::read_dir(path).map(drop),
        false => Ok(()),
    }
}
