//! The gate: submitters from outside wait here for room in the channel.
//!
//! # Invariants
//!
//! 1. A waiter holds the gate's lock from its last attempt until it sleeps, and
//!    a thread that opens the gate, or cancels a waiter's token, takes that lock: no
//!    opening and no cancel is missed in between.
//! 2. A waiter counts itself in `waiters` and raises `mark`, then makes an
//!    attempt; a worker takes a task, then reads both. All SeqCst: either the
//!    worker sees the waiter, or the waiter sees the room.
//! 3. A worker that finds the channel empty always wakes the first waiter, and
//!    all of them if that one did not fill the channel up again. So a waiter
//!    sleeps through a take only while there is work left to take.
//!
//! # When a waiter is woken
//!
//! A submitter that is woken for every single place runs, fills one place and
//! sleeps again, and takes a core from a worker each time. So it is woken only
//! when that pays: once the channel has fallen to its low-water mark, and less
//! than [`WORTH_A_WAKE`] of work is left for each worker. If the woken one does
//! not fill the channel up, the next is woken at half of the mark, and so on.
//!
//! Where tasks take longer than a worker expects, a place may stay free for
//! long before the mark is reached. So a sleeper looks by itself after [`LOOK`].
//! If it still finds no room, all workers are busy with long tasks. From then on
//! it is impatient: the next place that becomes free wakes it.
//!
//! Before it sleeps, a submitter spins and yields for a few microseconds. If
//! other threads wait for its core, a yield lets them run for a slice of
//! their time; after it there is room, and it cost no sleep.
//!
//! # Order
//!
//! Waiters are woken in the order in which they went to sleep, and the one that
//! has the room may fill it: that is a turn. A waiter that was woken may find that
//! others were faster. If that happens after it has waited for [`PATIENCE`],
//! newcomers wait behind it. To be that strict from the start would cost a sleep
//! for each submit at small capacities.

use super::monitor::Monitor;
use super::on_full::Wait;
use super::refusal::Refusal;
use crate::clock::{self, Deadline};
use crate::sync::{Arc, AtomicBool, AtomicUsize, Backoff, Relaxed, SeqCst};
use std::time::Duration;

pub(super) struct Gate {
    capacity: usize,
    /// The work that is worth a wake-up for all workers together, in nanoseconds.
    worth_a_wake: u64,
    /// How many submitters are at the gate. Written under the lock, read by
    /// workers after each take.
    waiters: AtomicUsize,
    /// A worker that leaves fewer tasks than this in the channel wakes a waiter.
    /// [`IMPATIENT`] while one is impatient. Written under the lock.
    mark: AtomicUsize,
    /// How many waiters were woken and found no room. Written under the lock,
    /// read by every submit.
    overtaken: AtomicUsize,
    /// How many waiters are impatient; with the lock of the gate, on which they sleep.
    impatient: Arc<Monitor<usize>>,
    /// The pool is closed, and all waiters were woken to see it: a submitter that comes later
    /// must not stand back, since nothing wakes it. Written and read under the lock.
    is_open: AtomicBool,
}

/// What came of an attempt to put a task into the channel.
pub(super) enum Attempt {
    Entered,
    Full,
    Closed,
}

/// The low-water mark is this part of the capacity; of a capacity up to this it
/// is a half.
const LOW_WATER: usize = 8;
/// A capacity below this is small.
const SMALL: usize = 128;
/// As long as there is more work than this for each worker, no waiter is woken.
const WORTH_A_WAKE: Duration = Duration::from_millis(1);
/// A mark that is above every length: any place that becomes free is worth it.
const IMPATIENT: usize = usize::MAX;
/// A waiter first looks by itself after this time; where several wait, each
/// after its share of it, so that all together look this often.
#[cfg(not(any(loom, shuttle)))]
const LOOK: Duration = Duration::from_millis(5);
/// An impatient waiter is woken by the next place. It looks by itself, too, in
/// case that others are faster each time.
#[cfg(not(any(loom, shuttle)))]
const IMPATIENT_LOOK: Duration = Duration::from_millis(100);
/// A waiter that was overtaken after this time lets no newcomer pass.
#[cfg(not(any(loom, shuttle)))]
const PATIENCE: Duration = Duration::from_millis(5);
#[cfg(any(loom, shuttle))]
const PATIENCE: Duration = Duration::ZERO;
/// Never in a model: these looks would hide a wake-up that was lost.
#[cfg(any(loom, shuttle))]
const LOOK: Duration = Duration::MAX;
#[cfg(any(loom, shuttle))]
const IMPATIENT_LOOK: Duration = Duration::MAX;

