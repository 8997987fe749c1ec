//! Which batches of a stream have ended, in the order in which they did.

use crate::cancel::Listener;
use crate::queue::Shared;
use crate::sync::{Arc, Backoff, Condvar, Mutex, MutexGuard};
use crate::task::{Link, TaskPanic};
use std::collections::VecDeque;

/// Pushed by the thread that ends a batch, a stop included; taken by the consumer.
#[derive(Default)]
pub(super) struct Endings {
    ended: Mutex<Ended>,
    changed: Condvar,
}

#[derive(Default)]
struct Ended {
    numbers: VecDeque<u64>,
    /// The consumer takes them: an ordered one never would, however many.
    is_wanted: bool,
}

impl Endings {
    /// From now on the consumer wants to know; also of these, which have not been
    /// taken.
    pub(super) fn want(&self, ended: impl Iterator<Item = u64>) {
        self.ended.lock().is_wanted = true;
        // Only now, or one that ends meanwhile would be missed. A batch that is reported
        // twice is taken once.
        let ended: Vec<_> = ended.collect();
        self.ended.lock().numbers.extend(ended);
    }

    /// The number of the next batch that has ended, if there is one by now.
    pub(super) fn try_next(&self) -> Option<u64> {
        self.ended.lock().numbers.pop_front()
    }

    /// Waits until `is_over` says so, which is asked again after each end and each cancel.
    pub(super) fn wait_until(&self, is_over: impl Fn(&VecDeque<u64>) -> bool) {
        // To yield to the workers is to find several, when it is this thread's
        // turn again.
        let backoff = Backoff::new();
        let mut ended = self.ended.lock();
        while !is_over(&ended.numbers) {
            if backoff.is_completed() {
                self.changed.wait(&mut ended);
            } else {
                MutexGuard::unlocked(&mut ended, || backoff.snooze());
            }
        }
    }
}

/// The token of a stream.
impl Listener for Endings {
    fn cancelled(&self) {
        // The lock orders this after the look of the consumer.
        drop(self.ended.lock());
        self.changed.notify_one();
    }
}

/// What a batch reports to its stream.
pub(super) struct Ending {
    pub(super) number: u64,
    pub(super) endings: Arc<Endings>,
}

impl Link for Ending {
    const SCOPED: bool = false;

    fn resolved(&self) {
        let mut ended = self.endings.ended.lock();
        if ended.is_wanted {
            ended.numbers.push_back(self.number);
        }
        drop(ended);
        self.endings.changed.notify_one();
    }

    fn given_back(&self, _: Arc<dyn Shared>) {}
    fn unheard(&self, _: TaskPanic) {}
    fn ended(&self) {}
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn endings_that_no_thread_takes_are_not_kept() {
        let endings = Arc::new(Endings::default());
        let ends = |number| {
            let endings = endings.clone();
            Ending { number, endings }.resolved();
        };
        ends(0);
        assert_eq!(endings.try_next(), None);
        endings.want([1].into_iter());
        ends(2);
        assert_eq!([endings.try_next(), endings.try_next()], [Some(1), Some(2)]);
        assert_eq!(endings.try_next(), None);
    }
}
