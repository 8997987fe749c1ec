#!/usr/bin/env bash
# SQLite 3.53.2 (rusqlite 0.40.2, bundled): a busy timeout does not help a connection that has a
# read open.
#
# With a timeout of 5 seconds one expects a write to wait for another connection's lock that long.
# It fails at once in two cases:
# - A transaction that began with a read writes while another connection holds the write lock, or
#   after it has written (SQLITE_BUSY_SNAPSHOT): waiting would not make the read any newer.
# - A SELECT of which not all rows were read keeps such a read open outside of a transaction. Then
#   even BEGIN IMMEDIATE fails at once, on the connection that has it.
# Begin what writes with BEGIN IMMEDIATE, and finish or drop each statement before.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
rusqlite = { version = "=0.40.2", features = ["bundled"] }
TOML
cat > src/main.rs <<'RUST'
use rusqlite::{ffi, Connection, Error};
use std::time::{Duration, Instant};

fn open() -> Connection {
    let conn = Connection::open("a.db").unwrap();
    conn.busy_timeout(Duration::from_secs(5)).unwrap();
    conn
}

/// The extended code with which `sql` fails, and after how long.
fn failure(conn: &Connection, sql: &str) -> (i32, Duration) {
    let begin = Instant::now();
    match conn.execute_batch(sql) {
        Err(Error::SqliteFailure(failure, _)) => (failure.extended_code, begin.elapsed()),
        other => panic!("{sql}: {other:?}"),
    }
}

fn main() {
    println!("SQLite {}", rusqlite::version());
    let (one, other) = (open(), open());
    one.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(x); INSERT INTO t VALUES(1), (2)")
        .unwrap();

    one.execute_batch("BEGIN; SELECT * FROM t").unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (code, waited) = failure(&one, "INSERT INTO t VALUES(3)");
    println!("a write after a read, while another holds the lock: code {code} after {waited:?}");
    assert_eq!(code, ffi::SQLITE_BUSY);
    assert!(waited < Duration::from_secs(1), "it waited");

    other.execute_batch("INSERT INTO t VALUES(4); COMMIT").unwrap();
    let (code, waited) = failure(&one, "INSERT INTO t VALUES(3)");
    println!("a write after a read, after another has written: code {code} after {waited:?}");
    assert_eq!(code, ffi::SQLITE_BUSY_SNAPSHOT);
    assert!(waited < Duration::from_secs(1), "it waited");
    one.execute_batch("ROLLBACK").unwrap();

    let mut select = one.prepare("SELECT x FROM t").unwrap();
    let mut rows = select.query([]).unwrap();
    rows.next().unwrap();
    other.execute_batch("INSERT INTO t VALUES(5)").unwrap();
    let (code, waited) = failure(&one, "BEGIN IMMEDIATE");
    println!("BEGIN IMMEDIATE beside a SELECT that is half read: code {code} after {waited:?}");
    assert_eq!(code, ffi::SQLITE_BUSY_SNAPSHOT);
    assert!(waited < Duration::from_secs(1), "it waited");
    drop(rows);
    one.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES(6); COMMIT").unwrap();
}
RUST
cargo run --quiet
