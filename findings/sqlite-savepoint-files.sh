#!/usr/bin/env bash
# SQLite 3.53.2 (rusqlite 0.40.2, bundled): what a savepoint needs to be rolled back is written to a
# temporary file, also where the journal is a write-ahead log.
#
# One expects a savepoint that is released to cost memory alone. But the pages that are changed
# within it are copied first, and beyond 64 KiB to a file in the folder for temporary files, with a
# system call for each page. Statements that change several rows or fire triggers do the same for
# themselves. Here a thousand inserts within one savepoint write several times as much as without
# it. `PRAGMA temp_store = MEMORY` keeps all of that in memory.
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
use rusqlite::Connection;

/// The bytes that this process has written so far.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.unwrap().parse().unwrap()
}

/// How much a transaction writes that changes 5000 rows on many pages.
fn cost(name: &str, options: &str, before: &str, after: &str) -> u64 {
    let conn = Connection::open(format!("{}.db", name.replace(' ', "-"))).unwrap();
    conn.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA cache_size = -64000; {options};
         CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
         INSERT INTO t SELECT i, hex(randomblob(20)) FROM n;
         PRAGMA wal_checkpoint(TRUNCATE)"
    ))
    .unwrap();
    let begin = written();
    conn.execute_batch(&format!("BEGIN IMMEDIATE; {before}")).unwrap();
    let mut update = conn.prepare("UPDATE t SET x = 'a' WHERE id = ?1").unwrap();
    for id in 1..=5000 {
        update.execute([id * 10]).unwrap();
    }
    conn.execute_batch(&format!("{after}; COMMIT")).unwrap();
    let cost = written() - begin;
    println!("{name}: {} KiB written", cost / 1024);
    cost
}

fn main() {
    println!("SQLite {}", rusqlite::version());
    let plain = cost("no savepoint", "", "", "");
    let savepoint = cost("savepoint", "", "SAVEPOINT a", "RELEASE a");
    let memory = "PRAGMA temp_store = MEMORY";
    let in_memory = cost("savepoint in memory", memory, "SAVEPOINT a", "RELEASE a");
    assert!(savepoint > plain + plain / 2, "SQLite has changed");
    assert!(in_memory < plain + plain / 10);
}
RUST
cargo run --quiet
