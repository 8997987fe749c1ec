//! What a program holds to stop a pool.

use super::phase::PoolPhase;
use super::plan::StopPlan;
use super::report::StopReport;
use super::stopper::Stopper;
use crate::cancel::CancelToken;
use crate::sync::Arc;
use std::fmt;

/// Stops a pool, from any thread and any number of times. A clone is the same handle. A handle does
/// not keep the pool open: dropping the pool stops it.
///
/// # Several stops at once
///
/// A pool is stopped once. A second plan that arrives during the stop can only tighten it: the
/// backlog is removed, the tasks are cancelled and the report is made at the earlier of the two
/// times. All calls that are waiting return the same report.
///
/// # From inside a task
///
/// A task may stop its own pool. The stop waits only for the workers that are not themselves inside
/// `stop`. The task, and those below it on its worker's stack, are listed as
/// [`stopping_tasks`](StopReport::stopping_tasks).
///
/// # Examples
///
/// ```
/// use groundcrew::Pool;
/// use std::time::Duration;
///
/// let pool = Pool::new(2)?;
/// let handle = pool.stop_handle();
/// let stopper = std::thread::spawn(move || handle.stop(Duration::from_secs(5)));
/// assert!(stopper.join().unwrap().is_clean());
/// assert!(pool.execute(|| ()).unwrap_err().is_closed());
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone)]
pub struct StopHandle {
    stopper: Arc<Stopper>,
}

impl StopHandle {
    pub(crate) fn new(stopper: Arc<Stopper>) -> StopHandle {
        StopHandle { stopper }
    }

    /// Closes the pool: new tasks are refused, including those that wait for space, and accepted
    /// tasks still run. Has no effect on a closed pool. Blocks for at most 100 ms, if the program's
    /// logger is stuck.
    pub fn close(&self) {
        self.stopper.close();
    }

    /// Closes the pool, waits for it as `plan` says, and returns the report.
    ///
    /// Blocks until everything is done or the plan's deadline has passed, and no longer, whatever
    /// the tasks do. Workers that still run a task are left behind and named in the report. After
    /// the first stop it returns the same report at once.
    ///
    /// With a zero deadline the report shows the current state, except that idle workers are given
    /// 5 ms to exit. A stuck logger delays the return by 100 ms.
    pub fn stop(&self, plan: impl Into<StopPlan>) -> StopReport {
        self.stopper.stop(plan.into())
    }

    /// Starts the stop and returns without waiting for it. The next call of [`stop`](Self::stop)
    /// returns the report; until then the pool keeps it, and drops it when it is dropped. Blocks
    /// for at most 100 ms if the program's logger is stuck, and at most 2 s if the system cannot
    /// start a thread.
    pub fn request_stop(&self, plan: impl Into<StopPlan>) {
        self.stopper.request_stop(plan.into());
    }

    /// Returns the phase of the stop, or [`PoolPhase::Open`] before there is one.
    pub fn phase(&self) -> PoolPhase {
        self.stopper.phase()
    }

    /// Returns a new child of the pool's token, which is cancelled at the same time as the tasks'
    /// tokens. Cancelling it does not stop the pool.
    ///
    /// A stop that ends before its grace period begins never cancels the token, so do not wait on
    /// it for the end of the pool.
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
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn token(&self) -> CancelToken {
        self.stopper.core.token.child()
    }
}

impl fmt::Debug for StopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopHandle")
            .field("pool", &self.stopper.core.name)
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}
