//! What a scheduler remembers of its entries on a file.
//!
//! # Invariants
//!
//! 1. A note changes `state`, and never waits for the disk. A helper writes what has changed: at
//!    once after a silence, and then once in [`SPACING`]. So a run that has ended is on the disk
//!    after `SPACING` and the time of two writes, unless these fail.
//! 2. The thread that holds `disk` writes the file, with all changes up to that moment. They count
//!    as written after the file is on the disk. So where `written` is `changes`, a flush has
//!    nothing to do.
//! 3. The helper is there from a change until it has found nothing unwritten after a pause. Under
//!    the lock under which it finds that, it says that it ends. (Where no thread can be had, the
//!    next change or flush writes.)
//! 4. The drop of [`Memory`] writes what is left, and releases the file. It waits for the disk, for
//!    [`LONGEST_FLUSH`] at most.
//!
//! `disk` is taken before `state`, and that before the manual clock.

mod error;
mod file;
mod text;

pub use error::RememberError;

use super::planned::Left;
use super::shown::utc;
use crate::clock::{Clock, Deadline};
use crate::record::record;
use crate::sync::channel::{self, Receiver, Sender};
use crate::sync::{Arc, Mutex, Weak};
use crate::threads;
use file::LockedFile;
use std::convert::Infallible;
use std::mem;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use text::{Line, Lines, Text};

/// The time between two writes.
const SPACING: Duration = Duration::from_secs(1);
/// The longest time between two writes that fail.
const LONGEST_SPACING: Duration = Duration::from_secs(60);
/// How long a stop or a drop waits for a disk that does not answer.
const LONGEST_FLUSH: Duration = Duration::from_secs(5);
const HELPER: &str = "schedule-file";

/// The memory of a scheduler. That holds it, and so do the runs in the pool.
pub(super) struct Memory {
    shared: Arc<Shared>,
    /// Its drop ends the pause of the helper.
    open: Option<Sender<Infallible>>,
    closed: Receiver<Infallible>,
}

struct Shared {
    clock: Clock,
    path: PathBuf,
    disk: Mutex<Disk>,
    state: Mutex<State>,
}

struct Disk {
    /// Until the memory is dropped.
    file: Option<LockedFile>,
    /// The last write has failed.
    is_failing: bool,
}

struct State {
    lines: Lines,
    /// What the clock showed at the last write that has succeeded.
    saved: SystemTime,
    /// The number of changes, and how many of them are on the disk.
    changes: u64,
    written: u64,
    has_helper: bool,
}

impl Memory {
    /// Locks the file, reads it, and writes it, to see that it can be written. Blocks meanwhile.
    pub(super) fn open(path: &Path, clock: Clock) -> Result<Memory, RememberError> {
        let (file, text) = LockedFile::open(path)?;
        let Text { saved, mut lines } = text.unwrap_or_else(|| Text {
            saved: clock.wall(),
            lines: Lines::new(),
        });
        // Until an entry has the name.
        for line in lines.values_mut() {
            line.unused.get_or_insert(saved);
        }
        file.replace(&text::print(saved, &lines))
            .map_err(|source| RememberError::System {
                file: file.path().to_owned(),
                action: "written",
                source,
            })?;
        let (open, closed) = channel::bounded(0);
        Ok(Memory {
            shared: Arc::new(Shared {
                clock,
                path: file.path().to_owned(),
                disk: Mutex::new(Disk {
                    file: Some(file),
                    is_failing: false,
                }),
                state: Mutex::new(State {
                    lines,
                    saved,
                    changes: 0,
                    written: 0,
                    has_helper: false,
                }),
            }),
            open: Some(open),
            closed,
        })
    }

    /// The path of the file, without links.
    pub(super) fn path(&self) -> PathBuf {
        self.shared.path.clone()
    }

    /// What an earlier process has left of the entry of this name; `None`: it is a new one.
    pub(super) fn recall(&self, name: &str, schedule: &str) -> Option<Left> {
        let state = self.shared.state.lock();
        let line = state.lines.get(name)?;
        Some(Left {
            next: line.next,
            noted: line.unused.unwrap_or(state.saved),
            is_same: *line.schedule == *schedule,
        })
    }

    /// The first run of an entry that has not ended is that of `next`. Never blocks.
    pub(super) fn note(&self, name: &Arc<str>, schedule: &Arc<str>, next: Option<SystemTime>) {
        let line = Line {
            next,
            unused: None,
            schedule: schedule.clone(),
        };
        self.change(|lines| lines.insert(name.clone(), line));
    }

    /// The entry was removed. Never blocks.
    pub(super) fn forget(&self, name: &str) {
        self.change(|lines| lines.remove(name));
    }

