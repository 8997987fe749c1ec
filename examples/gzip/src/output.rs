//! Where the members go.

use parking_lot::Mutex;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempPath;

/// A writer that another thread can close between two members.
#[derive(Clone)]
pub(crate) struct SharedWriter {
    /// `None` once it is closed; locked while a member is written.
    writer: Arc<Mutex<Option<Box<dyn Write + Send>>>>,
}

impl SharedWriter {
    pub(crate) fn new(writer: impl Write + Send + 'static) -> SharedWriter {
        SharedWriter {
            writer: Arc::new(Mutex::new(Some(Box::new(writer)))),
        }
    }

    /// Writes a member, all of it.
    pub(crate) fn write(&self, member: &[u8]) -> io::Result<()> {
        match &mut *self.writer.lock() {
            Some(writer) => writer.write_all(member).and_then(|()| writer.flush()),
            None => Err(io::Error::other("closed")),
        }
    }

    /// Lets no further member in. Returns whether the one that is being written
    /// has been in time.
    pub(crate) fn close(&self, patience: Duration) -> bool {
        let writer = self.writer.try_lock_for(patience);
        writer.map(|mut writer| writer.take()).is_some()
    }
}

/// A file that takes its name when it is complete. Dropped before that, it is
/// removed.
pub(crate) struct NewFile {
    path: PathBuf,
    file: File,
    /// The name it has until then.
    name: TempPath,
}

impl NewFile {
    /// The file to write, and what gives it its name.
    pub(crate) fn create(path: &Path) -> io::Result<(File, NewFile)> {
        let path = match fs::canonicalize(path) {
            Ok(there) if there.is_file() => there, // that is where a link leads
            Ok(_) => return Err(io::Error::other("not a regular file")),
            Err(error) if error.kind() == ErrorKind::NotFound => path.to_owned(),
            Err(error) => return Err(error),
        };
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let (file, name) = tempfile::Builder::new()
            .prefix(".gzip-")
            .make_in(folder.unwrap_or(Path::new(".")), |name| {
                File::create_new(name)
            })?
            .into_parts();
        let writer = file.try_clone()?;
        Ok((writer, NewFile { path, file, name }))
    }

    pub(crate) fn name(&self) -> PathBuf {
        self.name.to_path_buf()
    }

    pub(crate) fn complete(self) -> io::Result<()> {
        self.file.sync_all()?;
        Ok(self.name.persist(self.path)?)
    }
}
