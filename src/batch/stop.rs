//! Waiting for batches: `flush`, and the stop.

use super::alarms::CANCEL;
use super::state::{Phase, State};
use super::store::Store;
use crate::clock::{self, Clock, Deadline};
use crate::stop::Moments;
use crate::sync::{AfterUnlock, Arc, MutexGuard, Weak};
use crate::timer::{Alarm, Due, Key, Timer};
use std::time::Instant;

/// What a stop sees of the batcher.
#[derive(Clone, Copy)]
struct Progress {
    is_sealed: bool,
    is_cancelled: bool,
    /// No task will handle what is left.
    is_lost: bool,
    /// Nothing is ready, or waits for its next attempt.
    is_idle: bool,
    /// Tasks have begun that do not wait in the stop themselves.
    is_running: bool,
    /// There are tasks that do not wait in the stop themselves.
    has_tasks: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Seal,
    Cancel,
    WaitUntil(Deadline),
    Report,
}

/// What a stop does next. Pure.
fn next_step(moments: Moments, now: Instant, progress: Progress) -> Step {
    let is_time_to_cancel = moments.cancel.has_passed(now);
    let is_time_to_seal = is_time_to_cancel || moments.backlog_out.has_passed(now);
    if !progress.is_sealed && (is_time_to_seal || progress.is_lost) {
        return Step::Seal;
    }
    // Once it is sealed, tasks that have not begun find nothing to do.
    let is_done = progress.is_idle && !progress.is_running;
    if is_done && (progress.is_sealed || !progress.has_tasks) {
        return Step::Report;
    }
    if is_time_to_cancel && !progress.is_cancelled {
        return Step::Cancel;
    }
    if moments.deadline.has_passed(now) {
        return Step::Report;
    }
    let mut wake = moments.deadline;
    if !progress.is_sealed {
        wake = wake.earlier(moments.backlog_out);
    }
    if !progress.is_cancelled {
        wake = wake.earlier(moments.cancel);
    }
    Step::WaitUntil(wake)
}

impl<T: Send + 'static> Store<T> {
    /// Blocks until what was accepted before is done; `false`: the pool may not run it, or a
    /// stop has taken some of it out, or `deadline` came first.
    pub(super) fn flush(&self, deadline: Deadline) -> bool {
        // What is being filled was submitted before, too.
        let number = self.end_filling();
        let is_inside = self.is_inside();
        let mut state = self.state.lock();
        state.waiters += 1;
        let is_done = loop {
            if state.sequence.are_done(number) {
                // A batch that a stop took out counts as done, but its items are not handled.
                break state.unstarted.has_none_up_to(number);
            }
            let is_over = is_inside || state.has_reached(Phase::Reported) || self.is_lost(&state);
            if is_over || deadline.has_passed(clock::now()) {
                break false;
            }
            self.help_or_wait(&mut state, deadline);
        };
        state.waiters -= 1;
        is_done
    }

    /// Closes, waits for what there is as long as the plan allows, and takes out the rest. Whether
    /// this is the first stop to end.
    pub(super) fn finish(&self, moments: Moments) -> bool {
        self.close();
        let _alarm = self.alarm_to_cancel(moments.cancel);
        let mut is_cancelled = false;
        let mut after = AfterUnlock::new();
        let mut state = self.state.lock();
        let own = state.in_progress.enter_stop(&self.own_tasks());
        state.waiters += 1;
        // Others that wait in a stop need not wait for these.
        self.notify(&mut state);
        loop {
            match next_step(moments, clock::now(), self.progress(&state, is_cancelled)) {
                Step::Seal => self.seal(&mut state, &mut after),
                Step::Cancel => {
                    is_cancelled = true;
                    MutexGuard::unlocked(&mut state, || self.cancel_tasks());
                }
                Step::WaitUntil(moment) => self.help_or_wait(&mut state, moment),
                Step::Report => break,
            }
        }
        self.seal(&mut state, &mut after);
        let is_first = state.advance(Phase::Reported);
        state.waiters -= 1;
        // A flush does not wait for a handler that the report has left behind.
        self.notify(&mut state);
        state.in_progress.leave_stop(&own);
        is_first
    }

    fn progress(&self, state: &State<T>, is_cancelled: bool) -> Progress {
        Progress {
            is_sealed: state.has_reached(Phase::Sealed),
            is_cancelled,
            is_lost: self.is_lost(state),
            is_idle: state.is_idle(),
            is_running: state.in_progress.running() > 0,
            has_tasks: state.in_progress.has_tasks(),
        }
    }

    /// Nothing more gets in.
    fn close(&self) {
        let mut after = AfterUnlock::new();
        let mut state = self.state.lock();
        state.advance(Phase::Closed);
        state.end_filling();
        self.send_tasks(&mut state, &mut after);
        after.call(|| self.room.announce_to_all());
    }

    /// Takes out everything that is not being handled, if that has not been done: nothing is
    /// given to a handler any more.
    pub(super) fn seal(&self, state: &mut State<T>, after: &mut AfterUnlock<'_>) {
        if state.has_reached(Phase::Sealed) {
            return;
        }
        for _ in 0..state.seal() {
            self.clock().count_waiting(false);
        }
        after.drop(state.alarms.close());
        self.room.announce_to_all();
        self.notify(state);
    }

    /// Cancels the tokens of what runs, and calls off what has not begun.
    pub(super) fn cancel_tasks(&self) {
        let handles = self.state.lock().in_progress.handles();
        for handle in handles {
            handle.cancel();
        }
    }

    /// A worker of the pool that helps to stop cannot cancel what it is at itself.
    fn alarm_to_cancel(&self, cancel: Deadline) -> Option<AlarmGuard> {
        let cancel = cancel.moment().filter(|_| self.is_worker_of_pool())?;
        // By the time of the stop, not by the pool's clock.
        let timer = Timer::of(&Clock::default());
        let alarm: Weak<dyn Alarm> = self.me.clone();
        let key = timer.set(Due::Mono(cancel), &alarm, CANCEL);
        Some(AlarmGuard { timer, key })
    }

    /// A worker of the pool runs a task that has not begun, if there is one: it may be the
    /// only worker. Otherwise waits for something to happen.
    fn help_or_wait(&self, state: &mut MutexGuard<'_, State<T>>, deadline: Deadline) {
        if self.is_worker_of_pool() {
            let handles = state.in_progress.handles_to_begin();
            let seen = state.changes;
            // Another worker may have each of them already, and be about to begin.
            let ran = !handles.is_empty()
                && MutexGuard::unlocked(state, || handles.iter().any(|task| task.claim()));
            // The invariant of the store: what that worker did meanwhile is announced by now.
            if ran || state.changes != seen {
                return;
            }
        }
        deadline.wait(&self.changed, state);
    }
}

