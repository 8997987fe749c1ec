//! The file in which emails wait for the next start.

use crate::email::Email;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Display, PathBuf};

pub(crate) struct Spool {
    path: PathBuf,
}

impl Spool {
    pub(crate) fn new(path: PathBuf) -> Spool {
        Spool { path }
    }

    pub(crate) fn path(&self) -> Display<'_> {
        self.path.display()
    }

    /// What is in it, and stays there until it is replaced.
    pub(crate) fn read(&self) -> io::Result<Vec<Email>> {
        let text = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            text => text?,
        };
        let emails = text.lines().map(|line| {
            let error = || io::Error::other(format!("{}: no email: {line}", self.path()));
            Email::parse(line).ok_or_else(error)
        });
        emails.collect()
    }

    /// Keeps these, each once, and nothing else: in one step, so that there never is
    /// half a spool. Returns how many they are.
    pub(crate) fn replace(&self, emails: Vec<Email>) -> io::Result<usize> {
        let mut kept: Vec<Email> = Vec::new();
        for email in emails {
            if !kept.contains(&email) {
                kept.push(email);
            }
        }
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        let lines: String = kept.iter().map(|email| format!("{email}\n")).collect();
        file.write_all(lines.as_bytes())?;
        file.sync_all()?;
        fs::rename(new, &self.path)?;
        Ok(kept.len())
    }
}
