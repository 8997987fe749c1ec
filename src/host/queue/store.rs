//! Where a queue's items wait.
//!
//! # Invariants
//!
//! 1. Everything is decided under one lock: an item that was accepted is waiting, or was given
//!    to one worker, or is kept for the owner of the queue, as unprocessed or as failed, or was
//!    handled; never two of them.
//! 2. Nothing is accepted once `closed` is set, but as unprocessed; and nothing waits any more
//!    once `sealed` is: whatever is accepted is handled or kept.
//! 3. Nothing of the program's is called, and no item is dropped, under the lock.
//! 4. The copy of an item is in `copies` from before its handler is called until the item is
//!    out of hand, or until the owner took the copy: then its number is in `given`, and the
//!    item itself is dropped. An item of which there is no copy is never dropped for that.

use super::failed::{FailedItem, Why};
use super::stats::QueueStats;
use crate::queue::{Membership, OnFull, Refusal, Room};
use crate::submit::{Keeper, SubmitError, Target};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use crate::unwind;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;

pub(in super::super) struct Store<T> {
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
    /// Handed back by handlers, then taken out by the stop. Counted as unprocessed already.
    unprocessed: VecDeque<T>,
    /// Dropped with their refusal. Counted as accepted and unprocessed already.
    refused: Vec<T>,
    failed: Vec<FailedItem<T>>,
    /// Of the items being handled, by their numbers.
    copies: BTreeMap<u64, T>,
    /// The numbers of items in hand whose copy the owner has.
    given: BTreeSet<u64>,
    /// The number of the last item that went in.
    last_number: u64,
    /// Nothing more gets in.
    closed: bool,
    /// The crew that works on it: one for each incarnation of the service. Workers of
    /// others take nothing.
    crew: Option<u64>,
    crews: u64,
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

/// What happens to an item that was being handled.
pub(super) enum End<T> {
    /// It is gone.
    Handled,
    /// It was handled, and panicked in its drop.
    DropPanicked,
    /// To the front of the queue.
    PutBack(Item<T>),
    /// To the unprocessed ones.
    HandBack(Item<T>),
    Failed(Item<T>, Why),
}

impl<T> Store<T> {
    pub(super) fn new(capacity: usize) -> Store<T> {
        Store {
            capacity,
            inner: Mutex::new(Inner {
                items: VecDeque::new(),
                unprocessed: VecDeque::new(),
                refused: Vec::new(),
                failed: Vec::new(),
                copies: BTreeMap::new(),
                given: BTreeSet::new(),
                last_number: 0,
                closed: false,
                crew: None,
                crews: 0,
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

    pub(super) fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Whether that changes anything.
    pub(super) fn set_hosted(&self, hosted: bool) -> bool {
        mem::replace(&mut self.inner.lock().hosted, hosted) != hosted
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
        self.inner.lock().crew = None;
        self.work.notify_all();
    }

    /// Closes, and takes out what waits, for good.
    pub(super) fn take_out(&self) -> QueueStats {
        self.close();
        self.halt();
        let mut inner = self.inner.lock();
        inner.sealed = true;
        inner.stats.unprocessed += inner.items.len() as u64;
        let items = mem::take(&mut inner.items);
        inner
            .unprocessed
            .extend(items.into_iter().map(|item| item.value));
        self.stats_of(&inner)
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
        let mut items = Vec::from(mem::take(&mut inner.unprocessed));
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

    /// A new crew begins to work, unless what waited was taken out.
    pub(super) fn begin(&self) -> u64 {
        let mut inner = self.inner.lock();
        inner.crews += 1;
        let crew = inner.crews;
        inner.crew = (!inner.sealed).then_some(crew);
        crew
    }

    /// The next item, waited for; `None`: there is none to come for this crew. Calls `beat`
    /// before another thread can see that an item is being handled.
    pub(super) fn next(&self, crew: u64, beat: impl Fn()) -> Option<Item<T>> {
        let mut inner = self.inner.lock();
        loop {
            if inner.crew != Some(crew) {
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

    /// The item with that number is out of hand. Returns how many failed ones are kept.
    pub(super) fn end(&self, number: u64, end: End<T>) -> usize {
        let mut inner = self.inner.lock();
        let copy = inner.copies.remove(&number);
        let is_given = inner.given.remove(&number);
        let (mut wakes, mut dropped) = (false, None);
        inner.stats.in_progress -= 1;
        match end {
            End::Handled => inner.stats.handled += 1,
            End::DropPanicked => inner.stats.panicked += 1,
            End::PutBack(item) if !inner.sealed => {
                inner.items.push_front(item);
                inner.note_overflow(self.capacity);
                wakes = true;
            }
            End::PutBack(item) | End::HandBack(item) => {
                inner.stats.unprocessed += 1;
                match is_given {
                    true => dropped = Some(item.value),
                    false => inner.unprocessed.push_back(item.value),
                }
            }
            End::Failed(item, why) => {
                match why.is_panic() {
                    true => inner.stats.panicked += 1,
                    false => inner.stats.failed += 1,
                }
                match is_given {
                    true => dropped = Some(item.value),
                    false => inner.failed.push(FailedItem::new(item.value, number, why)),
                }
            }
        }
        let was_last = inner.closed && inner.stats.in_progress == 0;
        let failed = inner.failed.len();
        drop(inner);
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
    fn note_overflow(&mut self, capacity: usize) {
        let overflow = self.items.len().saturating_sub(capacity) as u64;
        self.stats.overflow_peak = self.stats.overflow_peak.max(overflow);
    }
}

impl<T: Send> Keeper<T> for Store<T> {
    fn keep(&self, item: T) {
        let mut inner = self.inner.lock();
        inner.stats.accepted += 1;
        inner.stats.unprocessed += 1;
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
        let unprocessed = mem::take(&mut inner.unprocessed);
        unprocessed.into_iter().map(Some).for_each(drop_item);
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
