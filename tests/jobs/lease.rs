//! Leases: a process that is taken over, and one that takes over.

use crate::common::{Entrance, Gate, LONG, within};
use crate::faulty::FaultyStore;
use crate::parts::{
    Number, SECOND, account, claim_elsewhere, claims, completed, ear, end_lease, let_time_pass,
    new_jobs, number, open, start, start_by, start_threads_by, state, wait_for, wait_until,
};
use crate::setup::TestStore;
use groundcrew::Retry;
use groundcrew::channel::Receiver;
use groundcrew::host::RunningHost;
use groundcrew::jobs::{JobContext, JobResult, Jobs};
use groundcrew::store::{Begun, JobId, JobState, LostJob, Store};
use groundcrew::testing::ManualClock;
use std::time::Duration;

/// What another process does that finds the only one silent.
fn take_over(store: &TestStore, begun: Begun) {
    let worker = store.workers().unwrap()[0].clone();
    let judge = |lost: &LostJob| {
        assert_eq!(lost.begun, begun);
        lost.outcome(Duration::ZERO, 100)
    };
    assert!(
        store
            .take_over(worker.id, worker.beat, &judge)
            .unwrap()
            .is_some()
    );
}

#[test]
fn the_end_of_an_attempt_that_was_taken_over_is_refused_and_the_new_outcome_stands() {
    within(LONG, "taken over", || {
        let clock = ManualClock::new();
        let store = TestStore::new();
        let jobs = open(&store);
        let (sender, begun) = ear();
        let gate = Gate::new();
        let entrance = gate.entrance();
        let id = jobs.enqueue(&number(1)).unwrap();
        let mut host = groundcrew::Host::builder();
        host.clock(&clock);
        drop(host.jobs("jobs", &jobs).threads(2).on(
            move |_: Number, ctx: &JobContext| -> JobResult {
                sender.send((ctx.attempt(), ctx.fence())).unwrap();
                if ctx.attempt() == 1 {
                    ctx.token().wait(); // the loss of the lease
                    entrance.pass();
                    Err("late")?;
                }
                Ok(())
            },
        ));
        let host = host.build().unwrap().start().unwrap();
        let first = begun.recv().unwrap();
        take_over(&store, Begun::Yes);
        // Of two attempts of one job one runs at a time here: the second waits for the first.
        clock.advance(6 * SECOND); // the next beat
        assert!(begun.recv_timeout(Duration::from_millis(50)).is_err());
        gate.open();
        let_time_pass(&clock, &jobs, || state(&jobs, id) == JobState::Completed);
        let second = begun.recv().unwrap();
        assert_eq!((first.0, second.0), (1, 2));
        assert!(first.1 < second.1);
        let report = host.stop();
        let account = account(&report);
        assert_eq!((account.lease_lost(), account.completed()), (1, 1));
        assert_eq!((report.is_clean(), report.exit_code()), (false, 75));
        assert_eq!(jobs.get(id).unwrap().unwrap().info.attempt, 2);
    });
}

#[test]
fn what_was_claimed_and_not_begun_does_not_begin_after_the_lease_was_lost() {
    within(LONG, "lost before the beginning", || {
        let clock = ManualClock::new();
        let store = TestStore::new();
        let jobs = open(&store);
        let (sender, begun) = ear();
        let gate = Gate::new();
        let entrance = gate.entrance();
        let first = jobs.enqueue(&number(0)).unwrap();
        let mut host = groundcrew::Host::builder();
        host.clock(&clock);
        drop(
            host.jobs("jobs", &jobs)
                .on(move |job: Number, ctx: &JobContext| {
                    if job.n > 0 {
                        sender.send((job.n, ctx.attempt())).unwrap();
                    }
                    if job.n == 1 && ctx.attempt() == 1 {
                        entrance.pass();
                    }
                }),
        );
        let host = host.build().unwrap().start().unwrap();
        wait_for(&jobs, first, JobState::Completed);
        let ids = jobs.enqueue_many(&[number(1), number(2)]).unwrap();
        assert_eq!(begun.recv().unwrap(), (1, 1));
        wait_until(|| state(&jobs, ids[1].id) == JobState::Running);
        let worker = store.workers().unwrap()[0].id;
        end_lease(&*store, worker, Duration::ZERO);
        clock.advance(6 * SECOND);
        wait_until(|| store.workers().unwrap().iter().any(|it| it.id != worker));
        gate.open();
        // Both run again, with the new lease; of the second no attempt was used.
        let_time_pass(&clock, &jobs, || {
            ids.iter()
                .all(|it| state(&jobs, it.id) == JobState::Completed)
        });
        let mut runs: Vec<_> = begun.try_iter().collect();
        runs.sort_unstable();
        assert_eq!(runs, [(1, 2), (2, 1)]);
        let account = account(&host.stop());
        assert_eq!((account.lease_lost(), account.completed()), (2, 3));
    });
}

