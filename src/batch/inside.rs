//! The tasks of batchers that the current thread is in.

#[cfg(any(loom, shuttle))]
use crate::sync::model::thread_local;
use std::cell::RefCell;

thread_local! {
    /// The addresses of their stores, and their numbers.
    static INSIDE: RefCell<Vec<(usize, u64)>> = const { RefCell::new(Vec::new()) };
}

/// The current thread is in a task of a batcher while this lives.
pub(super) struct Inside;

impl Inside {
    pub(super) fn enter(store: usize, task: u64) -> Inside {
        let _ = INSIDE.try_with(|inside| inside.borrow_mut().push((store, task)));
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = INSIDE.try_with(|inside| inside.borrow_mut().pop());
    }
}

/// The tasks of this batcher that the current thread is in.
pub(super) fn tasks_of(store: usize) -> Vec<u64> {
    let own = |inside: &RefCell<Vec<(usize, u64)>>| {
        let inside = inside.borrow();
        let own = inside.iter().filter(|(other, _)| *other == store);
        own.map(|(_, task)| *task).collect()
    };
    // None in the destructors of other thread-locals.
    INSIDE.try_with(own).unwrap_or_default()
}
