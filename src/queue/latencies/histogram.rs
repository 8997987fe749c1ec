//! A histogram of durations.

use hdrhistogram::Histogram;
use std::fmt;
use std::time::Duration;

/// A histogram of durations.
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
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone)]
pub struct DurationHistogram(Histogram<u64>);

const LONGEST: Duration = Duration::from_secs(3600);
/// How exact it is, in decimal digits. One more takes seven times the memory,
/// which is 36 KiB a histogram.
const DIGITS: u8 = 2;

impl DurationHistogram {
    pub(super) fn new() -> DurationHistogram {
        match Histogram::new_with_bounds(1, nanos(LONGEST), DIGITS) {
            Ok(empty) => DurationHistogram(empty),
            Err(error) => unreachable!("the bounds are constants: {error}"),
        }
    }

    pub(super) fn record(&mut self, duration: Duration) {
        self.0.saturating_record(nanos(duration));
    }

    pub(super) fn add(&mut self, other: &DurationHistogram) {
        if let Err(error) = self.0.add(&other.0) {
            unreachable!("all have the same bounds: {error}");
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The mean, and zero if there were none.
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(self.0.mean() as u64)
    }

    /// The duration that this share of them did not exceed: 0.5 is the median, 0.99 the
    /// duration that one in a hundred exceeds. Zero if there were none.
    ///
    /// What is below 0 or not a number is taken for 0, the shortest; what is above
    /// 1 for 1, the longest.
    pub fn quantile(&self, part: f64) -> Duration {
        // That of a NaN and 0 is 0; what is above 1 the histogram takes for 1.
        Duration::from_nanos(self.0.value_at_quantile(part.max(0.0)))
    }

    /// The longest, and zero if there were none.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Display for DurationHistogram {
    /// As in `p50 1.2 us, p90 8.4 us, p99 31.0 us, max 1.4 ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, part) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
            write!(f, "{name} {}, ", short(self.quantile(part)))?;
        }
        write!(f, "max {}", short(self.max()))
    }
}

impl fmt::Debug for DurationHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DurationHistogram {{ {self} }}")
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
