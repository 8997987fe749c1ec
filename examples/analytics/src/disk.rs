//! The folder with the events: a file for each batch, and one for dead letters.

use crate::event::Event;
use crate::outbox::{Item, Outbox, Sealed};
use groundcrew::retry::{DeadLetter, DeadLetterReason, PermanentError};
use log::{debug, error};
use parking_lot::Mutex;
use serde_json::json;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

pub(crate) struct Disk {
    folder: PathBuf,
    /// One write in so many fails.
    full_in: u64,
    /// Every event that is neither in a file nor a dead letter.
    outbox: Outbox<Event>,
    /// The number of the next file.
    next: AtomicUsize,
    files: AtomicUsize,
    /// The first error of writing a dead letter.
    not_buried: Mutex<Option<io::Error>>,
}

impl Disk {
    /// Goes on after the last file that is there.
    pub(crate) fn new(folder: PathBuf, full_in: u64, outbox: Outbox<Event>) -> io::Result<Disk> {
        let mut next = 0;
        for entry in fs::read_dir(&folder)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| {
                let number = name.strip_prefix("events-")?.strip_suffix(".jsonl")?;
                number.parse::<usize>().ok()
            });
            next = number.map_or(next, |number| next.max(number + 1));
        }
        Ok(Disk {
            folder,
            full_in,
            outbox,
            next: AtomicUsize::new(next),
            files: AtomicUsize::new(0),
            not_buried: Mutex::default(),
        })
    }

    /// Writes a batch into a file of its own, as a whole or not at all. What is wrong with
    /// an event stays wrong; a full disk may not stay full.
    pub(crate) fn write(&self, batch: &[Event]) -> Result<(), Box<dyn Error + Send + Sync>> {
        for event in batch {
            event.check().map_err(PermanentError::new)?;
        }
        self.outbox.send(batch, || Ok(self.write_file(batch)?))
    }

    fn write_file(&self, batch: &[Event]) -> io::Result<()> {
        let number = self.next.load(Relaxed);
        let path = self.folder.join(format!("events-{number:06}.jsonl"));
        let new = path.with_extension("new");
        let text: String = batch.iter().map(|event| event.to_line() + "\n").collect();
        let write = || {
            let mut file = File::create(&new)?;
            if self.full_in > 0 && fastrand::u64(..self.full_in) == 0 {
                file.write_all(&text.as_bytes()[..text.len() / 2])?;
                return Err(ErrorKind::StorageFull.into()); // for all one can see from outside
            }
            file.write_all(text.as_bytes())?;
            fs::rename(&new, &path)
        };
        if let Err(error) = write() {
            let _ = fs::remove_file(&new); // what is half written only takes room
            return Err(error);
        }
        self.next.fetch_add(1, Relaxed);
        self.files.fetch_add(1, Relaxed);
        debug!("{} events are in {}", batch.len(), path.display());
        Ok(())
    }

    /// Writes down what cannot be written, and why. If not even that can be, the event stays
    /// in the outbox: the next run tries again.
    pub(crate) fn bury(&self, event: &Event, why: &DeadLetter) {
        if why.reason() == DeadLetterReason::Stopped {
            return; // it was in hand when the report was made, and is in the outbox
        }
        let cause = why.error().map(ToString::to_string);
        let line = format!("{}\n", json!({ "error": cause, "event": event.json() }));
        let buried = self
            .outbox
            .bury(slice::from_ref(event), || self.append_dead(&line));
        if let Err(NotBuried(Some(error))) = buried {
            error!("{event} is no dead letter yet: {error}");
            self.not_buried.lock().get_or_insert(error);
        }
    }

    /// The whole line or nothing of it, or the next one would begin in its middle.
    fn append_dead(&self, line: &str) -> Result<(), NotBuried> {
        let path = self.folder.join("dead.jsonl");
        let mut file = File::options().append(true).create(true).open(path)?;
        let length = file.metadata()?.len();
        if let Err(error) = file.write_all(line.as_bytes()) {
            let _ = file.set_len(length);
            return Err(error.into());
        }
        Ok(())
    }

    /// Why not every dead letter is where it belongs, if that is so.
    pub(crate) fn not_buried(&self) -> Option<io::Error> {
        self.not_buried.lock().take()
    }

    /// How many files this run has written.
    pub(crate) fn files(&self) -> usize {
        self.files.load(Relaxed)
    }
}

/// `None`: it was not tried, since the outbox is saved.
struct NotBuried(Option<io::Error>);

impl From<io::Error> for NotBuried {
    fn from(error: io::Error) -> NotBuried {
        NotBuried(Some(error))
    }
}

impl From<Sealed> for NotBuried {
    fn from(_: Sealed) -> NotBuried {
        NotBuried(None)
    }
}