impl Gate {
    pub(super) fn new(capacity: usize, workers: usize) -> Gate {
        let worth_a_wake = WORTH_A_WAKE.as_nanos() as u64;
        Gate {
            capacity,
            worth_a_wake: worth_a_wake.saturating_mul(workers as u64),
            waiters: AtomicUsize::new(0),
            mark: AtomicUsize::new(0),
            overtaken: AtomicUsize::new(0),
            impatient: Arc::new(Monitor::new(0)),
            is_open: AtomicBool::new(false),
        }
    }

    fn low_water(&self) -> usize {
        (self.capacity / LOW_WATER).max(self.capacity.min(LOW_WATER) / 2)
    }

    /// How much room a submitter that spins waits for. One place at a time, it
    /// and the workers would fight over the channel's cache lines; in a small
    /// queue the workers cannot wait for more.
    fn refill(&self) -> usize {
        match self.capacity {
            0..SMALL => 1,
            capacity => capacity / 2,
        }
    }

    /// Whether a waiter was overtaken, and a newcomer has to wait behind it. `len`
    /// is the length of the channel.
    #[inline]
    pub(super) fn has_to_queue_up(&self, len: impl FnOnce() -> usize) -> bool {
        self.overtaken.load(Relaxed) > 0 && len() > self.low_water()
    }

    /// Blocks until an attempt succeeds, the pool is closed, or the wait is over.
    #[cold]
    pub(super) fn wait(
        &self,
        wait: Wait<'_>,
        len: impl Fn() -> usize,
        mut attempt: impl FnMut() -> Attempt,
    ) -> Result<(), Refusal> {
        match self.spin(wait, &len, &mut attempt) {
            Some(end) => end,
            None => self.sleep(wait, len, attempt),
        }
    }

    /// `None`: there was no room, or others come first.
    fn spin(
        &self,
        wait: Wait<'_>,
        len: &impl Fn() -> usize,
        attempt: &mut impl FnMut() -> Attempt,
    ) -> Option<Result<(), Refusal>> {
        let backoff = Backoff::new();
        while !backoff.is_completed() && wait.is_over().is_none() {
            backoff.snooze();
            if self.has_to_queue_up(len) {
                break;
            }
            if len() + self.refill() > self.capacity {
                continue;
            }
            match attempt() {
                Attempt::Entered => return Some(Ok(())),
                Attempt::Closed => return Some(Err(Refusal::Closed)),
                Attempt::Full => {}
            }
        }
        None
    }

    fn sleep(
        &self,
        wait: Wait<'_>,
        len: impl Fn() -> usize,
        mut attempt: impl FnMut() -> Attempt,
    ) -> Result<(), Refusal> {
        let _listening = wait.listen(&self.impatient);
        // Held from each attempt to the sleep after it: Invariant 1.
        let mut impatient = self.impatient.lock();
        let mut waiter = Waiter::new(self.has_to_queue_up(&len));
        self.waiters.fetch_add(1, SeqCst);
        let end = loop {
            // Before the attempt: Invariant 2.
            self.raise_mark(*impatient);
            if let Some(end) = self.try_to_enter(&waiter, wait, &len, &mut attempt) {
                break end;
            }
            let look = Deadline::after(self.next_look(&waiter));
            let looks = self
                .impatient
                .wait(wait.deadline().earlier(look), &mut impatient);
            self.woke_up(&mut waiter, looks, len() >= self.capacity, &mut impatient);
        };
        self.leave(&waiter, &mut impatient);
        end
    }

    /// `None`: it has to sleep.
    fn try_to_enter(
        &self,
        waiter: &Waiter,
        wait: Wait<'_>,
        len: &impl Fn() -> usize,
        attempt: &mut impl FnMut() -> Attempt,
    ) -> Option<Result<(), Refusal>> {
        // Before the attempt: where there is room the task gets in, however late it is.
        let over = wait.is_over();
        let stands_back = waiter.queues_up && !self.is_open.load(Relaxed);
        if over.is_none() && stands_back && len() > self.low_water() {
            return None;
        }
        match attempt() {
            Attempt::Entered => Some(Ok(())),
            Attempt::Closed => Some(Err(Refusal::Closed)),
            Attempt::Full => over.map(Err),
        }
    }