#[test]
fn jobs_of_a_process_that_is_silent_for_thirty_seconds_are_taken_over() {
    within(LONG, "a silent process", || {
        let clock = ManualClock::new();
        let store = TestStore::new().clock(&clock);
        let jobs = open(&store);
        let ids = jobs.enqueue_many(&[number(1), number(2)]).unwrap();
        let (worker, claimed) = claim_elsewhere(&*store, 2);
        store.mark_begun(worker, claimed[0].attempt_id());
        let mut host = groundcrew::Host::builder();
        host.clock(&clock);
        let (sender, runs) = ear();
        drop(
            host.jobs("jobs", &jobs)
                .on(move |job: Number, ctx: &JobContext| Ok(sender.send((job.n, ctx.attempt()))?))
                .retry::<Number>(Retry::fixed(SECOND)),
        );
        let host = host.build().unwrap().start().unwrap();
        let began = clock.elapsed();
        let_time_pass(&clock, &jobs, || {
            ids.iter()
                .all(|it| state(&jobs, it.id) == JobState::Completed)
        });
        assert!(clock.elapsed() - began >= 30 * SECOND);
        // What had begun has used an attempt, and waited its backoff; what had not begun has not.
        assert_eq!(runs.try_iter().collect::<Vec<_>>(), [(2, 1), (1, 2)]);
        assert!(host.stop().is_clean());
        assert!(store.workers().unwrap().is_empty());
    });
}

#[test]
fn a_job_that_ends_its_process_each_time_is_dead_after_its_attempts_and_said_to_be() {
    within(LONG, "a poison job", || {
        let clock = ManualClock::new();
        let store = TestStore::new().clock(&clock);
        let jobs = open(&store);
        let poison = jobs.job(&number(1)).attempts(1).enqueue().unwrap().id;
        let (worker, claimed) = claim_elsewhere(&*store, 1);
        store.mark_begun(worker, claimed[0].attempt_id());
        let innocent = jobs.enqueue(&number(2)).unwrap();
        let (sender, dead) = ear();
        let mut host = groundcrew::Host::builder();
        host.clock(&clock);
        drop(
            host.jobs("jobs", &jobs)
                .on(|_: Number, _: &JobContext| ())
                .dead_letter(move |job| sender.send((job.id(), job.error().to_owned())).unwrap()),
        );
        let host = host.build().unwrap().start().unwrap();
        let_time_pass(&clock, &jobs, || state(&jobs, poison) == JobState::Dead);
        let (id, error) = dead.recv().unwrap();
        assert_eq!(id, poison);
        assert!(error.contains("its process ended"), "{error}");
        assert_eq!(state(&jobs, innocent), JobState::Completed);
        assert!(host.stop().is_clean());
    });
}

#[test]
fn the_deadline_of_the_policy_counts_for_lost_attempts_as_well() {
    within(LONG, "a deadline", || {
        let clock = ManualClock::new();
        let store = TestStore::new().clock(&clock);
        let jobs = open(&store);
        let id = jobs.enqueue(&number(1)).unwrap();
        let (worker, claimed) = claim_elsewhere(&*store, 1);
        store.mark_begun(worker, claimed[0].attempt_id());
        let retry = Retry::fixed(SECOND).deadline(20 * SECOND);
        let mut host = groundcrew::Host::builder();
        host.clock(&clock);
        let workers = host.jobs("jobs", &jobs).on(|_: Number, _: &JobContext| ());
        drop(workers.retry::<Number>(retry));
        let host = host.build().unwrap().start().unwrap();
        let_time_pass(&clock, &jobs, || state(&jobs, id) == JobState::Dead);
        assert!(host.stop().is_clean());
    });
}

#[test]
fn the_lease_is_renewed_while_a_job_runs() {
    within(LONG, "a long job", || {
        let clock = ManualClock::new();
        let store = TestStore::new();
        let jobs = open(&store);
        let (sender, begun) = ear();
        let gate = Gate::new();
        let entrance = gate.entrance();
        jobs.enqueue(&number(1)).unwrap();
        let mut host = groundcrew::Host::builder();
        host.clock(&clock);
        drop(
            host.jobs("jobs", &jobs)
                .on(move |_: Number, _: &JobContext| {
                    sender.send(()).unwrap();
                    entrance.pass();
                }),
        );
        let host = host.build().unwrap().start().unwrap();
        begun.recv().unwrap();
        for _ in 0..5 {
            let beat = store.workers().unwrap()[0].beat;
            clock.wait_for_sleepers(1);
            clock.advance(6 * SECOND);
            wait_until(|| store.workers().unwrap()[0].beat != beat);
        }
        gate.open();
        assert!(host.stop().is_clean());
    });
}

