//! The file, and its lock.
//!
//! # Invariants
//!
//! 1. At each moment the file is a whole text: the one before or the new one. The new text is
//!    written beside it and flushed to the disk, then renamed; the rename is flushed, too, before
//!    it is said that the text is written.
//! 2. A thread that reads or replaces it holds the lock of a second file, which is never removed: one
//!    that a rename replaces, or that is removed, is locked by two at the same time.

use super::error::RememberError;
use super::text::{Text, Wrong};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

pub(super) struct LockedFile {
    path: PathBuf,
    new: PathBuf,
    /// The system releases the lock when this is closed, or the process has ended.
    _lock: File,
}

/// More than this was not written by a scheduler.
const LARGEST: u64 = 1 << 30;

impl LockedFile {
    /// Locks the file, and reads it; `None`: there is none yet.
    pub(super) fn open(path: &Path) -> Result<(LockedFile, Option<Text>), RememberError> {
        let path = resolve(path).map_err(|source| system(path, "read", source))?;
        // Nothing is made beside what is no such file.
        read_text(&path)?;
        let lock = lock_file(&beside(&path, ".lock")).map_err(|error| match error {
            Refused::InUse => RememberError::InUse { file: path.clone() },
            Refused::System(source) => system(&path, "locked", source),
        })?;
        let text = read_text(&path)?;
        if text.is_some() {
            // A rename would replace a file that may not be written.
            let opened = OpenOptions::new().append(true).open(&path);
            opened.map_err(|source| system(&path, "written", source))?;
        }
        let new = beside(&path, ".new");
        let file = LockedFile {
            path,
            new,
            _lock: lock,
        };
        Ok((file, text))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the text in the place of the one before (Invariant 1).
    pub(super) fn replace(&self, text: &str) -> io::Result<()> {
        let written = self.write_new(text).and_then(|()| {
            fs::rename(&self.new, &self.path)?;
            sync_folder(&self.path)
        });
        if written.is_err() {
            // On a full disk it is in the way.
            let _ = fs::remove_file(&self.new);
        }
        written
    }

    fn write_new(&self, text: &str) -> io::Result<()> {
        // One that a crash has left; and never what a link points to.
        match fs::remove_file(&self.new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let options = OpenOptions::new().write(true).create_new(true).clone();
        let mut file = options.open(&self.new)?;
        if let Ok(before) = fs::metadata(&self.path) {
            // Who may read it is for its owner to say.
            let _ = file.set_permissions(before.permissions());
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }
}

/// The path without links, so that the other files are beside the file itself, and a change of the
/// working folder does not matter. The file may not be there yet.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return found,
    }
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    Ok(fs::canonicalize(folder)?.join(name))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// `None`: there is no file.
fn read_text(path: &Path) -> Result<Option<Text>, RememberError> {
    let bytes = match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|source| system(path, "read", source))?,
    };
    let text = Text::parse(&bytes);
    text.map(Some)
        .map_err(|wrong| refuse(path.to_owned(), wrong))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // The open of a pipe would wait.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    match read as u64 == LARGEST {
        true => Err(io::Error::other("it is too large")),
        false => Ok(bytes),
    }
}

enum Refused {
    InUse,
    System(io::Error),
}

fn lock_file(path: &Path) -> Result<File, Refused> {
    let options = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .clone();
    let file = options.open(path).map_err(Refused::System)?;
    #[cfg(file_lock)]
    lock(&file)?;
    Ok(file)
}

#[cfg(file_lock)]
#[allow(clippy::incompatible_msrv)] // build.rs looks for it
fn lock(file: &File) -> Result<(), Refused> {
    file.try_lock().map_err(|error| match error {
        fs::TryLockError::WouldBlock => Refused::InUse,
        fs::TryLockError::Error(error) => Refused::System(error),
    })
}

/// The rename is in the folder.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, Unsupported};
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    match File::open(folder)?.sync_all() {
        // Some file systems have no such thing.
        Err(error) if matches!(error.kind(), InvalidInput | Unsupported) => Ok(()),
        synced => synced,
    }
}

/// Other systems have no call for that.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

fn system(file: &Path, action: &'static str, source: io::Error) -> RememberError {
    RememberError::System {
        file: file.to_owned(),
        action,
        source,
    }
}

fn refuse(file: PathBuf, wrong: Wrong) -> RememberError {
    match wrong {
        Wrong::Foreign => RememberError::Foreign { file },
        Wrong::Newer(version) => RememberError::Newer { file, version },
        Wrong::Damaged(line, reason) => RememberError::Damaged { file, line, reason },
    }
}
