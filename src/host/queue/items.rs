//! Queues, without the type of their items.

use super::stats::QueueStats;
use super::store::Store;
use crate::queue::Member;

/// A queue, as its host knows it.
pub(crate) trait Hosted: Send + Sync {
    /// `false`: a service has it already.
    fn claim(&self) -> bool;
    fn release(&self);
    /// It is a service of a host that was built.
    fn join_host(&self, member: Member);
    /// Closes the queue, and keeps what waits for its owner. Returns what the report says.
    fn take_out(&self) -> QueueStats;
    fn stats(&self) -> QueueStats;
}

impl<T: Send + 'static> Hosted for Store<T> {
    fn claim(&self) -> bool {
        self.set_hosted(true)
    }

    fn release(&self) {
        self.set_hosted(false);
    }

    fn join_host(&self, member: Member) {
        self.membership().set(member);
    }

    fn take_out(&self) -> QueueStats {
        self.take_out()
    }

    fn stats(&self) -> QueueStats {
        self.stats()
    }
}