/// A host whose claim is done, but not answered.
fn claims_without_an_answer(store: &FaultyStore, jobs: &Jobs) -> RunningHost {
    store.lose_answer("claim");
    start(jobs, |workers| workers.on(|_: Number, _: &JobContext| ()))
}

#[test]
fn a_claim_whose_answer_was_lost_is_given_back_and_runs_without_an_attempt_used() {
    within(LONG, "a claim without an answer", || {
        let store = FaultyStore::default();
        let jobs = Jobs::open(store.clone()).unwrap();
        let id = jobs.enqueue(&number(1)).unwrap();
        let host = claims_without_an_answer(&store, &jobs);
        wait_for(&jobs, id, JobState::Completed);
        assert!(store.is_answer_lost("claim"));
        let account = account(&host.stop());
        assert_eq!((account.claimed(), account.completed()), (1, 1));
        assert_eq!(jobs.get(id).unwrap().unwrap().info.attempt, 1);
    });
}

#[test]
fn two_services_on_one_store_share_the_jobs_and_run_each_once() {
    within(LONG, "two services", || {
        let jobs = new_jobs();
        let (sender, runs) = ear();
        let other = sender.clone();
        let mut host = groundcrew::Host::builder();
        drop(
            host.jobs("one", &jobs)
                .threads(2)
                .on(move |job: Number, _: &JobContext| Ok(sender.send(job.n)?)),
        );
        drop(
            host.jobs("two", &jobs)
                .threads(2)
                .on(move |job: Number, _: &JobContext| Ok(other.send(job.n)?)),
        );
        let host = host.build().unwrap().start().unwrap();
        let numbers: Vec<Number> = (0..500).map(number).collect();
        jobs.enqueue_many(&numbers).unwrap();
        let mut seen: Vec<u32> = runs.iter().take(500).collect();
        let report = host.stop();
        assert!(report.is_clean());
        seen.sort_unstable();
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
        assert!(runs.try_recv().is_err());
        let completed = |name| report.jobs(name).unwrap().completed();
        assert_eq!(completed("one") + completed("two"), 500);
    });
}

/// A process that begins all that it claims, and then ends: what it had is due again after `backoff`.
fn lose_jobs(store: &TestStore, most: usize, backoff: Duration) {
    let (worker, claimed) = claim_elsewhere(&**store, most);
    assert!(!claimed.is_empty());
    for job in &claimed {
        store.mark_begun(worker, job.attempt_id());
    }
    end_lease(&**store, worker, backoff);
}

/// A host with two threads, and a job that ended two processes in a row and is due an hour later by
/// the clock of the store.
struct Suspicion {
    clock: ManualClock,
    store_clock: ManualClock,
    jobs: Jobs,
    suspect: JobId,
    begun: Receiver<u32>,
    gates: Vec<Gate>,
    host: RunningHost,
}

/// The job with the number `n` waits at gate `n`. That of the suspect is 1.
fn suspicion() -> Suspicion {
    let (clock, store_clock) = (ManualClock::new(), ManualClock::new());
    let store = TestStore::new().clock(&store_clock);
    let jobs = open(&store);
    let suspect = jobs.job(&number(1)).attempts(9).enqueue().unwrap().id;
    lose_jobs(&store, 1, Duration::ZERO);
    lose_jobs(&store, 1, 3600 * SECOND);
    assert_eq!(jobs.get(suspect).unwrap().unwrap().info.lost, 2);
    let (sender, begun) = ear();
    let gates: Vec<Gate> = (0..3).map(|_| Gate::new()).collect();
    let entrances: Vec<Entrance> = gates.iter().map(Gate::entrance).collect();
    let host = start_threads_by(&clock, &jobs, 2, move |job, _| {
        sender.send(job.n).unwrap();
        entrances[job.n as usize].pass();
        Ok(())
    });
    Suspicion {
        clock,
        store_clock,
        jobs,
        suspect,
        begun,
        gates,
        host,
    }
}

