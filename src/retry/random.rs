//! Random numbers for jitter.

use crate::sync::{Relaxed, StaticU64};
use std::hash::{BuildHasher, RandomState};

/// An unpredictable number from 0 to 1 that need not be of good quality.
pub(crate) fn random() -> f64 {
    static CALLS: StaticU64 = StaticU64::new(0);
    let call = CALLS.fetch_add(1, Relaxed);
    let bits = RandomState::new().hash_one(call);
    // 53 bits are what a number has room for.
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_are_between_zero_and_one_and_differ() {
        let numbers: Vec<f64> = (0..1000).map(|_| random()).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        let below = numbers.iter().filter(|number| **number < 0.5).count();
        assert!((300..700).contains(&below), "{below} of 1000 below a half");
    }
}
