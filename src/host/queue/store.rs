//! The items of a queue, from their submit to their end.
//!
//! # Invariants
//!
//! 1. Everything is decided under one lock: an item that was accepted is waiting, or was given
//!    to one worker, or is kept for the owner of the queue, as unstarted or as failed, or was
//!    handled; never two of them.
//! 2. Once `closed` is set, no item is accepted except as unstarted. Once `sealed` is set, no item
//!    waits: it is handled or kept.
//! 3. No code of the program is called, and no item is dropped, under the lock.
//! 4. The copy of an item is in `copies` from before its handler is called until the item is
//!    no longer in progress, or until the owner took the copy: then its number is in `given`, and the
//!    item itself is dropped. An item of which there is no copy is never dropped for that.

use super::failed::{FailedItem, Why};
use crate::host::items::{ItemStats, ItemStore, LeftItems, QueueStats};
use crate::queue::{Member, Membership, OnFull, Refusal, Room};
use crate::submit::{Keeper, SubmitError, Target};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use crate::unwind;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;

pub(super) struct Store<T> {
    capacity: usize,
    inner: Mutex<Inner<T>>,
    /// There is room, or there never will be.
    room: Room,
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

struct Inner<T> {
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
    /// It is a service of a host.
    hosted: bool,
    /// Submitters that wait for room: without any, no thread is woken.
    submitters: usize,
    /// Workers that wait for work.
    idle: usize,
    stats: QueueStats,
}

thread_local! {
    /// The queue that the current thread works on.
    static WORKS_ON: Cell<Option<usize>> = const { Cell::new(None) };
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
            inner: Mutex::new(Inner {
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
            room: Room::default(),
            work: Condvar::new(),
            membership: Membership::default(),
            copy: OnceLock::new(),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn close(&self) {
        self.inner.lock().closed = true;
        self.room.announce_to_all();
        self.work.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.inner.lock().closed
    }

    /// Lets the workers take nothing more.
    pub(super) fn halt(&self) {
        self.inner.lock().generation = None;
        self.work.notify_all();
    }

    pub(super) fn stats(&self) -> QueueStats {
        self.stats_of(&self.inner.lock())
    }

    fn stats_of(&self, inner: &Inner<T>) -> QueueStats {
        let queued = inner.items.len();
        QueueStats {
            queued: queued as u64,
            overflow: queued.saturating_sub(self.capacity) as u64,
            failed_left: inner.failed.len() as u64,
            ..inner.stats.clone()
        }
    }

    // What the owner takes.

    pub(super) fn take_unstarted(&self) -> Vec<T> {
        let mut inner = self.inner.lock();
        let mut items = Vec::from(mem::take(&mut inner.unstarted));
        items.append(&mut inner.refused);
        items
    }

    pub(super) fn take_failed(&self) -> Vec<FailedItem<T>> {
        mem::take(&mut self.inner.lock().failed)
    }

    /// The copies of the items being handled, once the report is made.
    pub(super) fn take_copies(&self) -> Vec<T> {
        let mut inner = self.inner.lock();
        if !inner.sealed {
            return Vec::new();
        }
        let copies = mem::take(&mut inner.copies);
        inner.given.extend(copies.keys());
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
        let mut inner = self.inner.lock();
        inner.generations += 1;
        let generation = inner.generations;
        inner.generation = (!inner.sealed).then_some(generation);
        generation
    }

    /// Waits for the next item; `None`: there is none to come for this generation. Calls `beat`
    /// before another thread can see that an item is being handled.
    pub(super) fn next(&self, generation: u64, beat: impl Fn()) -> Option<Item<T>> {
        let mut inner = self.inner.lock();
        loop {
            if inner.generation != Some(generation) {
                return None;
            }
            if let Some(item) = inner.items.pop_front() {
                beat();
                inner.stats.in_progress += 1;
                let wakes = inner.submitters > 0 && inner.items.len() < self.capacity;
                drop(inner);
                if wakes {
                    self.room.announce(1);
                }
                return Some(item);
            }
            // An item being handled may be put back, and its handler may submit others.
            if inner.closed && inner.stats.in_progress == 0 {
                return None;
            }
            inner.idle += 1;
            self.work.wait(&mut inner);
            inner.idle -= 1;
        }
    }

    /// Keeps a copy of an item being handled, if copies are asked for. Calls the program's
    /// code, which may panic.
    pub(super) fn keep_copy(&self, item: &Item<T>) {
        if let Some(copy) = self.copy.get() {
            let copy = copy(&item.value);
            self.inner.lock().copies.insert(item.number, copy);
        }
    }

    /// The item with that number is no longer in progress. Returns how many failed items are kept.
    pub(super) fn end(&self, number: u64, end: End<T>) -> usize {
        let mut inner = self.inner.lock();
        let copy = inner.copies.remove(&number);
        inner.stats.in_progress -= 1;
        let is_put_back = matches!(end, End::PutBack(_)) && !inner.sealed;
        let dropped = inner.keep(number, end);
        if is_put_back {
            inner.note_overflow(self.capacity);
        }
        let was_last = inner.closed && inner.stats.in_progress == 0;
        let failed = inner.failed.len();
        drop(inner);
        // After the last item of a closed queue, every worker leaves.
        if was_last {
            self.work.notify_all();
        } else if is_put_back {
            self.work.notify_one();
        }
        // Invariant 3.
        drop_item(copy);
        drop_item(dropped);
        failed
    }
}

impl<T: Send + 'static> Store<T> {
    pub(super) fn submit(
        self: &Arc<Self>,
        item: T,
        on_full: OnFull<'_>,
    ) -> Result<(), SubmitError<T>> {
        let overflows = on_full.overflows() && self.is_own_worker();
        let mut inner = self.inner.lock();
        loop {
            let refusal = if inner.closed {
                Refusal::Closed
            } else if overflows || inner.items.len() < self.capacity {
                break;
            } else {
                match on_full.wait().map(|wait| (wait, wait.is_over())) {
                    None => Refusal::Full,
                    Some((_, Some(refusal))) => refusal,
                    Some((wait, None)) => {
                        inner.submitters += 1;
                        let ticket = self.room.ticket();
                        MutexGuard::unlocked(&mut inner, || self.room.wait(ticket, wait));
                        inner.submitters -= 1;
                        continue;
                    }
                }
            };
            drop(inner);
            return Err(self.refuse(item, on_full.reason(refusal)));
        }
        inner.last_number += 1;
        let number = inner.last_number;
        inner.items.push_back(Item {
            value: item,
            number,
        });
        inner.stats.accepted += 1;
        inner.note_overflow(self.capacity);
        let wakes = inner.idle > 0;
        drop(inner);
        if wakes {
            self.work.notify_one();
        }
        Ok(())
    }
}

impl<T: Send + 'static> Store<T> {
    /// What the queue may never take, or not for this submitter, comes back to it if the
    /// error is dropped.
    fn refuse(self: &Arc<Self>, item: T, refusal: Refusal) -> SubmitError<T> {
        let refused = SubmitError::new(item, Target::WorkQueue, refusal);
        match refusal {
            Refusal::Full | Refusal::TimedOut => refused,
            Refusal::Cancelled => refused.kept_by(self.clone()),
            Refusal::Closed => refused
                .due_to(self.membership.stopping())
                .kept_by(self.clone()),
        }
    }
}

impl<T> Inner<T> {
    /// Counts an item by its end, and keeps it where it did not end well. Returns the item if the
    /// owner has its copy already (invariant 4).
    fn keep(&mut self, number: u64, end: End<T>) -> Option<T> {
        let is_given = self.given.remove(&number);
        match end {
            End::Handled => self.stats.handled += 1,
            End::DropPanicked => self.stats.panicked += 1,
            End::PutBack(item) if !self.sealed => self.items.push_front(item),
            End::PutBack(item) | End::HandBack(item) => {
                self.stats.unstarted += 1;
                if is_given {
                    return Some(item.value);
                }
                self.unstarted.push_back(item.value);
            }
            End::Failed(item, why) => {
                match why.is_panic() {
                    true => self.stats.panicked += 1,
                    false => self.stats.failed += 1,
                }
                if is_given {
                    return Some(item.value);
                }
                self.failed.push(FailedItem::new(item.value, number, why));
            }
        }
        None
    }

