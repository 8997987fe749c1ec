#!/usr/bin/env bash
# SQLite 3.53.2 (rusqlite 0.40.2, bundled): switching a new file to a write-ahead log fails at once
# if another connection does so at the same time, whatever the busy timeout.
#
# Every program that is started twice at once on a new database meets it: with a timeout of 5
# seconds one expects `PRAGMA journal_mode = WAL` to wait for the other one. It returns SQLITE_BUSY
# after less than a tenth of a second instead. Repeat it until it succeeds; where the file has a
# write-ahead log already, it changes nothing.
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
use rusqlite::{Connection, ErrorCode};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: usize = 200;

fn main() {
    println!("SQLite {}", rusqlite::version());
    let mut failed = 0;
    let mut longest = Duration::ZERO;
    for round in 0..ROUNDS {
        let path = format!("{round}.db");
        let barrier = Barrier::new(4);
        let results: Vec<_> = thread::scope(|scope| {
            let switch = || {
                let conn = Connection::open(&path).unwrap();
                conn.busy_timeout(Duration::from_secs(5)).unwrap();
                barrier.wait();
                let begin = Instant::now();
                let mode: rusqlite::Result<String> =
                    conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
                (mode, begin.elapsed())
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(switch)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (mode, waited) in results {
            match mode {
                Ok(mode) => assert_eq!(mode, "wal"),
                Err(error) => {
                    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
                    failed += 1;
                    longest = longest.max(waited);
                }
            }
        }
    }
    println!("of {} switches {failed} were busy, after {longest:?} at most", 4 * ROUNDS);
    assert!(failed > 0, "SQLite waits now");
    assert!(longest < Duration::from_secs(4), "SQLite waits now");
}
RUST
cargo run --quiet
