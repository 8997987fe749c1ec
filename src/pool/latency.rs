//! How long tasks wait and run, as histograms: feature `histogram`.
//!
//! Each worker has a histogram of its own, which nobody else writes; statistics
//! add them up.

use super::{PoolBuilder, Stats};
use crate::queue::Meter;
use crate::sync::{Arc, CachePadded, Mutex};
use hdrhistogram::Histogram;
use std::any::Any;
use std::fmt;
use std::time::Duration;

/// How long the tasks of a pool waited and ran: [`Stats::latency`].
///
/// What the two times are is said in [`PoolBuilder::observer`].
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
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone)]
pub struct Latency {
    waited: Distribution,
    ran: Distribution,
}

/// Durations, of which it keeps how many there were of which length.
///
/// From 1 ns to 1 h they are kept to within 1 percent; what is shorter or longer
/// counts as that.
///
/// # Examples
///
/// ```
/// # use std::time::Duration;
/// let pool = groundcrew::Pool::builder().threads(1).latency_histogram().build()?;
/// pool.execute(|| std::thread::sleep(Duration::from_millis(2)))?;
/// pool.wait_idle();
/// let stats = pool.stats();
/// let ran = stats.latency().unwrap().ran();
/// assert!(ran.quantile(0.5) >= Duration::from_millis(2));
/// assert_eq!(ran.quantile(1.0), ran.max());
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone)]
pub struct Distribution(Histogram<u64>);

const LONGEST: Duration = Duration::from_secs(3600);
/// How exact it is, in decimal digits. One more takes seven times the memory,
/// which is 36 KiB a histogram.
const DIGITS: u8 = 2;

/// One for each worker, which alone writes it.
pub(super) struct Latencies(Box<[CachePadded<Mutex<Latency>>]>);

pub(super) fn of(meter: &dyn Meter) -> Option<Latency> {
    let latencies: &Latencies = meter.as_any().downcast_ref()?;
    let mut sum = Latency::new();
    for latency in &latencies.0 {
        let latency = latency.lock();
        sum.waited.add(&latency.waited);
        sum.ran.add(&latency.ran);
    }
    Some(sum)
}

impl Meter for Latencies {
    fn record(&self, worker: usize, waited: Option<Duration>, ran: Duration) {
        let mut latency = self.0[worker].lock();
        if let Some(waited) = waited {
            latency.waited.record(waited);
        }
        latency.ran.record(ran);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl PoolBuilder {
    /// Measures how long each task waits and runs, for [`Stats::latency`]. Does not
    /// block. Only with the feature `histogram`.
    ///
    /// It costs each task two or three reads of the clock, and an allocation if it
    /// has a handle; and each worker 72 KiB of memory. An
    /// [`observer`](Self::observer) may be set as well.
    ///
    /// Defaults to measuring nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = groundcrew::Pool::builder().threads(1).latency_histogram().build()?;
    /// pool.submit(|| ())?.join()?;
    /// pool.wait_idle();
    /// assert_eq!(pool.stats().latency().unwrap().ran().count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn latency_histogram(mut self) -> PoolBuilder {
        self.meter = Some(|workers| {
            let new = || CachePadded::new(Mutex::new(Latency::new()));
            Arc::new(Latencies((0..workers).map(|_| new()).collect()))
        });
        self
    }
}

impl Stats {
    /// How long tasks waited and ran, if the pool was built with
    /// [`latency_histogram`](PoolBuilder::latency_histogram). Does not block. Only
    /// with the feature `histogram`.
    ///
    /// Those that ended since the pool was built, each counted shortly after its
    /// handle was told.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::Pool;
    ///
    /// let measured = Pool::builder().threads(1).latency_histogram().build()?;
    /// assert!(measured.stats().latency().is_some());
    /// assert!(Pool::new(1)?.stats().latency().is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn latency(&self) -> Option<&Latency> {
        self.latency.as_ref()
    }
}

impl Latency {
    fn new() -> Latency {
        Latency {
            waited: Distribution::new(),
            ran: Distribution::new(),
        }
    }

