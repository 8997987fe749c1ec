//! A few items of a stream, as one task.

use crate::clock;
use crate::sync::{Arc, AtomicBool, Mutex, Relaxed};
use crate::task::{TaskContext, TaskFn};
use std::any::type_name;
use std::time::Duration;
use std::vec;

/// What the batches of a stream have in common.
pub(super) struct Common<F> {
    pub(super) f: F,
    /// Nobody wants the results any more. Written once, by the consumer; it saves
    /// work and orders nothing: hence Relaxed.
    pub(super) is_dropped: AtomicBool,
}

/// What came of a batch. Put there by its task, taken by the consumer when the
/// task has ended.
pub(super) type Place<T, R> = Arc<Mutex<Option<Done<T, R>>>>;

pub(super) struct Done<T, R> {
    pub(super) results: Vec<R>,
    /// What was left when an item panicked, without that one.
    pub(super) rest: vec::IntoIter<T>,
    pub(super) took: Duration,
}

/// The task.
pub(super) struct Batch<T, F, R> {
    pub(super) items: vec::IntoIter<T>,
    pub(super) common: Arc<Common<F>>,
    pub(super) place: Place<T, R>,
}

impl<T, F, R> TaskFn for Batch<T, F, R>
where
    T: Send,
    F: Fn(T) -> R + Send + Sync,
    R: Send,
{
    type Output = ();
    const WANTS_CONTEXT: bool = false;

    fn call(self, _: Option<&TaskContext>) {
        let began = clock::now();
        let mut run = Run {
            results: Vec::with_capacity(self.items.len()),
            rest: self.items,
            place: &self.place,
            took: Duration::ZERO,
        };
        for item in run.rest.by_ref() {
            if self.common.is_dropped.load(Relaxed) {
                break;
            }
            run.results.push((self.common.f)(item));
        }
        run.took = clock::now().duration_since(began);
    }

    fn type_name() -> &'static str {
        type_name::<F>()
    }
}

/// Leaves behind what there is, also when an item panics.
struct Run<'a, T, R> {
    results: Vec<R>,
    rest: vec::IntoIter<T>,
    place: &'a Mutex<Option<Done<T, R>>>,
    took: Duration,
}

impl<T, R> Drop for Run<'_, T, R> {
    fn drop(&mut self) {
        *self.place.lock() = Some(Done {
            results: std::mem::take(&mut self.results),
            rest: std::mem::take(&mut self.rest),
            took: self.took,
        });
    }
}
