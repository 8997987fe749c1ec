//! Which task a worker runs next.

use super::PoolCore;
use crate::sync::Relaxed;
use crate::task::{CurrentWorker, How, Queued, SlotGuard};

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
        turn: &mut SlotGuard<'_>,
        me: &CurrentWorker,
        number: u32,
    ) -> bool {
        if self.run_out_of_turn(turn, me, number) {
            return true;
        }
        if self.has_due() && number % 2 == 1 && self.run_due(turn, me) {
            return true;
        }
        if let Some(newest) = turn.pop_newest() {
            newest.run(turn, me, How::Popped);
            return true;
        }
        if let Some(oldest) = self.receive(me) {
            oldest.run(turn, me);
            return true;
        }
        self.run_stolen(turn, me) || (self.has_due() && self.run_due(turn, me))
    }

    /// Runs what has been due for the longest. In turn with the channel, since a flood of
    /// either must not starve the other.
    #[cold]
    fn run_due(&self, turn: &mut SlotGuard<'_>, me: &CurrentWorker) -> bool {
        let task = self.take_due();
        task.map(|task| task.run(turn, me)).is_some()
    }

    #[inline]
    fn run_out_of_turn(&self, turn: &mut SlotGuard<'_>, me: &CurrentWorker, number: u32) -> bool {
        match number % ROUND {
            CHANNEL_FIRST => {
                self.note_peak(self.receiver.len());
                let oldest = self.receive(me);
                oldest.map(|task| task.run(turn, me)).is_some()
            }
            OWN_OLDEST_FIRST => {
                let oldest = turn.pop_oldest();
                oldest.map(|task| task.run(turn, me, How::Popped)).is_some()
            }
            OTHERS_FIRST => self.run_stolen(turn, me),
            _ => false,
        }
    }

    fn run_stolen(&self, turn: &mut SlotGuard<'_>, me: &CurrentWorker) -> bool {
        let (before, from) = self.slots.split_at(me.index);
        let mut others = from.iter().skip(1).chain(before);
        let stolen = others.find_map(|slot| slot.try_steal());
        stolen.map(|task| task.run(turn, me, How::Popped)).is_some()
    }

    /// Writes only what is news: others read that line.
    pub(super) fn note_peak(&self, len: usize) {
        if len > self.outside.peak.load(Relaxed) {
            self.outside.peak.fetch_max(len, Relaxed);
        }
    }

    fn receive(&self, me: &CurrentWorker) -> Option<Queued> {
        let task = self.receiver.try_recv().ok()?;
        self.gate.made_room(me.task_nanos(), || self.receiver.len());
        Some(task)
    }
}
