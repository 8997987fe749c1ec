//! Files that outlive a run: a line for each thing that is kept.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

/// What is in it, and stays there until it is replaced; nothing if there is no such file.
pub(crate) fn read<T>(path: &Path, parse: impl Fn(&str) -> Option<T>) -> io::Result<Vec<T>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(|error| about(path, &error))?,
    };
    let parsed = text.lines().enumerate().map(|(number, line)| {
        parse(line).ok_or_else(|| {
            let line = number + 1;
            about(path, &format!("line {line} is damaged: mend or remove it"))
        })
    });
    parsed.collect()
}

/// Keeps these lines, and nothing else: in one step, so that there never is half a file. A
/// file that would be empty is removed, for which even a full disk has room.
pub(crate) fn replace(path: &Path, lines: impl Iterator<Item = impl Display>) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut lines = lines.peekable();
    let write = || -> io::Result<()> {
        if lines.peek().is_none() {
            return match fs::remove_file(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                removed => removed,
            };
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?; // it may be gone by now
        }
        let mut file = BufWriter::new(File::create(&new)?);
        for line in lines {
            writeln!(file, "{line}")?;
        }
        file.into_inner()?.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&new); // a full disk has better uses for the room
        about(path, &error)
    })
}

fn about(path: &Path, what: &dyn Display) -> io::Error {
    io::Error::other(format!("{}: {what}", path.display()))
}
