//! Loom's atomics, with `SeqCst` made of what loom knows.
//!
//! Loom takes a sequentially consistent access for one with Acquire and
//! Release, and would report faults that are none; but it knows fences. There
//! are two ways to make such accesses with fences: one after each write, or one
//! before each read. Each keeps the order of a write and a later read, where
//! both are sequentially consistent, which is all that the crate's arguments
//! need; and each shows where one of the two is not: the first where it is the
//! write, the second where it is the read. So every model is run both ways.

use super::checker::fence;
use crate::sync::SeqCst;
use loom::sync::atomic;
use std::cell::Cell;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Release};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fences {
    AfterWrites,
    BeforeReads,
}

thread_local! {
    static FENCES: Cell<Fences> = const { Cell::new(Fences::AfterWrites) };
}

impl Fences {
    /// From now on, for models run by this thread of the system.
    pub(crate) fn choose(self) {
        FENCES.set(self);
    }
}

fn read<R>(order: Ordering, load: impl FnOnce(Ordering) -> R) -> R {
    if order != SeqCst {
        return load(order);
    }
    if FENCES.get() == Fences::BeforeReads {
        fence(SeqCst);
    }
    load(Acquire)
}

fn write<R>(order: Ordering, store: impl FnOnce(Ordering) -> R) -> R {
    if order != SeqCst {
        return store(order);
    }
    let returned = store(Release);
    if FENCES.get() == Fences::AfterWrites {
        fence(SeqCst);
    }
    returned
}

fn modify<R>(order: Ordering, modify: impl FnOnce(Ordering) -> R) -> R {
    if order != SeqCst {
        return modify(order);
    }
    read(SeqCst, |_| write(SeqCst, |_| modify(AcqRel)))
}

macro_rules! atomics {
    ($($name:ident: $type:ty;)*) => {$(
        #[derive(Debug, Default)]
        pub(crate) struct $name(atomic::$name);

        #[allow(dead_code, reason = "not every type is used in every way")]
        impl $name {
            pub(crate) fn new(value: $type) -> $name {
                $name(atomic::$name::new(value))
            }

            pub(crate) fn load(&self, order: Ordering) -> $type {
                read(order, |order| self.0.load(order))
            }

            pub(crate) fn store(&self, value: $type, order: Ordering) {
                write(order, |order| self.0.store(value, order));
            }

            pub(crate) fn swap(&self, value: $type, order: Ordering) -> $type {
                modify(order, |order| self.0.swap(value, order))
            }

            pub(crate) fn compare_exchange(
                &self,
                current: $type,
                new: $type,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$type, $type> {
                modify(success, |success| {
                    self.0.compare_exchange(current, new, success, failure)
                })
            }
        }
    )*};
}

macro_rules! arithmetic {
    ($($name:ident: $type:ty;)*) => {$(
        #[allow(dead_code, reason = "not every type is used in every way")]
        impl $name {
            pub(crate) fn fetch_add(&self, value: $type, order: Ordering) -> $type {
                modify(order, |order| self.0.fetch_add(value, order))
            }

            pub(crate) fn fetch_sub(&self, value: $type, order: Ordering) -> $type {
                modify(order, |order| self.0.fetch_sub(value, order))
            }

            pub(crate) fn fetch_max(&self, value: $type, order: Ordering) -> $type {
                modify(order, |order| self.0.fetch_max(value, order))
            }
        }
    )*};
}

atomics! {
    AtomicBool: bool;
    AtomicU8: u8;
    AtomicU64: u64;
    AtomicUsize: usize;
}

arithmetic! {
    AtomicU8: u8;
    AtomicU64: u64;
    AtomicUsize: usize;
}
