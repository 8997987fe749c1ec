//! Checkpoints of the log, beside the commits.

use super::database::Database;
use crate::store::StoreError;
use crate::sync::channel::{self, Receiver, Sender};
use crate::sync::{Acquire, Arc, AtomicBool, Release};
use crate::threads::{self, Thread};
use rusqlite::Connection;
use rusqlite::hooks::Wal;
use std::cell::Cell;
use std::ffi::c_int;

/// Has the log checkpointed by a thread of its own, so that commits do not wait for most of that.
///
/// A checkpoint copies what the log had when it began. Under load there is always more by the time
/// it has ended, and the log begins again only after all of it is copied. So after the thread's
/// checkpoint the writer does a second one itself. It is short: most is copied.
pub(super) struct Checkpointer {
    requests: Option<Sender<()>>,
    /// Set by the thread, unset by the writer: a checkpoint has ended.
    has_ended: Arc<AtomicBool>,
    thread: Option<Thread>,
    /// The length of the log at which the next checkpoint is requested, in pages.
    next_at: u32,
}

/// Half of what the log is grown to.
const PAGES: u32 = 1000;

thread_local! {
    /// The length of the log after the last commit of this thread, in pages. A hook cannot capture.
    static LENGTH: Cell<u32> = const { Cell::new(0) };
}

fn note_length(_: &Wal, pages: c_int) -> rusqlite::Result<()> {
    LENGTH.set(u32::try_from(pages).unwrap_or_default());
    Ok(())
}

impl Checkpointer {
    pub(super) fn start(database: &Database) -> Result<Checkpointer, StoreError> {
        let conn = database.connect()?;
        let (requests, requested) = channel::bounded(1);
        let has_ended = Arc::new(AtomicBool::new(false));
        let ended = has_ended.clone();
        let body = move || work(&conn, &requested, &ended);
        let stack_size = threads::default_stack_size();
        let thread = threads::spawn_one("checkpointer", &"store-check", stack_size, body);
        let thread = thread.map_err(|error| StoreError::Unavailable {
            detail: error.to_string(),
        })?;
        Ok(Checkpointer {
            requests: Some(requests),
            has_ended,
            thread: Some(thread),
            next_at: PAGES,
        })
    }

    /// The writer's connection, before it is used.
    pub(super) fn watch(conn: &Connection) {
        conn.wal_hook(Some(note_length));
    }

    /// The writer's connection has committed.
    pub(super) fn committed(&mut self, conn: &Connection) {
        let length = LENGTH.get();
        if length < PAGES {
            self.next_at = PAGES; // the log has begun again
        } else if self.has_ended.swap(false, Acquire) {
            // What fails here is tried again after the next request.
            let _ = checkpoint(conn);
        } else if length >= self.next_at {
            self.next_at = length.saturating_add(PAGES);
            let _ = self.requests.as_ref().map(|requests| requests.try_send(()));
        }
    }
}

fn work(conn: &Connection, requested: &Receiver<()>, has_ended: &AtomicBool) {
    while requested.recv().is_ok() {
        let _ = checkpoint(conn);
        has_ended.store(true, Release);
    }
}

/// Copies what it can without waiting for anyone.
fn checkpoint(conn: &Connection) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?;
    statement.query_row([], |_| Ok(()))
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            thread.join();
        }
    }
}
