//! The PNG file, which is there when it is complete, or not at all.

use crate::view::{Size, palette};
use png::{BitDepth, ColorType, Encoder, Filter};
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use tempfile::TempPath;

/// Writes the rows as they come, and replaces the file at `path`, if there is
/// one, when all have.
pub(crate) fn save(path: &Path, size: Size, rows: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
    let mut file = NewFile::create(path)?;
    let mut encoder = Encoder::new(&mut file, size.width, size.height);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_palette(palette());
    encoder.set_filter(Filter::NoFilter); // the others are for shades, not for a palette
    let mut png = encoder.write_header()?;
    let mut stream = png.stream_writer()?;
    for row in rows {
        stream.write_all(&row)?;
    }
    stream.finish()?;
    png.finish()?;
    file.complete()
}

/// A file that takes its name when it is complete. Dropped before that, it is
/// removed.
struct NewFile {
    path: PathBuf,
    file: BufWriter<File>,
    /// The name it has until then.
    name: TempPath,
    /// Why a write failed: the encoder's last ones are made by a drop, which
    /// reports nothing.
    failed: Option<ErrorKind>,
}

impl NewFile {
    fn create(path: &Path) -> io::Result<NewFile> {
        let path = match fs::canonicalize(path) {
            Ok(there) if there.is_file() => there, // that is where a link leads
            Ok(_) => return Err(io::Error::other("not a regular file")),
            Err(error) if error.kind() == ErrorKind::NotFound => path.to_owned(),
            Err(error) => return Err(error),
        };
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let (file, name) = tempfile::Builder::new()
            .prefix(".mandelbrot-")
            .make_in(folder.unwrap_or(Path::new(".")), |name| {
                File::create_new(name)
            })?
            .into_parts();
        Ok(NewFile {
            path,
            file: BufWriter::new(file),
            name,
            failed: None,
        })
    }

    fn complete(self) -> io::Result<()> {
        if let Some(why) = self.failed {
            return Err(why.into());
        }
        self.file.into_inner()?.sync_all()?;
        Ok(self.name.persist(self.path)?)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes);
        if let Err(error) = &written {
            self.failed = Some(error.kind());
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