    /// How long tasks waited, from the call of the verb to their start. Does not
    /// block. Of tasks that were resubmitted it is not known; they are missing
    /// here.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let pool = groundcrew::Pool::builder().threads(1).latency_histogram().build()?;
    /// let pause = Duration::from_millis(2);
    /// pool.execute(move || std::thread::sleep(pause))?;
    /// pool.execute(|| ())?; // the only worker is busy, or will be
    /// pool.wait_idle();
    /// let stats = pool.stats();
    /// assert_eq!(stats.latency().unwrap().waited().count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn waited(&self) -> &Distribution {
        &self.waited
    }

    /// How long tasks ran, without those that ran on top of them. Does not block.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let pool = groundcrew::Pool::builder().threads(1).latency_histogram().build()?;
    /// let pause = Duration::from_millis(2);
    /// pool.execute(move || std::thread::sleep(pause))?;
    /// pool.wait_idle();
    /// assert!(pool.stats().latency().unwrap().ran().max() >= pause);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn ran(&self) -> &Distribution {
        &self.ran
    }
}

impl Distribution {
    fn new() -> Distribution {
        match Histogram::new_with_bounds(1, nanos(LONGEST), DIGITS) {
            Ok(empty) => Distribution(empty),
            Err(error) => unreachable!("the bounds are constants: {error}"),
        }
    }

    fn record(&mut self, duration: Duration) {
        self.0.saturating_record(nanos(duration));
    }

    fn add(&mut self, other: &Distribution) {
        if let Err(error) = self.0.add(&other.0) {
            unreachable!("all have the same bounds: {error}");
        }
    }

    /// How many there were. Does not block.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = groundcrew::Pool::builder().threads(1).latency_histogram().build()?;
    /// assert_eq!(pool.stats().latency().unwrap().ran().count(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The mean, and zero if there were none. Does not block.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = groundcrew::Pool::builder().threads(1).latency_histogram().build()?;
    /// pool.execute(|| ())?;
    /// pool.wait_idle();
    /// let stats = pool.stats();
    /// let ran = stats.latency().unwrap().ran();
    /// assert!(ran.mean() <= ran.max()); // of one, to within 1 percent, that one
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(self.0.mean() as u64)
    }

    /// What this part of them did not exceed: 0.5 is the median, 0.99 what one in a
    /// hundred exceeds. Zero if there were none. Does not block.
    ///
    /// What is below 0 or not a number is taken for 0, the shortest; what is above
    /// 1 for 1, the longest.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = groundcrew::Pool::builder().threads(1).latency_histogram().build()?;
    /// for _ in 0..10 {
    ///     pool.execute(|| ())?;
    /// }
    /// pool.wait_idle();
    /// let stats = pool.stats();
    /// let ran = stats.latency().unwrap().ran();
    /// assert!(ran.quantile(0.5) <= ran.quantile(0.9));
    /// assert_eq!(ran.quantile(7.0), ran.max());
    /// assert_eq!(ran.quantile(f64::NAN), ran.quantile(0.0));
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn quantile(&self, part: f64) -> Duration {
        // That of a NaN and 0 is 0; what is above 1 the histogram takes for 1.
        Duration::from_nanos(self.0.value_at_quantile(part.max(0.0)))
    }

    /// The longest, and zero if there were none. Does not block.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let pool = groundcrew::Pool::builder().threads(1).latency_histogram().build()?;
    /// assert_eq!(pool.stats().latency().unwrap().ran().max(), Duration::ZERO);
    /// pool.execute(|| std::thread::sleep(Duration::from_millis(2)))?;
    /// pool.wait_idle();
    /// assert!(pool.stats().latency().unwrap().ran().max() >= Duration::from_millis(2));
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
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

impl fmt::Display for Distribution {
    /// As in `p50 1.2 us, p90 8.4 us, p99 31.0 us, max 1.4 ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, part) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
            write!(f, "{name} {}, ", short(self.quantile(part)))?;
        }
        write!(f, "max {}", short(self.max()))
    }
}

impl fmt::Debug for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Distribution {{ {self} }}")
    }
}

/// As in `830 ns`, `1.2 us`, `12.5 ms`, `3.0 s`.
fn short(duration: Duration) -> String {
    let nanos = duration.as_nanos() as f64;
    match nanos {
        ..1e3 => format!("{nanos} ns"),
        ..1e6 => format!("{:.1} us", nanos / 1e3),
        ..1e9 => format!("{:.1} ms", nanos / 1e6),
        _ => format!("{:.1} s", nanos / 1e9),
    }
}