impl Suspicion {
    fn let_it_be_due(&self) {
        self.store_clock.advance(3600 * SECOND);
        self.jobs.wake();
        wait_for(&self.jobs, self.suspect, JobState::Running);
        // The claimer knows it, too: from now on its time counts.
        wait_until(|| {
            let status = self.host.status();
            status.services()[0].jobs().unwrap().waiting() == 1
        });
    }

    /// Nothing begins for a moment.
    fn is_quiet(&self) -> bool {
        self.begun.recv_timeout(Duration::from_millis(100)).is_err()
    }
}

#[test]
fn a_job_that_ended_two_processes_in_a_row_has_the_next_one_for_itself() {
    within(LONG, "a suspect", || {
        let mut it = suspicion();
        it.jobs.enqueue(&number(0)).unwrap();
        assert_eq!(it.begun.recv().unwrap(), 0);
        // It waits for what runs, though a thread is idle, and nothing overtakes it.
        it.let_it_be_due();
        let innocent = it.jobs.enqueue(&number(2)).unwrap();
        assert!(it.is_quiet());
        it.gates.remove(0).open();
        assert_eq!(it.begun.recv().unwrap(), 1);
        // Nothing begins beside it, or is claimed.
        assert!(it.is_quiet());
        assert_eq!(state(&it.jobs, innocent), JobState::Available);
        it.gates.remove(0).open();
        assert_eq!(it.begun.recv().unwrap(), 2);
        it.gates.remove(0).open();
        wait_for(&it.jobs, innocent, JobState::Completed);
        assert_eq!(account(&it.host.stop()).completed(), 3);
    });
}

#[test]
fn a_job_that_ended_two_processes_waits_for_others_for_ten_seconds_at_most() {
    within(LONG, "a suspect beside a long job", || {
        let mut it = suspicion();
        it.jobs.enqueue(&number(0)).unwrap();
        assert_eq!(it.begun.recv().unwrap(), 0);
        it.let_it_be_due();
        it.clock.advance(9 * SECOND);
        assert!(it.is_quiet());
        it.clock.advance(SECOND);
        assert_eq!(it.begun.recv().unwrap(), 1);
        // The long job would be lost with it in any case: nothing else waits for it.
        it.gates.remove(1).open();
        it.jobs.enqueue(&number(2)).unwrap();
        assert_eq!(it.begun.recv().unwrap(), 2);
        it.gates.drain(..).for_each(Gate::open);
        wait_for(&it.jobs, it.suspect, JobState::Completed);
        assert_eq!(account(&it.host.stop()).completed(), 3);
    });
}

#[test]
fn others_wait_for_a_job_that_ended_two_processes_for_ten_seconds_at_most() {
    within(LONG, "a long suspect", || {
        let mut it = suspicion();
        it.store_clock.advance(3600 * SECOND);
        it.jobs.wake();
        assert_eq!(it.begun.recv().unwrap(), 1);
        it.jobs.enqueue(&number(2)).unwrap();
        it.clock.advance(9 * SECOND);
        assert!(it.is_quiet());
        it.clock.advance(SECOND);
        assert_eq!(it.begun.recv().unwrap(), 2);
        it.gates.drain(..).for_each(Gate::open);
        wait_for(&it.jobs, it.suspect, JobState::Completed);
        assert_eq!(account(&it.host.stop()).completed(), 2);
    });
}

#[test]
fn the_jobs_of_a_process_that_was_killed_once_begin_beside_each_other_and_others_beside_them() {
    within(LONG, "many that were lost once", || {
        let clock = ManualClock::new(); // stands still: nothing waits for time to pass
        let store = TestStore::new();
        let jobs = open(&store);
        let numbers: Vec<Number> = (0..8).map(number).collect();
        jobs.enqueue_many(&numbers).unwrap();
        lose_jobs(&store, 8, Duration::ZERO);
        let (sender, begun) = ear();
        let gate = Gate::new();
        let entrance = gate.entrance();
        let host = start_threads_by(&clock, &jobs, 9, move |job, _| {
            sender.send(job.n).unwrap();
            entrance.pass();
            Ok(())
        });
        jobs.enqueue(&number(8)).unwrap();
        let mut all: Vec<u32> = begun.iter().take(9).collect();
        all.sort_unstable();
        assert_eq!(all, (0..9).collect::<Vec<_>>());
        gate.open();
        wait_until(|| completed(&host) == 9);
        assert_eq!(account(&host.stop()).completed(), 9);
    });
}

