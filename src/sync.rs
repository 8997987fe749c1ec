//! The one place that names `std::sync`, `parking_lot` and
//! `crossbeam_channel`, so that a model checker can stand in for all three:
//! `model` does, with `--cfg shuttle` or `--cfg loom`.

mod after_unlock;
#[cfg(any(loom, shuttle))]
pub(crate) mod model;

// Its users are not among the models.
#[cfg_attr(any(loom, shuttle), allow(unused_imports))]
pub(crate) use after_unlock::AfterUnlock;

#[cfg(not(any(loom, shuttle)))]
pub use crossbeam_channel as channel;
#[cfg(any(loom, shuttle))]
pub use model::channel;

#[cfg(any(loom, shuttle))]
pub(crate) use model::{
    AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Backoff, Condvar, Mutex, MutexGuard, OnceLock,
};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use {
    crossbeam_utils::Backoff,
    parking_lot::{Condvar, Mutex, MutexGuard},
    std::sync::OnceLock,
    std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize},
};

pub(crate) use crossbeam_utils::CachePadded;
pub(crate) use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
pub(crate) use std::sync::{Arc, Weak};

/// What statics are made of: counters for numbers, and limits of the log. No
/// decision between threads rests on them, and they outlive a checker's run.
pub(crate) use parking_lot::Mutex as StaticMutex;
pub(crate) use std::sync::atomic::AtomicU64 as StaticU64;

/// What handlers of signals use, which no checker calls.
#[cfg(all(unix, feature = "unix-signals"))]
pub(crate) use std::sync::atomic::{AtomicBool as StaticBool, AtomicI32 as StaticI32};

/// For what is computed at once from nothing that threads share: no step of a
/// checker is needed to explore it.
pub(crate) use std::sync::OnceLock as PureOnceLock;
