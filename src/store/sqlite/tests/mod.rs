//! What can only be seen from inside: groups of commands, and the plans of statements.

mod groups;
mod plans;

use super::database::Database;
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// A folder in memory where there is one: an fsync costs nothing there.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

/// A new database with its tables.
fn database() -> (TempDir, Database, Connection) {
    database_with(Duration::from_secs(5))
}

fn database_with(busy_timeout: Duration) -> (TempDir, Database, Connection) {
    let folder = folder();
    let path = folder.path().join("jobs.db");
    let (database, conn) = Database::open(&path, busy_timeout).unwrap();
    (folder, database, conn)
}
