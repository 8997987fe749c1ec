use super::*;
use crate::clock;
use crate::stop::StopPlan;
use crate::threads::SPAWN_TIMEOUT;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// After this time the helper that joins is taken to be held up.
const HELD_UP: Duration = Duration::from_millis(10);

/// A stop that began `now`, of a pool with workers of these statuses.
fn stop(now: Instant, plan: StopPlan, statuses: &[WorkerStatus]) -> StopState {
    let names = vec!["worker".into(); statuses.len()];
    let mut state = StopState::new(&names, names.len());
    for (worker, status) in state.workers.iter_mut().zip(statuses) {
        worker.status = *status;
    }
    state.began = Some(now);
    state.moments = plan.moments(now);
    state
}

fn took_out(mut state: StopState, at: Instant) -> StopState {
    state.backlog_out = Some(at);
    state
}

const WORKING: [WorkerStatus; 2] = [WorkerStatus::Working; 2];
const JOINED: [WorkerStatus; 2] = [WorkerStatus::Joined; 2];

#[test]
fn a_drain_waits_for_its_grace_then_takes_out_then_cancels_then_reports() {
    let now = clock::now();
    let plan = StopPlan::drain(SECOND * 8);
    let state = stop(now, plan, &WORKING);
    let running = |_| true;
    let grace = now + SECOND * 6;
    assert_eq!(
        state.next_step(now, running),
        Step::Wait(Deadline::at(grace))
    );
    assert_eq!(state.next_step(grace, running), Step::TakeOut);
    let mut state = took_out(state, grace);
    assert_eq!(state.next_step(grace, running), Step::Cancel);
    state.is_cancelled = true;
    let deadline = now + SECOND * 8;
    assert_eq!(
        state.next_step(grace, running),
        Step::Wait(Deadline::at(deadline))
    );
    assert_eq!(state.next_step(deadline, running), Step::Report);
}

#[test]
fn finish_takes_out_at_once_and_cancel_cancels_at_once() {
    let now = clock::now();
    let running = |_| true;
    let finish = stop(now, StopPlan::finish_running(SECOND * 8), &WORKING);
    assert_eq!(finish.next_step(now, running), Step::TakeOut);
    let finish = took_out(finish, now);
    let grace = Deadline::at(now + SECOND * 6);
    assert_eq!(finish.next_step(now, running), Step::Wait(grace));
    let cancel = stop(now, StopPlan::cancel(SECOND), &WORKING);
    assert_eq!(cancel.next_step(now, running), Step::TakeOut);
    assert_eq!(took_out(cancel, now).next_step(now, running), Step::Cancel);
}

#[test]
fn a_thread_that_lingers_is_waited_for_until_the_deadline_and_not_by_looking_again_and_again() {
    let now = clock::now();
    let plan = StopPlan::drain(SECOND * 4);
    let mut state = took_out(
        stop(now, plan, &[WorkerStatus::Joined, WorkerStatus::Left]),
        now,
    );
    // Its thread was taken by the helper that joins it.
    let (grace, deadline) = (now + SECOND * 3, now + SECOND * 4);
    assert_eq!(state.next_step(grace, |_| false), Step::Cancel);
    state.is_cancelled = true;
    let wait = Step::Wait(Deadline::at(deadline));
    assert_eq!(state.next_step(grace, |_| false), wait);
    assert_eq!(state.next_step(deadline, |_| false), Step::Report);
}

#[test]
fn when_all_are_joined_the_report_is_made_long_before_the_deadline() {
    let now = clock::now();
    let state = stop(now, StopPlan::drain(Duration::MAX), &JOINED);
    assert_eq!(state.next_step(now, |_| false), Step::TakeOut);
    let state = took_out(state, now);
    assert_eq!(state.next_step(now, |_| false), Step::Report);
}

#[test]
fn a_worker_is_inside_stop_is_not_waited_for() {
    let now = clock::now();
    let mut state = stop(now, StopPlan::drain(SECOND), &WORKING);
    state.workers[0].is_inside_stop = true;
    state.workers[1].status = WorkerStatus::Joined;
    assert_eq!(state.next_step(now, |_| true), Step::TakeOut);
    let state = took_out(state, now);
    assert_eq!(state.next_step(now, |_| true), Step::Report);
}

#[test]
fn at_the_deadline_idle_workers_have_a_moment_to_leave_and_running_ones_none() {
    let now = clock::now();
    let mut state = took_out(stop(now, StopPlan::cancel(Duration::ZERO), &WORKING), now);
    state.is_cancelled = true;
    let leave_by = now + TIME_TO_EXIT;
    assert_eq!(
        state.next_step(now, |index| index == 0),
        Step::Wait(Deadline::at(leave_by))
    );
    assert_eq!(state.next_step(leave_by, |index| index == 0), Step::Report);
    assert_eq!(state.next_step(now, |_| true), Step::Report);
}

#[test]
fn a_join_that_is_held_up_gets_a_second_helper() {
    let now = clock::now();
    let threads = crate::threads::spawn_all("worker", &["a", "b"], 64 * 1024, |_| || ()).unwrap();
    let mut state = took_out(
        stop(now, StopPlan::drain(SECOND), &[WorkerStatus::Left; 2]),
        now,
    );
    for (worker, thread) in state.workers.iter_mut().zip(threads) {
        worker.thread = Some(thread);
    }
    assert_eq!(state.next_step(now, |_| false), Step::StartJoiner);
    state.joiners.start_attempted(now, true);
    state.workers[0].thread = None; // the first helper is joining it
    let held_up = now + HELD_UP;
    assert_eq!(
        state.next_step(now, |_| false),
        Step::Wait(Deadline::at(held_up))
    );
    assert_eq!(state.next_step(held_up, |_| false), Step::StartJoiner);
}

#[test]
fn where_no_helper_can_be_started_what_left_is_not_waited_for() {
    let now = clock::now();
    let mut state = took_out(
        stop(now, StopPlan::drain(10 * SECOND), &[WorkerStatus::Left; 2]),
        now,
    );
    let threads = crate::threads::spawn_all("worker", &["a", "b"], 64 * 1024, |_| || ()).unwrap();
    for (worker, thread) in state.workers.iter_mut().zip(threads) {
        worker.thread = Some(thread);
    }
    // It is tried again and again, for a while.
    let mut then = now;
    while then < now + SPAWN_TIMEOUT {
        assert_eq!(state.next_step(then, |_| false), Step::StartJoiner);
        state.joiners.start_attempted(then, false);
        let again = then + HELD_UP;
        let until = Step::Wait(Deadline::at(again));
        assert_eq!(state.next_step(then, |_| false), until);
        then = again;
    }
    assert_eq!(state.next_step(then, |_| false), Step::StartJoiner);
    state.joiners.start_attempted(then, false);
    assert_eq!(state.next_step(then, |_| false), Step::Report);
}

#[test]
fn phases_follow_from_what_was_done() {
    let mut state = StopState::new(&[], 0);
    assert_eq!(state.phase(false), PoolPhase::Open);
    assert_eq!(state.phase(true), PoolPhase::Closed);
    state.is_cancelled = true;
    assert_eq!(state.phase(true), PoolPhase::Cancelling);
}
