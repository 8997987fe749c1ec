//! Jobs that wait for others.

use crate::common::{LONG, within};
use crate::parts::{Number, account, ear, new_jobs, number, reason, start, state, wait_for};
use groundcrew::jobs::{EnqueueError, JobContext, JobResult, NewJob, PermanentError};
use groundcrew::store::{JobId, JobState, StoreError};

#[test]
fn a_job_runs_after_all_that_it_was_enqueued_after() {
    within(LONG, "after others", || {
        let jobs = new_jobs();
        let first = jobs.enqueue_many(&[number(1), number(2)]).unwrap();
        let first = [first[0].id, first[1].id];
        let then = |n, after: &[JobId]| {
            let job = jobs.job(&number(n)).priority(n as i32);
            job.after(after.iter().copied()).enqueue().unwrap().id
        };
        let second = then(3, &first);
        let third = then(4, &[first[0], second]);
        assert_eq!(state(&jobs, third), JobState::Waiting);
        let (sender, order) = ear();
        let host = start(&jobs, |workers| {
            workers
                .threads(4)
                .on(move |job: Number, _: &JobContext| Ok(sender.send(job.n)?))
        });
        wait_for(&jobs, third, JobState::Completed);
        let mut order: Vec<u32> = order.try_iter().collect();
        order[..2].sort_unstable();
        assert_eq!(order, [1, 2, 3, 4]);
        assert_eq!(account(&host.stop()).completed(), 4);
    });
}

#[test]
fn a_dead_job_keeps_others_waiting_and_a_deleted_one_cancels_them_told_why() {
    let jobs = new_jobs();
    let parent = jobs.enqueue(&number(1)).unwrap();
    let child = jobs.job(&number(2)).after([parent]).enqueue().unwrap().id;
    let grandchild = jobs.job(&number(3)).after([child]).enqueue().unwrap().id;
    let report = jobs.work_until_empty(|workers| {
        workers.on(|_: Number, _: &JobContext| -> JobResult { Err(PermanentError::new("gone"))? })
    });
    assert_eq!(report.unwrap().dead(), 1);
    assert_eq!(state(&jobs, child), JobState::Waiting);
    assert_eq!(jobs.get(parent).unwrap().unwrap().followers, [child]);
    jobs.delete(parent).unwrap();
    assert_eq!(state(&jobs, grandchild), JobState::Cancelled);
    assert_eq!(
        reason(&jobs, child),
        format!("job {parent}, for which it waited, was deleted")
    );

    let refused = jobs.job(&number(4)).after([child]).enqueue().unwrap_err();
    let (parent, state) = (child, Some(JobState::Cancelled));
    let expected = StoreError::CannotFollow { parent, state };
    assert_eq!(refused, EnqueueError::Store(expected));
    assert_eq!(
        refused.to_string(),
        format!(
            "a job cannot wait for job {child}, which is cancelled; retry that one first, or leave \
             it out"
        )
    );
}

#[test]
fn more_followers_than_one_transaction_takes_are_all_worked() {
    let jobs = new_jobs();
    let parent = jobs.enqueue(&number(0)).unwrap();
    let follow = |n| NewJob::of(&number(n)).after([parent]);
    let children = jobs.enqueue_many((1..=350).map(follow)).unwrap();
    let children = children.iter().map(|it| it.id);
    let last = jobs.job(&number(351)).after(children).enqueue().unwrap().id;
    let report = jobs.work_until_empty(|workers| workers.on(|_: Number, _: &JobContext| ()));
    assert_eq!(report.unwrap().completed(), 352);
    assert_eq!(state(&jobs, last), JobState::Completed);
}
