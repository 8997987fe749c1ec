//! What keeps a handler that stops in force.

#[cfg(all(unix, feature = "unix-signals"))]
use super::signal::Signal;
use super::source::Came;
use super::target::TARGET;
use crate::sync::{Arc, Mutex};

/// The claim of a pool or a host on the signals, from [`stop_on_signal`](super::stop_on_signal).
/// Dropping it releases them.
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, signals};
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let guard = signals::stop_on_signal(&pool.stop_handle(), Duration::from_secs(8))?;
/// drop(guard);
/// // and so it can be taken again
/// let _guard = signals::stop_on_signal(&pool.stop_handle(), Duration::from_secs(8))?;
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Debug)]
#[must_use = "dropping the guard releases the signals"]
pub struct SignalGuard {
    /// The first signal. Written by the thread that acts on signals, before it does.
    pub(super) came: Arc<Mutex<Option<Came>>>,
}

impl SignalGuard {
    /// Returns `true` if a signal was received.
    pub fn received(&self) -> bool {
        self.came.lock().is_some()
    }

    /// Returns the signal that was received first. Requires Unix and the feature `unix-signals`.
    #[cfg(all(unix, feature = "unix-signals"))]
    pub fn signal(&self) -> Option<Signal> {
        *self.came.lock()
    }
}

impl Drop for SignalGuard {
    fn drop(&mut self) {
        TARGET.lock().release();
    }
}
