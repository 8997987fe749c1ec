//! What a test of a program that uses this crate needs (feature `testing`).

pub use crate::clock::ManualClock;
