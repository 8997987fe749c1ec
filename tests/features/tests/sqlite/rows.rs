//! One row that cannot be read or written stops nothing but itself.

use super::{claim, completed, job, register, store};
use groundcrew::store::sqlite::SqliteStore;
use groundcrew::store::sqlite::rusqlite::Connection;
use groundcrew::store::{
    Answer, AttemptOutcome, Claim, Due, Finish, JobFilter, JobId, JobInfo, JobSpec, JobState,
    LostJob, Outcome, Store, StoreError, WorkerId,
};
use std::fs;
use std::path::Path;
use std::time::Duration;

fn state(store: &SqliteStore, id: JobId) -> JobState {
    store.get(id).unwrap().unwrap().info.state
}

/// As a worker does, which tries again after an error.
fn claim_in_the_end(store: &SqliteStore, worker: WorkerId) -> Claim {
    let mut tries = (0..8).map(|_| claim(store, worker, 9));
    let first = tries.next().unwrap();
    let next = |error| tries.find_map(Result::ok).ok_or(error);
    first.or_else(next).unwrap()
}

fn ids(claim: &Claim) -> Vec<i64> {
    claim.jobs.iter().map(|job| job.id.get()).collect()
}

/// From now on the program refuses changes of job 2 in this table.
fn refuse(path: &Path, what: &str, is_job: &str) -> Connection {
    let program = Connection::open(path).unwrap();
    let trigger = format!(
        "CREATE TRIGGER refuse BEFORE {what} WHEN {is_job} = 2
         BEGIN SELECT RAISE(ABORT, 'not job 2'); END"
    );
    program.execute_batch(&trigger).unwrap();
    program
}

fn allow(program: &Connection) {
    program.execute_batch("DROP TRIGGER refuse").unwrap();
}

/// Three jobs, and a process.
fn three(store: &SqliteStore) -> WorkerId {
    store.enqueue(vec![job(), job(), job()]).unwrap();
    register(store)
}

/// Breaks each chain of pages of a value that is all `x`.
fn damage(path: &Path) {
    const PAGE: usize = 4096;
    let mut file = fs::read(path).unwrap();
    let is_of_payload = |page: &&mut [u8]| page[4..].iter().all(|byte| *byte == b'x');
    let pages = file.chunks_exact_mut(PAGE).filter(is_of_payload);
    let broken = pages.map(|page| page[..4].fill(0xff)).count();
    assert!(broken > 0);
    fs::write(path, file).unwrap();
}

#[test]
fn a_job_whose_payload_is_damaged_is_dead_and_those_behind_it_are_claimed() {
    let (_folder, path, store) = store();
    let large = JobSpec::new("count", vec![b'x'; 100_000]);
    let damaged = store.enqueue(vec![large]).unwrap()[0].id;
    store.enqueue(vec![job(), job()]).unwrap();
    drop(store);
    damage(&path);
    let store = SqliteStore::open(&path).unwrap();
    let worker = register(&store);
    let claimed = claim_in_the_end(&store, worker);
    assert_eq!(ids(&claimed), [2, 3]);
    let unreadable = &claimed.unreadable[0];
    assert_eq!((unreadable.id, unreadable.attempt), (damaged, 0));
    let reason = &unreadable.reason;
    assert!(reason.contains("rows are damaged"), "{reason}");
    let dead = store
        .list(&JobFilter::new(JobState::Dead), None, 9)
        .unwrap();
    assert_eq!((dead.jobs[0].id, dead.jobs.len()), (damaged, 1));
    // The claims go on as before.
    store.enqueue(vec![job(), job()]).unwrap();
    assert_eq!(ids(&claim(&store, worker, 9).unwrap()), [4, 5]);
    let lane = &store.counts().unwrap()[0];
    assert_eq!(
        (lane.states[JobState::Dead], lane.states[JobState::Running]),
        (1, 4)
    );
}

#[test]
fn a_job_that_the_program_allows_no_change_of_keeps_no_other_from_being_claimed() {
    let (_folder, path, store) = store();
    let worker = three(&store);
    let program = refuse(&path, "UPDATE ON groundcrew_job", "OLD.id");
    assert_eq!(ids(&claim_in_the_end(&store, worker)), [1, 3]);
    // Nor is the next claim the worse for it.
    store.enqueue(vec![job()]).unwrap();
    assert_eq!(ids(&claim(&store, worker, 9).unwrap()), [4]);
    assert_eq!(state(&store, JobId::new(2)), JobState::Available);
    allow(&program);
    assert_eq!(ids(&claim(&store, worker, 9).unwrap()), [2]);
    let lane = &store.counts().unwrap()[0];
    assert_eq!(
        (
            lane.states[JobState::Available],
            lane.states[JobState::Running]
        ),
        (0, 4)
    );
}

