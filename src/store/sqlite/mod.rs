//! Jobs in an SQLite database (feature `sqlite`, on Unix).
//!
//! The database may be the program's own: a job is then enqueued in the transaction that writes
//! the program's rows ([`Transaction`](super::Transaction) is implemented for `&rusqlite::Transaction` and
//! `&rusqlite::Savepoint`).
//!
//! # Examples
//!
//! ```
//! use groundcrew::store::sqlite::{SqliteStore, rusqlite};
//! use groundcrew::store::{JobSpec, JobState, Store, Transaction};
//! use rusqlite::{Connection, TransactionBehavior};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("app.db");
//! let store = SqliteStore::open(&path)?;
//! let mut db = Connection::open(&path)?;
//! db.execute("CREATE TABLE orders(id INTEGER PRIMARY KEY, item TEXT)", [])?;
//!
//! // The order and its job, or neither.
//! let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
//! tx.execute("INSERT INTO orders VALUES(1, 'a lamp')", [])?;
//! let job = tx.enqueue(&JobSpec::new("send-invoice", r#"{"order":1}"#))?;
//! tx.commit()?;
//! store.wake(); // or a worker of this process notices it within 0.1 s
//!
//! let stored = store.get(job.id)?.expect("it was committed");
//! assert_eq!(stored.info.state, JobState::Available);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is beside the database
//!
//! | path | what |
//! | --- | --- |
//! | `app.db-wal`, `app.db-shm` | SQLite's write-ahead log, which the store switches to, and its index |
//! | `app.db-groundcrew/` | one locked file for each process that has registered |
//!
//! The database lies on a local disk: file systems that are shared over a network are refused. Its
//! files must not be opened by anything else than SQLite in a process that uses the store, and must
//! not be moved while it is open.
//!
//! # The other connections of the program
//!
//! SQLite has one writer at a time. An open write transaction of the program stops every enqueue, claim and
//! completion; after the busy timeout they fail with [`StoreError::Busy`](super::StoreError::Busy).
//! So do no slow work inside one, and begin one that writes as `IMMEDIATE`.
//!
//! # Leases
//!
//! A process that registers locks a file. The system releases the lock when the process ends, in
//! whichever way, and other processes notice that within 0.1 s. A process that forks without exec
//! keeps the lock until its child has ended too; one started by
//! [`Command`](std::process::Command) does not have it.

// From the bottom: `errors` and `file_system`; `database` opens connections, with the tables of
// `schema`. `values`, `lanes`, `counts`, `touched`, `tx` and `columns` are what the commands are
// written with; `followers` and `limits` do what follows from what they have touched. The commands:
// `enqueue`, `claim` with the `careful` one, `finish`, `operate`, `pause`, `maintain`, `recurring`,
// `lease`, with the locked files of
// `lock_file`. `command` is their form for the thread of `writer`, which takes groups of them from
// its `queue`, and has the log checkpointed by the thread of `checkpoint`. `reads` needs none but
// the connections of `readers`; `watch` waits. `store` is the handle, `builder` opens it.

mod builder;
mod careful;
mod checkpoint;
mod claim;
mod columns;
mod command;
mod counts;
mod database;
mod durability;
mod enqueue;
mod errors;
mod file_system;
mod finish;
mod followers;
mod lanes;
mod lease;
mod limits;
mod lock_file;
mod maintain;
mod operate;
mod pause;
mod queue;
mod readers;
mod reads;
mod recurring;
mod schema;
mod store;
#[cfg(test)]
mod tests;
mod touched;
mod transaction;
mod tx;
mod values;
mod watch;
mod writer;

pub use builder::SqliteStoreBuilder;
pub use durability::Durability;
pub use rusqlite;
pub use store::SqliteStore;
