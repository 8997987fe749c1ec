//! Where the items of a queue are, and the moves between the places. Pure, except that alarms
//! are set in the timer.

use super::failed::FailedItem;
use super::item::{Item, drop_items};
use super::retrying::Retrying;
use crate::clock::Deadline;
use crate::host::items::QueueStats;
use crate::retry::DeadLetter;
use crate::sync::Weak;
use crate::timer::Alarm;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;

pub(super) struct Items<T> {
    capacity: usize,
    /// Those that wait for a worker.
    queued: VecDeque<Item<T>>,
    pub(super) retrying: Retrying<T>,
    /// Handed back by handlers, then taken out by the stop. Counted as unstarted already.
    unstarted: VecDeque<Item<T>>,
    /// Dropped with their refusal. Counted as accepted and unstarted already.
    refused: Vec<T>,
    failed: Vec<FailedItem<T>>,
    /// Of the items being handled, by their numbers.
    copies: BTreeMap<u64, T>,
    /// The numbers of items in progress whose copy the owner has.
    given: BTreeSet<u64>,
    /// The number of the last item that went in.
    last_number: u64,
    /// Nothing more gets in.
    pub(super) closed: bool,
    /// What waited was taken out.
    pub(super) sealed: bool,
    stats: QueueStats,
}

/// What happens to an item that was being handled.
pub(super) enum End<T> {
    /// It is gone.
    Handled,
    /// It is gone: it panicked in its drop, or the closure for dead letters has it.
    Lost {
        has_panicked: bool,
    },
    /// To the front of the queue.
    PutBack(Item<T>),
    /// To the unstarted ones.
    HandBack(Item<T>),
    /// It is tried again then.
    Retry(Item<T>, Deadline),
    Failed(Item<T>, DeadLetter),
}

impl<T> Items<T> {
    pub(super) fn new(capacity: usize) -> Items<T> {
        Items {
            capacity,
            queued: VecDeque::new(),
            retrying: Retrying::new(),
            unstarted: VecDeque::new(),
            refused: Vec::new(),
            failed: Vec::new(),
            copies: BTreeMap::new(),
            given: BTreeSet::new(),
            last_number: 0,
            closed: false,
            sealed: false,
            stats: QueueStats::default(),
        }
    }

    pub(super) fn stats(&self) -> QueueStats {
        QueueStats {
            queued: self.count_queued() as u64,
            retrying: self.retrying.waiting() as u64,
            overflow: self.count_overflow(),
            failed_left: self.failed.len() as u64,
            ..self.stats.clone()
        }
    }

    fn count_queued(&self) -> usize {
        self.queued.len() + self.retrying.due()
    }

    fn count_overflow(&self) -> u64 {
        self.count_queued().saturating_sub(self.capacity) as u64
    }

    fn note_overflow(&mut self) {
        self.stats.overflow_peak = self.stats.overflow_peak.max(self.count_overflow());
    }

    pub(super) fn has_room(&self) -> bool {
        self.queued.len() < self.capacity
    }

    pub(super) fn is_idle(&self) -> bool {
        self.stats.in_progress == 0
    }

    /// Whether no worker will get an item any more. One being handled may be put back or tried
    /// again, and its handler may submit others.
    pub(super) fn are_over(&self) -> bool {
        self.closed && self.is_idle() && self.queued.is_empty() && self.retrying.is_empty()
    }

    pub(super) fn accept(&mut self, value: T) {
        self.last_number += 1;
        self.queued.push_back(Item {
            value,
            number: self.last_number,
            tried: None,
        });
        self.stats.accepted += 1;
        self.note_overflow();
    }

    /// One that was refused, and dropped with its refusal.
    pub(super) fn keep_refused(&mut self, value: T) {
        self.stats.accepted += 1;
        self.stats.unstarted += 1;
        self.refused.push(value);
    }

    /// The next item, which is being handled from now on.
    pub(super) fn next(&mut self) -> Option<Item<T>> {
        // What is due goes first: it was at the front before, and makes room for other retries.
        let due = self.retrying.take_due();
        let item = due.or_else(|| match self.retrying.has_room() {
            // If it fails, it has to find a place to wait for its retry.
            true => self.queued.pop_front(),
            false => None,
        })?;
        self.stats.in_progress += 1;
        Some(item)
    }

    pub(super) fn add_copy(&mut self, number: u64, copy: T) {
        self.copies.insert(number, copy);
    }

