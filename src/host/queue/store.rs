//! The items of a queue with their lock, and the threads that wait for them.
//!
//! # Invariants
//!
//! 1. Everything is decided under one lock: an item that was accepted is waiting for a worker or
//!    for its next attempt, or was given to one worker, or is kept for the owner of the queue, as
//!    unstarted or as failed, or was handled; never two of them.
//! 2. Once `closed` is set, no item is accepted except as unstarted. Once `sealed` is set, no item
//!    waits: it is handled or kept.
//! 3. No code of the program is called, and no item is dropped, under the lock.
//! 4. The copy of an item is in `copies` from before its handler is called until the item is
//!    no longer in progress, or until the owner took the copy: then its number is in `given`, and the
//!    item itself is dropped. An item of which there is no copy is never dropped for that.
//! 5. An item that waits for its next attempt is rung for once, by its number. The alarm, which
//!    holds the store weakly, moves it to those that are due, unless it was taken out before.

use super::failed::FailedItem;
use super::item::{Item, drop_items};
use super::items::{End, Items};
use super::options::Options;
use crate::clock::{Clock, Deadline, Now};
use crate::host::items::{ItemStats, ItemStore, LeftItems, QueueStats};
use crate::queue::{Member, Membership, OnFull, Refusal, Room};
use crate::submit::{Keeper, SubmitError, Target};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, Weak};
use crate::timer::{Alarm, Timer, drop_elsewhere};
use std::cell::Cell;
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
    /// A leaf among the locks.
    options: Mutex<Options<T>>,
}

struct Inner<T> {
    items: Items<T>,
    /// The generation of workers that takes items: one for each incarnation of the service.
    generation: Option<u64>,
    generations: u64,
    /// It is a service of a host.
    hosted: bool,
    /// Submitters that wait for room: without any, no thread is woken.
    submitters: usize,
    /// Workers that wait for work.
    idle: usize,
}

thread_local! {
    /// The queue that the current thread works on.
    static WORKS_ON: Cell<Option<usize>> = const { Cell::new(None) };
}

