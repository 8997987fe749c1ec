//! What entries are measured against: a binary heap of moments behind a lock, and what is
//! removed stays in it until it comes up.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

type Closure = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
pub(crate) struct Heap(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    moments: BinaryHeap<Reverse<(Instant, u64)>>,
    /// By their numbers; what is not here was removed.
    closures: HashMap<u64, (Arc<str>, Closure)>,
    numbers: HashMap<Arc<str>, u64>,
    next: u64,
}

impl Heap {
    /// `None`: the name is taken.
    pub(crate) fn add(&self, name: String, due: Instant, closure: Closure) -> Option<u64> {
        let name: Arc<str> = name.into();
        let mut inner = self.0.lock().unwrap();
        let number = inner.next;
        if inner.numbers.insert(name.clone(), number).is_some() {
            return None;
        }
        inner.next += 1;
        inner.moments.push(Reverse((due, number)));
        inner.closures.insert(number, (name, closure));
        Some(number)
    }

    pub(crate) fn remove(&self, number: u64) {
        let mut inner = self.0.lock().unwrap();
        let removed = inner.closures.remove(&number);
        if let Some((name, _)) = &removed {
            inner.numbers.remove(name);
        }
        drop(inner);
        drop(removed);
    }
}

/// The moments alone: no names, no closures.
#[derive(Default)]
pub(crate) struct Moments(Mutex<Bare>);

#[derive(Default)]
struct Bare {
    moments: BinaryHeap<Reverse<(Instant, u64)>>,
    removed: HashSet<u64>,
}

impl Moments {
    pub(crate) fn add(&self, due: Instant, number: u64) {
        self.0.lock().unwrap().moments.push(Reverse((due, number)));
    }

    pub(crate) fn remove(&self, number: u64) {
        self.0.lock().unwrap().removed.insert(number);
    }
}
