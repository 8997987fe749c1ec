//! The permit to make one call.

use super::machine::{End, Ticket};
use super::shared::Shared;
use crate::sync::Arc;
use crate::threads;
use std::fmt;

/// A permit to make one call, for code that cannot be a closure. Returned by
/// [`CircuitBreaker::permit`](super::CircuitBreaker::permit). Report the outcome of the call with
/// [`success`](Self::success) or [`failure`](Self::failure).
///
/// If the permit is dropped without either, the call counts as not made, and a half-open breaker
/// can permit another trial call. If a panic drops the permit, this counts as a failure.
///
/// A permit can be kept for as long as the call takes, and moved to another thread. If the state of
/// the breaker changes meanwhile, the outcome of the call does not count.
///
/// # Examples
///
/// ```
/// use groundcrew::retry::{CircuitBreaker, CircuitOpen};
///
/// fn download(breaker: &CircuitBreaker) -> Result<(), CircuitOpen> {
///     let permit = breaker.permit()?;
///     let status = 503; // of the answer
///     match status {
///         500.. => permit.failure(),
///         _ => permit.success(),
///     }
///     Ok(())
/// }
///
/// let breaker = CircuitBreaker::new("mirror");
/// download(&breaker)?;
/// assert_eq!(breaker.failures(), 1);
/// # Ok::<(), CircuitOpen>(())
/// ```
#[must_use = "dropped without `success` or `failure`, it counts nothing"]
pub struct Permit {
    breaker: Arc<Shared>,
    /// Taken by the end.
    ticket: Option<Ticket>,
    /// A panic was already unwinding when this was made, and says nothing about the call.
    was_panicking: bool,
}

impl Permit {
    pub(super) fn new(breaker: Arc<Shared>, ticket: Ticket) -> Permit {
        Permit {
            breaker,
            ticket: Some(ticket),
            was_panicking: threads::is_panicking(),
        }
    }

    /// Reports that the call succeeded, or that it failed for a reason other than the dependency.
    /// Blocks only if the logger does.
    pub fn success(mut self) {
        self.end(End::Success);
    }

    /// Reports that the call failed. Blocks only if the logger does.
    pub fn failure(mut self) {
        self.end(End::Failure);
    }

    /// From here on any drop is that of a call that panicked.
    pub(super) fn is_of_a_call(&mut self) {
        self.was_panicking = false;
    }

    fn end(&mut self, end: End) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.end(ticket, end);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let panicked = threads::is_panicking() && !self.was_panicking;
        self.end(match panicked {
            true => End::Failure,
            false => End::GivenBack,
        });
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("breaker", &self.breaker.name)
            .finish_non_exhaustive()
    }
}
