//! The service that writes the guests down.

use crate::count;
use groundcrew::channel::{Receiver, select};
use groundcrew::host::ServiceResult;
use groundcrew::{Service, ServiceContext};
use log::info;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes guests down, one a line.
pub(crate) struct Book {
    path: PathBuf,
    entries: Receiver<String>,
    file: Option<File>,
    written: usize,
}

impl Book {
    pub(crate) fn new(path: &Path, entries: &Receiver<String>) -> Book {
        Book {
            path: path.to_owned(),
            entries: entries.clone(),
            file: None,
            written: 0,
        }
    }

    fn write(&mut self, guest: &str) -> ServiceResult {
        if let Some(file) = &mut self.file {
            writeln!(file, "{guest}")?;
            self.written += 1;
        }
        Ok(())
    }
}

impl Service for Book {
    fn start(&mut self, _: &ServiceContext) -> ServiceResult {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = File::options().append(true).create(true).open(&self.path)?;
        self.file = Some(file);
        let so_far = fs::read_to_string(&self.path)?.lines().count();
        info!("book: {} so far", count(so_far, "guest"));
        Ok(())
    }

    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let told_to_stop = ctx.token().receiver();
        loop {
            select! {
                recv(self.entries) -> guest => match guest {
                    Ok(guest) => self.write(&guest)?,
                    Err(_) => break, // "workers" has ended, and this one is next
                },
                recv(told_to_stop) -> _ => break,
            }
        }
        ctx.token().wait();
        Ok(())
    }

    /// By now "workers" has ended, so no more guests come.
    fn stop(&mut self, _: &ServiceContext) -> ServiceResult {
        for guest in self.entries.clone().try_iter() {
            self.write(&guest)?;
        }
        if let Some(file) = &self.file {
            file.sync_all()?;
        }
        info!("book: {} entered", count(self.written, "guest"));
        Ok(())
    }
}
