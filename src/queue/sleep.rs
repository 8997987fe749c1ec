//! Where workers wait for work, each in its own bed.
//!
//! # Invariants
//!
//! 1. `sleepers` is the number of workers in bed, written under the lock.
//! 2. A worker goes to bed, then looks for tasks and for `closed`, and only then sleeps. A
//!    thread that puts a task in or closes does so first and reads `sleepers` afterwards.
//!    All SeqCst: one sees the other.
//! 3. `waking` is set by the thread that wakes a worker and cleared by the woken worker
//!    before it looks. A thread that finds it set leaves its task to that worker, which
//!    wakes the next one if it finds more than it can take. So a burst of submits pays for
//!    one wake-up, and a sleeping worker is never forgotten.
//!
//! The last to go to bed is the first to be woken: its caches are warm.

use super::Queue;
use crate::clock::Deadline;
use crate::sync::{Condvar, Mutex, SeqCst};
use crate::threads::LONGEST_PAUSE;
use std::time::Duration;

pub(super) struct Beds {
    taken: Mutex<Taken>,
    /// By the worker's index; notified when its `in_bed` was cleared.
    bells: Box<[Condvar]>,
}

struct Taken {
    /// The sleeping workers, in the order in which they went to sleep.
    order: Vec<usize>,
    /// By the worker's index.
    in_bed: Box<[bool]>,
}

impl Beds {
    pub(super) fn new(workers: usize) -> Beds {
        Beds {
            taken: Mutex::new(Taken {
                order: Vec::with_capacity(workers),
                in_bed: vec![false; workers].into(),
            }),
            bells: (0..workers).map(|_| Condvar::new()).collect(),
        }
    }
}

impl Queue {
    /// Blocks this worker until there may be something to do.
    pub(crate) fn sleep(&self, index: usize) {
        let mut taken = self.beds.taken.lock();
        taken.order.push(index);
        taken.in_bed[index] = true;
        self.flags.sleepers.store(taken.order.len(), SeqCst);
        if self.has_tasks() || self.is_closed() || self.slots[index].is_marked() {
            taken.order.retain(|other| *other != index);
            taken.in_bed[index] = false;
            self.flags.sleepers.store(taken.order.len(), SeqCst);
            return;
        }
        // Some thread has to try again, and an idle worker has time.
        let look_again = match self.lacks_timer() {
            true => Deadline::after(LONGEST_PAUSE),
            false => Deadline::NEVER,
        };
        while taken.in_bed[index] {
            let is_late = look_again.wait(&self.beds.bells[index], &mut taken);
            if is_late && taken.in_bed[index] {
                taken.order.retain(|other| *other != index);
                taken.in_bed[index] = false;
                self.flags.sleepers.store(taken.order.len(), SeqCst);
                drop(taken);
                let _ = self.start_timer(Deadline::after(Duration::ZERO));
                return;
            }
        }
        drop(taken);
        self.flags.waking.store(false, SeqCst);
    }

    /// Wakes a worker for a task that was put in, if that is needed.
    #[inline]
    pub(crate) fn wake_one(&self) {
        if self.flags.sleepers.load(SeqCst) == 0 || self.flags.waking.load(SeqCst) {
            return;
        }
        self.wake_sleeper();
    }

    #[cold]
    fn wake_sleeper(&self) {
        if self.flags.waking.swap(true, SeqCst) {
            return;
        }
        let mut taken = self.beds.taken.lock();
        match taken.order.pop() {
            Some(index) => {
                taken.in_bed[index] = false;
                self.flags.sleepers.store(taken.order.len(), SeqCst);
                drop(taken);
                self.beds.bells[index].notify_one();
            }
            // No worker sleeps after all; one that is about to will look first.
            None => self.flags.waking.store(false, SeqCst),
        }
    }

    /// This worker is to take nothing more, and to leave; also if it sleeps by now.
    pub(crate) fn dismiss(&self, index: usize) {
        self.slots[index].mark();
        let mut taken = self.beds.taken.lock();
        if std::mem::take(&mut taken.in_bed[index]) {
            taken.order.retain(|other| *other != index);
            self.flags.sleepers.store(taken.order.len(), SeqCst);
            self.beds.bells[index].notify_one();
        }
    }

    /// Wakes every worker, for it to see that the pool is closed.
    pub(super) fn wake_all(&self) {
        let mut taken = self.beds.taken.lock();
        for index in std::mem::take(&mut taken.order) {
            taken.in_bed[index] = false;
            self.beds.bells[index].notify_one();
        }
        self.flags.sleepers.store(0, SeqCst);
    }
}
