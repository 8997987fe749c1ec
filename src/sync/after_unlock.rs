//! What is found under a lock, and must wait until the lock is released.

use std::mem;

/// Collects values to drop and calls to make once a lock is released: drops run the
/// program's code, which may do anything, and a thread that is woken under the lock would
/// wait for it at once.
///
/// Declare it before the guard of the lock. Locals are dropped in the reverse order of their
/// declaration, so that the lock is released first, whichever way the function is left:
///
/// ```text
/// let mut after = AfterUnlock::new();
/// let mut state = self.state.lock();
/// after.drop(state.timer.take());
/// ```
#[must_use = "what it collects happens when it is dropped"]
pub(crate) struct AfterUnlock<'a> {
    calls: Vec<Box<dyn FnOnce() + 'a>>,
}

impl<'a> AfterUnlock<'a> {
    /// Allocates nothing until something is collected.
    #[inline]
    pub(crate) const fn new() -> AfterUnlock<'a> {
        AfterUnlock { calls: Vec::new() }
    }

    /// Drops `value` after the lock is released.
    pub(crate) fn drop<T: 'a>(&mut self, value: T) {
        if mem::needs_drop::<T>() {
            self.call(move || drop(value));
        }
    }

    /// Makes this call after the lock is released, in the order in which calls and drops
    /// were collected.
    pub(crate) fn call(&mut self, call: impl FnOnce() + 'a) {
        self.calls.push(Box::new(call));
    }

    /// Does what was collected so far. The lock must not be held.
    #[inline]
    pub(crate) fn run(&mut self) {
        if !self.calls.is_empty() {
            let calls = mem::take(&mut self.calls);
            calls.into_iter().for_each(|call| call());
        }
    }
}

impl Drop for AfterUnlock<'_> {
    #[inline]
    fn drop(&mut self) {
        self.run();
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::sync::Mutex;
    use std::cell::RefCell;

    /// Notes whether the lock could be had when it was dropped.
    struct Note<'a>(&'a Mutex<()>, &'a RefCell<Vec<bool>>);

    impl Drop for Note<'_> {
        fn drop(&mut self) {
            self.1.borrow_mut().push(self.0.try_lock().is_some());
        }
    }

    #[test]
    fn declared_before_the_guard_it_drops_and_calls_after_the_lock_in_order() {
        let (lock, free) = (Mutex::new(()), RefCell::new(Vec::new()));
        let order = RefCell::new(Vec::new());
        {
            let mut after = AfterUnlock::new();
            let _guard = lock.lock();
            after.call(|| order.borrow_mut().push(1));
            after.drop(Note(&lock, &free));
            after.drop(Some(Note(&lock, &free)));
            after.call(|| order.borrow_mut().push(2));
            assert!(order.borrow().is_empty() && free.borrow().is_empty());
        }
        assert_eq!(*order.borrow(), [1, 2]);
        assert_eq!(*free.borrow(), [true, true]);
    }

    #[test]
    fn what_was_run_is_not_run_again() {
        let count = RefCell::new(0);
        let mut after = AfterUnlock::new();
        after.call(|| *count.borrow_mut() += 1);
        after.run();
        assert_eq!(*count.borrow(), 1);
        drop(after);
        assert_eq!(*count.borrow(), 1);
    }
}
