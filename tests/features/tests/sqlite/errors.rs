//! What keeps a store from its work, and what it then says.

use super::{claim, completed, folder, job, register, store};
use groundcrew::store::sqlite::rusqlite::{Connection, OpenFlags, TransactionBehavior};
use groundcrew::store::sqlite::{Durability, SqliteStore};
use groundcrew::store::{JobSpec, JobState, Store, StoreError, Transaction};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(40);

#[test]
fn a_timeout_without_end_is_one() {
    let place = folder();
    let builder = SqliteStore::builder(place.path().join("jobs.db"));
    let store = builder.busy_timeout(Duration::MAX).open().unwrap();
    assert!(store.enqueue(vec![job()]).unwrap()[0].is_new);
}

#[test]
fn an_open_write_transaction_of_the_program_is_busy_after_the_timeout_and_named() {
    let (_folder, path, store) = store();
    drop(store);
    let store = SqliteStore::builder(&path)
        .busy_timeout(SHORT)
        .open()
        .unwrap();
    store.enqueue(vec![job(), job()]).unwrap();
    let worker = register(&store);
    let running = claim(&store, worker, 1).unwrap();

    let program = Connection::open(&path).unwrap();
    program.execute_batch("BEGIN IMMEDIATE").unwrap();
    let busy = StoreError::Busy { waited: SHORT };
    let error = store.enqueue(vec![job()]).unwrap_err();
    assert_eq!(error, busy);
    let said = error.to_string();
    assert!(
        said.contains("write transaction of another connection"),
        "{said}"
    );
    assert_eq!(claim(&store, worker, 1), Err(busy.clone()));
    assert_eq!(store.finish(&completed(&running)), Err(busy));
    // Reads go on.
    let info = store.get(running.jobs[0].id).unwrap().unwrap().info;
    assert_eq!(info.state, JobState::Running);

    program.execute_batch("COMMIT").unwrap();
    store.finish(&completed(&running)).unwrap();
    assert_eq!(claim(&store, worker, 9).unwrap().jobs.len(), 1);
}

#[test]
fn a_full_disk_is_an_error_until_there_is_space_again() {
    let folder = folder();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let Some(_mounted) = Mounted::new(&disk, "size=13m") else {
        eprintln!("SKIPPED: a file system cannot be mounted here");
        return;
    };
    let store = SqliteStore::open(disk.join("jobs.db")).unwrap();
    let large = || JobSpec::new("count", vec![b' '; 1 << 20]);
    let mut stored = 0;
    let error = loop {
        match store.enqueue(vec![large()]) {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 20, "the disk is not full");
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(error.is_temporary());
    let total = |store: &SqliteStore| store.counts().unwrap()[0].states.total();
    assert_eq!(total(&store), stored);

    let options = "remount,size=64m";
    let grown = Command::new("mount")
        .args(["-o", options])
        .arg(&disk)
        .status();
    assert!(grown.unwrap().success());
    store.enqueue(vec![large()]).unwrap();
    assert_eq!(total(&store), stored + 1);
    drop(store);
}

/// A file system in memory.
struct Mounted<'a>(&'a Path);

impl Mounted<'_> {
    fn new<'a>(at: &'a Path, options: &str) -> Option<Mounted<'a>> {
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(at)
            .output();
        mount.ok()?.status.success().then_some(Mounted(at))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[test]
fn a_file_that_cannot_be_written_is_read_only() {
    let (_folder, path, store) = store();
    drop(store);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let mut program = Connection::open_with_flags(&path, flags).unwrap();
    let tx = program.transaction().unwrap();
    let error = tx.enqueue(&job()).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    assert!(error.is_temporary());
}

