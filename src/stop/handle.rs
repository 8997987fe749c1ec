//! What a program holds to stop a pool.

use super::phase::PoolPhase;
use super::plan::StopPlan;
use super::report::StopReport;
use super::stopper::Stopper;
use crate::cancel::CancelToken;
use crate::sync::Arc;
use std::fmt;

/// Stops a pool, from any thread, and any number of times. A clone is the same
/// handle. It does not keep the pool open: if the pool is dropped first, its
/// drop is the stop.
///
/// # Several stops at once
///
/// One stop happens. A plan that comes while it runs can only tighten it: of
/// the moments at which the backlog is taken out, the tasks are cancelled and
/// the report is made, the earlier ones count. Every call that waits when the
/// report is made returns it.
///
/// # From inside a task
///
/// A task may stop its own pool. It waits only for the workers that are not
/// themselves inside `stop`; it, and whatever is below it on its worker's
/// stack, is listed as [`stopping_tasks`](StopReport::stopping_tasks).
///
/// # Examples
///
/// ```
/// use groundcrew::Pool;
/// use groundcrew::stop::PoolPhase;
/// use std::time::Duration;
///
/// let pool = Pool::new(2)?;
/// let handle = pool.stop_handle();
/// let stopper = std::thread::spawn(move || handle.stop(Duration::from_secs(5)));
/// assert!(stopper.join().unwrap().is_clean());
/// assert!(pool.execute(|| ()).unwrap_err().is_closed());
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone)]
pub struct StopHandle {
    stopper: Arc<Stopper>,
}

impl StopHandle {
    pub(crate) fn new(stopper: Arc<Stopper>) -> StopHandle {
        StopHandle { stopper }
    }

    /// Closes the pool: nothing more gets in, what was accepted goes on. Blocks for 100 ms
    /// at most, where the program's logger is stuck. Submitters that wait for room are
    /// refused. On a pool that is closed already it does nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = groundcrew::Pool::new(1)?;
    /// let accepted = pool.submit(|| 7)?;
    /// pool.stop_handle().close();
    /// assert!(pool.submit(|| 8).unwrap_err().is_closed());
    /// assert_eq!(accepted.join()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn close(&self) {
        self.stopper.close();
    }

    /// Closes the pool, waits for it as `plan` says, and returns the report.
    ///
    /// Blocks until everything is done or the plan's deadline has come, and no
    /// longer, whatever the tasks do: workers that still run one are left
    /// behind, and named in the report. After the first stop it returns the
    /// same report at once.
    ///
    /// A zero deadline reports what is there now. Workers that have nothing to do are still
    /// given 5 ms to leave; and a logger that is stuck delays the return by 100 ms.
    pub fn stop(&self, plan: impl Into<StopPlan>) -> StopReport {
        self.stopper.stop(plan.into())
    }

    /// Starts the stop and returns without waiting for it. Blocks for 100 ms at most where
    /// the program's logger is stuck, and for 2 s at most where the system refuses the
    /// thread for it. The next call of [`stop`](Self::stop) returns the report; until then
    /// it is kept in the pool and dropped with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::Pool;
    /// use groundcrew::stop::PoolPhase;
    /// use std::time::Duration;
    ///
    /// let pool = Pool::new(1)?;
    /// let handle = pool.stop_handle();
    /// handle.request_stop(Duration::from_secs(5));
    /// assert!(handle.phase() > PoolPhase::Open);
    /// assert!(pool.stop(Duration::MAX).is_clean());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn request_stop(&self, plan: impl Into<StopPlan>) {
        self.stopper.request_stop(plan.into());
    }

    /// The phase of the stop; [`PoolPhase::Open`] before there is one.
    pub fn phase(&self) -> PoolPhase {
        self.stopper.phase()
    }

    /// A new token below the pool's: cancelled when the stop comes to that phase, as the
    /// tasks' tokens are. Cancelling it does not stop the pool.
    ///
    /// A stop that is over before its grace begins never cancels it: do not wait
    /// on it for the end of the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Pool, StopPlan};
    /// use std::time::Duration;
    ///
    /// let pool = Pool::new(1)?;
    /// let token = pool.stop_handle().token();
    /// pool.execute_with(|ctx| ctx.token().wait())?;
    /// assert!(!token.is_cancelled());
    /// pool.stop(StopPlan::cancel(Duration::from_secs(5)));
    /// assert!(token.is_cancelled());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn token(&self) -> CancelToken {
        self.stopper.queue.token.child()
    }
}

impl fmt::Debug for StopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopHandle")
            .field("pool", &self.stopper.queue.name)
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}