#[test]
fn an_end_that_the_program_refuses_says_so_and_is_no_error_that_passes() {
    let (_folder, path, store) = store();
    let worker = three(&store);
    let claimed = claim(&store, worker, 9).unwrap();
    refuse(&path, "UPDATE ON groundcrew_job", "OLD.id");
    let mut ends = completed(&claimed);
    let error = store.finish(&ends).unwrap_err();
    assert!(matches!(error, StoreError::Unsupported { .. }) && !error.is_temporary());
    let text = error.to_string();
    assert!(text.contains("not job 2; remove the trigger"), "{text}");
    ends.remove(1);
    let accepted = Answer::Accepted(JobState::Completed);
    assert_eq!(store.finish(&ends), Ok(vec![accepted; 2]));
}

fn judge(lost: &LostJob) -> Outcome {
    lost.outcome(Duration::ZERO, 100)
}

fn take_over(store: &SqliteStore, worker: WorkerId) -> Result<Vec<(i64, JobState)>, StoreError> {
    let workers = store.workers().unwrap();
    let beat = workers.iter().find(|info| info.id == worker).unwrap().beat;
    let jobs = store.take_over(worker, beat, &judge)?.unwrap();
    let states = jobs
        .iter()
        .map(|job| (job.lost.attempt_id.job.get(), job.state));
    Ok(states.collect())
}

#[test]
fn a_lost_job_that_cannot_be_changed_keeps_its_lease_and_the_others_are_taken_over() {
    let (_folder, path, store) = store();
    let worker = three(&store);
    for job in &claim(&store, worker, 9).unwrap().jobs {
        store.mark_begun(worker, job.attempt_id());
    }
    let program = refuse(&path, "UPDATE ON groundcrew_job", "OLD.id");
    let available = |id| (id, JobState::Available);
    assert_eq!(
        take_over(&store, worker),
        Ok(vec![available(1), available(3)])
    );
    assert_eq!(state(&store, JobId::new(2)), JobState::Running);
    let left = take_over(&store, worker).unwrap_err();
    assert!(left.to_string().contains("not job 2"), "{left}");
    assert_eq!(store.held(worker).unwrap().len(), 1);
    allow(&program);
    assert_eq!(take_over(&store, worker), Ok(vec![available(2)]));
    assert!(store.workers().unwrap().is_empty());
    let attempts = [1, 2, 3].map(|id| store.get(JobId::new(id)).unwrap().unwrap().attempts.len());
    assert_eq!(attempts, [1; 3]);
}

#[test]
fn a_lost_job_whose_attempt_cannot_be_written_is_dead_and_the_others_are_taken_over() {
    let (_folder, path, store) = store();
    let worker = three(&store);
    for job in &claim(&store, worker, 9).unwrap().jobs {
        store.mark_begun(worker, job.attempt_id());
    }
    refuse(&path, "INSERT ON groundcrew_attempt", "NEW.job");
    let expected = [
        (1, JobState::Available),
        (2, JobState::Dead),
        (3, JobState::Available),
    ];
    assert_eq!(take_over(&store, worker), Ok(expected.to_vec()));
    assert!(store.workers().unwrap().is_empty());
    let dead = store.get(JobId::new(2)).unwrap().unwrap();
    assert!(dead.info.reason.unwrap().contains("not job 2"));
    assert_eq!((dead.info.worker, dead.attempts.len()), (None, 0));
    let first = store.get(JobId::new(1)).unwrap().unwrap();
    assert_eq!(first.attempts[0].outcome, AttemptOutcome::Lost);
}

#[test]
fn a_job_whose_own_row_is_damaged_is_left_alone_and_the_others_are_claimed_and_taken_over() {
    let (_folder, path, store) = store();
    let worker = three(&store);
    let claimed = claim(&store, worker, 9).unwrap();
    // The first has a long error in its row, and is claimed again.
    let failed = Finish {
        attempt: claimed.jobs[0].attempt_id(),
        outcome: Outcome::Failed {
            error: "x".repeat(JobInfo::MAX_REASON),
            retry: Due::Now,
        },
    };
    store.finish(&[failed]).unwrap();
    drop(store);
    damage(&path);
    let store = SqliteStore::open(&path).unwrap();
    store.enqueue(vec![job()]).unwrap();
    assert_eq!(ids(&claim_in_the_end(&store, worker)), [4]);
    store.enqueue(vec![job()]).unwrap();
    assert_eq!(ids(&claim(&store, worker, 9).unwrap()), [5]);
    // As if it ran, too.
    let program = Connection::open(&path).unwrap();
    let damaged: i64 = program
        .query_row("SELECT id FROM groundcrew_job WHERE state = 1", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(damaged, 1);
    assert_eq!(store.held(worker).unwrap().len(), 4);
    let taken_over = take_over(&store, worker).unwrap();
    assert_eq!(taken_over.len(), 4);
}
