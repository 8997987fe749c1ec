//! Jobs that the store in a file cannot read.

use crate::common::{LONG, within};
use crate::parts::{Number, account, ear, number, open, start, state, wait_for};
use crate::setup::TestStore;
use groundcrew::jobs::JobContext;
use groundcrew::store::JobState;
use groundcrew::store::sqlite::rusqlite::Connection;

#[test]
fn a_job_that_cannot_be_read_is_a_dead_letter_and_the_next_one_runs() {
    within(LONG, "an unreadable job", || {
        let store = TestStore::new();
        let jobs = open(&store);
        let lost = jobs.job(&number(1)).queue("mail").enqueue().unwrap().id;
        let kept = jobs.job(&number(2)).queue("mail").enqueue().unwrap().id;
        let program = Connection::open(store.path()).unwrap();
        let remove = "DELETE FROM groundcrew_payload WHERE job = ?1";
        assert_eq!(program.execute(remove, [lost.get()]), Ok(1));
        let (sender, dead) = ear();
        let host = start(&jobs, |workers| {
            workers
                .queues(["mail"])
                .on(|_: Number, _: &JobContext| ())
                .dead_letter(move |job| sender.send(job.clone()).unwrap())
        });
        let job = dead.recv().unwrap();
        assert_eq!(
            (job.id(), job.queue(), job.kind(), job.attempt()),
            (lost, "mail", "number", 0)
        );
        assert_eq!(job.error(), "the store cannot read it: it has no payload");
        wait_for(&jobs, kept, JobState::Completed);
        assert_eq!(state(&jobs, lost), JobState::Dead);
        let info = jobs.get(lost).unwrap().unwrap().info;
        assert_eq!(
            (info.fence, info.reason.as_deref()),
            (Some(job.fence()), Some(job.error()))
        );
        let account = account(&host.stop());
        assert_eq!((account.claimed(), account.completed()), (1, 1));
    });
}
