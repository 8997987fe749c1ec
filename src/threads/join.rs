//! The joining of threads that have left their bodies, by a deadline.
//!
//! A thread may be held up by the destructor of a thread-local, for any time. So a caller that
//! has a deadline to keep lets helpers join: one after the other, and where one is held up,
//! the next thread is given to another helper. [`JoinHelpers`] decides when one is needed. A
//! pool's stop asks it in the loop in which it also waits for everything else; [`join_until`]
//! is the loop of callers that wait for nothing else.

use super::{SPAWN_TIMEOUT, Thread, spawn_helper};
use crate::clock::{self, Deadline};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

/// The minimum time for which a thread that has left its body is waited for, however early
/// the deadline: it only has to end.
pub(crate) const TIME_TO_EXIT: Duration = Duration::from_millis(5);
/// After this time without a join the helpers are taken to be held up.
const HELD_UP: Duration = Duration::from_millis(10);
/// After this time the deadline is read again: it may be earlier now.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// When a helper is to be started, while threads wait to be joined. Pure.
#[derive(Default)]
pub(crate) struct JoinHelpers {
    started: usize,
    /// When a thread last left its body or was joined, or a helper was started or refused.
    progress: Option<Instant>,
    /// Since when the system refuses helpers.
    refused_since: Option<Instant>,
    given_up: bool,
}

impl JoinHelpers {
    /// A thread has left its body, or was joined.
    pub(crate) fn progressed(&mut self, now: Instant) {
        self.progress = Some(now);
    }

    /// When the next helper is to be started: the first one at once. Where the system refused
    /// one it is tried again, at the same intervals.
    pub(crate) fn next_start(&self, now: Instant) -> Deadline {
        let is_first = self.started == 0 && self.refused_since.is_none();
        match self.progress.filter(|_| !is_first) {
            Some(last) => Deadline::after_from(last, HELD_UP),
            None => Deadline::at(now),
        }
    }

    /// The start of a helper was attempted at `now`, and succeeded or was refused.
    pub(crate) fn start_attempted(&mut self, now: Instant, succeeded: bool) {
        self.progress = Some(now);
        if succeeded {
            self.started += 1;
            self.refused_since = None;
            return;
        }
        let since = *self.refused_since.get_or_insert(now);
        self.given_up |= self.started == 0 && now >= since + SPAWN_TIMEOUT;
    }

    /// No helper could be started for [`SPAWN_TIMEOUT`]: threads that have left are not joined.
    pub(crate) fn have_given_up(&self) -> bool {
        self.given_up
    }
}

/// Threads that are being joined.
struct Joining<K> {
    state: Mutex<State<K>>,
    /// Notified when a thread was joined.
    changed: Condvar,
}

struct State<K> {
    /// No helper has taken them yet.
    waiting: VecDeque<(K, Thread)>,
    not_joined: Vec<K>,
    helpers: JoinHelpers,
}

/// Joins threads that have left their bodies, by helpers, until what `deadline` says at the
/// time, but for [`TIME_TO_EXIT`] at least. Returns those that were not joined by then, or for
/// which no helper could be started; they are detached.
pub(crate) fn join_until<K: Copy + PartialEq + Send + 'static>(
    name: &str,
    threads: Vec<(K, Thread)>,
    deadline: impl Fn() -> Deadline,
) -> Vec<K> {
    let joining = Joining::of(threads);
    let at_least = Deadline::after(TIME_TO_EXIT);
    let mut helpers = Vec::new();
    loop {
        // Without the lock: the caller takes one of its own to say it.
        let until = deadline().later(at_least);
        let mut state = joining.state.lock();
        if state.not_joined.is_empty() {
            break;
        }
        let now = clock::now();
        if until.has_passed(now) || state.helpers.have_given_up() {
            // The helpers go on: what they join after the report is no leak.
            return state.not_joined.clone();
        }
        let start = state.next_helper(now);
        if start.has_passed(now) {
            helpers.extend(joining.start_helper(&mut state, name));
            continue;
        }
        let look_again = Deadline::after_from(now, LOOK_AGAIN);
        let wake = until.earlier(start).earlier(look_again);
        wake.wait(&joining.changed, &mut state);
    }
    // They have nothing left to join, and are gone in a moment.
    helpers.into_iter().for_each(Thread::join);
    Vec::new()
}

