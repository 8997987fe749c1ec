//! What an operator does to queues.

use crate::common::{LONG, within};
use crate::parts::{Number, account, ear, new_jobs, number, start, state, wait_for};
use groundcrew::jobs::JobContext;
use groundcrew::store::{JobState, StoreError};

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