    fn note_overflow(&mut self, capacity: usize) {
        let overflow = self.items.len().saturating_sub(capacity) as u64;
        self.stats.overflow_peak = self.stats.overflow_peak.max(overflow);
    }
}

impl<T: Send + 'static> ItemStore for Store<T> {
    fn claim(&self) -> bool {
        !mem::replace(&mut self.inner.lock().hosted, true)
    }

    fn release(&self) {
        self.inner.lock().hosted = false;
    }

    fn join_host(&self, member: Member) {
        self.membership.set(member);
    }

    fn is_idle(&self) -> bool {
        self.inner.lock().stats.in_progress == 0
    }

    fn stats(&self) -> ItemStats {
        ItemStats::Queue(self.stats())
    }

    fn take_out(&self) -> LeftItems {
        self.close();
        self.halt();
        let mut inner = self.inner.lock();
        // Invariant 2: from now on, what is put back is unstarted.
        inner.sealed = true;
        inner.stats.unstarted += inner.items.len() as u64;
        let items = mem::take(&mut inner.items);
        let items = items.into_iter().map(|item| item.value);
        inner.unstarted.extend(items);
        let stats = self.stats_of(&inner);
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
        let mut inner = self.inner.lock();
        inner.stats.accepted += 1;
        inner.stats.unstarted += 1;
        inner.refused.push(item);
    }
}

impl<T> Drop for Store<T> {
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        let waiting = mem::take(&mut inner.items);
        waiting
            .into_iter()
            .for_each(|item| drop_item(Some(item.value)));
        let unstarted = mem::take(&mut inner.unstarted);
        unstarted.into_iter().map(Some).for_each(drop_item);
        inner.refused.drain(..).map(Some).for_each(drop_item);
        inner.failed.drain(..).map(Some).for_each(drop_item);
        let copies = mem::take(&mut inner.copies);
        copies.into_values().map(Some).for_each(drop_item);
    }
}

/// Items are the program's code, their drops too.
fn drop_item<T>(item: Option<T>) {
    unwind::drop_guarded(item, || "an item of a queue".to_owned());
}
