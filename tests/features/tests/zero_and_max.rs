//! The rule for `Duration::ZERO` and `Duration::MAX` of the root's `tests/zero_and_max.rs`, for
//! what is behind a feature.

#[path = "../../common/mod.rs"]
mod common;

use common::{LONG, within};
use groundcrew::channel::unbounded;
use groundcrew::jobs::{Job, JobContext, Jobs, NewJob};
use groundcrew::store::{JobState, MemoryStore};
use groundcrew::watch::FolderWatch;
use groundcrew::{BoxError, Host};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const ZERO: Duration = Duration::ZERO;
const MAX: Duration = Duration::MAX;

#[derive(Serialize, Deserialize)]
struct Work;

impl Job for Work {
    const KIND: &'static str = "work";
}

/// What became of a job, and whether its token was cancelled when its handler had waited for a
/// moment.
fn run(set: impl FnOnce(NewJob) -> NewJob) -> (JobState, Option<bool>) {
    let jobs = Jobs::open(MemoryStore::new()).unwrap();
    let id = jobs.enqueue_many([set(NewJob::of(&Work))]).unwrap()[0].id;
    let (tell, told) = unbounded();
    let handle = move |_: Work, ctx: &JobContext| {
        let is_cancelled = ctx.token().wait_timeout(Duration::from_millis(1));
        tell.send(is_cancelled).unwrap();
    };
    let report = within(LONG, "a job", || {
        jobs.work_until_empty(|workers| workers.on(handle))
    });
    report.unwrap();
    let job = jobs.get(id).unwrap().unwrap();
    (job.info.state, told.try_recv().ok())
}

#[test]
fn a_job_without_delay_is_due_at_once_and_one_with_max_never() {
    let delayed = |delay| run(|job| job.delay(delay));
    assert_eq!(delayed(ZERO), (JobState::Completed, Some(false)));
    assert_eq!(delayed(MAX), (JobState::Scheduled, None));
}

#[test]
fn an_attempt_that_may_take_no_time_is_refused_and_one_with_max_has_no_limit() {
    let jobs = Jobs::open(MemoryStore::new()).unwrap();
    let refused = jobs.job(&Work).timeout(ZERO).enqueue().unwrap_err();
    assert!(refused.to_string().contains("timeout"), "{refused}");
    let limited = run(|job| job.timeout(MAX));
    assert_eq!(limited, (JobState::Completed, Some(false)));
}

#[test]
fn a_job_that_expires_after_zero_is_cancelled_and_one_after_max_never() {
    let expiring = |age| run(|job| job.expires(age));
    assert_eq!(expiring(ZERO), (JobState::Cancelled, None));
    assert_eq!(expiring(MAX), (JobState::Completed, Some(false)));
}

#[test]
#[cfg(unix)]
fn a_store_that_waits_for_no_lock_and_one_that_waits_without_limit_can_be_opened() {
    use groundcrew::store::sqlite::SqliteStore;

    let folder = tempfile::tempdir().unwrap();
    for timeout in [ZERO, MAX] {
        let store = SqliteStore::builder(folder.path().join("jobs"));
        let jobs = Jobs::open(store.busy_timeout(timeout).open().unwrap()).unwrap();
        jobs.enqueue(&Work).unwrap();
        let report = jobs.work_until_empty(|workers| workers.on(|_: Work, _: &JobContext| ()));
        assert_eq!(report.unwrap().completed(), 1);
    }
}

#[test]
fn a_folder_can_be_watched_with_pauses_of_zero_and_without_a_limit() {
    type Set = fn(FolderWatch, Duration) -> FolderWatch;
    let options: [(&str, Set); 3] = [
        ("debounce", FolderWatch::debounce),
        ("max_delay", FolderWatch::max_delay),
        ("rescan_every", FolderWatch::rescan_every),
    ];
    for (option, set) in options {
        for duration in [ZERO, MAX] {
            let folder = tempfile::tempdir().unwrap();
            let (tell, told) = unbounded::<Vec<PathBuf>>();
            let mut host = Host::builder();
            let watch = set(FolderWatch::new(folder.path()), duration);
            let report = watch.on_change(move |changes, _| -> Result<(), BoxError> {
                Ok(tell.send(changes.added().to_vec())?)
            });
            host.add("folder", report);
            let host = host.build().unwrap().start().unwrap();
            assert!(told.recv().unwrap().is_empty());
            let file = folder.path().join("new");
            fs::write(&file, "").unwrap();
            within(LONG, option, || assert_eq!(told.recv().unwrap(), [file]));
            let report = within(LONG, option, || host.stop());
            assert!(
                report.is_clean() && report.failures().is_empty(),
                "{report}"
            );
        }
    }
}
