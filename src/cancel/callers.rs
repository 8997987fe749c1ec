//! The threads that call the closures of `on_cancel`.
//!
//! A cancel may be a step of a stop that has a deadline to keep, or come from the timer's thread,
//! and a closure may block. So a cancel only puts closures into a list, and threads of the process
//! call them. The closures of one cancel may belong to tasks that know nothing of each other, so
//! one that blocks must not delay the others for long.
//!
//! # Invariants
//!
//! 1. While closures are registered there is a thread. The registration starts it, on the thread
//!    of the program, which can wait for that; a cancel could not.
//! 2. One thread at a time is the caller. It takes the closure that has waited the longest. If
//!    there are more, another thread stands by before the program's code is called.
//! 3. The thread that stands by becomes the caller as soon as there is none, or when the caller
//!    has been in one closure for [`HELD_UP`].

use super::closure::Closure;
use crate::clock::{self, Deadline};
use crate::record::record;
use crate::sync::{Arc, Condvar, Mutex, MutexGuard};
use crate::threads::{self, SPAWN_TIMEOUT};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// After this time in one closure another thread calls those after it.
const HELD_UP: Duration = Duration::from_millis(10);
/// For how long a thread stays when there is nothing left to do: most programs register one
/// closure after the other.
const LINGER: Duration = Duration::from_secs(10);

static CALLERS: Mutex<Callers> = Mutex::new(Callers {
    waiting: VecDeque::new(),
    registered: 0,
    threads: 0,
    in_closure: 0,
    standing_by: 0,
    calls: 0,
    current: None,
});
/// Something waits to be called, or the caller is done.
static CHANGED: Condvar = Condvar::new();

struct Callers {
    /// In the order of their calls.
    waiting: VecDeque<Arc<Closure>>,
    /// How many closures have a guard.
    registered: usize,
    /// How many threads there are, those that are being started included.
    threads: usize,
    /// How many of them are in a closure.
    in_closure: usize,
    /// How many of them wait.
    standing_by: usize,
    /// How many calls have begun.
    calls: u64,
    /// The number of the caller's call, and when it began: not while the caller starts a thread.
    current: Option<(u64, Option<Instant>)>,
}

/// A closure is registered. Blocks while the system has no thread, for [`SPAWN_TIMEOUT`] at most.
pub(super) fn register() {
    let mut callers = CALLERS.lock();
    callers.registered += 1;
    ensure_thread(&mut callers, Deadline::after(SPAWN_TIMEOUT));
}

/// The guard of a closure is dropped.
pub(super) fn unregister() {
    let mut callers = CALLERS.lock();
    callers.registered -= 1;
    if callers.registered == 0 {
        // The thread that stands by may leave.
        CHANGED.notify_one();
    }
}

/// Lets other threads call these closures, in this order. Waits for nothing.
pub(super) fn call(closures: Vec<Arc<Closure>>) {
    if closures.is_empty() {
        return;
    }
    let mut callers = CALLERS.lock();
    callers.waiting.extend(closures);
    // Only if the system had none for the registration.
    ensure_thread(&mut callers, Deadline::after(Duration::ZERO));
    CHANGED.notify_one();
}

fn ensure_thread(callers: &mut MutexGuard<'_, Callers>, deadline: Deadline) {
    if callers.threads == 0 {
        start_thread(callers, deadline);
    }
}

fn start_thread(callers: &mut MutexGuard<'_, Callers>, deadline: Deadline) {
    callers.threads += 1;
    let started = MutexGuard::unlocked(callers, || {
        let started = threads::spawn_helper_until("on-cancel", deadline, run);
        started.map_err(|(error, _)| {
            record!(
                Error,
                CANCEL,
                "there is no thread to call closures of on_cancel, which wait for one: {error}"
            );
        })
    });
    if started.is_err() {
        callers.threads -= 1;
    }
}

/// The life of a thread.
fn run() {
    let mut callers = CALLERS.lock();
    loop {
        let wake = match callers.next_call() {
            Some(at) if at.has_passed(clock::now()) => {
                call_next(&mut callers);
                continue;
            }
            Some(at) => at,
            None if callers.registered > 0 => Deadline::NEVER,
            None => Deadline::after(LINGER),
        };
        if callers.standing_by > 0 {
            break;
        }
        callers.standing_by += 1;
        let is_late = wake.wait(&CHANGED, &mut callers);
        callers.standing_by -= 1;
        if is_late && callers.waiting.is_empty() && callers.registered == 0 {
            break;
        }
    }
    callers.threads -= 1;
}

fn call_next(callers: &mut MutexGuard<'_, Callers>) {
    let Some(closure) = callers.waiting.pop_front() else {
        return;
    };
    callers.calls += 1;
    let number = callers.calls;
    callers.in_closure += 1;
    callers.current = Some((number, None));
    if !callers.waiting.is_empty() && callers.threads == callers.in_closure {
        // Invariant 2. Without a thread those that wait are called after this one.
        start_thread(callers, Deadline::after(Duration::ZERO));
    }
    callers.current = Some((number, Some(clock::now())));
    if !callers.waiting.is_empty() {
        // The thread that stands by learns until when it does.
        CHANGED.notify_one();
    }
    MutexGuard::unlocked(callers, || closure.call());
    callers.in_closure -= 1;
    // Another thread may be the caller by now.
    callers.current.take_if(|(current, _)| *current == number);
}

impl Callers {
    /// Invariant 3: when the closure that has waited the longest may be called. `None`: there is
    /// none.
    fn next_call(&self) -> Option<Deadline> {
        if self.waiting.is_empty() {
            return None;
        }
        Some(match self.current {
            Some((_, Some(since))) => Deadline::after_from(since, HELD_UP),
            Some((_, None)) => Deadline::NEVER,
            None => Deadline::at(clock::now()),
        })
    }
}
