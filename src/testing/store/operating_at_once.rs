//! What an operator does to several jobs at once.

use super::checks;
use super::probe::{HOUR, Probe, a, cancelled, dead, with};
use crate::store::{Due, JobId, JobState, Operation, Outcome, StoreError};

checks![
    several_jobs_are_cancelled_retried_and_deleted_each_as_by_itself,
    what_is_refused_keeps_nothing_else_from_being_done_and_is_named,
    of_several_jobs_with_one_unique_key_one_is_retried,
    several_retried_jobs_end_the_waits_for_work,
];

fn operate(probe: &Probe, operation: Operation, jobs: &[JobId]) -> Vec<Result<(), StoreError>> {
    let answers = probe.other().operate(operation, jobs);
    answers.expect("operate failed")
}

fn several_jobs_are_cancelled_retried_and_deleted_each_as_by_itself(probe: &Probe) {
    let worker = probe.worker();
    let running = probe.running(worker);
    let later = with(a(), |job| job.due = Due::After(HOUR));
    let waiting = probe.add_all(vec![a(), later]);
    let all = [running.id, waiting[0], waiting[1]];
    assert_eq!(operate(probe, Operation::Cancel, &all), vec![Ok(()); 3]);
    assert!(probe.held(worker).unwrap()[0].cancel_requested);
    let states = waiting.iter().map(|id| probe.state(*id));
    assert!(states.eq([JobState::Cancelled; 2]));

    probe.end(running.attempt_id(), cancelled());
    assert_eq!(operate(probe, Operation::Retry, &all), vec![Ok(()); 3]);
    assert_eq!(probe.listed(JobState::Available).len(), 3);
    assert!(all.iter().all(|id| probe.info(*id).attempt == 0));

    assert_eq!(operate(probe, Operation::Delete, &all), vec![Ok(()); 3]);
    assert!(all.iter().all(|id| probe.get(*id) == Ok(None)));
    assert_eq!(probe.counts().unwrap()[0].deleted, 3);
    assert_eq!(operate(probe, Operation::Delete, &[]), []);
}

fn what_is_refused_keeps_nothing_else_from_being_done_and_is_named(probe: &Probe) {
    let worker = probe.worker();
    let completed = probe.ended(worker, Outcome::Completed, JobState::Completed);
    let buried = probe.ended(worker, dead(), JobState::Dead);
    let running = probe.running(worker).id;
    let available = probe.add(a());
    let gone = JobId::new(987_654);
    let all = [gone, completed, available, running, buried];
    let refused = |id, state, verb| Err(StoreError::WrongState { id, state, verb });
    let retried = [
        Err(StoreError::NotFound { id: gone }),
        refused(completed, JobState::Completed, "retry"),
        refused(available, JobState::Available, "retry"),
        refused(running, JobState::Running, "retry"),
        Ok(()),
    ];
    assert_eq!(operate(probe, Operation::Retry, &all), retried);
    assert_eq!(probe.state(buried), JobState::Available);
    // The second time it is refused.
    let twice = [available, completed, available];
    let cancelled = [
        Ok(()),
        refused(completed, JobState::Completed, "cancel"),
        refused(available, JobState::Cancelled, "cancel"),
    ];
    assert_eq!(operate(probe, Operation::Cancel, &twice), cancelled);
    let deleted = [
        Ok(()),
        refused(running, JobState::Running, "delete"),
        Ok(()),
    ];
    let some = [completed, running, buried];
    assert_eq!(operate(probe, Operation::Delete, &some), deleted);
    assert_eq!(probe.state(running), JobState::Running);
    assert_eq!(probe.total(), 2);
}

fn of_several_jobs_with_one_unique_key_one_is_retried(probe: &Probe) {
    let unique = || with(a(), |job| job.unique_key = Some("seven".to_owned()));
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(probe.add(unique()));
        probe.cancel(all[all.len() - 1]).unwrap();
    }
    let free = probe.add(a());
    probe.cancel(free).unwrap();
    all.push(free);
    let held = || {
        Err(StoreError::UniqueKeyHeld {
            key: "seven".to_owned(),
            holder: Some(all[0]),
        })
    };
    let answers = operate(probe, Operation::Retry, &all);
    assert_eq!(answers, [Ok(()), held(), held(), Ok(())]);
    assert_eq!(probe.listed(JobState::Available).len(), 2);
}

fn several_retried_jobs_end_the_waits_for_work(probe: &Probe) {
    let id = probe.add(a());
    probe.cancel(id).unwrap();
    let seen = [probe.version(), probe.other().version()];
    assert_eq!(probe.operate(Operation::Retry, &[id]), Ok(vec![Ok(())]));
    assert_ne!(probe.version(), seen[0]);
    assert_ne!(probe.other().wait_for_change(seen[1], HOUR), seen[1]);
}
