//! What callers of one group hear, and what is left of it.

use super::{database, database_with};
use crate::clock::Clock;
use crate::store::changes::Changes;
use crate::store::sqlite::checkpoint::Checkpointer;
use crate::store::sqlite::database::Database;
use crate::store::sqlite::durability::Durability;
use crate::store::sqlite::errors::Failure;
use crate::store::sqlite::tx::Tx;
use crate::store::sqlite::writer::Writer;
use crate::store::{JobId, StoreError};
use crate::sync::Arc;
use crate::sync::channel::{self, Receiver, Sender};
use rusqlite::Connection;
use std::path::PathBuf;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;
use tempfile::TempDir;

/// A writer on a table `t(x UNIQUE)`.
struct Bench {
    writer: Writer,
    path: PathBuf,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(database())
    }

    fn with((folder, database, conn): (TempDir, Database, Connection)) -> Bench {
        conn.execute_batch("CREATE TABLE t(x UNIQUE)").unwrap();
        let path = database.path.clone();
        let checkpointer = Checkpointer::start(&database).unwrap();
        let changes = Arc::new(Changes::default());
        let writer = Writer::start(database, conn, Clock::default(), changes, checkpointer);
        Bench {
            writer: writer.unwrap(),
            path,
            _folder: folder,
        }
    }

    /// What is committed.
    fn rows(&self) -> Vec<String> {
        rows(&Connection::open(&self.path).unwrap())
    }

    /// Has the writer wait at the beginning of a group, so that what is sent meanwhile joins it.
    /// What the sender of the group is sent ends it.
    fn hold<'s, 'e>(
        &'e self,
        scope: &'s Scope<'s, 'e>,
        durability: Durability,
    ) -> (Sender<()>, ScopedJoinHandle<'s, Result<(), StoreError>>) {
        let (go_on, wait) = channel::bounded::<()>(0);
        let (arrive, arrived) = channel::bounded::<()>(1);
        let holder = scope.spawn(move || {
            self.writer.call(durability, 0, move |_| {
                // Runs again after a culprit: then the gate is open.
                let _ = arrive.try_send(());
                let _ = wait.recv();
                Ok(())
            })
        });
        arrived.recv().unwrap();
        (go_on, holder)
    }

    /// Sends a command, and waits until it is with the writer.
    fn send<'s, 'e, T: Send + 'static>(
        &'e self,
        scope: &'s Scope<'s, 'e>,
        durability: Durability,
        body: impl FnMut(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> ScopedJoinHandle<'s, Result<T, StoreError>> {
        let before = self.writer.waiting();
        let call = scope.spawn(move || self.writer.call(durability, 0, body));
        while self.writer.waiting() == before {
            thread::yield_now();
        }
        call
    }
}

