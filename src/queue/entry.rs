//! What the parts of the pool have to know of what is queued.

use crate::worker::{Off, Tombstone};

/// A task as it lies in the channel, in an overflow list, or among those that wait for a
/// moment.
pub(crate) trait Entry: Sized {
    fn id(&self) -> u64;
    /// A stop takes it out.
    fn take_out(&self) -> Withdrawal;
    /// Gives what was withdrawn to its scope.
    fn give_back(self);
    /// Whether it waits for its next attempt.
    fn is_waiting(&self) -> bool;
    /// Its next attempt is due. `false`: it was called off.
    fn requeue(&self) -> bool;
}

/// What a stop finds where a task was queued.
pub(crate) enum Withdrawal {
    Live,
    /// A scoped task, that has to be given back to its scope.
    Withdrawn,
    Tombstone(Tombstone),
}

/// What a stopper took out of the queue.
pub(crate) struct TakenOut<T> {
    /// What never started: the channel's oldest first, then the lists', then what waited for
    /// another attempt, or was due.
    pub(crate) unstarted: Vec<T>,
    /// Cancelled tasks that were not counted yet.
    pub(crate) cancelled: u64,
    /// Expired tasks that were not counted yet.
    pub(crate) expired: u64,
    /// Everything accepted that was taken out of the queue, tombstones included.
    pub(crate) taken: u64,
}

impl<T> Default for TakenOut<T> {
    fn default() -> TakenOut<T> {
        TakenOut {
            unstarted: Vec::new(),
            cancelled: 0,
            expired: 0,
            taken: 0,
        }
    }
}

impl<T: Entry> TakenOut<T> {
    /// One more that has to be taken out, and that nothing has counted as accepted.
    pub(super) fn take(&mut self, entry: T) {
        self.taken += u64::from(self.sort(entry));
    }

    /// One more that has to be taken out. Returns whether it had been accepted.
    pub(super) fn sort(&mut self, entry: T) -> bool {
        match entry.take_out() {
            Withdrawal::Live => {
                self.unstarted.push(entry);
                true
            }
            Withdrawal::Withdrawn => {
                entry.give_back();
                false
            }
            Withdrawal::Tombstone(tombstone) => {
                self.cancelled += u64::from(tombstone.uncounted == Some(Off::Cancelled));
                self.expired += u64::from(tombstone.uncounted == Some(Off::Expired));
                tombstone.accepted
            }
        }
    }

    pub(super) fn add(&mut self, mut other: TakenOut<T>) {
        self.unstarted.append(&mut other.unstarted);
        self.cancelled += other.cancelled;
        self.expired += other.expired;
        self.taken += other.taken;
    }
}
