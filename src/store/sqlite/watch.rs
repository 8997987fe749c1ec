//! The waits for a change.

use super::database::Database;
use crate::clock::Deadline;
use crate::store::changes::Changes;
use crate::store::{StoreError, Version};
use crate::sync::{Arc, Condvar, Mutex};
use crate::threads::{self, Thread};
use rusqlite::Connection;
use std::time::Duration;

/// While someone waits, one thread for all looks at the `data_version` of a connection of its own,
/// which changes with each commit of another one.
///
/// The thread knows the version as of a moment before the store was opened, or as of its last look:
/// a commit between a claim and the wait after it is found by the next look.
pub(super) struct Watcher {
    changes: Arc<Changes>,
    waiters: Arc<Waiters>,
    thread: Option<Thread>,
}

#[derive(Default)]
struct Waiters {
    state: Mutex<State>,
    /// `state` has changed.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: usize,
    is_over: bool,
}

/// Others are noticed within this.
const PERIOD: Duration = Duration::from_millis(90);

impl Watcher {
    pub(super) fn start(database: Database, changes: Arc<Changes>) -> Result<Watcher, StoreError> {
        let conn = database.connect_reader()?;
        let seen = data_version(&conn).map_err(|error| database.describe(&error))?;
        let waiters = Arc::new(Waiters::default());
        let look = Look {
            database,
            conn: Some(conn),
            seen,
        };
        let (of_thread, changes_of_thread) = (waiters.clone(), changes.clone());
        let body = move || of_thread.work(look, &changes_of_thread);
        let stack_size = threads::default_stack_size();
        let thread = threads::spawn_one("watcher", &"store-watch", stack_size, body);
        let thread = thread.map_err(|error| StoreError::Unavailable {
            detail: error.to_string(),
        })?;
        Ok(Watcher {
            changes,
            waiters,
            thread: Some(thread),
        })
    }

    pub(super) fn wait(&self, seen: Version, timeout: Duration) -> Version {
        let version = self.changes.version();
        if version != seen {
            return version;
        }
        let mut state = self.waiters.state.lock();
        state.waiting += 1;
        // Only then the thread sleeps until there is one.
        if state.waiting == 1 {
            self.waiters.changed.notify_all();
        }
        drop(state);
        let version = self.changes.wait(seen, timeout);
        self.waiters.state.lock().waiting -= 1;
        version
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.waiters.state.lock().is_over = true;
        self.waiters.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            thread.join();
        }
    }
}

impl Waiters {
    fn work(&self, mut look: Look, changes: &Changes) {
        loop {
            let mut state = self.state.lock();
            while state.waiting == 0 && !state.is_over {
                self.changed.wait(&mut state);
            }
            if state.is_over {
                return;
            }
            drop(state);
            if look.has_changed() {
                changes.change();
            }
            let mut state = self.state.lock();
            Deadline::after(PERIOD).wait_while(&self.changed, &mut state, |state| !state.is_over);
        }
    }
}

struct Look {
    database: Database,
    /// `None` after an error.
    conn: Option<Connection>,
    seen: i64,
}

impl Look {
    /// After an error nothing is known: everything counts as changed once it is over.
    fn has_changed(&mut self) -> bool {
        let is_new = self.conn.is_none();
        if is_new {
            self.conn = self.database.connect_reader().ok();
        }
        let Some(conn) = &self.conn else {
            return false;
        };
        match data_version(conn) {
            Ok(version) => {
                let before = std::mem::replace(&mut self.seen, version);
                is_new || version != before
            }
            Err(_) => {
                self.conn = None;
                false
            }
        }
    }
}

fn data_version(conn: &Connection) -> rusqlite::Result<i64> {
    let mut statement = conn.prepare_cached("PRAGMA data_version")?;
    statement.query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_of_another_process_is_looked_for_more_often_than_each_tenth_of_a_second() {
        assert!(PERIOD < Duration::from_millis(100));
    }
}