    /// `looks`: by itself, without a wake-up.
    fn woke_up(&self, waiter: &mut Waiter, looks: bool, is_full: bool, impatient: &mut usize) {
        match waiter.change(looks, is_full) {
            Some(Change::Impatient) => {
                waiter.impatient = true;
                *impatient += 1;
            }
            Some(Change::Overtaken) => {
                waiter.overtaken = true;
                self.overtaken.fetch_add(1, Relaxed);
            }
            None => {}
        }
        waiter.queues_up = false;
    }

    fn leave(&self, waiter: &Waiter, impatient: &mut usize) {
        if waiter.overtaken {
            self.overtaken.fetch_sub(1, Relaxed);
        }
        if waiter.impatient {
            *impatient -= 1;
        }
        self.waiters.fetch_sub(1, SeqCst);
    }

    /// `impatient`: how many waiters are.
    fn raise_mark(&self, impatient: usize) {
        let mark = match impatient {
            0 => self.low_water() + 1,
            _ => IMPATIENT,
        };
        self.mark.store(mark, SeqCst);
    }

    fn next_look(&self, waiter: &Waiter) -> Duration {
        let waiters = u32::try_from(self.waiters.load(Relaxed)).unwrap_or(u32::MAX);
        let look = if waiter.impatient {
            IMPATIENT_LOOK
        } else {
            LOOK
        };
        look.saturating_mul(waiters)
    }

    /// A worker took a task from the channel. `nanos`: how long its tasks take
    /// on the average, as far as it looked.
    pub(super) fn made_room(&self, nanos: u64, len: impl Fn() -> usize) {
        // Invariant 2: the task is taken, so a waiter that is not seen here sees the room.
        if self.waiters.load(SeqCst) == 0 {
            return;
        }
        if self.is_worth_a_wake(len(), self.mark.load(SeqCst), nanos) {
            self.wake_waiter(len);
        }
    }

    /// `left`: how many tasks are in the channel.
    fn is_worth_a_wake(&self, left: usize, mark: usize, nanos: u64) -> bool {
        let work = nanos.saturating_mul(left as u64);
        mark == IMPATIENT || (left < mark && work <= self.worth_a_wake)
    }

    #[cold]
    fn wake_waiter(&self, len: impl Fn() -> usize) {
        // Invariant 1. What was read without the lock may be out of date by now.
        let _guard = self.impatient.lock();
        let (left, mark) = (len(), self.mark.load(SeqCst));
        if mark == IMPATIENT {
            self.impatient.notify_one();
        } else if left < mark {
            // Until a waiter raises it again, the next wake-up comes at half of what is left.
            self.mark.store(left.div_ceil(2), SeqCst);
            if left == 0 {
                // Invariant 3: the one that was woken before has not filled the channel up.
                self.impatient.notify_all();
            } else {
                self.impatient.notify_one();
            }
        }
    }

    /// Wakes all waiters, for them to see that the pool is closed.
    pub(super) fn open(&self) {
        // Invariant 1: a waiter is asleep, or will make another attempt and see the close.
        let _guard = self.impatient.lock();
        self.is_open.store(true, Relaxed);
        self.impatient.notify_all();
    }
}

/// What a submitter at the gate knows of itself.
struct Waiter {
    /// It came when others had been overtaken, and leaves them the first places.
    queues_up: bool,
    overtaken: bool,
    impatient: bool,
    patience: Deadline,
}

/// What a waiter becomes, each of them once.
#[derive(Debug, PartialEq)]
enum Change {
    Impatient,
    Overtaken,
}

impl Waiter {
    fn new(queues_up: bool) -> Waiter {
        Waiter {
            queues_up,
            overtaken: false,
            impatient: false,
            patience: Deadline::after(PATIENCE),
        }
    }

