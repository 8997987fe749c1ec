//! How much to take at a time.

use std::time::Duration;

/// How many items are to be taken next so that they take `target`, where `count` took
/// `took`: at most twice as many as `size`, and at least one.
pub(super) fn next_size(target: Duration, size: usize, count: usize, took: Duration) -> usize {
    let items = target.as_nanos().saturating_mul(count as u128);
    let in_time = items / took.as_nanos().max(1);
    usize::try_from(in_time)
        .unwrap_or(usize::MAX)
        .clamp(1, size.saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_grows_twofold_at_most_and_shrinks_at_once() {
        let micros = Duration::from_micros;
        let next = |size, count, took| next_size(micros(100), size, count, took);
        assert_eq!(next(1, 1, Duration::ZERO), 2);
        assert_eq!(next(64, 64, micros(1)), 128);
        assert_eq!(next(64, 64, micros(100)), 64);
        assert_eq!(next(64, 32, micros(100)), 32);
        assert_eq!(next(64, 64, Duration::from_secs(64)), 1);
        assert_eq!(next(usize::MAX, 1, Duration::ZERO), 100_000);
        assert_eq!(next(64, 64, Duration::MAX), 1);
        assert_eq!(next_size(Duration::MAX, 64, usize::MAX, Duration::MAX), 128);
    }
}