#[test]
fn another_file_is_no_database_and_is_left_alone() {
    let folder = folder();
    let path = folder.path().join("letter.txt");
    let text = "Dear reader, this is not a database. ".repeat(40);
    for content in ["short", &text] {
        fs::write(&path, content).unwrap();
        let error = SqliteStore::open(&path).unwrap_err();
        assert_eq!(error, StoreError::NotADatabase { path: path.clone() });
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
}

#[test]
fn overwritten_pages_are_corruption() {
    let (folder, path, store) = store();
    for _ in 0..10 {
        store.enqueue(vec![job(); 100]).unwrap();
    }
    drop(store);
    let mut content = fs::read(&path).unwrap();
    content[4096..].fill(0xa5);
    let copy = folder.path().join("copy.db");
    fs::write(&copy, content).unwrap();
    let error = SqliteStore::open(&copy).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert!(!error.is_temporary());
}

#[test]
fn tables_of_a_newer_version_are_refused_and_left_alone() {
    let (_folder, path, store) = store();
    drop(store);
    let program = Connection::open(&path).unwrap();
    program
        .execute("UPDATE groundcrew_meta SET version = 99", [])
        .unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert_eq!(
        error,
        StoreError::NewerSchema {
            found: 99,
            known: 1
        }
    );
    let sql = "SELECT version FROM groundcrew_meta";
    let version: i64 = program.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[test]
fn a_path_that_names_no_file_is_refused() {
    let folder = folder();
    for path in [Path::new(":memory:"), Path::new(""), Path::new("/")] {
        let error = SqliteStore::open(path).unwrap_err();
        assert!(matches!(error, StoreError::Unsupported { .. }), "{error:?}");
    }
    for path in [
        folder.path().join("no-folder/jobs.db"),
        folder.path().to_owned(),
    ] {
        let error = SqliteStore::open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }
}

#[test]
fn nothing_is_written_to_a_file_that_was_moved_away() {
    let (folder, path, store) = store();
    let kept = store.enqueue(vec![job()]).unwrap()[0].id;
    let moved = folder.path().join("moved.db");
    fs::rename(&path, &moved).unwrap();
    for _ in 0..2 {
        for error in [
            store.enqueue(vec![job()]).unwrap_err(),
            store.get(kept).unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
            assert!(error.to_string().contains("moved"), "{error}");
        }
        // Nor to another file in its place.
        fs::write(&path, "").unwrap();
    }
    fs::rename(&moved, &path).unwrap();
    store.enqueue(vec![job()]).unwrap();
    assert!(store.get(kept).unwrap().is_some());
    assert_eq!(store.counts().unwrap()[0].states.total(), 2);
}

#[test]
fn a_transaction_on_another_database_or_on_an_old_state_says_so() {
    let (folder, path, store) = store();
    let mut other = Connection::open(folder.path().join("other.db")).unwrap();
    let tx = other.transaction().unwrap();
    let error = tx.enqueue(&job()).unwrap_err();
    assert!(matches!(error, StoreError::Unsupported { .. }), "{error:?}");

    let mut program = Connection::open(&path).unwrap();
    let tx = program
        .transaction_with_behavior(TransactionBehavior::Deferred)
        .unwrap();
    let count = "SELECT count(*) FROM groundcrew_job";
    let seen: i64 = tx.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(seen, 0);
    store.enqueue(vec![job()]).unwrap();
    let error = tx.enqueue(&job()).unwrap_err();
    assert!(error.to_string().contains("BEGIN IMMEDIATE"), "{error}");
    drop(tx);

    let busy = Connection::open(&path).unwrap();
    busy.execute_batch("BEGIN IMMEDIATE").unwrap();
    program.busy_timeout(SHORT).unwrap();
    let tx = program.transaction().unwrap();
    assert_eq!(tx.enqueue(&job()), Err(StoreError::Busy { waited: SHORT }));
}

#[test]
fn a_store_that_does_not_sync_keeps_what_it_took_when_it_is_opened_again() {
    let folder = folder();
    let path = folder.path().join("jobs.db");
    let open = || {
        SqliteStore::builder(&path)
            .durability(Durability::Normal)
            .open()
            .unwrap()
    };
    let id = open().enqueue(vec![job()]).unwrap()[0].id;
    assert!(open().get(id).unwrap().is_some());
}
