#!/usr/bin/env bash
# apalis-sqlite 1.0.0: `SqliteStorage::setup` turns syncing off for one connection of the pool.
#
# It runs `PRAGMA synchronous = OFF` and takes the pool, so one expects that to hold for the pool, or
# not at all. But the pragma is a setting of a connection: the one that ran it never syncs, others
# that the pool opens sync at each commit. So whether a task survives a power failure once `push`
# has returned depends on the connection that the pool had at hand, and so does its speed.
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
apalis-sqlite = "=1.0.0"
sqlx = { version = "=0.9.0", default-features = false, features = ["sqlite"] }
tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
TOML
cat > src/main.rs <<'RUST'
use apalis_sqlite::{SqliteConnectOptions, SqlitePool, SqliteStorage};
use sqlx::query_scalar;

#[tokio::main]
async fn main() {
    let options = SqliteConnectOptions::new().filename("jobs.db").create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    SqliteStorage::setup(&pool).await.unwrap();
    // All that the pool may have, at once, so none is asked twice.
    let (mut held, mut settings) = (Vec::new(), Vec::new());
    for _ in 0..pool.options().get_max_connections() {
        let mut conn = pool.acquire().await.unwrap();
        let setting: i64 = query_scalar("PRAGMA synchronous").fetch_one(&mut *conn).await.unwrap();
        settings.push(setting);
        held.push(conn);
    }
    println!("synchronous of each connection: {settings:?} (0 is OFF, 2 is FULL)");
    settings.sort();
    assert_eq!(settings[..2], [0, 2], "apalis-sqlite has changed");
}
RUST
cargo run --quiet
