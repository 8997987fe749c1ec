//! The stop.

use super::Core;
use crate::clock::Deadline;
use crate::jobs::attempt::Cause;
use crate::store::Outcome;

impl Core {
    /// Nothing more begins.
    pub(in crate::jobs::workers) fn request_stop(&self) {
        // Before the lock is taken: who looks at it under the lock and then waits is notified, and
        // what a claim brings until then is given back here.
        self.stopping.cancel();
        let given_back = self.state.lock().ledger.give_back();
        self.give_back(given_back);
        self.work.notify_all();
        self.store().wake();
        self.changed();
    }

    /// Whether nothing runs, and nothing can begin any more.
    pub(in crate::jobs::workers) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        !state.claims.is_under_way && state.ledger.is_idle()
    }

    /// Whether the store has also answered all ends.
    pub(in crate::jobs::workers) fn is_settled(&self) -> bool {
        let state = self.state.lock();
        state.is_answered() && state.ledger.is_idle()
    }

    /// Cancels the tokens of all that runs.
    pub(in crate::jobs::workers) fn cancel_all(&self) {
        let running: Vec<_> = self.state.lock().ledger.attempts().cloned().collect();
        running
            .iter()
            .for_each(|attempt| attempt.cancel(Cause::Stopped));
    }

    /// The time is over, and these run on.
    pub(in crate::jobs::workers) fn abandon(&self) {
        let abandoned = self.state.lock().ledger.abandon();
        for attempt in abandoned {
            self.send(attempt, Outcome::Abandoned, None);
        }
    }

    /// Blocks until the store has answered all ends, and the claim that is under way, or until the
    /// deadline. Returns whether it has.
    pub(in crate::jobs::workers) fn wait_for_answers(&self, deadline: Deadline) -> bool {
        let mut state = self.state.lock();
        !deadline.wait_while(&self.changed, &mut state, |state| !state.is_answered())
    }

    /// All threads leave.
    pub(in crate::jobs::workers) fn close(&self) {
        self.request_stop();
        self.closed.cancel();
        drop(self.state.lock());
        self.work.notify_all();
        self.changed.notify_all();
        self.store().wake();
    }
}
