//! Limits on how many jobs with one key run at once.

use crate::common::{Gate, LONG, within};
use crate::parts::{Number, account, ear, new_jobs, number, start, state, wait_for, wait_until};
use groundcrew::jobs::{EnqueueError, JobContext, NewJob};
use groundcrew::store::{JobFilter, JobId, JobState, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn no_more_jobs_of_a_key_run_at_once_than_its_limit_and_others_pass_them() {
    within(LONG, "a limit", || {
        let jobs = new_jobs();
        let (sender, begun) = ear();
        let gate = Gate::new();
        let entrance = gate.entrance();
        let limited = |n| NewJob::of(&number(n)).limit("smtp", 2).priority(1);
        let ids = jobs.enqueue_many((0..6).map(limited)).unwrap();
        let free = jobs.enqueue(&number(100)).unwrap();
        let running = Arc::new(AtomicUsize::new(0));
        let host = start(&jobs, |workers| {
            workers.threads(4).on(move |job: Number, _: &JobContext| {
                if job.n == 100 {
                    return;
                }
                let before = running.fetch_add(1, Ordering::SeqCst);
                assert!(before < 2, "{} at once", before + 1);
                sender.send(()).unwrap();
                entrance.pass();
                running.fetch_sub(1, Ordering::SeqCst);
            })
        });
        assert_eq!(begun.iter().take(2).count(), 2);
        wait_for(&jobs, free, JobState::Completed);
        let blocked: Vec<JobId> = ids[2..].iter().map(|it| it.id).collect();
        let page = jobs.list(&JobFilter::new(JobState::Blocked), None, 100);
        let listed = page.unwrap().jobs.into_iter();
        assert_eq!(listed.map(|job| job.id).collect::<Vec<_>>(), blocked);
        gate.open();
        wait_until(|| {
            ids.iter()
                .all(|it| state(&jobs, it.id) == JobState::Completed)
        });
        let account = account(&host.stop());
        assert_eq!((account.completed(), account.failed()), (7, 0));
    });
}

#[test]
fn jobs_with_a_limit_are_worked_until_there_is_none() {
    let jobs = new_jobs();
    let limited = |n| NewJob::of(&number(n)).limit("one", 1).priority(n as i32);
    jobs.enqueue_many((0..50).map(limited)).unwrap();
    let (sender, order) = ear();
    let report = jobs.work_until_empty(|workers| {
        workers.on(move |job: Number, _: &JobContext| Ok(sender.send(job.n)?))
    });
    assert_eq!(report.unwrap().completed(), 50);
    // They came together, so that the best of them got the place first.
    assert!(order.try_iter().eq((0..50).rev()));
}

#[test]
fn a_limit_of_0_is_refused_with_what_to_write() {
    let error = new_jobs().job(&number(1)).limit("smtp", 0).enqueue();
    let error = error.unwrap_err();
    assert!(matches!(
        error,
        EnqueueError::Store(StoreError::InvalidJob { .. })
    ));
    assert_eq!(
        error.to_string(),
        "a job \"number\" cannot be enqueued: its limit is 0; allow at least 1"
    );
}
