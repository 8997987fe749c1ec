//! Where a queue's items wait.
//!
//! # Invariants
//!
//! 1. Everything is decided under one lock: an item that was accepted is waiting, or was given
//!    to one worker, or is kept for the owner of the queue, as unstarted or as failed, or was
//!    handled; never two of them.
//! 2. Nothing is accepted once `closed` is set, but as unstarted; and nothing waits any more
//!    once `sealed` is: whatever is accepted is handled or kept.
//! 3. Nothing of the program's is called, and no item is dropped, under the lock.
//! 4. The copy of an item is in `copies` from before its handler is called until the item is
//!    no longer in progress, or until the owner took the copy: then its number is in `given`, and the
//!    item itself is dropped. An item of which there is no copy is never dropped for that.

use super::failed::{FailedItem, Why};
use crate::clock::Deadline;
use crate::host::items::{ItemStats, ItemStore, LeftItems, QueueStats};
use crate::queue::{Member, Membership, Refusal};
use crate::submit::{Keeper, SubmitError};
use crate::sync::{Arc, Condvar, Mutex, OnceLock};
use crate::unwind;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;

pub(super) struct Store<T> {
    capacity: usize,
    contents: Mutex<Contents<T>>,
    /// There is room, or there never will be.
    room: Condvar,
    /// There is work, or there never will be.
    work: Condvar,
    /// As a service of a host.
    membership: Membership,
    /// Copies an item before it is given to a handler.
    copy: OnceLock<fn(&T) -> T>,
}

/// An item, and its number.
pub(super) struct Item<T> {
    pub(super) value: T,
    pub(super) number: u64,
}

struct Contents<T> {
    items: VecDeque<Item<T>>,
    /// Handed back by handlers, then taken out by the stop. Counted as unstarted already.
    unstarted: VecDeque<T>,
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
    closed: bool,
    /// The generation of workers that takes items: one for each incarnation of the service.
    generation: Option<u64>,
    generations: u64,
    /// What waited was taken out.
    sealed: bool,
    /// A service works on it, or is to.
    hosted: bool,
    /// Submitters that wait for room, so that no thread is woken for nothing.
    submitters: usize,
    /// Workers that wait for work.
    idle: usize,
    stats: QueueStats,
}

thread_local! {
    /// The queue that the current thread works on.
    static WORKS_ON: Cell<Option<usize>> = const { Cell::new(None) };
}

/// What a verb does where there is no room.
pub(super) enum NoRoom {
    Wait(Deadline),
    /// Wait; a worker of the queue goes beyond the capacity.
    Exceed,
    Refuse,
}

/// What happens to an item that was being handled.
pub(super) enum End<T> {
    /// It is gone.
    Handled,
    /// It was handled, and panicked in its drop.
    DropPanicked,
    /// To the front of the queue.
    PutBack(Item<T>),
    /// To the unstarted ones.
    HandBack(Item<T>),
    Failed(Item<T>, Why),
}

