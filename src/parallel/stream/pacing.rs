//! How many items of a stream are in flight, and how they are cut into batches. Pure.

use crate::parallel::pace::next_size;
use std::time::Duration;

/// The queue's places are how many items may be in flight; where there are many places,
/// every `ROOMY` of them add the same number again, up to four times: a thousand items of a
/// microsecond each are too few to keep the workers busy.
const ROOMY: usize = 256;
/// A source is slow if a batch takes this many times longer to come from it than to run,
const SLOW: u32 = 10;
/// and longer than this, which a result may well wait.
const LAG: Duration = Duration::from_millis(1);
/// By default, how much work per worker is in progress: long compared to the time for which
/// the consumer may not get a core.
const WINDOW: Duration = Duration::from_millis(10);
/// But at least this number of batches per worker.
const BATCHES: usize = 4;

pub(super) struct Pacing {
    workers: usize,
    /// Never more items than this are pulled and not yielded.
    limit: usize,
    /// Whether the program set that.
    is_set: bool,
    /// How many items the next batch may have at most, to run in time,
    run_size: usize,
    /// and to come from the source in time.
    pull_size: usize,
    /// How long the last batch took to run,
    ran: Duration,
    /// and to come from the source.
    pulled: Duration,
}

impl Pacing {
    pub(super) fn new(capacity: usize, workers: usize) -> Pacing {
        Pacing {
            workers,
            limit: capacity.saturating_mul((capacity / ROOMY).clamp(1, 4)),
            is_set: false,
            run_size: 1,
            pull_size: 1,
            ran: WINDOW,
            pulled: Duration::ZERO,
        }
    }

    /// The program sets how many items may be in flight.
    pub(super) fn set_limit(&mut self, items: usize) {
        self.limit = items.max(1);
        self.is_set = true;
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn run_size(&self) -> usize {
        self.run_size
    }

    /// How many items the next batch may have; `None`: results have to be taken first.
    pub(super) fn next(
        &self,
        outstanding: usize,
        batches: usize,
        is_closed: bool,
    ) -> Option<usize> {
        let room = self.limit.saturating_sub(outstanding);
        if room == 0 || batches >= self.most_batches() {
            return None;
        }
        // Each worker runs one and has one waiting, while one is taken and one is pulled.
        let share = self.limit / (4 * self.workers);
        // Of a closed pool no more than is needed to say so.
        let room = if is_closed { 1 } else { room };
        let in_time = self.run_size.min(self.pull_size);
        Some(in_time.min(share.max(1)).min(room))
    }

    /// How many batches may be submitted and not taken.
    fn most_batches(&self) -> usize {
        if self.is_set {
            return self.limit;
        }
        let in_window = WINDOW.as_nanos() / self.ran.as_nanos().max(1);
        let in_window = usize::try_from(in_window).unwrap_or(usize::MAX);
        in_window.max(BATCHES).saturating_mul(self.workers)
    }

    /// This number of items came from the source, in that time.
    pub(super) fn pulled(&mut self, items: usize, took: Duration) {
        self.pulled = took;
        if items > 0 {
            self.pull_size = next_size(self.pull_size, items, took);
        }
    }

    /// A batch of this number of items ran for that time.
    pub(super) fn ran(&mut self, items: usize, took: Duration) {
        self.ran = took;
        self.run_size = next_size(self.run_size, items, took);
    }

    /// Whether next to nothing is gained by pulling while a batch runs, whose results would
    /// wait for the source.
    pub(super) fn is_source_slow(&self) -> bool {
        self.pulled > LAG.max(self.ran.saturating_mul(SLOW))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::pace::CHUNK_TIME;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn as_many_items_are_in_flight_as_the_queue_has_places_or_four_times_as_many() {
        assert_eq!(Pacing::new(1, 2).limit(), 1);
        assert_eq!(Pacing::new(511, 2).limit(), 511);
        assert_eq!(Pacing::new(512, 2).limit(), 1024);
        assert_eq!(Pacing::new(1024, 2).limit(), 4096);
        assert_eq!(Pacing::new(1 << 20, 2).limit(), 4 << 20);
    }

    #[test]
    fn long_items_run_one_by_one_and_only_four_a_worker_are_in_flight() {
        let mut pacing = Pacing::new(1024, 2);
        pacing.ran(1, 100 * MILLI);
        assert_eq!(pacing.next(7, 7, false), Some(1));
        assert_eq!(pacing.next(8, 8, false), None);
    }

    #[test]
    fn short_items_come_in_larger_and_larger_batches_up_to_a_share_of_the_limit() {
        let mut pacing = Pacing::new(64, 2);
        for size in [1, 2, 4, 8, 8] {
            assert_eq!(pacing.next(0, 0, false), Some(size));
            pacing.pulled(size, Duration::ZERO);
            pacing.ran(size, CHUNK_TIME / 100);
        }
        assert_eq!(pacing.next(61, 8, false), Some(3));
        assert_eq!(pacing.next(64, 8, false), None);
    }

    #[test]
    fn a_limit_of_the_program_bounds_items_and_a_closed_pool_takes_one() {
        let mut pacing = Pacing::new(1024, 2);
        pacing.set_limit(0);
        assert_eq!(pacing.next(0, 0, false), Some(1));
        assert_eq!(pacing.next(1, 1, false), None);
        pacing.set_limit(100);
        for _ in 0..5 {
            pacing.pulled(10, Duration::ZERO);
            pacing.ran(10, Duration::ZERO);
        }
        assert_eq!(pacing.next(0, 0, false), Some(12));
        assert_eq!(pacing.next(0, 0, true), Some(1));
    }

    #[test]
    fn a_source_is_slow_if_it_takes_ten_times_as_long_as_the_items_run_and_a_millisecond() {
        let mut pacing = Pacing::new(1024, 2);
        pacing.ran(1, MILLI);
        for (took, is_slow) in [(MILLI, false), (10 * MILLI, false), (11 * MILLI, true)] {
            pacing.pulled(1, took);
            assert_eq!(pacing.is_source_slow(), is_slow);
        }
        pacing.ran(1, Duration::ZERO);
        pacing.pulled(1, MILLI);
        assert!(!pacing.is_source_slow());
    }
}
