//! The items of a batcher, from their submit to their end, and the moves between their
//! places. Pure, except that alarms are set in the timer.
//!
//! # Invariants
//!
//! 1. An item that was accepted is in exactly one place: in `filling`, in a batch in
//!    `ready`, in one in progress (it waits for its next attempt, or is the rest of one that a
//!    task is at), with the handler, or in `unstarted`; or it is counted, as handled or as
//!    dead. All moves are made under the one lock. `held` counts those that are not yet
//!    counted nor in `unstarted`.
//! 2. A task takes a batch only when it begins to work, and keeps nothing of it but what is
//!    being handled: a task that a pool takes out of its queue loses no item.
//! 3. Batches in progress are never more than there are permits; except for the moment in
//!    which a task puts a batch back.
//! 4. From [`Phase::Sealed`] on nothing is given to a handler any more, and what was in
//!    `filling`, in `ready` and in progress is in `unstarted`.

use super::alarms::BatchAlarms;
use super::chunk::{Batch, Chunk};
use super::filling::Filling;
use super::handler::Handled;
use super::in_progress::InProgress;
use super::sequence::BatchSequence;
use super::unstarted::Unstarted;
use crate::host::items::BatchStats;
use std::collections::VecDeque;
use std::iter;

pub(super) struct State<T> {
    pub(super) filling: Filling<T>,
    /// Full batches that no task is at.
    pub(super) ready: VecDeque<Batch<T>>,
    pub(super) in_progress: InProgress<T>,
    pub(super) unstarted: Unstarted<T>,
    pub(super) sequence: BatchSequence,
    pub(super) alarms: BatchAlarms,
    phase: Phase,
    pub(super) held: usize,
    pub(super) stats: BatchStats,
    /// A service has it, or had it.
    pub(super) hosted: bool,
    /// How many threads wait for room.
    pub(super) submitters: usize,
    /// How many threads wait in `flush` or in a stop.
    pub(super) waiters: usize,
    /// How often there was something new for these: the invariant of the store.
    pub(super) changes: u64,
}

/// How far the stop has come: always forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Open,
    /// Nothing more gets in.
    Closed,
    Sealed,
    /// The report was made.
    Reported,
}

impl<T> State<T> {
    pub(super) fn new(filling: Filling<T>, permits: usize, alarms: BatchAlarms) -> State<T> {
        State {
            filling,
            ready: VecDeque::new(),
            in_progress: InProgress::new(permits),
            unstarted: Unstarted::new(),
            sequence: BatchSequence::default(),
            alarms,
            phase: Phase::Open,
            held: 0,
            stats: BatchStats::default(),
            hosted: false,
            submitters: 0,
            waiters: 0,
            changes: 0,
        }
    }

    pub(super) fn has_reached(&self, phase: Phase) -> bool {
        self.phase >= phase
    }

    /// Whether it was in an earlier one.
    pub(super) fn advance(&mut self, phase: Phase) -> bool {
        let is_later = phase > self.phase;
        self.phase = self.phase.max(phase);
        is_later
    }

    pub(super) fn is_idle(&self) -> bool {
        self.ready.is_empty() && !self.in_progress.has_retrying()
    }

    pub(super) fn accept(&mut self, item: T, bytes: usize) {
        self.stats.accepted += 1;
        self.held += 1;
        self.filling.push(item, bytes);
    }

    /// What is being filled is a batch.
    pub(super) fn end_filling(&mut self) {
        if let Some(items) = self.filling.take() {
            let number = self.sequence.begin();
            self.ready.push_back(Batch::new(number, items));
        }
    }

    /// A task begins the next batch, if there is one and it has a permit for that. Returns
    /// the first chunk, and the number of the batch.
    pub(super) fn begin_batch(&mut self, task: u64) -> Option<(Chunk<T>, u64)> {
        if !self.in_progress.has_task(task) || !self.in_progress.may_begin_batch() {
            return None;
        }
        let batch = self.ready.pop_front()?;
        self.in_progress.set_batch(task, batch);
        self.in_progress.next_chunk(task)
    }

    pub(super) fn count(&mut self, handled: &Handled<T>) {
        self.stats.calls += 1;
        self.stats.handled += handled.done as u64;
        self.stats.dead += handled.dead as u64;
        self.held -= handled.ended();
    }

    /// Items for the report, from the front of what is there of their batch.
    pub(super) fn hand_back(&mut self, batch: u64, items: Vec<T>) {
        self.held -= items.len();
        self.unstarted.add(batch, items);
    }

    /// Moves everything that is not being handled to `unstarted` (Invariant 4). Returns how
    /// many batches waited for their next attempt.
    pub(super) fn seal(&mut self) -> usize {
        self.end_filling();
        self.advance(Phase::Sealed);
        let ready = self.ready.drain(..).map(|batch| (batch, false));
        let mut batches: Vec<(Batch<T>, bool)> = ready.collect();
        let retrying = self.in_progress.take_retrying();
        let count = retrying.len();
        for (batch, key) in retrying {
            self.alarms.clear(key);
            batches.push((batch, false));
        }
        batches.extend(self.in_progress.take_rests());
        for (batch, is_handling) in batches {
            let number = batch.number;
            self.hand_back(number, batch.into_items());
            // One of which a chunk is being handled ends with that.
            if !is_handling {
                self.sequence.end(number);
            }
        }
        count
    }

    /// Takes the items that a stop hands back.
    pub(super) fn take_unstarted(&mut self) -> Vec<T> {
        let items = self.unstarted.take();
        self.stats.unstarted += items.len() as u64;
        items
    }

    /// Items that were handed back, and that no caller can get any more, are dead letters.
    pub(super) fn count_dead(&mut self, items: usize) {
        self.stats.unstarted -= items as u64;
        self.stats.dead += items as u64;
    }

    pub(super) fn stats(&self) -> BatchStats {
        BatchStats {
            waiting: self.held as u64,
            in_progress: self.count_handling() as u64,
            unstarted: self.stats.unstarted + self.unstarted.len() as u64,
            ..self.stats.clone()
        }
    }

    /// How many items are being handled.
    pub(super) fn count_handling(&self) -> usize {
        let ready: usize = self.ready.iter().map(Batch::len).sum();
        self.held - self.filling.len() - ready - self.in_progress.count_items()
    }

    /// All items that are here.
    pub(super) fn drain(&mut self) -> Vec<T> {
        self.end_filling();
        let retrying = self.in_progress.take_retrying();
        let rests = self.in_progress.take_rests();
        let ready = self.ready.drain(..);
        let batches = ready
            .chain(retrying.into_iter().map(|(batch, _)| batch))
            .chain(rests.into_iter().map(|(batch, _)| batch));
        let items = batches.map(Batch::into_items);
        items
            .chain(iter::once(self.unstarted.take()))
            .flatten()
            .collect()
    }
}