    fn change<R>(&self, change: impl FnOnce(&mut Lines) -> R) {
        let mut state = self.shared.state.lock();
        change(&mut state.lines);
        state.changes += 1;
        if state.has_helper {
            return;
        }
        state.has_helper = true;
        drop(state);
        let (shared, closed) = (Arc::downgrade(&self.shared), self.closed.clone());
        if threads::spawn_helper(HELPER.to_owned(), move || help(&shared, &closed)).is_err() {
            // The next change, or the stop, has another chance.
            self.shared.state.lock().has_helper = false;
        }
    }

    /// Writes what is not on the disk yet, and waits for that, for [`LONGEST_FLUSH`] at most.
    pub(super) fn flush(&self) {
        if self.shared.state.lock().is_unwritten() {
            let shared = self.shared.clone();
            let deadline = Deadline::after(LONGEST_FLUSH);
            threads::run_until(HELPER, deadline, move || {
                shared.write();
            });
        }
    }
}

/// Invariant 4.
impl Drop for Memory {
    fn drop(&mut self) {
        self.open.take();
        let shared = self.shared.clone();
        let close = move || {
            shared.write();
            let file = shared.disk.lock().file.take();
            drop(file);
        };
        if self.shared.state.lock().is_unwritten() {
            threads::run_until(HELPER, Deadline::after(LONGEST_FLUSH), close);
        } else {
            close();
        }
    }
}

/// The body of the helper (Invariant 3).
fn help(shared: &Weak<Shared>, closed: &Receiver<Infallible>) {
    let mut pause = SPACING;
    loop {
        let Some(it) = shared.upgrade() else {
            return;
        };
        pause = match it.write() {
            true => SPACING,
            false => (pause * 2).min(LONGEST_SPACING),
        };
        drop(it);
        let paused = Deadline::after(pause).receive(closed);
        if paused.is_err_and(|end| end.is_disconnected()) {
            return; // the drop writes what is left
        }
        let Some(it) = shared.upgrade() else {
            return;
        };
        let mut state = it.state.lock();
        if !state.is_unwritten() {
            state.has_helper = false;
            return;
        }
    }
}

impl Shared {
    /// Writes what is not on the disk yet (Invariant 2). `false`: that has failed.
    fn write(&self) -> bool {
        let mut disk = self.disk.lock();
        let Some(file) = &disk.file else {
            return true;
        };
        let Some(printed) = self.state.lock().print(self.clock.wall()) else {
            return true;
        };
        let result = file.replace(&printed.text);
        let has_failed = mem::replace(&mut disk.is_failing, result.is_err());
        let mut state = self.state.lock();
        if result.is_ok() {
            state.written = printed.changes;
            state.saved = printed.saved;
        }
        let saved = state.saved;
        drop(state);
        drop(disk);
        let path = &self.path;
        match &result {
            Err(error) => record!(
                Warn,
                SCHEDULE,
                "the runs of schedules cannot be remembered: {path:?} cannot be written: {error}; \
                 what has ended since {} may be repeated after a restart",
                utc(saved)
            ),
            Ok(()) if has_failed => record!(
                Info,
                SCHEDULE,
                "the runs of schedules are remembered again: {path:?} was written"
            ),
            Ok(()) => {}
        }
        result.is_ok()
    }
}

impl State {
    fn is_unwritten(&self) -> bool {
        self.written != self.changes
    }

    /// What is to be written as of `now`, if something is.
    fn print(&mut self, now: SystemTime) -> Option<Printed> {
        if !self.is_unwritten() {
            return None;
        }
        text::drop_unused(&mut self.lines, now);
        Some(Printed {
            text: text::print(now, &self.lines),
            saved: now,
            changes: self.changes,
        })
    }
}

struct Printed {
    text: String,
    saved: SystemTime,
    /// How many changes it contains.
    changes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use std::fs;

    #[test]
    fn ten_thousand_notes_in_a_row_are_a_few_writes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("schedules");
        let memory = Memory::open(&file, Clock::default()).unwrap();
        let began = clock::now();
        let (name, schedule) = ("it".into(), "every 1ms".into());
        let mut saved = Vec::new();
        for nth in 0..10_000 {
            let next = SystemTime::UNIX_EPOCH + Duration::from_millis(nth);
            memory.note(&name, &schedule, Some(next));
            saved.push(memory.shared.state.lock().saved);
        }
        saved.dedup();
        let most = 2 + clock::now().duration_since(began).as_secs();
        assert!(saved.len() as u64 <= most, "{saved:?}");
        drop(memory);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("9.999000000\t-\tit\tevery 1ms\n"), "{text}");
    }

    #[test]
    fn a_drop_releases_the_file_whatever_the_helper_does() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("schedules");
        for nth in 0..200 {
            let memory = Memory::open(&file, Clock::default()).unwrap();
            memory.note(&format!("{nth}").into(), &"every 1h".into(), None);
        }
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), 203);
    }
}