impl<K> State<K> {
    fn next_helper(&self, now: Instant) -> Deadline {
        match self.waiting.is_empty() {
            true => Deadline::NEVER,
            false => self.helpers.next_start(now),
        }
    }
}

impl<K: Copy + PartialEq + Send + 'static> Joining<K> {
    fn of(threads: Vec<(K, Thread)>) -> Arc<Joining<K>> {
        Arc::new(Joining {
            state: Mutex::new(State {
                not_joined: threads.iter().map(|(key, _)| *key).collect(),
                waiting: threads.into(),
                helpers: JoinHelpers::default(),
            }),
            changed: Condvar::new(),
        })
    }

    fn start_helper(
        self: &Arc<Self>,
        state: &mut MutexGuard<'_, State<K>>,
        name: &str,
    ) -> io::Result<Thread> {
        // Without the lock, for which the helpers before it may be waiting.
        let helper = MutexGuard::unlocked(state, || {
            let joining = self.clone();
            spawn_helper(name.to_owned(), move || joining.join_waiting())
        });
        state.helpers.start_attempted(clock::now(), helper.is_ok());
        helper
    }

    /// The body of a helper. Goes on after the deadline, so that a thread is not detached only
    /// because one before it was held up.
    fn join_waiting(&self) {
        let mut state = self.state.lock();
        while let Some((key, thread)) = state.waiting.pop_front() {
            MutexGuard::unlocked(&mut state, || thread.join());
            state.not_joined.retain(|other| *other != key);
            state.helpers.progressed(clock::now());
            self.changed.notify_all();
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::sync::channel;

    #[test]
    fn a_second_helper_is_started_when_nothing_was_joined_for_a_while() {
        let now = clock::now();
        let mut helpers = JoinHelpers::default();
        helpers.progressed(now);
        assert_eq!(helpers.next_start(now), Deadline::at(now));
        helpers.start_attempted(now, true);
        assert_eq!(helpers.next_start(now), Deadline::at(now + HELD_UP));
        helpers.progressed(now + HELD_UP / 2);
        let later = now + HELD_UP / 2 + HELD_UP;
        assert_eq!(helpers.next_start(now), Deadline::at(later));
    }

    #[test]
    fn helpers_that_are_refused_are_tried_again_until_patience_is_over() {
        let now = clock::now();
        let mut helpers = JoinHelpers::default();
        helpers.start_attempted(now, false);
        assert_eq!(helpers.next_start(now), Deadline::at(now + HELD_UP));
        helpers.start_attempted(now + SPAWN_TIMEOUT - HELD_UP, false);
        assert!(!helpers.have_given_up());
        helpers.start_attempted(now + SPAWN_TIMEOUT, false);
        assert!(helpers.have_given_up());
        // One that was started joins what there is, however late.
        let mut helpers = JoinHelpers::default();
        helpers.start_attempted(now, true);
        helpers.start_attempted(now + HELD_UP, false);
        helpers.start_attempted(now + HELD_UP + SPAWN_TIMEOUT, false);
        assert!(!helpers.have_given_up());
    }

    #[test]
    fn joining_goes_round_a_thread_that_lingers_and_names_it() {
        let (open, gate) = channel::bounded::<()>(0);
        let threads = (0..4).map(|index| {
            let gate = gate.clone();
            let lingers = index == 1;
            let body = move || {
                if lingers {
                    let _ = gate.recv();
                }
            };
            (index, spawn_helper(format!("ends-{index}"), body).unwrap())
        });
        let threads: Vec<_> = threads.collect();
        let deadline = Deadline::after(Duration::from_secs(3));
        assert_eq!(join_until("join", threads, || deadline), [1]);
        drop(open);
        assert!(join_until::<u8>("join", Vec::new(), || Deadline::NEVER).is_empty());
    }
}
