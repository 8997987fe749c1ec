//! Prints the lines in the order of the walk.

use crate::failure::Failure;
use crate::say;
use groundcrew::channel::{Receiver, RecvTimeoutError};
use groundcrew::{TaskError, TaskHandle};
use indicatif::ProgressBar;
use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

/// What the walk found, in its order.
pub(crate) enum Turn {
    /// A file, whose task gives the line.
    File(TaskHandle<Result<Vec<u8>, Failure>>),
    /// What could not be looked into.
    Failure(Failure),
}

/// Prints the line of each file, after those before it, until the walk has
/// ended. Returns whether every file has its line.
pub(crate) fn print(turns: &Receiver<Turn>, bar: &ProgressBar) -> io::Result<bool> {
    let mut printer = Printer {
        unwritten: Vec::with_capacity(2 * ENOUGH),
        complete: true,
        bar,
    };
    let printed = printer.print_all(turns);
    bar.finish_and_clear();
    printed.map(|()| printer.complete)
}

struct Printer<'a> {
    /// Lines that wait to be written together.
    unwritten: Vec<u8>,
    /// Whether every file so far has its line.
    complete: bool,
    bar: &'a ProgressBar,
}

/// So many bytes are written at once, if they come without a pause.
const ENOUGH: usize = 8 * 1024;

/// How long lines wait for the next one; short enough for a reader at the terminal.
const PATIENCE: Duration = Duration::from_millis(20);

impl Printer<'_> {
    fn print_all(&mut self, turns: &Receiver<Turn>) -> io::Result<()> {
        while let Some(turn) = self.next(turns)? {
            match turn {
                Turn::File(handle) => self.file(handle)?,
                Turn::Failure(failure) => self.complain(failure)?,
            }
            self.bar.inc(1);
        }
        self.flush()
    }

    fn next(&mut self, turns: &Receiver<Turn>) -> io::Result<Option<Turn>> {
        match turns.recv_timeout(PATIENCE) {
            Err(RecvTimeoutError::Timeout) => {
                self.flush()?;
                Ok(turns.recv().ok())
            }
            turn => Ok(turn.ok()),
        }
    }

    fn file(&mut self, handle: TaskHandle<Result<Vec<u8>, Failure>>) -> io::Result<()> {
        if !handle.wait_timeout(PATIENCE) {
            self.flush()?;
        }
        match handle.join() {
            Ok(Ok(line)) => self.line(&line),
            Ok(Err(failure)) => self.complain(failure),
            Err(panic @ TaskError::Panicked(_)) => self.complain(panic),
            Err(_) => {
                self.complete = false; // left behind by the stop, whose report says so
                Ok(())
            }
        }
    }

    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        self.unwritten.extend(line);
        match self.unwritten.len() < ENOUGH {
            true => Ok(()),
            false => self.flush(),
        }
    }

    /// On stderr, after the lines that come before it.
    fn complain(&mut self, what: impl Display) -> io::Result<()> {
        self.flush()?;
        self.beside_bar(|| say(what));
        self.complete = false;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let written = self.beside_bar(|| io::stdout().write_all(&self.unwritten));
        self.unwritten.clear();
        written
    }

    /// Writes to the terminal where the bar is. A bar that is hidden is left
    /// alone: to suspend it would keep the walk waiting for the write.
    fn beside_bar<T>(&self, write: impl FnOnce() -> T) -> T {
        match self.bar.is_hidden() {
            true => write(),
            false => self.bar.suspend(write),
        }
    }
}
