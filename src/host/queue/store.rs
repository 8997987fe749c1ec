//! Where a queue's items wait.
//!
//! # Invariants
//!
//! 1. Everything is decided under one lock: an item that was accepted is waiting, or
//!    was given to one worker, or was taken out; never two of them.
//! 2. Nothing is accepted once `closed` is set, and nothing waits any more once
//!    `sealed` is: whatever is accepted is handled, or in what was taken out.
//! 3. Nothing of the program's is called, and no item is dropped, under the lock.

use super::stats::QueueStats;
use crate::clock::Deadline;
use crate::queue::{Refusal, SubmitError};
use crate::sync::{Condvar, Mutex};
use crate::unwind;
use std::cell::Cell;
use std::collections::VecDeque;

pub(in super::super) struct Store<T> {
    capacity: usize,
    inner: Mutex<Inner<T>>,
    /// There is room, or there never will be.
    room: Condvar,
    /// There is work, or there never will be.
    work: Condvar,
}

struct Inner<T> {
    items: VecDeque<T>,
    /// For the report; nobody handles them. Counted as unprocessed already.
    handed_back: VecDeque<T>,
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
    /// Submitters that wait for room, so that nobody is woken for nothing.
    submitters: usize,
    /// Workers that wait for work.
    idle: usize,
    stats: QueueStats,
}

impl<T> Drop for Inner<T> {
    /// What nobody took out: each may panic in its drop.
    fn drop(&mut self) {
        for items in [&mut self.handed_back, &mut self.items] {
            for item in items.drain(..) {
                unwind::drop_guarded(item, || "an item of a queue".to_owned());
            }
        }
    }
}

thread_local! {
    /// The queue of the item that the current thread handles, until that is put back.
    static HANDLING: Cell<Option<usize>> = const { Cell::new(None) };
}

/// How an item was handled.
#[derive(Clone, Copy)]
pub(super) enum Handled {
    Well,
    Failed,
    Panicked,
}

impl<T> Store<T> {
    pub(super) fn new(capacity: usize) -> Store<T> {
        Store {
            capacity,
            inner: Mutex::new(Inner {
                items: VecDeque::new(),
                handed_back: VecDeque::new(),
                closed: false,
                crew: None,
                crews: 0,
                sealed: false,
                hosted: false,
                submitters: 0,
                idle: 0,
                stats: QueueStats::default(),
            }),
            room: Condvar::new(),
            work: Condvar::new(),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether that changes anything.
    pub(super) fn set_hosted(&self, hosted: bool) -> bool {
        std::mem::replace(&mut self.inner.lock().hosted, hosted) != hosted
    }

    /// Waits for room until `deadline`; `None`: not at all.
    pub(super) fn submit(&self, item: T, deadline: Option<Deadline>) -> Result<(), SubmitError<T>> {
        let mut inner = self.inner.lock();
        let mut is_late = false;
        loop {
            if inner.closed {
                return Err(SubmitError::new(item, Refusal::QueueClosed));
            }
            if inner.items.len() < self.capacity {
                break;
            }
            match deadline {
                None => return Err(SubmitError::new(item, Refusal::Full)),
                Some(_) if is_late => return Err(SubmitError::new(item, Refusal::TimedOut)),
                Some(deadline) => {
                    inner.submitters += 1;
                    is_late = deadline.wait(&self.room, &mut inner);
                    inner.submitters -= 1;
                }
            }
        }
        inner.items.push_back(item);
        inner.stats.accepted += 1;
        let wakes = inner.idle > 0;
        drop(inner);
        if wakes {
            self.work.notify_one();
        }
        Ok(())
    }

    /// Puts an item back at the front, also when nothing more gets in.
    pub(super) fn put_back(&self, item: T) -> Result<(), SubmitError<T>> {
        let mut inner = self.inner.lock();
        if inner.sealed {
            return Err(SubmitError::new(item, Refusal::QueueClosed));
        }
        inner.items.push_front(item);
        self.is_out_of_hand(&mut inner);
        drop(inner);
        self.work.notify_one();
        Ok(())
    }

    /// Keeps an item for the report.
    pub(super) fn hand_back(&self, item: T) -> Result<(), SubmitError<T>> {
        let mut inner = self.inner.lock();
        if inner.sealed {
            return Err(SubmitError::new(item, Refusal::QueueClosed));
        }
        inner.handed_back.push_back(item);
        inner.stats.unprocessed += 1;
        self.is_out_of_hand(&mut inner);
        let was_last = inner.closed && inner.stats.in_hand == 0;
        drop(inner);
        if was_last {
            self.work.notify_all();
        }
        Ok(())
    }

    /// An item is elsewhere. From its handler it was in hand, and is no more.
    fn is_out_of_hand(&self, inner: &mut Inner<T>) {
        match HANDLING.get() {
            Some(queue) if queue == self.address() => {
                HANDLING.set(None);
                inner.stats.in_hand -= 1;
            }
            _ => inner.stats.accepted += 1,
        }
    }

    /// What the current thread does now is to handle an item of this queue.
    pub(super) fn begin_item(&self) {
        HANDLING.set(Some(self.address()));
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

    /// The next item, waited for; `None`: there is none to come for this crew. Calls
    /// `beat` before anybody can see that an item is in hand.
    pub(super) fn next(&self, crew: u64, beat: impl Fn()) -> Option<T> {
        let mut inner = self.inner.lock();
        loop {
            if inner.crew != Some(crew) {
                return None;
            }
            if let Some(item) = inner.items.pop_front() {
                beat();
                inner.stats.in_hand += 1;
                let wakes = inner.submitters > 0;
                drop(inner);
                if wakes {
                    self.room.notify_one();
                }
                return Some(item);
            }
            // An item in hand may be put back.
            if inner.closed && inner.stats.in_hand == 0 {
                return None;
            }
            inner.idle += 1;
            self.work.wait(&mut inner);
            inner.idle -= 1;
        }
    }

    /// The item that this thread began is done with, unless it was put back.
    pub(super) fn handled(&self, how: Handled) {
        if HANDLING.take().is_none() {
            return;
        }
        let mut inner = self.inner.lock();
        let stats = &mut inner.stats;
        stats.in_hand -= 1;
        match how {
            Handled::Well => stats.handled += 1,
            Handled::Failed => stats.failed += 1,
            Handled::Panicked => stats.panicked += 1,
        }
        let was_last = inner.closed && inner.stats.in_hand == 0;
        drop(inner);
        if was_last {
            self.work.notify_all();
        }
    }

    pub(super) fn close(&self) {
        self.inner.lock().closed = true;
        self.room.notify_all();
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
    pub(super) fn take_out(&self) -> (VecDeque<T>, QueueStats) {
        self.close();
        self.halt();
        let mut inner = self.inner.lock();
        inner.sealed = true;
        let mut items = std::mem::take(&mut inner.handed_back);
        inner.stats.unprocessed += inner.items.len() as u64;
        items.append(&mut inner.items);
        (items, inner.stats.clone())
    }

    pub(super) fn stats(&self) -> QueueStats {
        let inner = self.inner.lock();
        QueueStats {
            queued: inner.items.len() as u64,
            ..inner.stats.clone()
        }
    }
}
