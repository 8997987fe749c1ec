//! Which task a worker runs next, and how it sleeps where there is none.

use super::core::{CurrentWorker, PoolCore, Queued, WorkerSlotGuard};
use crate::clock::Deadline;
use crate::threads::MAX_SPAWN_PAUSE;
use crate::worker::How;
use std::time::Duration;

/// Number of turns after which a worker looks first at the channel, once at its own list's
/// oldest and once at the lists of others, so that neither a task that feeds itself nor a
/// steady stream from outside can starve any of them.
const ROUND: u32 = 64;
const CHANNEL_FIRST: u32 = 0;
const OWN_OLDEST_FIRST: u32 = 21;
const OTHERS_FIRST: u32 = 42;

impl PoolCore {
    /// Runs the next task for this worker: its own newest, or the channel's
    /// oldest, or the oldest of the others. `false`: there is none. `number`
    /// counts the calls.
    ///
    /// Its own newest first keeps the list of a recursion as short as its depth
    /// times its fan-out.
    #[inline]
    pub(crate) fn run_next(
        &self,
        slot: &mut WorkerSlotGuard<'_>,
        worker: &CurrentWorker,
        number: u32,
    ) -> bool {
        // Invariant 2 of the module: each of these takes and begins under the same lock.
        if self.run_out_of_turn(slot, worker, number) {
            return true;
        }
        // Every other time: in turn with the channel and the lists.
        if self.timed.has_due() && number % 2 == 1 && self.run_due(slot, worker) {
            return true;
        }
        if let Some(newest) = slot.pop_newest() {
            newest.run(slot, worker, How::Popped);
            return true;
        }
        if let Some(oldest) = self.receive(worker) {
            oldest.run(slot, worker);
            return true;
        }
        self.run_stolen(slot, worker) || (self.timed.has_due() && self.run_due(slot, worker))
    }

    /// Runs what has been due for the longest. In turn with the channel, since a flood of
    /// either must not starve the other.
    #[cold]
    fn run_due(&self, slot: &mut WorkerSlotGuard<'_>, worker: &CurrentWorker) -> bool {
        let task = self.timed.take_due();
        task.map(|task| task.run(slot, worker)).is_some()
    }

    #[inline]
    fn run_out_of_turn(
        &self,
        slot: &mut WorkerSlotGuard<'_>,
        worker: &CurrentWorker,
        number: u32,
    ) -> bool {
        match number % ROUND {
            CHANNEL_FIRST => {
                self.channel.note_len();
                let oldest = self.receive(worker);
                oldest.map(|task| task.run(slot, worker)).is_some()
            }
            OWN_OLDEST_FIRST => {
                let oldest = slot.pop_oldest();
                oldest
                    .map(|task| task.run(slot, worker, How::Popped))
                    .is_some()
            }
            OTHERS_FIRST => self.run_stolen(slot, worker),
            _ => false,
        }
    }

    fn run_stolen(&self, slot: &mut WorkerSlotGuard<'_>, worker: &CurrentWorker) -> bool {
        // From its neighbour on, so that thieves do not all try the same slot first.
        let (before, from) = self.slots.split_at(worker.index);
        let mut others = from.iter().skip(1).chain(before);
        let stolen = others.find_map(|slot| slot.try_steal());
        stolen
            .map(|task| task.run(slot, worker, How::Popped))
            .is_some()
    }

    fn receive(&self, worker: &CurrentWorker) -> Option<Queued> {
        // First the task, then the waiters: Invariant 2 of `gate`.
        let task = self.channel.try_recv()?;
        self.gate
            .made_room(worker.clock.task_nanos(), || self.channel.len());
        Some(task)
    }

    /// Whether anything is there to be taken. The caller holds no slot.
    pub(super) fn has_tasks(&self) -> bool {
        !self.channel.is_empty()
            || self.timed.count_due() > 0
            || self.slots.iter().any(|slot| slot.count_overflow() > 0)
    }

    /// Whether there is more than one worker can take at once. The caller holds
    /// no slot.
    pub(crate) fn has_several(&self) -> bool {
        let overflow: usize = self.slots.iter().map(|slot| slot.count_overflow()).sum();
        self.channel.len() + self.timed.count_due() + overflow > 1
    }

    /// Blocks this worker until there may be something to do.
    pub(crate) fn sleep(&self, index: usize) {
        // Looked at after it has announced that it sleeps: invariant 3 of the module.
        let has_to_stay_awake =
            || self.has_tasks() || self.is_closed() || self.slots[index].is_marked();
        // If the timer has no thread, an idle worker has the time to start one.
        let look_again = || match self.lacks_timer() {
            true => Deadline::after(MAX_SPAWN_PAUSE),
            false => Deadline::NEVER,
        };
        if !self.sleepers.sleep(index, has_to_stay_awake, look_again) {
            let _ = self.start_timer(Deadline::after(Duration::ZERO));
        }
    }

    /// Wakes a worker for a task that was put in, if that is needed.
    #[inline]
    pub(crate) fn wake_one(&self) {
        self.sleepers.wake_one();
    }
}
