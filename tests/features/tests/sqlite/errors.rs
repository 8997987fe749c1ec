//! What keeps a store from its work, and what it then says.

use super::{claim, completed, folder, job, register, store};
use groundcrew::store::sqlite::rusqlite::{Connection, OpenFlags, TransactionBehavior};
use groundcrew::store::sqlite::{Durability, SqliteStore};
use groundcrew::store::{
    Answer, Due, Finish, JobFilter, JobId, JobSpec, JobState, Outcome, ProcessInfo, Store,
    StoreError, Swept, Transaction,
};
use std::fs;
use std::io::Write;
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

#[test]
fn a_job_that_cannot_be_read_is_dead_and_says_why_and_does_not_stop_those_behind_it() {
    let (_folder, path, store) = store();
    let worker = register(&store);
    let ids: Vec<JobId> = store
        .enqueue(vec![job(); 5])
        .unwrap()
        .iter()
        .map(|job| job.id)
        .collect();
    let program = Connection::open(&path).unwrap();
    program
        .execute_batch(
            "DELETE FROM groundcrew_payload WHERE job = 1;
             UPDATE groundcrew_payload SET meta = '{\"a\":1}' WHERE job = 2;
             UPDATE groundcrew_payload SET meta = CAST(x'7bff7d' AS TEXT) WHERE job = 3",
        )
        .unwrap();
    // Alone in a claim: there is more.
    let first = claim(&store, worker, 1).unwrap();
    assert_eq!((first.jobs.len(), first.has_more), (0, true));
    let rest = claim(&store, worker, 100).unwrap();
    let claimed: Vec<JobId> = rest.jobs.iter().map(|job| job.id).collect();
    assert_eq!(claimed, ids[3..]);
    let reason = |id: JobId| store.get(id).unwrap().unwrap().info.reason.unwrap();
    let reasons = [0, 1, 2].map(|index| reason(ids[index]));
    assert_eq!(reasons[0], "the store cannot read it: it has no payload");
    for reason in &reasons[1..] {
        let why = "the store cannot read it: its meta data is no JSON object of texts: ";
        assert!(reason.starts_with(why), "{reason}");
    }
    let lane = &store.counts().unwrap()[0];
    assert_eq!(
        (lane.states[JobState::Dead], lane.states[JobState::Running]),
        (3, 2)
    );
    let dead = store
        .list(&JobFilter::new(JobState::Dead), None, 10)
        .unwrap();
    assert_eq!(dead.jobs.len(), 3);
    store.finish(&completed(&rest)).unwrap();
    store.delete(ids[0]).unwrap();
    store.retry(ids[1]).unwrap();
    assert!(claim(&store, worker, 1).unwrap().jobs.is_empty());
    assert_eq!(reason(ids[1]), reasons[1]);
}

#[test]
fn numbers_and_texts_of_a_row_that_are_out_of_range_are_read_as_the_nearest() {
    let (_folder, path, store) = store();
    let worker = register(&store);
    store.enqueue(vec![job(); 4]).unwrap();
    let program = Connection::open(&path).unwrap();
    program
        .execute_batch(
            "UPDATE groundcrew_job SET priority = 1 << 40, attempt = -7, lost = -1 WHERE id = 1;
             UPDATE groundcrew_job SET priority = -(1 << 40), max_attempts = -1,
               attempt = 9223372036854775807 WHERE id = 2;
             UPDATE groundcrew_job SET unique_key = CAST(x'61ff' AS TEXT), due = -5,
               reason = CAST(x'ff' AS TEXT) WHERE id = 3;
             INSERT INTO groundcrew_queue(name) VALUES(CAST(x'ff' AS TEXT));
             INSERT INTO groundcrew_lane(queue, kind) SELECT q.id, k.id
               FROM groundcrew_queue q, groundcrew_kind k WHERE q.name <> 'default';
             UPDATE groundcrew_job SET lane = 2 WHERE id = 4",
        )
        .unwrap();
    let listed = |state| store.list(&JobFilter::new(state), None, 10).unwrap().jobs;
    assert_eq!(listed(JobState::Available).len(), 4);
    assert_eq!(store.counts().unwrap().len(), 2);
    let claimed = claim(&store, worker, 100).unwrap().jobs;
    let ids: Vec<i64> = claimed.iter().map(|job| job.id.get()).collect();
    assert_eq!(ids, [1, 3, 2]);
    let info = |id| store.get(JobId::new(id)).unwrap().unwrap().info;
    assert_eq!((info(1).priority, info(2).priority), (i32::MAX, i32::MIN));
    assert_eq!((info(2).max_attempts, info(2).attempt), (Some(0), u32::MAX));
    assert_eq!(info(3).unique_key.as_deref(), Some("a\u{fffd}"));
    assert_eq!(info(4).queue, "\u{fffd}");
    assert_eq!(listed(JobState::Running).len(), 3);
    let ends: Vec<Finish> = claimed
        .iter()
        .map(|job| Finish {
            attempt: job.attempt_id(),
            outcome: Outcome::Dead {
                error: "no".to_owned(),
            },
        })
        .collect();
    let dead = Answer::Accepted(JobState::Dead);
    assert_eq!(store.finish(&ends), Ok(vec![dead; 3]));
}

