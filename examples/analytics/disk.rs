//! The folder with the events: a file for each batch, and one for dead letters.

use crate::event::Event;
use groundcrew::{DeadCause, DeadLetter, Permanent};
use log::{debug, error};
use serde_json::json;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

pub(crate) struct Disk {
    folder: PathBuf,
    /// One write in so many fails.
    full_in: u64,
    /// The number of the next file.
    next: AtomicUsize,
    files: AtomicUsize,
    /// What was to be written last, and is in no file: for a stop that cannot wait for it.
    in_hand: Mutex<Vec<Event>>,
}

impl Disk {
    /// Goes on after the last file that is there.
    pub(crate) fn new(folder: PathBuf, full_in: u64) -> io::Result<Disk> {
        fs::create_dir_all(&folder)?;
        let mut next = 0;
        for entry in fs::read_dir(&folder)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| {
                let number = name.strip_prefix("events-")?.split('.').next()?;
                number.parse::<usize>().ok()
            });
            next = number.map_or(next, |number| next.max(number + 1));
        }
        Ok(Disk {
            folder,
            full_in,
            next: AtomicUsize::new(next),
            files: AtomicUsize::new(0),
            in_hand: Mutex::default(),
        })
    }

    /// Writes a batch into a file of its own, as a whole or not at all. What is wrong with
    /// an event stays wrong; a full disk may not stay full.
    pub(crate) fn write(&self, batch: &[Event]) -> Result<(), Box<dyn Error + Send + Sync>> {
        *self.in_hand.lock().unwrap() = batch.to_vec();
        for event in batch {
            event.check().map_err(Permanent::new)?;
        }
        self.write_file(batch)?;
        self.in_hand.lock().unwrap().clear();
        Ok(())
    }

    fn write_file(&self, batch: &[Event]) -> io::Result<()> {
        let number = self.next.load(Relaxed);
        let path = self.folder.join(format!("events-{number:06}.jsonl"));
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        let text: String = batch.iter().map(Event::line).collect();
        if self.full_in > 0 && fastrand::u64(..self.full_in) == 0 {
            file.write_all(&text.as_bytes()[..text.len() / 2])?;
            return Err(ErrorKind::StorageFull.into()); // for all one can see from outside
        }
        file.write_all(text.as_bytes())?;
        fs::rename(new, &path)?;
        self.next.fetch_add(1, Relaxed);
        self.files.fetch_add(1, Relaxed);
        debug!("{} events are in {}", batch.len(), path.display());
        Ok(())
    }

    /// Writes down what cannot be written, and why.
    pub(crate) fn bury(&self, event: &Event, why: &DeadLetter) {
        if why.cause() == DeadCause::Stopped {
            return; // it was in hand when the report was made, and goes into the spool
        }
        self.in_hand.lock().unwrap().retain(|other| other != event);
        let error = why.error().map(ToString::to_string);
        let line = format!("{}\n", json!({ "error": error, "event": event.json() }));
        let path = self.folder.join("dead.jsonl");
        let file = File::options().append(true).create(true).open(path);
        if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
            error!("{line} is lost: {error}");
        }
    }

    /// What a handler had when the report was made, besides what that handed back.
    pub(crate) fn in_hand(&self, handed_back: &[Event]) -> Vec<Event> {
        let mut in_hand = self.in_hand.lock().unwrap().clone();
        in_hand.retain(|event| !handed_back.contains(event));
        in_hand
    }

    /// How many files this run has written.
    pub(crate) fn files(&self) -> usize {
        self.files.load(Relaxed)
    }
}
