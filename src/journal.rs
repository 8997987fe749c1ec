//! Telling the log from where nobody may wait for it.

use crate::clock::Deadline;
use crate::sync::channel::{self, Sender};
use crate::threads::{self, Thread};
use crate::unwind;
use std::time::Duration;

/// The logger is the program's code, and may be stuck: so it is called, record after
/// record, by a thread of its own, which nobody waits for until the end.
pub(crate) struct Journal {
    /// What its thread and the target of its records are called after.
    name: &'static str,
    /// Made with the first record that the logger wants.
    writer: Option<(Sender<Record>, Thread)>,
}

/// So long a stop, a signal or the end of a journal waits for a logger, or a reader of
/// stderr, that is stuck.
pub(crate) const TIME_TO_TELL: Duration = Duration::from_millis(100);

type Record = (log::Level, String);

/// So many records wait for a logger that is stuck; those that come then are lost.
const MOST_RECORDS: usize = 1024;

impl Journal {
    pub(crate) fn new(name: &'static str) -> Journal {
        Journal { name, writer: None }
    }

    /// Never blocks.
    pub(crate) fn write(&mut self, level: log::Level, text: String) {
        if level > log::max_level() {
            return;
        }
        if self.writer.is_none() {
            self.writer = start(self.name);
        }
        if let Some((records, _)) = &self.writer {
            let _ = records.try_send((level, text));
        }
    }

    /// Waits for what was written, but not beyond a tenth of a second.
    pub(crate) fn close(&mut self) {
        if let Some((records, thread)) = self.writer.take() {
            drop(records);
            let deadline = Deadline::after(TIME_TO_TELL);
            threads::join_until(&format!("{}-join", self.name), vec![((), thread)], || {
                deadline
            });
        }
    }
}

fn start(name: &str) -> Option<(Sender<Record>, Thread)> {
    let (records, received) = channel::bounded::<Record>(MOST_RECORDS);
    let target = format!("groundcrew::{name}");
    let thread = threads::spawn_helper(format!("{name}-log"), move || {
        while let Ok((level, text)) = received.recv() {
            unwind::log_guarded(|| log::log!(target: &target, level, "{text}"));
        }
    });
    // Without a thread there is no log; everything is in the report.
    thread.ok().map(|thread| (records, thread))
}