impl<T> Store<T> {
    pub(super) fn new(capacity: usize) -> Store<T> {
        Store {
            capacity,
            contents: Mutex::new(Contents {
                items: VecDeque::new(),
                unstarted: VecDeque::new(),
                refused: Vec::new(),
                failed: Vec::new(),
                copies: BTreeMap::new(),
                given: BTreeSet::new(),
                last_number: 0,
                closed: false,
                generation: None,
                generations: 0,
                sealed: false,
                hosted: false,
                submitters: 0,
                idle: 0,
                stats: QueueStats::default(),
            }),
            room: Condvar::new(),
            work: Condvar::new(),
            membership: Membership::default(),
            copy: OnceLock::new(),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn close(&self) {
        self.contents.lock().closed = true;
        self.room.notify_all();
        self.work.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.contents.lock().closed
    }

    /// Lets the workers take nothing more.
    pub(super) fn halt(&self) {
        self.contents.lock().generation = None;
        self.work.notify_all();
    }

    pub(super) fn stats(&self) -> QueueStats {
        self.stats_of(&self.contents.lock())
    }

    fn stats_of(&self, contents: &Contents<T>) -> QueueStats {
        let queued = contents.items.len();
        QueueStats {
            queued: queued as u64,
            overflow: queued.saturating_sub(self.capacity) as u64,
            failed_left: contents.failed.len() as u64,
            ..contents.stats.clone()
        }
    }

    // What the owner takes.

    pub(super) fn take_unstarted(&self) -> Vec<T> {
        let mut contents = self.contents.lock();
        let mut items = Vec::from(mem::take(&mut contents.unstarted));
        items.append(&mut contents.refused);
        items
    }

    pub(super) fn take_failed(&self) -> Vec<FailedItem<T>> {
        mem::take(&mut self.contents.lock().failed)
    }

    /// The copies of the items being handled, once the report is made.
    pub(super) fn take_copies(&self) -> Vec<T> {
        let mut contents = self.contents.lock();
        if !contents.sealed {
            return Vec::new();
        }
        let copies = mem::take(&mut contents.copies);
        contents.given.extend(copies.keys());
        copies.into_values().collect()
    }

    /// From now on, items are copied.
    pub(super) fn copy_with(&self, copy: fn(&T) -> T) {
        // A second one would be the same.
        let _ = self.copy.set(copy);
    }

    // What workers do.

    /// The current thread is a worker, until it ends.
    pub(super) fn enter(&self) {
        WORKS_ON.set(Some(self.address()));
    }

    pub(super) fn is_own_worker(&self) -> bool {
        // None in the destructors of other thread-locals.
        let works_on = WORKS_ON.try_with(Cell::get);
        works_on.is_ok_and(|queue| queue == Some(self.address()))
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// A new generation of workers begins, unless what waited was taken out.
    pub(super) fn begin(&self) -> u64 {
        let mut contents = self.contents.lock();
        contents.generations += 1;
        let generation = contents.generations;
        contents.generation = (!contents.sealed).then_some(generation);
        generation
    }

    /// Waits for the next item; `None`: there is none to come for this generation. Calls `beat`
    /// before another thread can see that an item is being handled.
    pub(super) fn next(&self, generation: u64, beat: impl Fn()) -> Option<Item<T>> {
        let mut contents = self.contents.lock();
        loop {
            if contents.generation != Some(generation) {
                return None;
            }
            if let Some(item) = contents.items.pop_front() {
                beat();
                contents.stats.in_progress += 1;
                let wakes = contents.submitters > 0 && contents.items.len() < self.capacity;
                drop(contents);
                if wakes {
                    self.room.notify_one();
                }
                return Some(item);
            }
            // An item being handled may be put back, and its handler may submit others.
            if contents.closed && contents.stats.in_progress == 0 {
                return None;
            }
            contents.idle += 1;
            self.work.wait(&mut contents);
            contents.idle -= 1;
        }
    }

    /// Keeps a copy of an item being handled, if copies are asked for. Calls the program's
    /// code, which may panic.
    pub(super) fn keep_copy(&self, item: &Item<T>) {
        if let Some(copy) = self.copy.get() {
            let copy = copy(&item.value);
            self.contents.lock().copies.insert(item.number, copy);
        }
    }

    /// The item with that number is no longer in progress. Returns how many failed items are kept.
    pub(super) fn end(&self, number: u64, end: End<T>) -> usize {
        let mut contents = self.contents.lock();
        let copy = contents.copies.remove(&number);
        let is_given = contents.given.remove(&number);
        let (mut wakes, mut dropped) = (false, None);
        contents.stats.in_progress -= 1;
        match end {
            End::Handled => contents.stats.handled += 1,
            End::DropPanicked => contents.stats.panicked += 1,
            End::PutBack(item) if !contents.sealed => {
                contents.items.push_front(item);
                contents.note_overflow(self.capacity);
                wakes = true;
            }
            End::PutBack(item) | End::HandBack(item) => {
                contents.stats.unstarted += 1;
                match is_given {
                    true => dropped = Some(item.value),
                    false => contents.unstarted.push_back(item.value),
                }
            }
            End::Failed(item, why) => {
                match why.is_panic() {
                    true => contents.stats.panicked += 1,
                    false => contents.stats.failed += 1,
                }
                match is_given {
                    true => dropped = Some(item.value),
                    false => contents
                        .failed
                        .push(FailedItem::new(item.value, number, why)),
                }
            }
        }
        let was_last = contents.closed && contents.stats.in_progress == 0;
        let failed = contents.failed.len();
        drop(contents);
        if was_last {
            self.work.notify_all();
        } else if wakes {
            self.work.notify_one();
        }
        drop_item(copy);
        drop_item(dropped);
        failed
    }
}

impl<T: Send + 'static> Store<T> {
    pub(super) fn submit(self: &Arc<Self>, item: T, no_room: NoRoom) -> Result<(), SubmitError<T>> {
        let mut contents = self.contents.lock();
        let mut is_late = false;
        loop {
            if contents.closed {
                drop(contents);
                let refused = SubmitError::new(item, Refusal::QueueClosed);
                let refused = refused.due_to(self.membership.stopping());
                return Err(refused.kept_by(self.clone()));
            }
            if contents.items.len() < self.capacity {
                break;
            }
            let deadline = match no_room {
                NoRoom::Refuse => return Err(SubmitError::new(item, Refusal::Full)),
                NoRoom::Wait(_) if is_late => {
                    return Err(SubmitError::new(item, Refusal::TimedOut));
                }
                NoRoom::Exceed if self.is_own_worker() => break,
                NoRoom::Wait(deadline) => deadline,
                NoRoom::Exceed => Deadline::NEVER,
            };
            contents.submitters += 1;
            is_late = deadline.wait(&self.room, &mut contents);
            contents.submitters -= 1;
        }
        contents.last_number += 1;
        let number = contents.last_number;
        contents.items.push_back(Item {
            value: item,
            number,
        });
        contents.stats.accepted += 1;
        contents.note_overflow(self.capacity);
        let wakes = contents.idle > 0;
        drop(contents);
        if wakes {
            self.work.notify_one();
        }
        Ok(())
    }
}

impl<T> Contents<T> {
    fn note_overflow(&mut self, capacity: usize) {
        let overflow = self.items.len().saturating_sub(capacity) as u64;
        self.stats.overflow_peak = self.stats.overflow_peak.max(overflow);
    }
}

impl<T: Send + 'static> ItemStore for Store<T> {
    fn claim(&self) -> bool {
        !mem::replace(&mut self.contents.lock().hosted, true)
    }

    fn release(&self) {
        self.contents.lock().hosted = false;
    }

    fn join_host(&self, member: Member) {
        self.membership.set(member);
    }

    fn is_idle(&self) -> bool {
        self.contents.lock().stats.in_progress == 0
    }

    fn stats(&self) -> ItemStats {
        ItemStats::Queue(self.stats())
    }

    fn take_out(&self) -> LeftItems {
        self.close();
        self.halt();
        let mut contents = self.contents.lock();
        // Invariant 2: from now on, what is put back is unstarted.
        contents.sealed = true;
        contents.stats.unstarted += contents.items.len() as u64;
        let items = mem::take(&mut contents.items);
        let items = items.into_iter().map(|item| item.value);
        contents.unstarted.extend(items);
        let stats = self.stats_of(&contents);
        LeftItems {
            unstarted: stats.unstarted,
            in_progress: stats.in_progress,
            failed: stats.failed_left,
            stats: ItemStats::Queue(stats),
        }
    }
}

impl<T: Send> Keeper<T> for Store<T> {
    fn keep(&self, item: T) {
        let mut contents = self.contents.lock();
        contents.stats.accepted += 1;
        contents.stats.unstarted += 1;
        contents.refused.push(item);
    }
}

impl<T> Drop for Store<T> {
    fn drop(&mut self) {
        let contents = self.contents.get_mut();
        let waiting = mem::take(&mut contents.items);
        waiting
            .into_iter()
            .for_each(|item| drop_item(Some(item.value)));
        let unstarted = mem::take(&mut contents.unstarted);
        unstarted.into_iter().map(Some).for_each(drop_item);
        contents.refused.drain(..).map(Some).for_each(drop_item);
        contents.failed.drain(..).map(Some).for_each(drop_item);
        let copies = mem::take(&mut contents.copies);
        copies.into_values().map(Some).for_each(drop_item);
    }
}

/// Items are the program's code, their drops too.
fn drop_item<T>(item: Option<T>) {
    unwind::drop_guarded(item, || "an item of a queue".to_owned());
}