#[test]
fn an_attempt_whose_job_still_runs_here_is_claimed_once_and_keeps_nothing_else_waiting() {
    within(LONG, "an older attempt", || {
        let clock = ManualClock::new();
        let store = TestStore::new();
        let jobs = open(&store);
        let (sender, begun) = ear();
        let gate = Gate::new();
        let entrance = gate.entrance();
        let id = jobs.enqueue(&number(1)).unwrap();
        let host = start_threads_by(&clock, &jobs, 2, move |job, ctx| {
            sender.send((job.n, ctx.attempt())).unwrap();
            if (job.n, ctx.attempt()) == (1, 1) {
                entrance.pass();
            }
            Ok(())
        });
        assert_eq!(begun.recv().unwrap(), (1, 1));
        take_over(&store, Begun::Yes);
        clock.advance(6 * SECOND); // the next beat
        wait_for(&jobs, id, JobState::Running);
        for n in 2..18 {
            let other = jobs.enqueue(&number(n)).unwrap();
            assert_eq!(begun.recv().unwrap(), (n, 1));
            wait_for(&jobs, other, JobState::Completed);
            clock.advance(SECOND);
        }
        assert_eq!(claims(&host), 2 + 16);
        gate.open();
        assert_eq!(begun.recv().unwrap(), (1, 2));
        wait_for(&jobs, id, JobState::Completed);
        let account = account(&host.stop());
        assert_eq!((account.lease_lost(), account.completed()), (1, 17));
    });
}

#[test]
fn nothing_begins_on_a_lease_that_was_not_renewed_for_long() {
    within(LONG, "a process that was frozen", || {
        let clock = ManualClock::new();
        let store = FaultyStore::default();
        let jobs = Jobs::open(store.clone()).unwrap();
        let (sender, begun) = ear();
        let host = start_by(&clock, &jobs, move |job, _| Ok(sender.send(job.n)?));
        let gate = store.hold("claim");
        let id = jobs.enqueue(&number(1)).unwrap();
        wait_until(|| store.arrivals("claim") > 0);
        // It is frozen inside of the claim, and its beat as well.
        clock.wait_for_sleepers(1);
        store.break_down(&["renew"]);
        clock.advance(31 * SECOND);
        gate.open();
        wait_for(&jobs, id, JobState::Running);
        assert!(begun.recv_timeout(Duration::from_millis(100)).is_err());
        store.come_back();
        assert_eq!(begun.recv().unwrap(), 1);
        wait_for(&jobs, id, JobState::Completed);
        assert!(host.stop().is_clean());
    });
}

#[test]
fn a_claim_without_an_answer_is_found_though_a_claim_is_always_under_way() {
    within(LONG, "unknown in a busy process", || {
        let store = FaultyStore::default();
        let jobs = Jobs::open(store.clone()).unwrap();
        let id = jobs.enqueue(&number(1)).unwrap();
        let first = store.hold("claim");
        let host = claims_without_an_answer(&store, &jobs);
        wait_until(|| store.arrivals("claim") > 0);
        let second = store.hold("claim");
        first.open();
        wait_until(|| store.arrivals("claim") > 1);
        assert_eq!(state(&jobs, id), JobState::Running);
        let looks = store.calls("held");
        wait_until(|| {
            jobs.wake();
            store.calls("held") > looks + 1
        });
        let third = store.hold("claim");
        second.open();
        wait_until(|| store.arrivals("claim") > 2);
        wait_until(|| {
            jobs.wake();
            state(&jobs, id) != JobState::Running // given back, and perhaps claimed again
        });
        third.open();
        wait_for(&jobs, id, JobState::Completed);
        assert_eq!(account(&host.stop()).claimed(), 1);
    });
}

#[test]
fn a_process_looks_at_others_each_tenth_of_a_second_and_rarely_when_it_is_alone() {
    within(LONG, "looks at processes", || {
        let store = FaultyStore::default();
        let jobs = Jobs::open(store.clone()).unwrap();
        let host = start(&jobs, |workers| workers.on(|_: Number, _: &JobContext| ()));
        // It waits for that long unless something changes.
        let rarely = Duration::from_millis(500);
        wait_until(|| store.pauses().iter().any(|pause| *pause > rarely));
        let (other, _) = claim_elsewhere(&*store.inner, 1);
        let looks = store.calls("workers");
        wait_until(|| store.calls("workers") > looks);
        let before = store.pauses().len() + 1;
        wait_until(|| store.pauses().len() > before + 20);
        let pauses = store.pauses().split_off(before);
        let longest = pauses.iter().max().unwrap();
        assert!(*longest <= Duration::from_millis(100), "{longest:?}");
        store.inner.withdraw(other).unwrap();
        let before = store.pauses().len();
        wait_until(|| store.pauses()[before..].iter().any(|pause| *pause > rarely));
        assert!(host.stop().is_clean());
    });
}
