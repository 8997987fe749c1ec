//! Waiting for batches: `flush`, and the stop.

use super::store::{State, Store};
use crate::clock::{self, Deadline};
use crate::stop::Moments;
use crate::sync::{Arc, MutexGuard};
use crate::task::{TaskHandle, index_in};
use std::time::Duration;

/// So often one looks whether a pool that is closed has become one that runs nothing.
const LOOK_AT_POOL: Duration = Duration::from_millis(10);

impl<T: Send + 'static> Store<T> {
    /// Blocks until what was accepted before is done, or a stop has taken it out; `false`:
    /// `deadline` came first.
    pub(super) fn flush(&self, deadline: Deadline) -> bool {
        let number = self.end_filling();
        if self.is_inside() {
            return true;
        }
        let mut state = self.state.lock();
        state.waiters += 1;
        let is_done = loop {
            if state.numbers.are_done(number) || self.queue().is_sealed() {
                break true;
            }
            if deadline.has_passed(clock::now()) {
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
        let own = usize::from(self.is_inside());
        let mut is_cancelled = false;
        let mut state = self.state.lock();
        state.waiters += 1;
        loop {
            let now = clock::now();
            let cancels = moments.cancel.has_passed(now);
            if !state.sealed
                && (cancels || moments.backlog_out.has_passed(now) || self.is_lost(&state))
            {
                self.seal(&mut state);
            }
            let is_idle = state.ready.is_empty() && state.retrying.is_empty();
            if is_idle && state.running() <= own && (state.sealed || state.tasks.len() <= own) {
                break;
            }
            if cancels && !is_cancelled {
                is_cancelled = true;
                let handles: Vec<Arc<TaskHandle<()>>> = state
                    .tasks
                    .values()
                    .map(|task| task.handle.clone())
                    .collect();
                // May drop tasks that have not begun.
                MutexGuard::unlocked(&mut state, || {
                    handles.iter().for_each(|handle| {
                        handle.cancel();
                    });
                    drop(handles);
                });
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
            self.seal(&mut state);
        }
        state.waiters -= 1;
        state.reported = true;
    }

    /// Whether the pool will not run what is left.
    fn is_lost(&self, state: &State<T>) -> bool {
        let queue = self.queue();
        queue.is_sealed() || (queue.is_closed() && state.tasks.is_empty())
    }

    /// A worker of the pool runs a task that has not begun, if there is one: it may be the
    /// only worker. Otherwise waits for something to happen.
    fn help_or_wait(&self, state: &mut MutexGuard<'_, State<T>>, deadline: Deadline) {
        if index_in(self.queue().id).is_some() {
            let handle = state
                .tasks_to_begin()
                .next()
                .map(|task| task.handle.clone());
            if let Some(handle) = handle {
                let ran = MutexGuard::unlocked(state, || handle.claim());
                if ran {
                    return;
                }
            }
        }
        let wake = match self.queue().is_closed() {
            true => deadline.earlier(Deadline::after(LOOK_AT_POOL)),
            false => deadline,
        };
        wake.wait(&self.changed, state);
    }
}
