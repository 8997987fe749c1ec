//! How items get in, and become batches.

use super::alarms::{CANCEL, FILLING};
use super::state::{Phase, State};
use super::store::Store;
use crate::clock::Now;
use crate::queue::{OnFull, Refusal, Wait};
use crate::submit::SubmitError;
use crate::sync::{AfterUnlock, Arc, Backoff, MutexGuard};
use crate::timer::{Alarm, drop_elsewhere};

impl<T: Send + 'static> Store<T> {
    pub(super) fn submit(&self, item: T, on_full: OnFull<'_>) -> Result<(), SubmitError<T>> {
        let bytes = self.measure.as_ref().map_or(0, |measure| measure(&item));
        // Asked for only where there is no room: this is on the way of every item.
        let overflows = || on_full.overflows() && self.is_own_worker();
        let mut after = AfterUnlock::new();
        let mut state = self.state.lock();
        let backoff = Backoff::new();
        let refused = loop {
            if state.has_reached(Phase::Closed) {
                break Some(Refusal::Closed);
            }
            if state.held < self.capacity || overflows() {
                break None;
            }
            // No task will make room any more.
            if self.is_lost(&state) {
                break Some(Refusal::Closed);
            }
            let Some(wait) = on_full.wait() else {
                break Some(Refusal::Full);
            };
            if let Some(refusal) = wait.is_over() {
                break Some(refusal);
            }
            self.wait_for_room(&mut state, &backoff, wait);
        };
        if let Some(refusal) = refused {
            drop(state);
            return Err(self.refuse(item, on_full.reason(refusal)));
        }
        self.fill_in(&mut state, item, bytes, &mut after);
        Ok(())
    }

    fn wait_for_room(
        &self,
        state: &mut MutexGuard<'_, State<T>>,
        backoff: &Backoff,
        wait: Wait<'_>,
    ) {
        if !backoff.is_completed() {
            // A short batch ends within microseconds; a sleep costs more than that.
            return MutexGuard::unlocked(state, || backoff.snooze());
        }
        state.submitters += 1;
        // Under the lock under which it found no room: Invariant 1 of the room.
        let ticket = self.room.ticket();
        MutexGuard::unlocked(state, || self.room.wait(ticket, wait));
        state.submitters -= 1;
    }

    #[inline]
    fn fill_in<'a>(
        &'a self,
        state: &mut State<T>,
        item: T,
        bytes: usize,
        after: &mut AfterUnlock<'a>,
    ) {
        let overflows = state.filling.overflows_with(bytes);
        if overflows {
            state.end_filling();
        }
        state.accept(item, bytes);
        let is_full = state.filling.is_full() || self.is_waited_for(state);
        if is_full {
            state.end_filling();
        } else if state.filling.needs_time() && state.filling.set_time(self.clock().now()) {
            // Not for each item: an alarm that is set already looks again by itself.
            state.alarms.set_filling(state.filling.due());
        }
        if overflows || is_full {
            self.send_tasks(state, after);
        }
    }

    /// What is being filled is a batch; returns the number of the last one.
    pub(super) fn end_filling(&self) -> u64 {
        let mut after = AfterUnlock::new();
        let mut state = self.state.lock();
        state.end_filling();
        self.send_tasks(&mut state, &mut after);
        state.sequence.last()
    }

    fn rang(&self, what: u64, now: Now) {
        let mut after = AfterUnlock::new();
        let mut state = self.state.lock();
        if what == FILLING {
            state.alarms.filling_rang();
            if state.filling.len() > 0 {
                // The moment of an earlier batch, or of an earlier item.
                let due = state.filling.due();
                match due.has_passed(now.mono) {
                    true => state.end_filling(),
                    false => state.alarms.set_filling(due),
                }
            }
        } else if let Some(batch) = state.in_progress.end_retry(what) {
            self.clock().count_waiting(false);
            state.ready.push_front(batch);
        }
        self.send_tasks(&mut state, &mut after);
    }
}

impl<T: Send + 'static> Alarm for Store<T> {
    fn ring(self: Arc<Self>, what: u64, now: Now) {
        match what {
            CANCEL => self.cancel_tasks(),
            _ => self.rang(what, now),
        }
        // The drops of items and closures must not delay the timer's thread.
        drop_elsewhere(self);
    }
}
