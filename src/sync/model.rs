//! What stands in for locks, atomics, channels and threads under a model
//! checker: `--cfg shuttle` or `--cfg loom`. The models are in `src/model`.
//!
//! Both checkers run all threads of an execution on one thread of the system,
//! and switch only inside their own operations. So what is kept in plain `std`
//! locks here is never contended, and is exact: it is the truth that the
//! threads under test see only through the checker's atomics and locks.
//!
//! - Nothing wakes by itself, and no wake-up is spurious: a lost one is a
//!   deadlock, which the checker reports.
//! - Time stands still, except that a thread that waits with a deadline starts a timer, a
//!   thread that moves the clock when the scheduler runs it (shuttle only: in loom, which
//!   cannot have that many threads, no deadline ever comes).

#[cfg(loom)]
mod atomic;
pub mod channel;
mod condvar;
mod local;
mod lock;
pub(crate) mod time;

#[cfg(loom)]
pub(crate) use atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Fences};
pub(crate) use condvar::Condvar;
pub(crate) use local::{LocalCell, thread_local};
pub(crate) use lock::{Mutex, MutexGuard, OnceLock};
#[cfg(shuttle)]
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize};

/// The checker, by one set of names.
pub(crate) mod checker {
    #[cfg(loom)]
    pub(crate) use loom::{
        sync::{Condvar, Mutex, MutexGuard, atomic::fence},
        thread, thread_local,
    };
    #[cfg(shuttle)]
    pub(crate) use shuttle::{
        sync::{Mutex, MutexGuard, atomic::fence},
        thread, thread_local,
    };
}

pub(crate) use checker::thread;

#[cfg(shuttle)]
pub(crate) mod chance {
    //! What a scenario leaves to the scheduler.
    use shuttle::rand::{Rng, thread_rng};

    /// One of these, chosen again in every schedule.
    pub(crate) fn one_of<T: Copy>(choices: &[T]) -> T {
        choices[thread_rng().gen_range(0..choices.len())]
    }
}

/// Spinning is of no use where the scheduler decides which thread runs: one step, so that
/// what is seen while spinning is explored too. None in loom, which would explore every
/// one.
#[derive(Default)]
pub(crate) struct Backoff(std::cell::Cell<bool>);

impl Backoff {
    pub(crate) fn new() -> Backoff {
        Backoff::default()
    }

    pub(crate) fn snooze(&self) {
        thread::yield_now();
        self.0.set(true);
    }

    pub(crate) fn is_completed(&self) -> bool {
        self.0.get() || cfg!(loom)
    }

    pub(crate) fn reset(&self) {
        self.0.set(false);
    }
}
