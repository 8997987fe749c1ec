#!/usr/bin/env bash
# effectum 0.7.0: its database does not have a write-ahead log.
#
# The source asks for one, `pragma_update(None, "journal", "wal")`, and one expects readers beside
# the writer, and two syncs at most for a commit. But the pragma is called `journal_mode`, SQLite
# ignores a pragma that it does not know, and so the database keeps its rollback journal.
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
effectum = "=0.7.0"
tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
TOML
cat > src/main.rs <<'RUST'
use effectum::{Job, Queue};
use std::{fs, path::Path, time::Duration};

#[tokio::main]
async fn main() {
    let file = Path::new("jobs.db");
    let queue = Queue::new(file).await.unwrap();
    Job::builder("noop").add_to(&queue).await.unwrap();
    // The version that is needed to read the file: 2 with a write-ahead log, otherwise 1.
    let version = fs::read(file).unwrap()[19];
    let log = Path::new("jobs.db-wal").exists();
    println!("version of the format: {version}; has jobs.db-wal: {log}");
    assert_eq!((version, log), (1, false), "effectum has changed");
    queue.close(Duration::from_secs(1)).await.unwrap();
}
RUST
cargo run --quiet
