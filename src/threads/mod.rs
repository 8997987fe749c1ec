//! The one place that starts and joins threads.
//!
//! - `spawn`: threads that run for as long as their owner, and helpers that end by themselves.
//! - `retry`: what to do where the system refuses a thread, which it mostly does for a moment.
//! - `join`: the joining of threads by a deadline.
//! - `status`: what the operating system says of a thread.

mod join;
mod retry;
mod spawn;
mod status;

pub(crate) use join::{JoinHelpers, TIME_TO_EXIT, join_until};
pub(crate) use retry::{
    MAX_SPAWN_PAUSE, SPAWN_TIMEOUT, run_until, spawn_helper_until, spawn_pauses, try_until,
};
pub(crate) use spawn::{
    LEAST_STACK, SpawnError, default_stack_size, spawn_all, spawn_helper, spawn_one, worker_name,
};
#[cfg(feature = "testing")]
pub(crate) use status::statuses;
pub(crate) use status::{ThreadStatus, current_id, status};

#[cfg(any(loom, shuttle))]
use crate::sync::model::thread;
#[cfg(not(any(loom, shuttle)))]
use std::thread;

/// A thread that has to be joined, or detached by dropping this.
pub(crate) struct Thread(thread::JoinHandle<()>);

impl Thread {
    pub(crate) fn id(&self) -> Id {
        self.0.thread().id()
    }

    /// Blocks until the thread has left the process, destructors of its thread-locals
    /// included, and these may take arbitrarily long: never called where a deadline has to
    /// be kept.
    pub(crate) fn join(self) {
        // Bodies catch their panics; one that gets here is reported by its guard.
        let _ = self.0.join();
    }
}

/// Which thread this is.
pub(crate) type Id = thread::ThreadId;

pub(crate) fn id() -> Id {
    thread::current().id()
}

/// The current thread's name, of any length.
#[cfg(feature = "testing")]
pub(crate) fn name() -> Option<String> {
    thread::current().name().map(str::to_owned)
}

/// How many threads can run at the same time; knows the limits of cgroups.
#[cfg(not(any(loom, shuttle)))]
pub(crate) fn available_parallelism() -> usize {
    thread::available_parallelism().map_or(1, Into::into)
}

#[cfg(any(loom, shuttle))]
pub(crate) fn available_parallelism() -> usize {
    1
}

/// Whether the current thread is unwinding.
pub(crate) fn is_panicking() -> bool {
    thread::panicking()
}