    /// From now on the owner gets no copy of this item: what is returned. `Err`: it has one.
    pub(super) fn take_copy(&mut self, number: u64) -> Result<Option<T>, ()> {
        match self.given.contains(&number) {
            true => Err(()),
            false => Ok(self.copies.remove(&number)),
        }
    }

    /// The next attempt of this item is due.
    pub(super) fn ring(&mut self, number: u64) {
        if self.retrying.ring(number) {
            self.note_overflow();
        }
    }

    /// The item with that number is no longer in progress. It is counted by its end, and kept
    /// where it did not end well. Returns the item if the owner has its copy already (Invariant
    /// 4 of the store).
    pub(super) fn end(
        &mut self,
        number: u64,
        end: End<T>,
        alarm: impl FnOnce() -> Weak<dyn Alarm>,
    ) -> Option<Item<T>> {
        let is_given = self.given.remove(&number);
        self.stats.in_progress -= 1;
        let unstarted = match end {
            End::Handled => {
                self.stats.handled += 1;
                return None;
            }
            End::Lost { has_panicked } => {
                self.count_failed(has_panicked);
                return None;
            }
            End::Failed(item, why) => {
                self.count_failed(why.error().is_none());
                // The owner has its copy: with both of them it would be handled twice.
                if is_given {
                    return Some(item);
                }
                self.failed.push(FailedItem::new(item.value, number, why));
                return None;
            }
            End::PutBack(item) if !self.sealed => {
                self.queued.push_front(item);
                self.note_overflow();
                return None;
            }
            End::Retry(item, due) => {
                self.stats.retries += 1;
                self.retrying.add(item, due, alarm)?
            }
            End::PutBack(item) | End::HandBack(item) => item,
        };
        self.stats.unstarted += 1;
        if is_given {
            return Some(unstarted);
        }
        self.unstarted.push_back(unstarted);
        None
    }

    fn count_failed(&mut self, has_panicked: bool) {
        match has_panicked {
            true => self.stats.panicked += 1,
            false => self.stats.failed += 1,
        }
    }

    /// No attempt is made later than this.
    pub(super) fn end_retries_at(&mut self, last_moment: Deadline) {
        let late = self.retrying.end_at(last_moment);
        self.hand_back(late);
    }

    /// Takes out what waits. Returns what has to be dropped without the lock.
    pub(super) fn seal(&mut self) -> impl Sized + use<T> {
        self.sealed = true;
        let (retrying, timer) = self.retrying.end();
        self.hand_back(retrying);
        let queued = mem::take(&mut self.queued);
        self.hand_back(queued);
        timer
    }

    fn hand_back(&mut self, items: impl IntoIterator<Item = Item<T>>) {
        let before = self.unstarted.len();
        self.unstarted.extend(items);
        self.stats.unstarted += (self.unstarted.len() - before) as u64;
    }

    // What the owner takes. Nothing of it is dropped here.

    pub(super) fn take_unstarted(&mut self) -> (VecDeque<Item<T>>, Vec<T>) {
        (mem::take(&mut self.unstarted), mem::take(&mut self.refused))
    }

    /// Those of the unstarted ones that have failed before.
    pub(super) fn take_retrying(&mut self) -> Vec<FailedItem<T>> {
        let unstarted = mem::take(&mut self.unstarted).into_iter();
        let (tried, others) = unstarted.partition::<VecDeque<_>, _>(|item| item.tried.is_some());
        self.unstarted = others;
        let failed = |item: Item<T>| {
            let last = item.tried?.last;
            Some(FailedItem::new(item.value, item.number, last))
        };
        tried.into_iter().filter_map(failed).collect()
    }

    pub(super) fn take_failed(&mut self) -> Vec<FailedItem<T>> {
        mem::take(&mut self.failed)
    }

    pub(super) fn count_kept(&self) -> usize {
        self.failed.len()
    }

    /// The copies of the items being handled, once the report is made.
    pub(super) fn take_copies(&mut self) -> BTreeMap<u64, T> {
        // Until then a handler may still end with what it has.
        if !self.sealed {
            return BTreeMap::new();
        }
        let copies = mem::take(&mut self.copies);
        self.given.extend(copies.keys());
        copies
    }
}

impl<T> Drop for Items<T> {
    fn drop(&mut self) {
        drop_items(mem::take(&mut self.queued));
        drop_items(self.retrying.end().0);
        drop_items(mem::take(&mut self.unstarted));
        drop_items(mem::take(&mut self.refused));
        drop_items(mem::take(&mut self.failed));
        drop_items(mem::take(&mut self.copies).into_values());
    }
}
