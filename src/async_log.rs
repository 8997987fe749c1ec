//! Logging from where no thread may wait for the logger without a limit: it is the program's
//! code, and may be stuck. So may be a stderr that is a full pipe.

use crate::clock::Deadline;
use crate::record;
use crate::sync::channel::{self, Receiver, Sender};
use crate::threads::{self, Thread};
use crate::unwind;
use std::io::{self, Write};
use std::time::Duration;

/// The logger is the program's code, and may be stuck: so it is called, record after
/// record, by a thread of its own, which is not waited for before the end.
pub(crate) struct AsyncLog {
    /// What its thread is called after.
    name: &'static str,
    /// Made with the first record that the logger wants.
    records: Option<(Sender<Record>, Receiver<Record>)>,
    /// Where none can be had the records wait for the next attempt to start it.
    writer: Option<Thread>,
}

/// How long a stop, a signal or the end of an [`AsyncLog`] waits for a logger that is stuck.
pub(crate) const LOG_TIMEOUT: Duration = Duration::from_millis(100);
/// How long the end of a program waits for a logger or a stderr that is stuck, with a report
/// that is not clean and that is shown nowhere else.
pub(crate) const UNCLEAN_REPORT_TIMEOUT: Duration = Duration::from_secs(1);

/// With its target, one of the constants in `record`.
type Record = (&'static str, log::Level, String);

/// The number of records that wait for a logger that is stuck; further ones are lost.
const MOST_RECORDS: usize = 1024;

impl AsyncLog {
    pub(crate) fn new(name: &'static str) -> AsyncLog {
        AsyncLog {
            name,
            records: None,
            writer: None,
        }
    }

    /// Never blocks.
    pub(crate) fn write(&mut self, target: &'static str, level: log::Level, text: String) {
        if !record::is_wanted(level) {
            return;
        }
        let channel = || channel::bounded(MOST_RECORDS);
        let (records, received) = self.records.get_or_insert_with(channel);
        let _ = records.try_send((target, level, text));
        if self.writer.is_none() {
            self.writer = start(self.name, received).ok();
        }
    }

    /// Waits until everything is written, for [`LOG_TIMEOUT`] at most.
    pub(crate) fn close(&mut self) {
        let Some((records, received)) = self.records.take() else {
            return;
        };
        let deadline = Deadline::after(LOG_TIMEOUT);
        let writer = match self.writer.take() {
            Some(writer) => Ok(writer),
            None => threads::try_until(deadline, || start(self.name, &received)),
        };
        drop(records);
        // Without a thread there is no log; everything is in the report.
        if let Ok(writer) = writer {
            threads::join_until(&format!("{}-join", self.name), vec![((), writer)], || {
                deadline
            });
        }
    }
}

fn start(name: &str, records: &Receiver<Record>) -> io::Result<Thread> {
    let records = records.clone();
    threads::spawn_helper(format!("{name}-log"), move || {
        while let Ok((target, level, text)) = records.recv() {
            record::write(target, level, format_args!("{text}"));
        }
    })
}

/// Logs what must not get lost, or writes it to stderr where that level is not logged.
pub(crate) fn log_or_stderr(target: &'static str, level: log::Level, text: &str) {
    let mut is_logged = false;
    unwind::log_guarded(|| is_logged = log::log_enabled!(target: target, level));
    record::write(target, level, format_args!("{text}"));
    if !is_logged {
        to_stderr(text);
    }
}

/// Logs, for [`LOG_TIMEOUT`] at most.
#[cfg(not(loom))]
pub(crate) fn log_in_time(target: &'static str, level: log::Level, text: String) {
    if record::is_wanted(level) {
        threads::run_until("log", Deadline::after(LOG_TIMEOUT), move || {
            record::write(target, level, format_args!("{text}"));
        });
    }
}

/// Ignores errors: stderr may be closed.
pub(crate) fn to_stderr(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// As [`log_or_stderr`], for [`UNCLEAN_REPORT_TIMEOUT`] at most.
#[cfg(not(loom))]
pub(crate) fn log_or_stderr_in_time(target: &'static str, level: log::Level, text: String) {
    let deadline = Deadline::after(UNCLEAN_REPORT_TIMEOUT);
    threads::run_until("log", deadline, move || log_or_stderr(target, level, &text));
}

/// Writes to stderr, for [`UNCLEAN_REPORT_TIMEOUT`] at most.
pub(crate) fn to_stderr_in_time(text: String) {
    let deadline = Deadline::after(UNCLEAN_REPORT_TIMEOUT);
    threads::run_until("stderr", deadline, move || to_stderr(&text));
}
