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
    /// Calls are permitted.
    Closed,
    /// Calls are refused.
    Open {
        /// The time after which a trial call is permitted. Zero means at once, and
        /// [`Duration::MAX`] not until the breaker is [reset](super::CircuitBreaker::reset).
        retry_in: Duration,
    },
    /// A limited number of trial calls is permitted.
    HalfOpen,
}

/// Formats the state, as in `closed`, `open, next try in 12.3 s`, `half-open`.
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
