//! Workers that sleep until there is work.
//!
//! # Invariants
//!
//! 1. `count` is the number of workers in `list`, written under its lock.
//! 2. A worker enters the list, then looks whether it has to stay awake (for a
//!    task, or since the pool was closed), and only then sleeps. A thread that
//!    puts a task in, or closes, does so first and reads `count` afterwards. All
//!    SeqCst: one of the two sees the other.
//! 3. `waking` is set by the thread that wakes a worker, and cleared by the woken
//!    one before it looks for work. A thread that finds it set leaves its task to
//!    that worker, which wakes the next one if it finds more than it can take. So a
//!    burst of submits pays for one wake-up, and no task is forgotten.
//!
//! The last to fall asleep is the first to be woken: its caches are warm.

use crate::clock::Deadline;
use crate::sync::{AtomicBool, AtomicUsize, Condvar, Mutex, SeqCst};

pub(super) struct Sleepers {
    /// Invariant 1. Read after every push.
    count: AtomicUsize,
    /// Invariant 3.
    waking: AtomicBool,
    list: Mutex<List>,
    /// By the worker's index; notified once it is no longer in the list.
    woken: Box<[Condvar]>,
}

struct List {
    /// The workers that sleep, in the order in which they fell asleep.
    order: Vec<usize>,
    /// By the worker's index: whether it is in `order`.
    asleep: Box<[bool]>,
}

impl List {
    fn enter(&mut self, index: usize) {
        self.order.push(index);
        self.asleep[index] = true;
    }

    /// Returns whether it was in the list.
    fn leave(&mut self, index: usize) -> bool {
        self.order.retain(|other| *other != index);
        std::mem::take(&mut self.asleep[index])
    }
}

impl Sleepers {
    pub(super) fn new(workers: usize) -> Sleepers {
        Sleepers {
            count: AtomicUsize::new(0),
            waking: AtomicBool::new(false),
            list: Mutex::new(List {
                order: Vec::with_capacity(workers),
                asleep: vec![false; workers].into(),
            }),
            woken: (0..workers).map(|_| Condvar::new()).collect(),
        }
    }

    /// Blocks this worker until it is woken, or until `look_again` comes: then it
    /// returns `false`. Does not block if it `has_to_stay_awake`.
    pub(super) fn sleep(
        &self,
        index: usize,
        has_to_stay_awake: impl FnOnce() -> bool,
        look_again: impl FnOnce() -> Deadline,
    ) -> bool {
        let mut list = self.list.lock();
        list.enter(index);
        self.count.store(list.order.len(), SeqCst);
        // Only now that it is in the list: Invariant 2.
        if has_to_stay_awake() {
            self.remove(&mut list, index);
            return true;
        }
        let look_again = look_again();
        // A wake-up that leaves it in the list is none.
        while list.asleep[index] {
            let is_late = look_again.wait(&self.woken[index], &mut list);
            if is_late && self.remove(&mut list, index) {
                return false;
            }
        }
        drop(list);
        // Invariant 3: from here on it looks for work, and others may wake the next one.
        self.waking.store(false, SeqCst);
        true
    }

    fn remove(&self, list: &mut List, index: usize) -> bool {
        let was_asleep = list.leave(index);
        self.count.store(list.order.len(), SeqCst);
        was_asleep
    }

    /// Wakes a worker for a task that was put in, if one sleeps and none is being
    /// woken already.
    #[inline]
    pub(super) fn wake_one(&self) {
        if self.count.load(SeqCst) == 0 || self.waking.load(SeqCst) {
            return;
        }
        self.wake_newest();
    }

    #[cold]
    fn wake_newest(&self) {
        // Invariant 3: the worker that is being woken finds this task, too.
        if self.waking.swap(true, SeqCst) {
            return;
        }
        let mut list = self.list.lock();
        match list.order.pop() {
            Some(index) => {
                list.asleep[index] = false;
                self.count.store(list.order.len(), SeqCst);
                // Without the lock, which the woken one takes first.
                drop(list);
                self.woken[index].notify_one();
            }
            // None sleeps after all. One that is about to will look first.
            None => self.waking.store(false, SeqCst),
        }
    }

    /// Wakes this worker, if it sleeps.
    pub(super) fn wake(&self, index: usize) {
        let mut list = self.list.lock();
        if self.remove(&mut list, index) {
            self.woken[index].notify_one();
        }
    }

    pub(super) fn wake_all(&self) {
        let mut list = self.list.lock();
        while let Some(index) = list.order.pop() {
            list.asleep[index] = false;
            self.woken[index].notify_one();
        }
        self.count.store(0, SeqCst);
    }
}
