//! Processes that are killed at a certain write, and the order of writes. By `strace`.
#![cfg(target_os = "linux")]

use super::processes::{Player, play};
use super::{folder, job, store, with_client_id};
use groundcrew::store::Store;
use groundcrew::store::sqlite::SqliteStore;
use groundcrew::store::sqlite::rusqlite::Connection;
use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::{env, fs};

/// The calls that write to the file, its log and its index.
const WRITES: &str = "pwrite64,fsync,fdatasync,ftruncate,fallocate";

/// The tracer is a child of what it traces, so that the end of that is seen as it is.
fn strace(arguments: &[&str]) -> Command {
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq"]).args(arguments);
    command
}

fn has_strace() -> bool {
    let inject = ["-o", "/dev/null", "-e", "inject=write:signal=KILL", "echo"];
    let killed = strace(&inject).stdin(Stdio::null()).output();
    let is_there = killed.is_ok_and(|output| is_killed(output.status));
    if !is_there {
        eprintln!("SKIPPED: strace cannot be used here, so no write is the last");
    }
    is_there
}

fn is_killed(status: ExitStatus) -> bool {
    status.signal() == Some(9)
}

/// Opens the store in a process that is killed at this write of one of its threads; `true`: it was.
fn open_and_die(path: &Path, write: u32) -> bool {
    let inject = format!("inject={WRITES}:signal=KILL:when={write}");
    let mut strace = strace(&["-o", "/dev/null", "-e", &inject]);
    strace.arg(env::current_exe().unwrap());
    let output = play(strace, "make", path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() || is_killed(output.status),
        "{text}"
    );
    !output.status.success()
}

/// The first writes one by one, later ones with larger and larger steps.
fn next(write: u32) -> u32 {
    write + 1 + write / 6
}

fn expect_sound(path: &Path) {
    let conn = Connection::open(path).unwrap();
    let sound = conn.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
    assert_eq!(sound.unwrap(), "ok");
}

#[test]
fn whatever_write_is_the_last_of_a_process_that_makes_the_tables_the_next_one_makes_them() {
    if !has_strace() {
        return;
    }
    let (mut write, mut kills) = (1, 0);
    loop {
        let folder = folder();
        let path = folder.path().join("jobs.db");
        let was_killed = open_and_die(&path, write);
        let store = SqliteStore::open(&path).unwrap();
        assert!(store.enqueue(vec![job()]).unwrap()[0].is_new);
        assert_eq!(
            store.counts().unwrap()[0].states.total(),
            1,
            "write {write}"
        );
        drop(store);
        expect_sound(&path);
        if !was_killed {
            break;
        }
        (write, kills) = (next(write), kills + 1);
    }
    assert!(kills > 5, "{kills}");
}

#[test]
fn whatever_write_is_the_last_of_a_process_that_recovers_the_log_nothing_acknowledged_is_lost() {
    if !has_strace() {
        return;
    }
    let (_folder, path, store) = store();
    drop(store);
    let mut acknowledged = HashMap::new();
    let (mut write, mut kills) = (1, 0);
    loop {
        let mut player = Player::new("enqueue", &path);
        for _ in 0..20 {
            player.next("ack ").unwrap();
        }
        player.kill();
        while let Some(line) = player.next("ack ") {
            let (client_id, number) = line.split_once(' ').unwrap();
            acknowledged.insert(client_id.to_owned(), number.parse::<i64>().unwrap());
        }
        // No process has the file open: the next one recovers what the log has.
        if !open_and_die(&path, write) {
            break;
        }
        (write, kills) = (next(write), kills + 1);
    }
    assert!(kills > 3, "{kills}");
    let store = SqliteStore::open(&path).unwrap();
    for (client_id, number) in &acknowledged {
        let again = store.enqueue(vec![with_client_id(client_id)]).unwrap()[0];
        assert_eq!(
            (again.id.get(), again.is_new),
            (*number, false),
            "{client_id}"
        );
    }
    drop(store);
    expect_sound(&path);
}

#[test]
fn an_acknowledgement_comes_after_the_sync_of_what_it_acknowledges() {
    if !has_strace() {
        return;
    }
    let folder = folder();
    let path = folder.path().join("jobs.db");
    let trace = folder.path().join("trace");
    let calls = "trace=pwrite64,fsync,fdatasync,write";
    let mut strace = strace(&["-y", "-e", calls, "-o", trace.to_str().unwrap()]);
    strace.arg(env::current_exe().unwrap());
    let output = play(strace, "acknowledge", &path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.matches("ack").count(), 20);
    let read = || fs::read_to_string(&trace).unwrap_or_default();
    // The tracer may end after what it traces.
    while read().matches("\"ack\\n\"").count() < 20 {
        std::thread::yield_now();
    }
    let (mut is_written, mut is_synced) = (false, false);
    for line in read().lines() {
        if line.contains("pwrite64(") && line.contains("-wal>") {
            (is_written, is_synced) = (true, false);
        } else if line.contains("sync") && line.trim_end().ends_with("= 0") {
            is_synced = true;
        } else if line.contains("\"ack\\n\"") {
            assert!(is_written && is_synced, "not synced: {}", read());
            (is_written, is_synced) = (false, false);
        }
    }
}
