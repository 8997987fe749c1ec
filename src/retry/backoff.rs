//! How long to wait before the next attempt: pure functions of the number of the
//! attempt and of a random number.

use std::time::Duration;

/// The delays between attempts: exponential growth, a cap, and jitter.
///
/// The delay before attempt *n* is `base * factor^(n-1)`, at most `cap`, shortened at random by the
/// jitter. The kinds of jitter are those of Marc Brooker, ["Exponential Backoff and
/// Jitter"][jitter], 2015.
///
/// [jitter]: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
///
/// # Examples
///
/// ```
/// use groundcrew::retry::{Backoff, Jitter};
/// use std::time::Duration;
///
/// let backoff = Backoff::exponential(Duration::from_secs(1))
///     .cap(Duration::from_secs(30))
///     .jitter(Jitter::None);
/// let delays: Vec<u64> = (1..=7).map(|n| backoff.delay(n, 0.0).as_secs()).collect();
/// assert_eq!(delays, [1, 2, 4, 8, 16, 30, 30]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    base: Duration,
    factor: f64,
    cap: Duration,
    jitter: Jitter,
}

/// How a delay is shortened at random, so that callers that failed together do not retry together.
///
/// # Examples
///
/// ```
/// use groundcrew::retry::{Backoff, Jitter};
/// use std::time::Duration;
///
/// let backoff = Backoff::fixed(Duration::from_secs(10)).jitter(Jitter::Equal);
/// assert_eq!(backoff.delay(1, 0.0), Duration::from_secs(5));
/// assert_eq!(backoff.delay(1, 0.5), Duration::from_millis(7_500));
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Jitter {
    /// The delay is not shortened.
    None,
    /// The delay is between zero and the whole delay.
    Full,
    /// The delay is between half of the delay and the whole delay.
    Equal,
    /// The delay is shortened by at most this fraction, which is clamped to the range from 0 to 1.
    Fraction(f64),
}

/// A delay that grows without limit is of no use.
const LONGEST: Duration = Duration::from_secs(60 * 60);

impl Backoff {
    /// Creates delays of `base` before the first retry and twice as long before each further one,
    /// up to an hour, with [`Jitter::Equal`].
    pub fn exponential(base: Duration) -> Backoff {
        Backoff {
            base,
            factor: 2.0,
            cap: LONGEST,
            jitter: Jitter::Equal,
        }
    }

    /// Creates the same delay before each retry, without jitter.
    pub fn fixed(delay: Duration) -> Backoff {
        Backoff {
            base: delay,
            factor: 1.0,
            cap: delay,
            jitter: Jitter::None,
        }
    }

    /// Sets the factor by which the delay grows from one attempt to the next. A value below 1, and
    /// NaN, counts as 1. Defaults to 2.
    pub fn factor(mut self, factor: f64) -> Backoff {
        self.factor = factor.max(1.0);
        self
    }

    /// Sets the longest delay. Defaults to an hour.
    pub fn cap(mut self, cap: Duration) -> Backoff {
        self.cap = cap;
        self
    }

    /// Sets how the delay is shortened at random. Defaults to [`Jitter::Equal`].
    pub fn jitter(mut self, jitter: Jitter) -> Backoff {
        self.jitter = jitter;
        self
    }

    /// Returns the delay before the retry with the number `attempt`. The first one is 1, and 0
    /// counts as 1. `random` is a number from 0 to 1. The same arguments give the same delay.
    pub fn delay(&self, attempt: u32, random: f64) -> Duration {
        let steps = f64::from(attempt.saturating_sub(1));
        let grown = self.base.as_secs_f64() * self.factor.powf(steps);
        // A base of zero times a factor without limit is not a number.
        self.shorten(if self.base.is_zero() { 0.0 } else { grown }, random)
    }

    /// This number of seconds, limited by cap and jitter.
    pub(super) fn shorten(&self, seconds: f64, random: f64) -> Duration {
        let whole = seconds.min(self.cap.as_secs_f64());
        let shortest = match self.jitter {
            Jitter::None => 1.0,
            Jitter::Full => 0.0,
            Jitter::Equal => 0.5,
            Jitter::Fraction(fraction) => 1.0 - fraction.clamp(0.0, 1.0),
        };
        let random = random.clamp(0.0, 1.0);
        let shortened = whole * (shortest + (1.0 - shortest) * random);
        // Not a number, where the jitter is not: then nothing is shortened.
        let delay = if shortened.is_nan() { whole } else { shortened };
        Duration::try_from_secs_f64(delay)
            .unwrap_or(self.cap)
            .min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_attempt_and_no_number_gives_a_delay_beyond_the_cap() {
        let odd = [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -1.0,
            0.0,
            0.3,
            1.0,
            7.0,
        ];
        let spans = [
            Duration::ZERO,
            Duration::from_nanos(1),
            Duration::from_secs(1),
            Duration::MAX,
        ];
        for (base, cap) in spans.iter().flat_map(|base| spans.map(|cap| (*base, cap))) {
            for (factor, random) in odd.iter().flat_map(|f| odd.map(|r| (*f, r))) {
                for jitter in [
                    Jitter::None,
                    Jitter::Full,
                    Jitter::Equal,
                    Jitter::Fraction(factor),
                ] {
                    let backoff = Backoff::exponential(base)
                        .factor(factor)
                        .cap(cap)
                        .jitter(jitter);
                    for attempt in [0, 1, 2, 31, 64, 1_000_000, u32::MAX] {
                        let delay = backoff.delay(attempt, random);
                        assert!(delay <= cap, "{backoff:?} {attempt} {random}");
                    }
                }
            }
        }
    }
}
