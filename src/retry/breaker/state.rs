//! The state of a breaker, for the program.

use crate::table::{short, trimmed};
use std::fmt;
use std::time::Duration;

/// The state of a [`CircuitBreaker`](super::CircuitBreaker).
///
/// # Examples
///
/// ```
/// use groundcrew::retry::{BreakerState, CircuitBreaker};
///
/// let breaker = CircuitBreaker::new("smtp");
/// match breaker.state() {
///     BreakerState::Open { retry_in } => println!("down, next try in {retry_in:?}"),
///     state => assert_eq!(state.to_string(), "closed"),
/// }
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls are let through.
    Closed,
    /// Calls are refused.
    Open {
        /// After this time a call is let through, as a trial: at once, if zero; not until
        /// the breaker is [reset](super::CircuitBreaker::reset), if [`Duration::MAX`].
        retry_in: Duration,
    },
    /// Some calls are let through, as trials.
    HalfOpen,
}

/// As in `closed`, `open, next try in 12.3 s`, `half-open`.
impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BreakerState::Closed => f.write_str("closed"),
            BreakerState::Open { retry_in } if retry_in.is_zero() => {
                f.write_str("open, the next call is tried")
            }
            BreakerState::Open {
                retry_in: Duration::MAX,
            } => f.write_str("open until it is reset"),
            BreakerState::Open { retry_in } => {
                write!(f, "open, next try in {}", brief(*retry_in))
            }
            BreakerState::HalfOpen => f.write_str("half-open"),
        }
    }
}

/// As in `12.3 s`, `0.05 s`.
pub(super) fn brief(duration: Duration) -> String {
    match duration < Duration::from_secs(1) {
        true => trimmed(duration),
        false => short(duration),
    }
}
