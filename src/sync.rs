//! The one place that names `std::sync`, `parking_lot` and
//! `crossbeam_channel`, so that a model checker can stand in for all three.

pub use crossbeam_channel as channel;
pub(crate) use crossbeam_utils::{Backoff, CachePadded};
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
pub(crate) use std::sync::{Arc, OnceLock, Weak};