impl<T> Store<T> {
    pub(super) fn new(capacity: usize) -> Store<T> {
        Store {
            capacity,
            inner: Mutex::new(Inner {
                items: Items::new(capacity),
                generation: None,
                generations: 0,
                hosted: false,
                submitters: 0,
                idle: 0,
            }),
            room: Room::default(),
            work: Condvar::new(),
            membership: Membership::default(),
            copy: OnceLock::new(),
            options: Mutex::default(),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn close(&self) {
        self.inner.lock().items.closed = true;
        self.room.announce_to_all();
        self.work.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.inner.lock().items.closed
    }

    /// Lets the workers take nothing more.
    pub(super) fn halt(&self) {
        self.inner.lock().generation = None;
        self.work.notify_all();
    }

    pub(super) fn stats(&self) -> QueueStats {
        self.inner.lock().items.stats()
    }

    // How items are handled.

    pub(super) fn options(&self) -> Options<T> {
        self.options.lock().clone()
    }

    /// For the next incarnation of the service.
    pub(super) fn set_options(&self, set: impl FnOnce(&mut Options<T>)) {
        let mut options = self.options();
        set(&mut options);
        let before = mem::replace(&mut *self.options.lock(), options);
        // Without the lock: closures are the program's code.
        drop(before);
    }

    /// From now on, items are copied.
    pub(super) fn copy_with(&self, copy: fn(&T) -> T) {
        // A second one would be the same.
        let _ = self.copy.set(copy);
    }

    // What the owner takes.

    pub(super) fn take_unstarted(&self) -> Vec<T> {
        let (unstarted, refused) = self.inner.lock().items.take_unstarted();
        let unstarted = unstarted.into_iter().map(|item| item.value);
        unstarted.chain(refused).collect()
    }

    pub(super) fn take_retrying(&self) -> Vec<FailedItem<T>> {
        self.inner.lock().items.take_retrying()
    }

    pub(super) fn take_failed(&self) -> Vec<FailedItem<T>> {
        self.inner.lock().items.take_failed()
    }

    pub(super) fn take_copies(&self) -> Vec<T> {
        let copies = self.inner.lock().items.take_copies();
        copies.into_values().collect()
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

    /// A new generation of workers begins, unless what waited was taken out. `retries`: how many
    /// items may wait for a retry, and in which timer.
    pub(super) fn begin(&self, retries: Option<(usize, Arc<Timer>)>, clock: &Clock) -> u64 {
        let mut inner = self.inner.lock();
        inner.generations += 1;
        let generation = inner.generations;
        let is_sealed = inner.items.sealed;
        inner.generation = (!is_sealed).then_some(generation);
        let before = retries
            .filter(|_| !is_sealed)
            .and_then(|(most, timer)| inner.items.retrying.begin(most, timer, clock));
        drop(inner);
        drop(before);
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
            if let Some(item) = inner.items.next() {
                beat();
                let wakes = inner.submitters > 0 && inner.items.has_room();
                drop(inner);
                if wakes {
                    self.room.announce(1);
                }
                return Some(item);
            }
            if inner.items.are_over() {
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
            self.inner.lock().items.add_copy(item.number, copy);
        }
    }

    /// From now on the owner gets no copy of an item that is being handled. `false`: it has one.
    pub(super) fn forget_copy(&self, number: u64) -> bool {
        let taken = self.inner.lock().items.take_copy(number);
        let is_forgotten = taken.is_ok();
        drop_items(taken.ok().flatten());
        is_forgotten
    }

    /// No retry is made later than this.
    pub(super) fn end_retries_at(&self, last_moment: Deadline) {
        self.inner.lock().items.end_retries_at(last_moment);
        self.work.notify_all();
    }
}

impl<T: Send + 'static> Store<T> {
    /// The item with that number is no longer in progress. Returns how many failed items are kept.
    pub(super) fn end(self: &Arc<Self>, number: u64, end: End<T>) -> usize {
        let mut inner = self.inner.lock();
        let is_put_back = matches!(end, End::PutBack(_));
        let copy = inner.items.take_copy(number);
        let alarm = || -> Weak<dyn Alarm> { Arc::<Store<T>>::downgrade(self) };
        let dropped = inner.items.end(number, end, alarm);
        let (are_over, kept) = (inner.items.are_over(), inner.items.count_kept());
        drop(inner);
        // After the last item of a closed queue, every worker leaves.
        if are_over {
            self.work.notify_all();
        } else if is_put_back {
            self.work.notify_one();
        }
        // Invariant 3.
        drop_items(copy.ok().flatten());
        drop_items(dropped);
        kept
    }

    pub(super) fn submit(
        self: &Arc<Self>,
        item: T,
        on_full: OnFull<'_>,
    ) -> Result<(), SubmitError<T>> {
        let overflows = on_full.overflows() && self.is_own_worker();
        let mut inner = self.inner.lock();
        let refused = loop {
            if inner.items.closed {
                break Some(Refusal::Closed);
            }
            if overflows || inner.items.has_room() {
                break None;
            }
            let Some(wait) = on_full.wait() else {
                break Some(Refusal::Full);
            };
            if let Some(refusal) = wait.is_over() {
                break Some(refusal);
            }
            inner.submitters += 1;
            // Under the lock under which there was no room: Invariant 1 of the room.
            let ticket = self.room.ticket();
            MutexGuard::unlocked(&mut inner, || self.room.wait(ticket, wait));
            inner.submitters -= 1;
        };
        if let Some(refusal) = refused {
            drop(inner);
            return Err(self.refuse(item, on_full.reason(refusal)));
        }
        inner.items.accept(item);
        let wakes = inner.idle > 0 && inner.items.retrying.has_room();
        drop(inner);
        if wakes {
            self.work.notify_one();
        }
        Ok(())
    }

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

impl<T: Send + 'static> Alarm for Store<T> {
    /// The next attempt of the item with this number is due.
    fn ring(self: Arc<Self>, number: u64, _: Now) {
        let mut inner = self.inner.lock();
        let held_others_up = !inner.items.retrying.has_room();
        inner.items.ring(number);
        drop(inner);
        if held_others_up {
            self.work.notify_all();
        } else {
            self.work.notify_one();
        }
        drop_elsewhere(self);
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
        self.inner.lock().items.is_idle()
    }

    fn stats(&self) -> ItemStats {
        ItemStats::Queue(self.stats())
    }

    fn take_out(&self) -> LeftItems {
        self.close();
        self.halt();
        let mut inner = self.inner.lock();
        // Invariant 2: from now on, what is put back is unstarted.
        let timer = inner.items.seal();
        let stats = inner.items.stats();
        drop(inner);
        // The last holder of the timer joins its thread, which may be about to ring here.
        drop(timer);
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
        self.inner.lock().items.keep_refused(item);
    }
}
