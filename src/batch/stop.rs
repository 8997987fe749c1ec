//! Waiting for batches: `flush`, and the stop.

use super::store::{CANCEL, State, Store};
use crate::clock::{self, Clock, Deadline};
use crate::queue::worker_index_in;
use crate::stop::Moments;
use crate::sync::{Arc, MutexGuard};
use crate::task::TaskHandle;
use crate::timer::{Due, Key, Timer};
use std::mem;
use std::time::Duration;

/// How often a waiter checks whether the pool runs nothing any more: the pool does not
/// notify.
pub(super) const LOOK_AT_POOL: Duration = Duration::from_millis(10);

impl<T: Send + 'static> Store<T> {
    /// Blocks until what was accepted before is done; `false`: the pool may not run it, or a
    /// stop has taken some of it out, or `deadline` came first.
    pub(super) fn flush(&self, deadline: Deadline) -> bool {
        let number = self.end_filling();
        let is_inside = self.is_inside();
        let mut state = self.state.lock();
        state.waiters += 1;
        let is_done = loop {
            if state.numbers.are_done(number) {
                break number < state.first_out;
            }
            let is_over = is_inside || state.reported || self.is_lost(&state);
            if is_over || deadline.has_passed(clock::now()) {
                break false;
            }
            self.help_or_wait(&mut state, deadline);
        };
        state.waiters -= 1;
        is_done
    }

    /// Closes, waits for what there is as long as the plan allows, and takes out the rest.
    pub(super) fn finish(&self, moments: Moments) {
        self.close();
        let _alarm = self.alarm_to_cancel(moments.cancel);
        let mut timer = None;
        let mut is_cancelled = false;
        let mut state = self.state.lock();
        let own = state.set_stopping(&self.own_tasks());
        state.waiters += 1;
        // Others that are in here need not wait for these.
        self.notify(&state);
        loop {
            let now = clock::now();
            let cancels = moments.cancel.has_passed(now);
            let seals = cancels || moments.backlog_out.has_passed(now) || self.is_lost(&state);
            if seals && !state.sealed {
                timer = self.seal(&mut state);
            }
            let is_idle = state.ready.is_empty() && state.retrying.is_empty();
            let has_tasks = state.tasks.len() > state.stopping();
            if is_idle && state.running() == 0 && (state.sealed || !has_tasks) {
                break;
            }
            if cancels && !is_cancelled {
                is_cancelled = true;
                MutexGuard::unlocked(&mut state, || self.cancel_tasks());
                continue;
            }
            if moments.deadline.has_passed(now) {
                break;
            }
            let mut wake = moments.deadline;
            if !state.sealed {
                wake = wake.earlier(moments.backlog_out);
            }
            if !is_cancelled {
                wake = wake.earlier(moments.cancel);
            }
            self.help_or_wait(&mut state, wake);
        }
        if !state.sealed {
            timer = self.seal(&mut state);
        }
        state.waiters -= 1;
        state.reported = true;
        for id in own {
            if let Some(task) = state.tasks.get_mut(&id) {
                task.is_stopping = false;
            }
        }
        drop(state);
        drop(timer);
    }

    /// A worker of the pool that helps to stop cannot cancel what it is at itself.
    fn alarm_to_cancel(&self, cancel: Deadline) -> Option<AlarmGuard> {
        let cancel = cancel
            .moment()
            .filter(|_| worker_index_in(self.queue().id).is_some())?;
        // By the time of the stop, not by the pool's clock.
        let timer = Timer::of(&Clock::default());
        let key = timer.set(Due::Mono(cancel), &self.alarm(), CANCEL);
        Some(AlarmGuard { timer, key })
    }

    /// Whether no task will handle what is left.
    pub(super) fn is_lost(&self, state: &State<T>) -> bool {
        let queue = self.queue();
        let stopping = state.stopping();
        let runs_no_more = || queue.is_closed() && state.tasks.len() == stopping;
        queue.is_sealed() || runs_no_more() || stopping >= self.in_flight
    }

    /// A worker of the pool runs a task that has not begun, if there is one: it may be the
    /// only worker. Otherwise waits for something to happen.
    fn help_or_wait(&self, state: &mut MutexGuard<'_, State<T>>, deadline: Deadline) {
        if worker_index_in(self.queue().id).is_some() {
            let handles: Vec<Arc<TaskHandle<()>>> = state
                .tasks_to_begin()
                .map(|task| task.handle.clone())
                .collect();
            let may_claim = !handles.is_empty();
            if may_claim && MutexGuard::unlocked(state, || handles.iter().any(|task| task.claim()))
            {
                return;
            }
        }
        let look = Deadline::after(LOOK_AT_POOL);
        deadline.earlier(look).wait(&self.changed, state);
    }
}

impl<T> State<T> {
    /// These tasks wait in a stop. Returns those that did not before.
    fn set_stopping(&mut self, tasks: &[u64]) -> Vec<u64> {
        let is_news = |id: &&u64| {
            let task = self.tasks.get_mut(id);
            task.is_some_and(|task| !mem::replace(&mut task.is_stopping, true))
        };
        tasks.iter().filter(is_news).copied().collect()
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
