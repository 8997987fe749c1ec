//! What a host tells the log.

use crate::clock::Deadline;
use crate::stop::TIME_TO_TELL;
use crate::sync::channel::{self, Sender};
use crate::threads::{self, Thread};
use crate::unwind;

/// The logger is the program's code, and may be stuck: so it is called, record after
/// record, by a thread of its own, which nobody waits for until the end.
pub(super) struct Journal {
    /// Made with the first record that the logger wants.
    writer: Option<(Sender<Record>, Thread)>,
}

type Record = (log::Level, String);

/// So many records wait for a logger that is stuck; those that come then are lost.
const MOST_RECORDS: usize = 1024;

impl Journal {
    pub(super) fn new() -> Journal {
        Journal { writer: None }
    }

    /// Never blocks.
    pub(super) fn write(&mut self, level: log::Level, text: String) {
        if level > log::max_level() {
            return;
        }
        if self.writer.is_none() {
            self.writer = start();
        }
        if let Some((records, _)) = &self.writer {
            let _ = records.try_send((level, text));
        }
    }

    /// Waits for what was written, but not beyond a tenth of a second.
    pub(super) fn close(self) {
        if let Some((records, thread)) = self.writer {
            drop(records);
            let deadline = Deadline::after(TIME_TO_TELL);
            threads::join_until("host-join", vec![((), thread)], || deadline);
        }
    }
}

fn start() -> Option<(Sender<Record>, Thread)> {
    let (records, received) = channel::bounded::<Record>(MOST_RECORDS);
    let thread = threads::spawn_helper("host-log".to_owned(), move || {
        for (level, text) in received {
            unwind::log_guarded(|| log::log!(level, "{text}"));
        }
    });
    // Without a thread there is no log; everything is in the report.
    thread.ok().map(|thread| (records, thread))
}
