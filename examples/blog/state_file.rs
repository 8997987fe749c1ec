//! Files that outlive a run: a line of JSON for each thing that is kept.

use serde_json::Value;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

/// What is in it, and stays there until it is replaced; nothing if there is no such file.
pub(crate) fn read<T>(path: &Path, parse: impl Fn(&Value) -> Option<T>) -> io::Result<Vec<T>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(|error| about(path, &error))?,
    };
    let parsed = text.lines().enumerate().map(|(number, line)| {
        let value = serde_json::from_str(line).ok();
        value.as_ref().and_then(&parse).ok_or_else(|| {
            let line = number + 1;
            about(path, &format!("line {line} is damaged: mend or remove it"))
        })
    });
    parsed.collect()
}

/// Keeps these, and nothing else: in one step, so that there never is half a file.
pub(crate) fn replace(path: &Path, values: impl Iterator<Item = Value>) -> io::Result<()> {
    let new = path.with_extension("new");
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?; // it may be gone by now
        }
        let mut file = BufWriter::new(File::create(&new)?);
        for value in values {
            writeln!(file, "{value}")?;
        }
        file.into_inner()?.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(|error| about(path, &error))
}

fn about(path: &Path, what: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {what}", path.display()))
}
