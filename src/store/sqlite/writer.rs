//! The one thread that writes, and the commits that callers share.

use super::checkpoint::Checkpointer;
use super::command::{Command, Ran, command};
use super::database::Database;
use super::durability::Durability;
use super::errors::{Failure, ends_transaction, is_undone};
use super::lanes::Lanes;
use super::queue::{Group, Order, Queue, Room};
use super::tx::Tx;
use crate::clock::Clock;
use crate::store::StoreError;
use crate::store::changes::Changes;
use crate::sync::Arc;
use crate::sync::channel::{self, Sender};
use crate::threads::{self, Thread};
use rusqlite::Connection;
use std::mem;

/// Commands for the writer, and its thread.
pub(super) struct Writer {
    /// `None` when the store is dropped.
    commands: Option<Sender<Order>>,
    thread: Option<Thread>,
}

impl Writer {
    pub(super) fn start(
        database: Database,
        conn: Connection,
        clock: Clock,
        changes: Arc<Changes>,
        checkpointer: Checkpointer,
    ) -> Result<Writer, StoreError> {
        Checkpointer::watch(&conn);
        let (sender, receiver) = channel::unbounded();
        let group_writer = GroupWriter {
            database,
            conn: Some(conn),
            synchronous: Durability::Full,
            lanes: Lanes::default(),
            clock,
            changes,
            checkpointer,
            queue: Queue::new(receiver),
            until_growth: COMMITS_BEFORE_GROWTH,
        };
        let body = move || group_writer.work();
        let stack_size = threads::default_stack_size();
        let thread = threads::spawn_one("writer", &"store-writer", stack_size, body);
        let thread = thread.map_err(|error| StoreError::Unavailable {
            detail: error.to_string(),
        })?;
        Ok(Writer {
            commands: Some(sender),
            thread: Some(thread),
        })
    }

    /// Has `body` run in a transaction, and blocks until that has committed.
    pub(super) fn call<T: Send + 'static>(
        &self,
        durability: Durability,
        weight: usize,
        body: impl FnMut(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (command, answer) = command(weight, body);
        let order = Order {
            command,
            durability,
        };
        let detail = || "the store's writer has ended".to_owned();
        let sent = self.commands.as_ref().map(|commands| commands.send(order));
        if !matches!(sent, Some(Ok(()))) {
            return Err(StoreError::Unavailable { detail: detail() });
        }
        // It may have ended between a commit and its answers.
        answer
            .recv()
            .unwrap_or_else(|_| Err(StoreError::OutcomeUnknown { detail: detail() }))
    }

    /// How many commands the thread has not taken yet.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.commands.as_ref().map_or(0, Sender::len)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            thread.join();
        }
    }
}

/// The thread's side.
///
/// # Invariants
///
/// 1. A command is answered once, after the transaction in which it last ran has committed, or with
///    an error that would have been its own if it had been alone.
/// 2. A command that fails is undone by itself, by the savepoint before it. If the error has ended
///    the transaction, all others run again, in a new one, without it.
/// 3. If a commit fails and is certainly undone, each command of the group runs again, alone.
/// 4. No command runs again after a commit that may have happened.
/// 5. A group has commands of one durability: those that need no fsync do not wait for one, except
///    for one that is under way.
/// 6. No command waits for a lock longer than the busy timeout: after it has passed, all that are
///    there are answered.
struct GroupWriter {
    database: Database,
    /// `None` after an error that leaves the connection in doubt, until it is opened again.
    conn: Option<Connection>,
    /// That of `conn`.
    synchronous: Durability,
    lanes: Lanes,
    clock: Clock,
    changes: Arc<Changes>,
    checkpointer: Checkpointer,
    queue: Queue,
    /// How many commits there are until the log is grown; 0: it was.
    until_growth: u32,
}

/// A program that enqueues a job and ends, or looks at some, does not grow the log.
const COMMITS_BEFORE_GROWTH: u32 = 32;

/// How the try to commit a group ended.
enum End {
    Committed,
    /// This one's error has ended the transaction.
    Culprit(usize, rusqlite::Error),
    /// It did not begin.
    NotBegun(StoreError),
    CommitFailed(rusqlite::Error),
}

impl GroupWriter {
    fn work(mut self) {
        while self.queue.wait() {
            for durability in [Durability::Normal, Durability::Full] {
                let mut room = Room::new();
                let group = self.queue.take(durability, &mut room);
                if !group.is_empty() {
                    self.commit(group, durability, room);
                }
            }
        }
    }

    fn commit(&mut self, mut group: Group, durability: Durability, mut room: Room) {
        while !group.is_empty() {
            match self.try_commit(&mut group, durability, &mut room) {
                End::Committed => {
                    answer_all(group, Ok(()));
                    return self.keep_log();
                }
                End::NotBegun(error) => {
                    // Invariant 6.
                    if let StoreError::Busy { .. } = error {
                        group.extend(self.queue.take_all());
                    }
                    return answer_all(group, Err(error));
                }
                End::Culprit(index, error) => {
                    self.roll_back();
                    let culprit = group.remove(index);
                    culprit.answer(Err(self.database.describe(&error)));
                    self.reconsider(&error);
                }
                End::CommitFailed(error) if is_undone(&error) && group.len() > 1 => {
                    self.roll_back();
                    for command in mem::take(&mut group) {
                        self.commit(vec![command], durability, Room::none());
                    }
                }
                End::CommitFailed(error) => {
                    self.roll_back();
                    self.reconsider(&error);
                    let described = self.database.describe(&error);
                    let end = match is_undone(&error) {
                        true => described,
                        false => StoreError::OutcomeUnknown {
                            detail: error.to_string(),
                        },
                    };
                    return answer_all(group, Err(end));
                }
            }
        }
    }

