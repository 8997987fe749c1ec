//! How long tasks wait and run, as histograms: feature `histogram`.
//!
//! Each worker has a histogram that no other thread writes; statistics add them up.

mod histogram;

pub use histogram::DurationHistogram;

use crate::sync::{CachePadded, Mutex};
use std::fmt;
use std::time::Duration;

/// How long the tasks of a pool waited and ran: [`PoolStats::latency`](crate::pool::PoolStats::latency).
///
/// What the two times are is said in [`PoolBuilder::observer`](crate::PoolBuilder::observer).
///
/// # Examples
///
/// ```
/// let pool = groundcrew::Pool::builder().threads(2).latency_histogram().build()?;
/// for _ in 0..100 {
///     pool.execute(|| std::thread::yield_now())?;
/// }
/// pool.wait_idle();
/// let stats = pool.stats();
/// let latency = stats.latency().unwrap();
/// assert_eq!((latency.waited().count(), latency.ran().count()), (100, 100));
/// println!("{latency}"); // waited p50 8.4 us, p90 .., p99 .., max ..; ran p50 ..
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone)]
pub struct Latency {
    waited: DurationHistogram,
    ran: DurationHistogram,
}

/// One for each worker, which alone writes it.
pub(crate) struct Latencies(Box<[CachePadded<Mutex<Latency>>]>);

impl Latencies {
    pub(crate) fn new(workers: usize) -> Latencies {
        let new = || CachePadded::new(Mutex::new(Latency::new()));
        Latencies((0..workers).map(|_| new()).collect())
    }

    /// Called by each worker, with its index, for its own tasks.
    pub(super) fn record(&self, worker: usize, waited: Option<Duration>, ran: Duration) {
        let mut latency = self.0[worker].lock();
        if let Some(waited) = waited {
            latency.waited.record(waited);
        }
        latency.ran.record(ran);
    }

    /// Of all workers.
    pub(crate) fn sum(&self) -> Latency {
        let mut sum = Latency::new();
        for latency in &self.0 {
            let latency = latency.lock();
            sum.waited.add(&latency.waited);
            sum.ran.add(&latency.ran);
        }
        sum
    }
}

impl Latency {
    fn new() -> Latency {
        Latency {
            waited: DurationHistogram::new(),
            ran: DurationHistogram::new(),
        }
    }

    /// How long tasks waited, from the call of the verb to their start. It is not known for
    /// resubmitted tasks; they are not included.
    pub fn waited(&self) -> &DurationHistogram {
        &self.waited
    }

    /// How long tasks ran, without those that ran on top of them.
    pub fn ran(&self) -> &DurationHistogram {
        &self.ran
    }
}

impl fmt::Display for Latency {
    /// One line, for the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waited {}; ran {}", self.waited, self.ran)
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Latency {{ {self} }}")
    }
}
