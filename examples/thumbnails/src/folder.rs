//! The folders: what is in one, and a file that is there when it is complete,
//! or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The PNG files in the folder, by their names, sorted.
pub(crate) fn pictures(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension();
        if extension.is_some_and(|it| it.eq_ignore_ascii_case("png")) && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

/// Writes a file under another name in the same folder, and then gives it its
/// own. One that is there is replaced; if anything fails it stays as it is.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(".thumbnails-")
        .make_in(path.parent().unwrap_or(Path::new(".")), |name| {
            File::create_new(name)
        })?;
    file.write_all(bytes)?;
    file.into_temp_path().persist(path)?; // removed, if that fails
    Ok(())
}