struct AlarmGuard {
    timer: Arc<Timer>,
    key: Key,
}

impl Drop for AlarmGuard {
    fn drop(&mut self) {
        self.timer.clear(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::StopPlan;
    use std::time::Duration;

    const BUSY: Progress = Progress {
        is_sealed: false,
        is_cancelled: false,
        is_lost: false,
        is_idle: false,
        is_running: true,
        has_tasks: true,
    };
    const SEALED: Progress = Progress {
        is_sealed: true,
        is_idle: true,
        ..BUSY
    };

    #[test]
    fn a_stop_waits_then_seals_then_cancels_then_reports() {
        let start = clock::now();
        let at = |second| start + Duration::from_secs(second);
        let plan = StopPlan::drain(Duration::from_secs(10)).grace(Duration::from_secs(2));
        let step = |second, progress| next_step(plan.moments(start), at(second), progress);
        let wait_until = |second| Step::WaitUntil(Deadline::at(at(second)));
        let cancelled = Progress {
            is_cancelled: true,
            ..SEALED
        };
        assert_eq!(step(0, BUSY), wait_until(8));
        assert_eq!(step(8, BUSY), Step::Seal);
        assert_eq!(step(8, SEALED), Step::Cancel);
        assert_eq!(step(8, cancelled), wait_until(10));
        assert_eq!(step(10, cancelled), Step::Report);
    }

    #[test]
    fn a_stop_reports_as_soon_as_nothing_runs_and_nothing_is_left() {
        let moments = StopPlan::drain(Duration::from_secs(10)).moments(clock::now());
        let step = |progress| next_step(moments, clock::now(), progress);
        let over = Progress {
            is_running: false,
            ..SEALED
        };
        assert_eq!(step(over), Step::Report);
        // A task that has not begun may still find something, unless this is sealed.
        let to_begin = Progress {
            is_sealed: false,
            ..over
        };
        assert!(matches!(step(to_begin), Step::WaitUntil(_)));
        let no_task = Progress {
            has_tasks: false,
            ..to_begin
        };
        assert_eq!(step(no_task), Step::Report);
    }

    #[test]
    fn what_no_task_will_handle_is_taken_out_at_once() {
        let moments = StopPlan::drain(Duration::from_secs(10)).moments(clock::now());
        let lost = Progress {
            is_lost: true,
            ..BUSY
        };
        assert_eq!(next_step(moments, clock::now(), lost), Step::Seal);
    }
}