    /// Runs the group in one transaction. What has come meanwhile joins it, as long as there is room.
    fn try_commit(&mut self, group: &mut Group, durability: Durability, room: &mut Room) -> End {
        if let Err(error) = self.begin(durability) {
            self.lanes.forget();
            return End::NotBegun(error);
        }
        let Some(conn) = &self.conn else {
            unreachable!("`begin` has opened it");
        };
        let mut has_news = false;
        let mut index = 0;
        while index < group.len() {
            match run(&mut *group[index], conn, &mut self.lanes, &self.clock) {
                Ok(news) => {
                    has_news |= news;
                    index += 1;
                }
                Err(error) => {
                    self.lanes.forget();
                    if ends_transaction(&error, conn) || undo(conn).is_err() {
                        return End::Culprit(index, error);
                    }
                    let culprit = group.remove(index);
                    culprit.answer(Err(self.database.describe(&error)));
                }
            }
            if index == group.len() {
                group.extend(self.queue.take(durability, room));
            }
        }
        let committed = conn
            .prepare_cached("COMMIT")
            .and_then(|mut commit| commit.execute([]));
        if let Err(error) = committed {
            return End::CommitFailed(error);
        }
        if has_news {
            self.changes.change();
        }
        End::Committed
    }

    /// After a commit. The log is grown when it turns out that the store is used for long.
    fn keep_log(&mut self) {
        let Some(conn) = &self.conn else {
            return;
        };
        self.checkpointer.committed(conn);
        if self.until_growth == 0 {
            return;
        }
        self.until_growth -= 1;
        if self.until_growth == 0 && self.database.grow_log(conn).is_err() {
            // It is only for speed.
            self.until_growth = COMMITS_BEFORE_GROWTH;
            self.roll_back();
        }
    }

    fn begin(&mut self, durability: Durability) -> Result<(), StoreError> {
        self.database.check_place()?;
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => {
                let conn = self.database.connect()?;
                Checkpointer::watch(&conn);
                self.synchronous = Durability::Normal;
                conn
            }
        };
        let conn = self.conn.insert(conn);
        let mut begin = || {
            if self.synchronous != durability {
                let mode = match durability {
                    Durability::Full => "FULL",
                    Durability::Normal => "NORMAL",
                };
                conn.pragma_update(None, "synchronous", mode)?;
                self.synchronous = durability;
            }
            conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])
        };
        let begun = begin();
        begun.map_err(|error| {
            let described = self.database.describe(&error);
            self.reconsider(&error);
            described
        })?;
        Ok(())
    }

    /// Ends a transaction that an error has not ended.
    fn roll_back(&mut self) {
        self.lanes.forget();
        let conn = self.conn.take();
        // A connection that cannot even do that is opened again.
        self.conn =
            conn.filter(|conn| conn.is_autocommit() || conn.execute_batch("ROLLBACK").is_ok());
    }

    /// After an error of the file the connection is opened again.
    fn reconsider(&mut self, error: &rusqlite::Error) {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseCorrupt, FileLockingProtocolFailed, NotADatabase, SystemIoFailure,
        };
        let code = error.sqlite_error_code();
        if matches!(
            code,
            Some(
                CannotOpen
                    | DatabaseCorrupt
                    | FileLockingProtocolFailed
                    | NotADatabase
                    | SystemIoFailure
            )
        ) {
            self.conn = None;
            self.lanes.forget();
        }
    }
}

/// Runs one command within a savepoint. Returns whether it has news; an error is its own, and the
/// transaction may be gone.
fn run(
    command: &mut dyn Command,
    conn: &Connection,
    lanes: &mut Lanes,
    clock: &Clock,
) -> rusqlite::Result<bool> {
    conn.prepare_cached("SAVEPOINT command")?.execute([])?;
    let mut tx = Tx::new(conn, lanes, clock);
    let ran = command.run(&mut tx)?;
    tx.settle()?;
    let mut has_news = tx.has_news;
    tx.counts.write(conn)?;
    if let Ran::Refused = ran {
        lanes.forget();
        has_news = false;
        undo(conn)?;
    } else {
        conn.prepare_cached("RELEASE command")?.execute([])?;
    }
    Ok(has_news)
}

/// Undoes what one command has done.
fn undo(conn: &Connection) -> rusqlite::Result<()> {
    conn.prepare_cached("ROLLBACK TO command")?.execute([])?;
    conn.prepare_cached("RELEASE command")?.execute([])?;
    Ok(())
}

fn answer_all(group: Group, end: Result<(), StoreError>) {
    for command in group {
        command.answer(end.clone());
    }
}
