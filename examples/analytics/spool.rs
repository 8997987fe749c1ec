//! The file in which events wait for the next start.

use crate::event::Event;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

/// What is in it, and stays there until it is replaced.
pub(crate) fn read(path: &PathBuf) -> io::Result<Vec<Event>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let events = text.lines().map(|line| {
        let error = || io::Error::other(format!("{}: no event: {line}", path.display()));
        Event::parse(line).ok_or_else(error)
    });
    events.collect()
}

/// Keeps these, and nothing else: in one step, so that there never is half a spool.
pub(crate) fn replace(path: &PathBuf, events: &[Event]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    let text: String = events.iter().map(Event::line).collect();
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(new, path)
}
