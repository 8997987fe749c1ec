//! Locked files, beats and fences.

use super::{claim, job, register, store};
use groundcrew::store::sqlite::SqliteStore;
use groundcrew::store::sqlite::rusqlite::Connection;
use groundcrew::store::{
    AttemptId, BeatWatch, Begun, Fence, JobFilter, JobId, JobState, LeaseSign, Outcome, Store,
    StoreError, WorkerId, WorkerInfo,
};
use groundcrew::testing::ManualClock;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn files(path: &Path) -> Vec<PathBuf> {
    let folder = format!("{}-groundcrew", path.display());
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn info(store: &SqliteStore, worker: WorkerId) -> WorkerInfo {
    let workers = store.workers().unwrap();
    workers.into_iter().find(|info| info.id == worker).unwrap()
}

fn give_back(_: &groundcrew::store::LostJob) -> Outcome {
    Outcome::GivenBack
}

#[test]
fn a_lease_is_held_while_its_store_is_open_and_its_file_goes_with_it() {
    let (_folder, path, store) = store();
    let watching = SqliteStore::open(&path).unwrap();
    let withdrawn = register(&store);
    let lost = register(&store);
    assert_eq!(files(&path).len(), 2);
    for worker in [withdrawn, lost] {
        assert_eq!(info(&watching, worker).sign, LeaseSign::Held);
        assert_eq!(info(&store, worker).sign, LeaseSign::Held);
    }
    store.withdraw(withdrawn).unwrap();
    assert_eq!(files(&path).len(), 1);

    drop(store); // as if the process had ended
    let found = info(&watching, lost);
    assert_eq!(found.sign, LeaseSign::Ended);
    watching
        .take_over(lost, found.beat, &give_back)
        .unwrap()
        .unwrap();
    assert_eq!(files(&path), Vec::<PathBuf>::new());
}

#[test]
fn what_a_process_left_that_ended_without_a_lease_is_swept_away_by_the_next() {
    let (_folder, path, store) = store();
    let worker = register(&store);
    let of_worker = files(&path);
    let left = of_worker[0].with_file_name("0123456789abcdef");
    fs::write(&left, "").unwrap();
    register(&SqliteStore::open(&path).unwrap());
    assert!(!left.exists());
    assert!(of_worker[0].exists());
    assert_eq!(info(&store, worker).sign, LeaseSign::Held);
}

#[test]
fn a_process_kept_from_writing_by_a_locked_database_still_beats() {
    let (_folder, path, store) = store();
    drop(store);
    let short = Duration::from_millis(40);
    let store = SqliteStore::builder(&path)
        .busy_timeout(short)
        .open()
        .unwrap();
    let worker = register(&store);
    let program = Connection::open(&path).unwrap();
    program.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = info(&store, worker).beat;
    assert_eq!(store.renew(worker), Err(StoreError::Busy { waited: short }));
    let after = info(&store, worker).beat;
    assert_ne!(before, after);
    program.execute_batch("ROLLBACK").unwrap();
    assert_eq!(store.take_over(worker, before, &give_back), Ok(None));
    store.renew(worker).unwrap();
    assert_ne!(info(&store, worker).beat, after);
}

#[test]
fn without_its_file_nothing_is_known_of_a_process_but_its_row() {
    let (_folder, path, store) = store();
    let watching = SqliteStore::open(&path).unwrap();
    for remove in [true, false] {
        let worker = register(&store);
        store.enqueue(vec![job()]).unwrap();
        let running = claim(&store, worker, 1).unwrap().jobs.remove(0);
        store.mark_begun(worker, running.attempt_id());
        let file = files(&path).remove(0);
        match remove {
            true => fs::remove_file(&file).unwrap(),
            false => fs::File::create(&file).unwrap().set_len(0).unwrap(),
        }
        let expected = match remove {
            true => LeaseSign::Unknown,
            false => LeaseSign::Held,
        };
        assert_eq!(info(&watching, worker).sign, expected);
        let before = info(&watching, worker).beat;
        store.renew(worker).unwrap();
        let seen = info(&watching, worker).beat;
        assert_ne!(before, seen);
        let lost = watching
            .take_over(worker, seen, &give_back)
            .unwrap()
            .unwrap();
        assert_eq!(lost[0].lost.begun, Begun::Unknown, "removed: {remove}");
        let taken = claim(&store, register(&store), 1).unwrap().jobs.remove(0);
        assert!(taken.fence > running.fence);
        let ended = groundcrew::store::Finish {
            attempt: taken.attempt_id(),
            outcome: Outcome::Completed,
        };
        store.finish(&[ended]).unwrap();
        for one in store.workers().unwrap() {
            store.withdraw(one.id).unwrap();
        }
    }
}

#[test]
fn what_was_noted_before_the_machine_started_again_is_not_relied_on() {
    let (_folder, path, store) = store();
    let watching = SqliteStore::open(&path).unwrap();
    for is_of_before in [false, true] {
        let worker = register(&store);
        store.enqueue(vec![job(), job()]).unwrap();
        let running = claim(&store, worker, 2).unwrap();
        store.mark_begun(worker, running.jobs[0].attempt_id());
        if is_of_before {
            // The file has the start of the machine behind the beat. Marks may be missing from what a
            // power failure has left.
            let file = fs::File::options().write(true).open(&files(&path)[0]);
            file.unwrap().write_all_at(b"earlier!", 8).unwrap();
        }
        let seen = info(&watching, worker).beat;
        let lost = watching.take_over(worker, seen, &|lost| lost.outcome(Duration::ZERO, 9));
        let begun: Vec<Begun> = lost
            .unwrap()
            .unwrap()
            .iter()
            .map(|job| job.lost.begun)
            .collect();
        let expected = match is_of_before {
            false => [Begun::Yes, Begun::No],
            true => [Begun::Unknown, Begun::Unknown],
        };
        assert_eq!(begun, expected);
        for found in store
            .list(&JobFilter::new(JobState::Available), None, 9)
            .unwrap()
            .jobs
        {
            store.cancel(found.id).unwrap();
        }
    }
}

#[test]
fn a_fence_does_not_go_back_when_a_power_failure_undoes_a_claim() {
    let (_folder, path, store) = store();
    store.enqueue(vec![job(), job()]).unwrap();
    let worker = register(&store);
    let program = Connection::open(&path).unwrap();
    let fence = "SELECT fence FROM groundcrew_meta";
    let before: i64 = program.query_row(fence, [], |row| row.get(0)).unwrap();
    let claimed = claim(&store, worker, 1).unwrap().jobs.remove(0);
    drop(store);
    // The claim is undone, and the machine has started again.
    program
        .execute(
            "UPDATE groundcrew_meta SET fence = ?1, boot = 'before'",
            [before],
        )
        .unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let later = claim(&store, worker, 1).unwrap().jobs.remove(0);
    assert!(later.fence > claimed.fence);
    assert_eq!(later.fence.get() >> 40, (claimed.fence.get() >> 40) + 1);
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    store.enqueue(vec![job()]).unwrap();
    let same_start = claim(&store, worker, 1).unwrap().jobs.remove(0);
    assert_eq!(same_start.fence.get(), later.fence.get() + 1);
}

#[test]
fn a_takeover_gives_up_where_the_process_goes_on_while_it_is_judged() {
    let (_folder, _, store) = store();
    let lively = register(&store);
    let goes_on = |_: &groundcrew::store::LostJob| {
        store.enqueue(vec![job()]).unwrap();
        assert_eq!(claim(&store, lively, 1).unwrap().jobs.len(), 1);
        Outcome::GivenBack
    };
    goes_on(&lost_job());
    let beat = info(&store, lively).beat;
    assert_eq!(store.take_over(lively, beat, &goes_on), Ok(None));
    assert_eq!(store.renew(lively), Ok(()));
    assert!(store.held(lively).unwrap().len() > 1);
}

fn lost_job() -> groundcrew::store::LostJob {
    groundcrew::store::LostJob {
        attempt_id: AttemptId {
            job: JobId::new(1),
            fence: Fence::new(1),
        },
        worker: WorkerId::new(1),
        queue: String::new(),
        kind: String::new(),
        attempt: 1,
        max_attempts: 1,
        interrupted: 0,
        first_due: std::time::UNIX_EPOCH,
        begun: Begun::No,
    }
}

/// The files in the folder that this process has open.
fn open_files(path: &Path) -> usize {
    let folder = format!("{}-groundcrew", path.display());
    let open = fs::read_dir("/proc/self/fd").unwrap();
    let links = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links
        .filter(|link| link.starts_with(&folder) || link.to_string_lossy().contains(&folder))
        .count()
}

#[test]
#[cfg(target_os = "linux")]
fn a_process_that_lost_its_lease_keeps_no_file_of_it() {
    let (_folder, path, store) = store();
    let other = SqliteStore::open(&path).unwrap();
    let notices: [&dyn Fn(WorkerId) -> StoreError; 4] = [
        &|worker| store.renew(worker).unwrap_err(),
        &|worker| store.held(worker).unwrap_err(),
        &|worker| claim(&store, worker, 1).unwrap_err(),
        &|worker| claim(&store, worker, 1).unwrap_err(), // one that looks before it writes
    ];
    for notice in notices {
        let worker = register(&store);
        assert_eq!(open_files(&path), 1);
        let beat = info(&other, worker).beat;
        other.take_over(worker, beat, &give_back).unwrap().unwrap();
        assert_eq!(notice(worker), StoreError::LeaseLost { worker });
        assert_eq!(open_files(&path), 0);
        let idle = register(&store);
        assert!(claim(&store, idle, 1).unwrap().jobs.is_empty());
        store.withdraw(idle).unwrap();
    }
}

#[test]
fn processes_whose_clocks_differ_judge_each_other_by_their_beats_alone() {
    let (_folder, path, store) = store();
    drop(store);
    let clocks = [ManualClock::new(), ManualClock::new()];
    clocks[1].set_wall(clocks[0].wall() + Duration::from_secs(36_000));
    let [slow, fast] = [0, 1].map(|index: usize| {
        let builder = SqliteStore::builder(&path).clock(&clocks[index]);
        builder.open().unwrap()
    });
    let worker = register(&slow);
    let mut watch = BeatWatch::new(Duration::from_secs(30));
    let mut silent = |after| {
        // As if the system knew nothing of its lock.
        let mut workers = fast.workers().unwrap();
        workers
            .iter_mut()
            .for_each(|info| info.sign = LeaseSign::Unknown);
        watch.look(&workers, Duration::from_secs(after)).len()
    };
    assert_eq!([silent(0), silent(9), silent(18), silent(27)], [0; 4]);
    slow.renew(worker).unwrap();
    assert_eq!([silent(31), silent(40), silent(49), silent(58)], [0; 4]);
    assert_eq!(silent(62), 1);
}