    /// What follows from a sleep that has ended.
    fn change(&self, looks: bool, is_full: bool) -> Option<Change> {
        if !is_full {
            None
        } else if looks {
            // No worker has woken it: all of them have long tasks.
            (!self.impatient).then_some(Change::Impatient)
        } else {
            // It was woken for room that another one has taken.
            let is_overtaken = !self.overtaken && self.patience.has_passed(clock::now());
            is_overtaken.then_some(Change::Overtaken)
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::cancel::CancelToken;
    use crate::queue::OnFull;

    const MICROSECOND: u64 = 1_000;

    /// The most tasks that may be left when a waiter is woken, where a task takes
    /// this long.
    fn woken_at(gate: &Gate, nanos: u64) -> usize {
        let mark = gate.low_water() + 1;
        let pays = |left: &usize| gate.is_worth_a_wake(*left, mark, nanos);
        let at = (0..=gate.capacity).rev().find(pays).unwrap();
        assert!((0..=at).all(|left| gate.is_worth_a_wake(left, mark, nanos)));
        at
    }

    #[test]
    fn a_waiter_is_woken_at_the_mark_or_once_a_millisecond_of_work_is_left() {
        let gate = Gate::new(1024, 2);
        assert_eq!(woken_at(&gate, 0), 128);
        assert_eq!(woken_at(&gate, 10 * MICROSECOND), 128);
        assert_eq!(woken_at(&gate, 100 * MICROSECOND), 20);
        assert_eq!(woken_at(&gate, 1_000 * MICROSECOND), 2);
        assert_eq!(woken_at(&gate, 10_000 * MICROSECOND), 0);
        assert_eq!(woken_at(&gate, u64::MAX), 0);
    }

    #[test]
    fn at_a_capacity_of_one_a_waiter_is_woken_for_each_place() {
        for nanos in [0, MICROSECOND, u64::MAX] {
            assert_eq!(woken_at(&Gate::new(1, 2), nanos), 0);
        }
    }

    #[test]
    fn who_has_to_queue_up_sees_that_the_pool_was_closed_before() {
        let gate = Gate::new(16, 2);
        // So many that the next look by itself is far away.
        gate.waiters.store(1_000_000, SeqCst);
        gate.overtaken.store(1, SeqCst);
        gate.open();
        let (tell, told) = crate::sync::channel::bounded(1);
        std::thread::spawn(move || {
            let refused = gate.wait(OnFull::WAIT.wait().unwrap(), || 16, || Attempt::Closed);
            let _ = tell.send(refused.is_err_and(|refusal| refusal == Refusal::Closed));
        });
        assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok(true));
    }

    /// Its next look by itself is far away: only the cancel can wake it. It tries once more
    /// before it gives up.
    #[test]
    fn a_cancelled_token_wakes_its_waiter_at_the_gate() {
        let (gate, token) = (Arc::new(Gate::new(16, 2)), CancelToken::new());
        gate.waiters.store(1_000_000, SeqCst);
        let (done, is_done) = crate::sync::channel::bounded(1);
        let (waiting, waited_at) = (token.child(), gate.clone());
        std::thread::spawn(move || {
            let mut attempts = 0;
            let wait = OnFull::WaitOrOverflow(Some(&waiting)).wait().unwrap();
            let refused = waited_at.wait(
                wait,
                || 16,
                || {
                    attempts += 1;
                    Attempt::Full
                },
            );
            let _ = done.send((refused.err(), attempts));
        });
        while gate.waiters.load(SeqCst) == 1_000_000 {
            std::thread::yield_now();
        }
        token.cancel();
        let refused = is_done.recv_timeout(Duration::from_secs(60));
        let (refusal, attempts) = refused.unwrap();
        assert_eq!(refusal, Some(Refusal::Cancelled));
        // One before it slept, unless the cancel came first, and one after.
        assert!((1..=2).contains(&attempts), "{attempts}");
        assert_eq!(token.listeners(), 0);
    }

    #[test]
    fn a_waiter_becomes_impatient_by_itself_and_overtaken_by_others_each_once() {
        let new = Waiter::new(false);
        assert_eq!(new.change(true, true), Some(Change::Impatient));
        // It has patience at first.
        assert_eq!(new.change(false, true), None);
        let mut waiter = Waiter::new(false);
        waiter.patience = Deadline::after(Duration::ZERO);
        assert_eq!(waiter.change(false, true), Some(Change::Overtaken));
        // Where there is room it is neither.
        assert_eq!(
            (waiter.change(true, false), waiter.change(false, false)),
            (None, None)
        );
        (waiter.impatient, waiter.overtaken) = (true, true);
        assert_eq!(
            (waiter.change(true, true), waiter.change(false, true)),
            (None, None)
        );
    }

    #[test]
    fn for_an_impatient_waiter_every_place_is_worth_a_wake() {
        let gate = Gate::new(1024, 2);
        assert!(gate.is_worth_a_wake(1023, IMPATIENT, 1_000_000 * MICROSECOND));
        assert!(!gate.is_worth_a_wake(1023, gate.low_water() + 1, MICROSECOND));
    }
}