#[test]
fn a_claim_that_would_find_nothing_waits_for_no_lock() {
    let (_folder, path, store) = store();
    drop(store);
    let builder = SqliteStore::builder(&path).busy_timeout(SHORT);
    let store = builder.open().unwrap();
    let worker = register(&store);
    let is_empty = || claim(&store, worker, 9).map(|claim| claim.jobs.is_empty());
    assert_eq!(is_empty(), Ok(true));
    let program = Connection::open(&path).unwrap();
    program.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..3 {
        assert_eq!(is_empty(), Ok(true));
    }
    let insert = "INSERT INTO groundcrew_enqueue(queue, kind, payload, priority, enqueued_at, due)
         VALUES('default', 'count', x'7b7d', 0, 0, 0)";
    program.execute(insert, []).unwrap();
    program.execute_batch("COMMIT; BEGIN IMMEDIATE").unwrap();
    assert_eq!(is_empty(), Err(StoreError::Busy { waited: SHORT }));
    program.execute_batch("ROLLBACK").unwrap();
    assert_eq!(is_empty(), Ok(false));
}

#[test]
fn a_disk_with_a_few_megabytes_is_enough() {
    let folder = folder();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let Some(_mounted) = Mounted::new(&disk, "size=3m") else {
        eprintln!("SKIPPED: a file system cannot be mounted here");
        return;
    };
    let store = SqliteStore::open(disk.join("jobs.db")).unwrap();
    let worker = register(&store);
    // More commits than after which the log is grown where there is space.
    for _ in 0..50 {
        store.enqueue(vec![job()]).unwrap();
        let claimed = claim(&store, worker, 1).unwrap();
        store.finish(&completed(&claimed)).unwrap();
    }
    assert_eq!(store.counts().unwrap()[0].states[JobState::Completed], 50);
    drop(store);
}

#[test]
fn a_program_that_only_looks_does_not_grow_the_log() {
    let (_folder, path, store) = store();
    store.enqueue(vec![job()]).unwrap();
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    store.counts().unwrap();
    let log = format!("{}-wal", path.display());
    let size = fs::metadata(log).unwrap().len();
    assert!(size < 1 << 20, "{size}");
}

#[test]
fn an_end_on_a_full_disk_is_kept_from_the_store_until_there_is_space_again() {
    let folder = folder();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let Some(_mounted) = Mounted::new(&disk, "size=6m") else {
        eprintln!("SKIPPED: a file system cannot be mounted here");
        return;
    };
    let store = SqliteStore::open(disk.join("jobs.db")).unwrap();
    let worker = register(&store);
    let large = JobSpec::new("count", vec![b' '; 4000]);
    store.enqueue(vec![large; 20]).unwrap();
    let claimed = claim(&store, worker, 20).unwrap();
    let filler = disk.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let error = store.finish(&completed(&claimed)).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    let process = ProcessInfo {
        host: String::new(),
        pid: 1,
        boot: String::new(),
    };
    let error = store.register(&process).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    let files = fs::read_dir(disk.join("jobs.db-groundcrew")).unwrap();
    assert_eq!(files.count(), 1, "no file is left of what has no lease");
    assert_eq!(store.held(worker).unwrap().len(), 20);
    drop(file);
    fs::remove_file(filler).unwrap();
    let accepted = Answer::Accepted(JobState::Completed);
    assert_eq!(store.finish(&completed(&claimed)), Ok(vec![accepted; 20]));
    drop(store);
}

#[test]
fn large_jobs_are_pruned_a_few_at_a_time() {
    let (_folder, _, store) = store();
    let worker = register(&store);
    for _ in 0..5 {
        store
            .enqueue(vec![JobSpec::new("count", vec![b' '; 1 << 20]); 3])
            .unwrap();
    }
    let claimed = claim(&store, worker, 100).unwrap();
    store.finish(&completed(&claimed)).unwrap();
    let prune = || {
        store
            .prune(JobState::Completed, Duration::ZERO, 100)
            .unwrap()
    };
    let pruned: Vec<Swept> = (0..3).map(|_| prune()).collect();
    let counts: Vec<usize> = pruned.iter().map(|swept| swept.count).collect();
    assert_eq!(counts, [5, 5, 5]);
    let has_more: Vec<bool> = pruned.iter().map(|swept| swept.has_more).collect();
    assert_eq!(has_more, [true, true, false]);
    assert_eq!(prune(), Swept::default());
}

#[test]
fn the_oldest_of_many_priorities_is_found() {
    let (_folder, _, store) = store();
    let now = store.now().unwrap();
    let jobs = (0..300).map(|number: i32| {
        let mut job = job();
        job.priority = -number;
        job.due = Due::At(now - Duration::from_secs(number.unsigned_abs().into()));
        job
    });
    store.enqueue(jobs.collect()).unwrap();
    let oldest = now - Duration::from_secs(299);
    assert_eq!(store.oldest_available("default"), Ok(Some(oldest)));
}

#[test]
fn the_log_is_used_again_after_a_long_read() {
    let (_folder, path, store) = store();
    let size = || {
        fs::metadata(format!("{}-wal", path.display()))
            .unwrap()
            .len()
    };
    let write = |megabytes: usize| {
        for _ in 0..megabytes {
            store
                .enqueue(vec![JobSpec::new("count", vec![b' '; 1 << 20])])
                .unwrap();
        }
    };
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let count = "SELECT count(*) FROM groundcrew_job";
    let seen: i64 = reader.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(seen, 0);
    write(12);
    let kept = size();
    assert!(kept > 12 << 20, "the reader needs what was before: {kept}");
    reader.execute_batch("COMMIT").unwrap();
    // All is copied, and the log begins again, while there are other writes.
    let begins_again = (0..300).any(|_| {
        let before = size();
        write(1);
        size() == before
    });
    assert!(begins_again, "{} after {kept}", size());
}

#[test]
fn sqlite_is_of_a_version_without_the_known_fault_of_its_log() {
    // Before 3.51.3 a checkpoint and a commit of two connections could meet, and damage the file.
    let version = groundcrew::store::sqlite::rusqlite::version_number();
    assert!(version >= 3_051_003, "{version}");
}
