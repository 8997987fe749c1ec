//! What an operator does to many jobs, and to queues.

use crate::common::{LONG, within};
use crate::parts::{Number, account, ear, new_jobs, number, start, state, wait_for};
use groundcrew::jobs::{JobContext, NewJob};
use groundcrew::store::{JobFilter, JobState, StoreError};

#[test]
fn workers_leave_a_paused_queue_alone_until_it_is_resumed() {
    within(LONG, "a pause", || {
        let jobs = new_jobs();
        assert_eq!(jobs.pause("mail"), Ok(true));
        assert_eq!(jobs.pause("mail"), Ok(false));
        let waits = jobs.job(&number(1)).queue("mail").enqueue().unwrap().id;
        let (sender, runs) = ear();
        let host = start(&jobs, |workers| {
            workers
                .queues(["mail", "other"])
                .on(move |job: Number, _: &JobContext| Ok(sender.send(job.n)?))
        });
        // The other queue is claimed from after that, so the paused one was looked at.
        for n in 2..5 {
            let other = jobs.job(&number(n)).queue("other").enqueue().unwrap().id;
            assert_eq!(runs.recv().unwrap(), n);
            wait_for(&jobs, other, JobState::Completed);
        }
        assert_eq!(state(&jobs, waits), JobState::Available);
        assert_eq!(jobs.paused().unwrap()[0].queue, "mail");
        assert_eq!(jobs.resume("mail"), Ok(true));
        assert_eq!(runs.recv().unwrap(), 1);
        wait_for(&jobs, waits, JobState::Completed);
        assert_eq!(account(&host.stop()).completed(), 4);
        assert_eq!(jobs.paused(), Ok(Vec::new()));
    });
}

#[test]
fn a_queue_without_a_name_is_not_paused() {
    let error = new_jobs().pause("").unwrap_err();
    assert!(matches!(error, StoreError::InvalidQueue { .. }));
    assert_eq!(
        error.to_string(),
        "there can be no queue \"\": its name is empty; give it a name"
    );
}

#[test]
fn the_jobs_of_a_filter_are_cancelled_retried_and_deleted_over_all_pages() {
    const JOBS: u32 = 1300;
    let jobs = new_jobs();
    let of_queue =
        |queue: &'static str| (0..JOBS).map(move |n| NewJob::of(&number(n)).queue(queue));
    jobs.enqueue_many(of_queue("mail").chain(of_queue("other")))
        .unwrap();
    let mail = |state| JobFilter::new(state).in_queue("mail").of_kind("number");
    let count = |queue: usize, state| jobs.counts().unwrap()[queue].states[state];

    let cancelled = jobs.cancel_all(&mail(JobState::Available)).unwrap();
    assert_eq!((cancelled.done, cancelled.refused), (1300, 0));
    assert_eq!(count(0, JobState::Cancelled), 1300);
    assert_eq!(count(1, JobState::Available), 1300);

    let retried = jobs.retry_all(&mail(JobState::Cancelled)).unwrap();
    assert_eq!((retried.done, retried.refused), (1300, 0));
    let refused = jobs.retry_all(&mail(JobState::Available)).unwrap();
    assert_eq!((refused.done, refused.refused), (0, 1300));
    assert_eq!(refused.refusals.len(), 1000);
    let first = &refused.refusals[0];
    let (id, state, verb) = (first.job, JobState::Available, "retry");
    assert_eq!(first.error, StoreError::WrongState { id, state, verb });

    let deleted = jobs.delete_all(&mail(JobState::Available)).unwrap();
    assert_eq!((deleted.done, deleted.refused), (1300, 0));
    let counts = jobs.counts().unwrap();
    assert_eq!((counts[0].deleted, counts[0].states.total()), (1300, 0));
    assert_eq!(counts[1].states[JobState::Available], 1300);
    let none = jobs.delete_all(&mail(JobState::Available)).unwrap();
    assert_eq!((none.done, none.refused), (0, 0));
}