fn rows(conn: &Connection) -> Vec<String> {
    let mut statement = conn.prepare("SELECT x FROM t ORDER BY rowid").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn insert(value: &'static str) -> impl FnMut(&mut Tx<'_>) -> Result<(), Failure> + Send {
    move |tx| {
        tx.execute("INSERT INTO t VALUES(?1)", [value])?;
        Ok(())
    }
}

const FULL: Durability = Durability::Full;

#[test]
fn commands_that_come_while_a_group_runs_join_its_commit() {
    let bench = Bench::new();
    let (sender, receiver): (_, Receiver<Vec<String>>) = channel::unbounded();
    let beside = bench.path.clone();
    thread::scope(|scope| {
        let (go_on, holder) = bench.hold(scope, FULL);
        let first = bench.send(scope, FULL, insert("a"));
        let second = bench.send(scope, FULL, move |tx| {
            let committed = rows(&Connection::open(&beside).unwrap());
            sender.send(committed).unwrap();
            sender.send(rows(tx.conn)).unwrap();
            Ok(())
        });
        drop(go_on);
        holder.join().unwrap().unwrap();
        first.join().unwrap().unwrap();
        second.join().unwrap().unwrap();
    });
    assert_eq!(receiver.recv().unwrap(), Vec::<String>::new());
    assert_eq!(receiver.recv().unwrap(), ["a"]);
    assert_eq!(bench.rows(), ["a"]);
}

#[test]
fn what_fails_or_is_refused_in_a_group_is_undone_alone() {
    let bench = Bench::new();
    thread::scope(|scope| {
        let (go_on, holder) = bench.hold(scope, FULL);
        let first = bench.send(scope, FULL, insert("a"));
        let failed = bench.send(scope, FULL, |tx| {
            tx.execute("INSERT INTO t VALUES('undone')", [])?;
            tx.execute("INSERT INTO t VALUES('a')", [])?;
            Ok(())
        });
        let refused = bench.send(scope, FULL, |tx| {
            tx.execute("INSERT INTO t VALUES('refused')", [])?;
            let id = JobId::new(7);
            Err::<(), _>(Failure::Refused(StoreError::NotFound { id }))
        });
        let last = bench.send(scope, FULL, insert("b"));
        drop(go_on);
        holder.join().unwrap().unwrap();
        first.join().unwrap().unwrap();
        let error = failed.join().unwrap().unwrap_err();
        assert!(error.to_string().contains("UNIQUE"), "{error}");
        let id = JobId::new(7);
        assert_eq!(refused.join().unwrap(), Err(StoreError::NotFound { id }));
        last.join().unwrap().unwrap();
    });
    assert_eq!(bench.rows(), ["a", "b"]);
}

#[test]
fn if_a_command_ends_the_transaction_the_others_run_again_without_it() {
    let bench = Bench::new();
    let blob = "INSERT INTO t VALUES(zeroblob(4000000))";
    thread::scope(|scope| {
        let (go_on, holder) = bench.hold(scope, FULL);
        let first = bench.send(scope, FULL, insert("a"));
        let culprit = bench.send(scope, FULL, move |tx| {
            // Where it stands already, it cannot be smaller than the file.
            let limit = "PRAGMA max_page_count = 1";
            tx.conn.query_row(limit, [], |_| Ok(()))?;
            // Pages that find no place in the cache have to go to the file at once.
            tx.conn.pragma_update(None, "cache_size", 10)?;
            tx.execute(blob, [])?;
            Ok(())
        });
        let last = bench.send(scope, FULL, insert("b"));
        drop(go_on);
        holder.join().unwrap().unwrap();
        first.join().unwrap().unwrap();
        let error = culprit.join().unwrap().unwrap_err();
        assert!(matches!(error, StoreError::Full { .. }), "{error}");
        last.join().unwrap().unwrap();
    });
    assert_eq!(bench.rows(), ["a", "b"]);
}

#[test]
fn if_a_group_cannot_commit_each_of_its_commands_runs_again_alone() {
    let bench = Bench::new();
    bench
        .writer
        .call(FULL, 0, |tx| {
            let sql = "CREATE TABLE child(x REFERENCES t(x) DEFERRABLE INITIALLY DEFERRED)";
            Ok(tx.conn.execute_batch(sql)?)
        })
        .unwrap();
    thread::scope(|scope| {
        let (go_on, holder) = bench.hold(scope, FULL);
        let first = bench.send(scope, FULL, insert("a"));
        let culprit = bench.send(scope, FULL, |tx| {
            tx.execute("INSERT INTO child VALUES('nothing')", [])?;
            Ok(())
        });
        let last = bench.send(scope, FULL, insert("b"));
        drop(go_on);
        holder.join().unwrap().unwrap();
        first.join().unwrap().unwrap();
        let error = culprit.join().unwrap().unwrap_err();
        assert!(error.to_string().contains("FOREIGN KEY"), "{error}");
        last.join().unwrap().unwrap();
    });
    assert_eq!(bench.rows(), ["a", "b"]);
}

#[test]
fn what_needs_no_fsync_does_not_wait_for_the_commit_of_what_does() {
    let bench = Bench::new();
    let beside = bench.path.clone();
    let (sender, receiver): (_, Receiver<Vec<String>>) = channel::unbounded();
    thread::scope(|scope| {
        let (go_on, holder) = bench.hold(scope, Durability::Normal);
        let full = bench.send(scope, FULL, move |_| {
            sender
                .send(rows(&Connection::open(&beside).unwrap()))
                .unwrap();
            Ok(())
        });
        let normal = bench.send(scope, Durability::Normal, insert("later"));
        drop(go_on);
        holder.join().unwrap().unwrap();
        full.join().unwrap().unwrap();
        normal.join().unwrap().unwrap();
    });
    assert_eq!(receiver.recv().unwrap(), ["later"]);
}

#[test]
fn a_group_ends_at_256_commands_or_1_mib() {
    let bench = Bench::new();
    let beside = bench.path.clone();
    let seen = |writer: &Writer, weight: usize, calls: usize| {
        let path = beside.clone();
        let counts: Vec<i64> = thread::scope(|scope| {
            let (go_on, holder) = bench.hold(scope, FULL);
            let calls: Vec<_> = (0..calls)
                .map(|_| {
                    let path = path.clone();
                    let before = writer.waiting();
                    let call = scope.spawn(move || {
                        writer.call(FULL, weight, move |tx| {
                            tx.execute("INSERT INTO t VALUES(NULL)", [])?;
                            let committed = Connection::open(&path)?;
                            let count = "SELECT count(*) FROM t";
                            Ok(committed.query_row(count, [], |row| row.get(0))?)
                        })
                    });
                    while writer.waiting() == before {
                        thread::yield_now();
                    }
                    call
                })
                .collect();
            drop(go_on);
            holder.join().unwrap().unwrap();
            calls
                .into_iter()
                .map(|call| call.join().unwrap().unwrap())
                .collect()
        });
        // How many commands saw the same committed rows: the size of each group.
        let mut groups: Vec<usize> = Vec::new();
        let mut last = None;
        for count in counts {
            match last == Some(count) {
                true => *groups.last_mut().unwrap() += 1,
                false => groups.push(1),
            }
            last = Some(count);
        }
        groups
    };
    // The first one is the one that holds the group.
    assert_eq!(seen(&bench.writer, 0, 300), [255, 45]);
    assert_eq!(seen(&bench.writer, 600 << 10, 5), [2, 2, 1]);
}

#[test]
fn all_that_wait_for_a_lock_hear_of_it_when_the_first_has_waited_long_enough() {
    let waited = Duration::from_millis(700);
    let bench = Bench::with(database_with(waited));
    let program = Connection::open(&bench.path).unwrap();
    program.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (sender, answers) = channel::unbounded();
    thread::scope(|scope| {
        for (durability, value) in [(Durability::Normal, "a"), (FULL, "b"), (FULL, "c")] {
            let (writer, sender) = (&bench.writer, sender.clone());
            scope.spawn(move || sender.send(writer.call(durability, 0, insert(value))));
        }
        let busy = Err(StoreError::Busy { waited });
        assert_eq!(answers.recv().unwrap(), busy);
        // What had waited for another turn could be done now.
        program.execute_batch("ROLLBACK").unwrap();
        assert_eq!(answers.recv().unwrap(), busy);
        assert_eq!(answers.recv().unwrap(), busy);
    });
    bench.writer.call(FULL, 0, insert("d")).unwrap();
    assert_eq!(bench.rows(), ["d"]);
}

#[test]
fn of_a_command_whose_writer_has_ended_the_outcome_is_unknown() {
    let bench = Bench::new();
    let call = |text: &'static str| {
        let body = move |tx: &mut Tx<'_>| {
            tx.execute("INSERT INTO t VALUES(?1)", [text])?;
            assert!(text != "the end", "a test ends the writer");
            Ok(())
        };
        bench.writer.call(FULL, 0, body)
    };
    call("a").unwrap();
    let unknown = call("the end");
    assert!(
        matches!(unknown, Err(StoreError::OutcomeUnknown { .. })),
        "{unknown:?}"
    );
    // What it has not taken when it ends is answered like what it has taken.
    let later = loop {
        match call("b") {
            Err(StoreError::OutcomeUnknown { .. }) => thread::yield_now(),
            later => break later,
        }
    };
    assert!(
        matches!(later, Err(StoreError::Unavailable { .. })),
        "{later:?}"
    );
    assert_eq!(bench.rows(), ["a"]);
}
