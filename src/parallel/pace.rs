//! How many items to take at a time.

use std::time::Duration;

/// How long a chunk or a batch should take: long compared to a task, a lock and a read of the
/// clock, short for a caller that waits.
pub(super) const CHUNK_TIME: Duration = Duration::from_micros(100);

/// How many items to take next so that they take [`CHUNK_TIME`], where `count` took `took`:
/// at most twice as many as `size`, and at least one.
pub(super) fn next_size(size: usize, count: usize, took: Duration) -> usize {
    let items = CHUNK_TIME.as_nanos().saturating_mul(count as u128);
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
        assert_eq!(next_size(1, 1, Duration::ZERO), 2);
        assert_eq!(next_size(64, 64, micros(1)), 128);
        assert_eq!(next_size(64, 64, micros(100)), 64);
        assert_eq!(next_size(64, 32, micros(100)), 32);
        assert_eq!(next_size(64, 64, Duration::from_secs(64)), 1);
        assert_eq!(next_size(usize::MAX, 1, Duration::ZERO), 100_000);
        assert_eq!(next_size(64, 64, Duration::MAX), 1);
        assert_eq!(next_size(64, usize::MAX, Duration::ZERO), 128);
    }
}
